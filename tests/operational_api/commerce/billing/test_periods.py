"""Periods in the customer's calendar: ends of months, leap years and clocks that change."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operational_api.commerce.billing.periods import (
    Period,
    add_months,
    anchor_of,
    day_of,
    days_after,
    first_moment,
    period_at,
    same_hour,
)

DAYS = st.dates(date(2020, 1, 1), date(2040, 12, 31))
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Ho_Chi_Minh", "America/Santiago", "Pacific/Apia", "Asia/Beirut"])


class TestAddMonths:
    @pytest.mark.parametrize(
        ("day", "months", "expected"),
        [
            (date(2026, 1, 31), 1, date(2026, 2, 28)),
            (date(2028, 1, 31), 1, date(2028, 2, 29)),
            (date(2026, 1, 31), 2, date(2026, 3, 31)),
            (date(2026, 11, 30), 3, date(2027, 2, 28)),
            (date(2028, 2, 29), 12, date(2029, 2, 28)),
            (date(2026, 12, 15), 1, date(2027, 1, 15)),
            (date(2026, 3, 31), -1, date(2026, 2, 28)),
        ],
    )
    def test_keeps_the_day_where_the_month_has_it(self, day: date, months: int, expected: date) -> None:
        assert add_months(day, months) == expected


class TestPeriodAt:
    def test_boundaries_return_to_the_anchors_day(self) -> None:
        starts, day = [], date(2026, 1, 31)
        for _ in range(5):
            found = period_at(date(2026, 1, 31), 1, day)
            starts.append(found.starts_on)
            day = found.ends_on
        assert starts == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31)]

    @given(DAYS, st.sampled_from([1, 3, 6, 12]), DAYS)
    def test_every_day_is_in_exactly_one_period(self, anchor: date, months: int, day: date) -> None:
        found = period_at(anchor, months, day)
        assert found.starts_on <= day < found.ends_on
        assert period_at(anchor, months, found.ends_on).starts_on == found.ends_on
        assert period_at(anchor, months, found.starts_on - timedelta(days=1)).ends_on == found.starts_on


class TestAnchorOf:
    @pytest.mark.parametrize(
        ("begun", "ended", "anchor"),
        [
            (datetime(2026, 1, 31, 22, 30, tzinfo=UTC), datetime(2026, 2, 28, 22, 30, tzinfo=UTC), date(2026, 1, 31)),
            (datetime(2026, 2, 28, 11, tzinfo=UTC), datetime(2026, 3, 31, 11, tzinfo=UTC), date(2026, 3, 31)),
            (datetime(2026, 2, 28, 22, 30, tzinfo=UTC), datetime(2026, 3, 31, 22, 30, tzinfo=UTC), date(2026, 3, 31)),
            (datetime(2026, 2, 28, 11, tzinfo=UTC), datetime(2026, 3, 28, 11, tzinfo=UTC), date(2026, 2, 28)),
            (datetime(2026, 3, 15, 22, 30, tzinfo=UTC), datetime(2026, 4, 15, 22, 30, tzinfo=UTC), date(2026, 3, 15)),
        ],
    )
    def test_is_the_end_of_months_also_where_clocks_changed_since(
        self, begun: datetime, ended: datetime, anchor: date
    ) -> None:
        """Begun at 23:30 in Berlin it ends at 0:30 of the next day by then."""
        assert anchor_of(Period(day_of(begun, "Europe/Berlin"), day_of(ended, "Europe/Berlin")), 1) == anchor


class TestFirstMoment:
    @pytest.mark.parametrize(
        ("day", "zone", "expected"),
        [
            (date(2026, 3, 29), "Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC)),
            (date(2026, 3, 30), "Europe/Berlin", datetime(2026, 3, 29, 22, tzinfo=UTC)),  # the 29th had 23 hours
            (date(2026, 10, 26), "Europe/Berlin", datetime(2026, 10, 25, 23, tzinfo=UTC)),  # and the 25th has 25
            (date(2026, 9, 6), "America/Santiago", datetime(2026, 9, 6, 4, tzinfo=UTC)),  # no midnight: 1:00 is first
            (date(2026, 7, 1), "Asia/Ho_Chi_Minh", datetime(2026, 6, 30, 17, tzinfo=UTC)),
        ],
    )
    def test_across_changes_of_the_clock(self, day: date, zone: str, expected: datetime) -> None:
        assert first_moment(day, zone) == expected

    @given(DAYS, ZONES)
    def test_a_day_begins_in_itself_and_not_before(self, day: date, zone: str) -> None:
        moment = first_moment(day, zone)
        assert day_of(moment, zone) == day
        assert day_of(moment - timedelta(seconds=1), zone) < day


class TestSameHour:
    @pytest.mark.parametrize(
        ("day", "expected"),
        [
            (date(2026, 3, 27), datetime(2026, 3, 27, 1, 30, tzinfo=UTC)),
            (date(2026, 3, 29), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # clocks skip 2:30: it is 3:30
            (date(2026, 3, 30), datetime(2026, 3, 30, 0, 30, tzinfo=UTC)),
            (date(2026, 10, 25), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # and show it twice: the first
        ],
    )
    def test_is_what_the_clock_says_there(self, day: date, expected: datetime) -> None:
        assert same_hour(datetime(2026, 3, 1, 1, 30, tzinfo=UTC), day, "Europe/Berlin") == expected

    @given(DAYS, st.integers(0, 400))
    def test_days_later_is_that_many_midnights_later(self, day: date, days: int) -> None:
        assert days_after(day, days).toordinal() == day.toordinal() + days


class TestPeriod:
    def test_used_and_left_are_all_of_it(self) -> None:
        march = Period(date(2026, 3, 1), date(2026, 4, 1))
        assert march.used(date(2026, 3, 11)) == (10, 21)
        assert march.used(date(2026, 2, 1)) == (0, 31)
        assert march.used(date(2026, 5, 1)) == (31, 0)
