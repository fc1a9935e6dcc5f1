"""How classes repeat: days, rules as text, and wall times across clock changes."""

from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operational_api.scheduling.errors import InvalidRecurrence
from operational_api.scheduling.recurrence import MOST, Recurrence, at_wall_time, parse

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
