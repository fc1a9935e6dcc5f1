"""Names of periods and what they are compared with, by hand on a calendar."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from operational_api.analytics.errors import NotAllowed
from operational_api.analytics.periods import COMPARISONS, NAMES, Period, compared, named, widened, zone

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)  # a Thursday
D = date


class TestNamed:
    @pytest.mark.parametrize(
        ("name", "since", "until"),
        [
            ("today", D(2026, 11, 26), D(2026, 11, 26)),
            ("yesterday", D(2026, 11, 25), D(2026, 11, 25)),
            ("last_30_days", D(2026, 10, 28), D(2026, 11, 26)),
            ("this_week", D(2026, 11, 23), D(2026, 11, 26)),
            ("last_week", D(2026, 11, 16), D(2026, 11, 22)),
            ("this_month", D(2026, 11, 1), D(2026, 11, 26)),
            ("last_month", D(2026, 10, 1), D(2026, 10, 31)),
            ("this_quarter", D(2026, 10, 1), D(2026, 11, 26)),
            ("last_quarter", D(2026, 7, 1), D(2026, 9, 30)),
            ("this_year", D(2026, 1, 1), D(2026, 11, 26)),
            ("last_year", D(2025, 1, 1), D(2025, 12, 31)),
            ("last_12_months", D(2025, 12, 1), D(2026, 11, 26)),
        ],
    )
    def test_are_these_days(self, name: str, since: date, until: date) -> None:
        found = named(name, now=NOON, zone=ZoneInfo("UTC"))
        assert (found.since, found.until) == (since, until)

    def test_begin_when_the_day_begins_where_somebody_is(self) -> None:
        late = datetime(2026, 11, 30, 20, tzinfo=UTC)
        assert named("this_month", now=late, zone=ZoneInfo("Asia/Ho_Chi_Minh")).since == D(2026, 12, 1)
        assert named("this_month", now=late, zone=ZoneInfo("America/New_York")).since == D(2026, 11, 1)

    @pytest.mark.parametrize("name", ["", "last_3_days", "this", "this_decade", "next_month", "last__days"])
    def test_others_are_refused(self, name: str) -> None:
        with pytest.raises(NotAllowed) as refusal:
            named(name, now=NOON, zone=ZoneInfo("UTC"))
        assert refusal.value.extra["allowed"] == list(NAMES)

    @pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", ""])
    def test_zones_that_are_none_are_refused(self, name: str) -> None:
        with pytest.raises(NotAllowed):
            zone(name)


class TestCompared:
    @pytest.mark.parametrize(
        ("name", "comparison", "since", "until"),
        [
            ("last_30_days", "previous_period", D(2026, 9, 28), D(2026, 10, 27)),
            ("this_month", "previous_period", D(2026, 10, 1), D(2026, 10, 26)),
            ("last_month", "previous_period", D(2026, 9, 1), D(2026, 9, 30)),
            ("last_quarter", "previous_period", D(2026, 4, 1), D(2026, 6, 30)),
            ("this_week", "previous_period", D(2026, 11, 16), D(2026, 11, 19)),
            ("this_year", "previous_period", D(2025, 1, 1), D(2025, 11, 26)),
            ("last_month", "same_period_last_year", D(2025, 10, 1), D(2025, 10, 31)),
            ("last_30_days", "same_period_last_year", D(2025, 10, 28), D(2025, 11, 26)),
            ("this_week", "same_period_last_year", D(2025, 11, 24), D(2025, 11, 27)),
        ],
    )
    def test_is_with_these_days(self, name: str, comparison: str, since: date, until: date) -> None:
        found = compared(named(name, now=NOON, zone=ZoneInfo("UTC")), comparison)
        assert (found.since, found.until) == (since, until)

    def test_months_of_different_lengths_are_whole(self) -> None:
        march = Period(D(2024, 3, 1), D(2024, 3, 31), "month")
        february = compared(march, "previous_period")
        assert (february.since, february.until) == (D(2024, 2, 1), D(2024, 2, 29))
        assert compared(february, "same_period_last_year").until == D(2023, 2, 28)

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("comparison", COMPARISONS)
    def test_lies_before_on_every_day_of_two_years(self, name: str, comparison: str) -> None:
        for day in range(0, 730, 3):
            now = datetime.fromordinal(NOON.toordinal() + day).replace(tzinfo=UTC)
            period = named(name, now=now, zone=ZoneInfo("UTC"))
            other = compared(period, comparison)
            assert other.since <= other.until < period.until
            assert other.since < period.since
            assert abs(other.days - period.days) <= 3, "a quarter of 90 days meets one of 92"

    @pytest.mark.parametrize("comparison", COMPARISONS)
    def test_with_what_lies_before_the_calendar_is_refused(self, comparison: str) -> None:
        with pytest.raises(NotAllowed):
            compared(Period(D(1, 1, 1), D(1, 1, 2)), comparison)

    @pytest.mark.parametrize(
        ("since", "until", "grain", "comparison", "told"),
        [  # as days before, March has days in January and February
            (D(2026, 3, 1), D(2026, 3, 31), "month", "previous_period", (D(2026, 2, 1), D(2026, 2, 28))),
            (D(2026, 3, 1), D(2026, 4, 30), "month", "previous_period", (D(2026, 1, 1), D(2026, 2, 28))),
            (D(2026, 10, 28), D(2026, 11, 26), "month", "previous_period", (D(2026, 8, 1), D(2026, 9, 30))),
            (D(2024, 2, 1), D(2024, 2, 29), "month", "same_period_last_year", (D(2023, 2, 1), D(2023, 2, 28))),
            (D(2023, 2, 1), D(2023, 2, 28), "month", "same_period_last_year", (D(2022, 2, 1), D(2022, 2, 28))),
            # six weeks with six, and weeks of a year before with as many
            (D(2026, 11, 1), D(2026, 11, 30), "week", "previous_period", (D(2026, 9, 14), D(2026, 10, 25))),
            (D(2026, 11, 2), D(2026, 11, 29), "week", "same_period_last_year", (D(2025, 11, 3), D(2025, 11, 30))),
        ],
    )
    def test_of_what_is_known_by_week_or_month_is_as_many_of_them(
        self, since: date, until: date, grain: str, comparison: str, told: tuple[date, date]
    ) -> None:
        other = widened(compared(Period(since, until), comparison, grain), grain, NOON.date())
        assert (other.since, other.until) == told

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("comparison", COMPARISONS)
    @pytest.mark.parametrize("grain", ["week", "month"])
    def test_has_never_one_week_or_month_more(self, name: str, comparison: str, grain: str) -> None:
        for day in range(730):
            now = datetime.fromordinal(NOON.toordinal() + day).replace(tzinfo=UTC)
            meant = named(name, now=now, zone=ZoneInfo("UTC"))
            period = widened(meant, grain, now.date())
            other = widened(compared(meant, comparison, grain), grain, now.date())
            assert other.since < period.since
            if grain == "month" and (meant.unit is None or meant.unit in ("day", "week")):
                assert _months(other) == _months(period)
                assert comparison == "same_period_last_year" or other.until < period.since
            elif grain == "week" and meant.unit in (None, "day", "week"):
                assert _weeks(other) == _weeks(period)

    def test_a_number_known_by_month_is_asked_by_month(self) -> None:
        def told(since: date, until: date, grain: str) -> tuple[date, date]:
            found = widened(Period(since, until), grain, NOON.date())
            return found.since, found.until

        assert told(D(2026, 10, 28), D(2026, 11, 26), "month") == (D(2026, 10, 1), D(2026, 11, 26))
        assert told(D(2026, 10, 28), D(2026, 11, 26), "day") == (D(2026, 10, 28), D(2026, 11, 26))
        assert told(D(2026, 3, 1), D(2026, 3, 15), "month") == (D(2026, 3, 1), D(2026, 3, 31))
        assert told(D(2026, 3, 4), D(2026, 3, 4), "week") == (D(2026, 3, 2), D(2026, 3, 8))
        assert told(D(9999, 12, 30), D(9999, 12, 31), "month") == (D(9999, 12, 1), D(9999, 12, 31))


def _months(period: Period) -> int:
    return (period.until.year - period.since.year) * 12 + period.until.month - period.since.month + 1


def _weeks(period: Period) -> int:
    return -(-period.days // 7)
