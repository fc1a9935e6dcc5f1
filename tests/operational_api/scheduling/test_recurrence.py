"""How classes repeat: days, rules as text, and wall times across clock changes."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operational_api.scheduling.errors import InvalidRecurrence
from operational_api.scheduling.recurrence import LONGEST, MOST, Recurrence, at_wall_time, parse, starts_of

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 3, 16)


class TestDays:
    @pytest.mark.parametrize(
        ("rule", "days"),
        [
            ("FREQ=WEEKLY;COUNT=3", ["03-16", "03-23", "03-30"]),
            ("FREQ=WEEKLY;INTERVAL=2;UNTIL=20260413", ["03-16", "03-30", "04-13"]),
            ("RRULE:FREQ=WEEKLY;BYDAY=MO,TH;COUNT=4", ["03-16", "03-19", "03-23", "03-26"]),
            # The first day is none of the weekdays: the series begins at the first that is.
            ("FREQ=WEEKLY;BYDAY=SU;COUNT=2", ["03-22", "03-29"]),
            ("freq=weekly;byday=we;interval=2;count=2", ["03-18", "04-01"]),
        ],
    )
    def test_are_those_of_the_rule(self, rule: str, days: list[str]) -> None:
        assert [f"{one:%m-%d}" for one in parse(rule).days(MONDAY)] == days

    @pytest.mark.parametrize(
        "rule",
        [
            "", "FREQ=DAILY;COUNT=3", "FREQ=WEEKLY", "FREQ=WEEKLY;COUNT=3;UNTIL=20270101", "FREQ=WEEKLY;COUNT=0",
            "FREQ=WEEKLY;COUNT=105", "FREQ=WEEKLY;INTERVAL=3;COUNT=2", "FREQ=WEEKLY;BYDAY=XX;COUNT=2",
            "FREQ=WEEKLY;COUNT=many", "FREQ=WEEKLY;UNTIL=soon", "FREQ=WEEKLY;COUNT=2;BYSETPOS=1",
        ],
    )  # fmt: skip
    def test_what_studios_do_not_use_is_refused(self, rule: str) -> None:
        with pytest.raises(InvalidRecurrence):
            parse(rule)

    def test_a_series_without_a_day_or_without_end_is_refused(self) -> None:
        with pytest.raises(InvalidRecurrence):
            Recurrence(until=MONDAY - timedelta(days=1)).days(MONDAY)
        with pytest.raises(InvalidRecurrence):
            Recurrence(weekdays=tuple(range(7)), until=MONDAY + timedelta(days=400)).days(MONDAY)

    @settings(max_examples=60, deadline=None)
    @given(
        interval=st.sampled_from([1, 2]), weekdays=st.sets(st.integers(0, 6), min_size=1),
        count=st.integers(1, MOST), first=st.dates(date(2026, 1, 1), date(2030, 1, 1)),
    )  # fmt: skip
    def test_read_back_and_counted_it_is_the_same(
        self, interval: int, weekdays: set[int], count: int, first: date
    ) -> None:
        rule = Recurrence(interval, tuple(sorted(weekdays)), count=count)
        assert parse(str(rule)) == rule
        days = rule.days(first)
        assert len(days) == count == len(set(days))
        assert days == sorted(days)
        assert {one.weekday() for one in days} <= weekdays
        monday = first - timedelta(days=first.weekday())
        assert {(one - monday).days // 7 % interval for one in days} == {0}


class TestWallTimes:
    def test_are_held_across_the_clock_changes(self) -> None:
        days = Recurrence(count=40).days(MONDAY)
        local = [at_wall_time(day, time(18), BERLIN).astimezone(BERLIN) for day in days]
        assert {one.time() for one in local} == {time(18)}
        assert {one.utcoffset() for one in local} == {timedelta(hours=1), timedelta(hours=2)}

    def test_a_time_that_is_skipped_is_an_hour_later_and_of_two_the_first(self) -> None:
        assert at_wall_time(date(2026, 3, 29), time(2, 30), BERLIN).astimezone(BERLIN).time() == time(3, 30)
        assert f"{at_wall_time(date(2026, 10, 25), time(2, 30), BERLIN):%H:%M}" == "00:30"


class TestEdges:
    def test_the_longest_series_is_the_longest(self) -> None:
        assert len(Recurrence(count=104).days(date(2026, 3, 2))) == 104
        assert len(Recurrence(until=date(2028, 2, 21)).days(date(2026, 3, 2))) == 104
        with pytest.raises(InvalidRecurrence, match="at most 104"):
            Recurrence(until=date(2028, 2, 28)).days(date(2026, 3, 2))
        with pytest.raises(InvalidRecurrence, match="1 to 104"):
            Recurrence(count=105)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({}, "one of the two"),
            ({"count": 1, "until": date(2026, 3, 2)}, "one of the two"),
            ({"count": 1, "interval": 3}, "every week or every second"),
            ({"count": 1, "weekdays": (7,)}, "0, Monday, to 6, Sunday"),
        ],
    )
    def test_what_is_no_rule_says_why(self, given: dict[str, Any], said: str) -> None:
        with pytest.raises(InvalidRecurrence, match=said):
            Recurrence(**given)

    def test_days_before_the_first_and_after_the_last_are_left_out(self) -> None:
        wednesday = date(2026, 3, 4)
        rule = Recurrence(weekdays=(0, 2, 4), until=date(2026, 3, 11))
        assert rule.days(wednesday) == [wednesday, date(2026, 3, 6), date(2026, 3, 9), date(2026, 3, 11)]
        with pytest.raises(InvalidRecurrence, match="No class takes place"):
            Recurrence(weekdays=(0,), until=date(2026, 3, 8)).days(wednesday)

    @pytest.mark.parametrize(
        "rule",
        [
            "FREQ=WEEKLY;COUNT=3",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;COUNT=3",
            "FREQ=WEEKLY;BYDAY=SU;UNTIL=20260401",
        ],
    )
    def test_is_written_as_it_was_read(self, rule: str) -> None:
        assert str(parse(rule)) == rule

    def test_the_day_of_a_moment_is_read(self) -> None:
        assert parse("RRULE:FREQ=WEEKLY;UNTIL=20260401T215959Z").until == date(2026, 4, 1)

    @pytest.mark.parametrize(
        ("rule", "said"), [("FREQ=DAILY;COUNT=1", "Classes repeat weekly"), ("FREQ=WEEKLY;COUNT=x", "no rule")]
    )
    def test_what_cannot_be_read_is_refused(self, rule: str, said: str) -> None:
        with pytest.raises(InvalidRecurrence, match=said):
            parse(rule)


class TestStarts:
    def test_are_at_one_wall_time_on_both_sides_of_a_change_of_clocks(self) -> None:
        found = starts_of("FREQ=WEEKLY;COUNT=3", date(2026, 10, 18), time(18), "Europe/Berlin")
        assert found == [
            datetime(2026, 10, 18, 16, tzinfo=UTC), datetime(2026, 10, 25, 17, tzinfo=UTC),
            datetime(2026, 11, 1, 17, tzinfo=UTC),
        ]  # fmt: skip

    def test_go_on_for_longer_than_a_class_may_be_planned(self) -> None:
        assert len(starts_of(f"FREQ=WEEKLY;COUNT={LONGEST}", date(2026, 1, 5), time(9), "UTC")) == LONGEST > MOST
        with pytest.raises(InvalidRecurrence):
            starts_of(f"FREQ=WEEKLY;COUNT={LONGEST + 1}", date(2026, 1, 5), time(9), "UTC")
