"""From working hours to sessions, without a database: golden days, and what holds for any calendar."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operational_api.scheduling.hours import Rules, Span, WeeklyHours, moment, openings
from operational_api.scheduling.recurrence import at_wall_time
from operational_api.scheduling.terms import Terms

BERLIN, SAIGON = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Ho_Chi_Minh")
HOUR = timedelta(hours=1)
EVER = date(2020, 1, 1)
EVERY_DAY = [WeeklyHours(day, time(9), time(12), EVER) for day in range(7)]
PLAIN = Rules(EVERY_DAY, {})


def of_day(
    day: date, rules: Rules = PLAIN, *, zone: ZoneInfo = BERLIN, length: timedelta = HOUR, terms: Terms | None = None,
    busy: list[Span] | None = None,
) -> list[str]:  # fmt: skip
    """The sessions of a local day, as wall times with their offset."""
    since = datetime.combine(day, time(), tzinfo=zone).astimezone(UTC) - timedelta(seconds=1)
    found = openings(
        rules, busy or [], zone=zone, length=length, terms=terms or Terms(), since=since,
        until=datetime.combine(day, time(23, 59), tzinfo=zone).astimezone(UTC),
    )  # fmt: skip
    return [f"{one.starts_at.astimezone(zone):%H:%M%z}-{one.ends_at.astimezone(zone):%H:%M}" for one in found]


def at(day: date, hour: int, minute: int = 0, *, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.combine(day, time(hour, minute), tzinfo=zone).astimezone(UTC)


SPRING, AUTUMN, PLAIN_DAY = date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 3)
NIGHT = Rules([WeeklyHours(6, time(0), time(5), EVER)], {})


class TestGoldenDays:
    @pytest.mark.parametrize(
        ("day", "zone", "expected"),
        [
            # 02:00 does not exist, and 03:00 is an hour after 01:00 ends.
            (SPRING, BERLIN, ["00:00+0100-01:00", "01:00+0100-03:00", "03:00+0200-04:00", "04:00+0200-05:00"]),
            # 02:00 is there twice, and the first is meant: it ends as the second begins.
            (
                AUTUMN, BERLIN,
                ["00:00+0200-01:00", "01:00+0200-02:00", "02:00+0200-02:00", "03:00+0100-04:00", "04:00+0100-05:00"],
            ),
            (SPRING, SAIGON, [f"0{hour}:00+0700-0{hour + 1}:00" for hour in range(5)]),
            (AUTUMN, SAIGON, [f"0{hour}:00+0700-0{hour + 1}:00" for hour in range(5)]),
        ],
    )  # fmt: skip
    def test_the_nights_on_which_clocks_change(self, day: date, zone: ZoneInfo, expected: list[str]) -> None:
        assert of_day(day, NIGHT, zone=zone) == expected

    def test_the_last_day_is_the_studios_and_not_utcs(self) -> None:
        """Half past midnight in Saigon is the day before in UTC."""
        rules, until = Rules([WeeklyHours(2, time(0), time(1), EVER)], {}), at(date(2026, 3, 4), 0, 30, zone=SAIGON)
        found = openings(rules, [], zone=SAIGON, length=HOUR, terms=Terms(), since=until - HOUR, until=until)
        assert [one.starts_at for one in found] == [at(date(2026, 3, 4), 0, zone=SAIGON)]

    def test_a_long_session_over_the_change_still_takes_its_minutes(self) -> None:
        assert of_day(SPRING, NIGHT, length=2 * HOUR) == ["00:00+0100-03:00"]  # 02:00 is none, 04:00 ends too late
        assert of_day(AUTUMN, NIGHT, length=2 * HOUR) == ["00:00+0200-02:00", "02:00+0200-03:00"]

    @pytest.mark.parametrize(
        ("closes", "length", "expected"),
        [
            # 02:30 does not exist: the studio closes as the clock jumps from 02:00 to 03:00.
            (time(2, 30), 60, ["00:00+0100-01:00", "01:00+0100-03:00"]),
            (time(2, 30), 50, ["00:00+0100-00:50", "00:50+0100-01:40"]),
            (time(2, 30), 75, ["00:00+0100-01:15"]),  # the second would end at 03:30
        ],
    )
    def test_hours_that_end_at_a_time_that_is_skipped_end_as_the_clock_jumps(
        self, closes: time, length: int, expected: list[str]
    ) -> None:
        rules = Rules([WeeklyHours(6, time(0), closes, EVER)], {})
        assert of_day(SPRING, rules, length=timedelta(minutes=length)) == expected

    def test_the_weeks_around_a_change_keep_their_wall_times(self) -> None:
        before, after = of_day(SPRING - timedelta(days=7)), of_day(SPRING + timedelta(days=7))
        assert [one[:5] for one in before] == [one[:5] for one in after] == ["09:00", "10:00", "11:00"]
        assert {one[5:10] for one in before} == {"+0100"}
        assert {one[5:10] for one in after} == {"+0200"}

    def test_buffers_lie_before_and_after_each_session(self) -> None:
        terms = Terms(buffer_before_minutes=10, buffer_after_minutes=5)
        assert of_day(PLAIN_DAY, length=timedelta(minutes=45), terms=terms) == [
            "09:00+0100-09:45", "10:00+0100-10:45", "11:00+0100-11:45",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("busy", "left"),
        [
            ((8, 0, 9, 0), ["10:00", "11:00"]),  # ten minutes are needed before
            ((8, 0, 8, 50), ["09:00", "10:00", "11:00"]),
            ((10, 5, 10, 10), ["09:00", "11:00"]),  # five after 09:45 are kept, the one it hits is not
            ((9, 49, 9, 50), ["10:00", "11:00"]),
            ((9, 50, 9, 50), ["09:00", "10:00", "11:00"]),  # nothing is nothing
            ((0, 0, 23, 0), []),
        ],
    )
    def test_nothing_busy_lies_in_a_session_or_its_buffers(
        self, busy: tuple[int, int, int, int], left: list[str]
    ) -> None:
        terms = Terms(buffer_before_minutes=10, buffer_after_minutes=5)
        span = Span(at(PLAIN_DAY, *busy[:2]), at(PLAIN_DAY, *busy[2:]))
        got = of_day(PLAIN_DAY, length=timedelta(minutes=45), terms=terms, busy=[span, span])
        assert [one[:5] for one in got] == left

    def test_absence_goes_over_exception_over_holiday_over_the_week(self) -> None:
        day = PLAIN_DAY
        hours = {day: [(time(20), time(21)), (time(14), time(15))]}
        assert [one[:5] for one in of_day(day, Rules(EVERY_DAY, hours))] == ["14:00", "20:00"]
        assert of_day(day, Rules(EVERY_DAY, {day: []})) == []
        assert of_day(day, Rules(EVERY_DAY, {}, holidays=frozenset({day}))) == []
        assert len(of_day(day, Rules(EVERY_DAY, hours, holidays=frozenset({day})))) == 2
        assert of_day(day, Rules(EVERY_DAY, hours, away=[(day, day)])) == []
        assert len(of_day(day, Rules(EVERY_DAY, {}, away=[(day + timedelta(days=1), day + timedelta(days=9))]))) == 3

    def test_hours_hold_on_the_days_they_are_valid(self) -> None:
        rules = Rules([WeeklyHours(1, time(9), time(10), PLAIN_DAY, PLAIN_DAY + timedelta(days=7))], {})
        days = [PLAIN_DAY + timedelta(days=7 * week) for week in (-1, 0, 1, 2)]
        assert [len(of_day(day, rules)) for day in days] == [0, 1, 1, 0]

    def test_a_session_as_long_as_the_hours_fits_and_a_longer_one_does_not(self) -> None:
        assert of_day(PLAIN_DAY, length=3 * HOUR) == ["09:00+0100-12:00"]
        assert of_day(PLAIN_DAY, length=3 * HOUR + timedelta(minutes=1)) == []


class TestAnyCalendar:
    @settings(max_examples=60, deadline=None)
    @given(
        zone=st.sampled_from([BERLIN, SAIGON, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")]),
        first=st.dates(date(2026, 1, 1), date(2027, 12, 1)),
        length=st.integers(15, 240),
        before=st.integers(0, 60),
        after=st.integers(0, 60),
        opens=st.integers(0, 22),
        busy=st.lists(st.tuples(st.integers(0, 14 * 24 * 60), st.integers(1, 600)), max_size=12),
    )
    def test_sessions_keep_their_distance_their_length_and_the_hours(
        self, zone: ZoneInfo, first: date, length: int, before: int, after: int, opens: int,
        busy: list[tuple[int, int]],
    ) -> None:  # fmt: skip
        since = datetime.combine(first, time(), tzinfo=UTC)
        rules = Rules([WeeklyHours(day, time(opens), time(23, 59), EVER) for day in range(7)], {})
        taken = [
            Span(since + timedelta(minutes=start), since + timedelta(minutes=start + size)) for start, size in busy
        ]
        terms = Terms(buffer_before_minutes=before, buffer_after_minutes=after)
        until = since + timedelta(days=14)
        found = openings(
            rules, taken, zone=zone, length=timedelta(minutes=length), terms=terms, since=since, until=until
        )
        wide = [one.widened(terms.before, terms.after) for one in found]
        assert all(a.ends_at <= b.starts_at for a, b in pairwise(wide))
        assert not [one for one in wide for other in taken if one.overlaps(other)]
        for one in found:
            assert one.ends_at - one.starts_at == timedelta(minutes=length)
            assert since < one.starts_at <= until
            local, end = one.starts_at.astimezone(zone), one.ends_at.astimezone(zone)
            assert local.time() >= time(opens)
            assert end.replace(tzinfo=None) <= datetime.combine(local.date(), time(23, 59))
            assert rules.have(one, zone)


CHANGES = {
    "Europe/Berlin": [date(2026, 3, 29), date(2026, 10, 25)],
    "America/New_York": [date(2026, 3, 8), date(2026, 11, 1)],
    "America/St_Johns": [date(2026, 3, 8), date(2026, 11, 1)],
    "Australia/Lord_Howe": [date(2026, 4, 5), date(2026, 10, 4)],  # by half an hour
    "Pacific/Chatham": [date(2026, 4, 5), date(2026, 9, 27)],  # at 02:45
    "America/Santiago": [date(2026, 4, 4), date(2026, 4, 5), date(2026, 9, 6)],  # at midnight
    "Africa/Cairo": [date(2026, 4, 24), date(2026, 10, 29), date(2026, 10, 30)],  # at midnight
    "Asia/Kathmandu": [date(2026, 3, 29)],  # never, at +05:45
    "Pacific/Kiritimati": [date(2026, 3, 29)],  # never, at +14
    "Pacific/Pago_Pago": [date(2026, 3, 29)],  # never, at -11
}
"""Days on which the clock changes, of zones that differ in how."""


def promised(day: date, opens: time, closes: time, *, zone: ZoneInfo, length: int, buffer: int) -> list[datetime]:
    """The starts of a day's sessions as a clock on the wall shows them, minute by minute, by nothing but zoneinfo."""
    midnight = datetime.combine(day, time(), tzinfo=UTC)
    ticks = [midnight + timedelta(minutes=n) for n in range(-16 * 60, 40 * 60)]
    shown = [(tick, tick.astimezone(zone).replace(tzinfo=None)) for tick in ticks]
    first: dict[datetime, datetime] = {}
    for tick, wall in shown:
        first.setdefault(wall, tick)
    begin, end = datetime.combine(day, opens), datetime.combine(day, closes)
    opens_at = next(tick for tick, wall in shown if wall >= begin)
    closes_at = next(tick for tick, wall in shown if wall >= end)
    row = [begin + timedelta(minutes=n) for n in range(0, 24 * 60, length + buffer)]
    found: list[datetime] = []
    for wall in row:
        start = first.get(wall)
        if start is None or wall + timedelta(minutes=length) > end:
            continue
        if start < opens_at or start + timedelta(minutes=length) > closes_at:
            continue
        if not found or found[-1] + timedelta(minutes=length + buffer) <= start:
            found.append(start)
    return found


class TestTheOracle:
    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_a_days_sessions_are_those_that_a_clock_on_the_wall_shows(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(CHANGES)))
        zone = ZoneInfo(name)
        day = data.draw(st.sampled_from(CHANGES[name])) + timedelta(days=data.draw(st.sampled_from([0, 0, 0, -1, 1])))
        minutes = st.integers(0, 6 * 4).map(lambda quarter: 15 * quarter)
        opens = data.draw(minutes)
        closes = min(opens + data.draw(minutes) + 15, 24 * 60 - 1)
        length, buffer = data.draw(st.integers(3, 24)) * 5, data.draw(st.sampled_from([0, 0, 5, 20]))
        hours = (time(*divmod(opens, 60)), time(*divmod(closes, 60)))
        found = openings(
            Rules([], {day: [hours]}), [], zone=zone, length=timedelta(minutes=length),
            terms=Terms(buffer_after_minutes=buffer), since=datetime.combine(day, time(), tzinfo=UTC) - 2 * 24 * HOUR,
            until=datetime.combine(day, time(), tzinfo=UTC) + 3 * 24 * HOUR,
        )  # fmt: skip
        assert [one.starts_at for one in found] == promised(day, *hours, zone=zone, length=length, buffer=buffer)
        assert all(Rules([], {day: [hours]}).have(one, zone) for one in found)
        assert not any(Rules([], {day: []}).have(one, zone) for one in found)

    @pytest.mark.parametrize("name", sorted(CHANGES))
    def test_what_recurs_every_week_is_among_what_is_offered_where_the_time_exists(self, name: str) -> None:
        """One rule for sessions by the week and for series: else a series would miss the night of the change."""
        zone = ZoneInfo(name)
        for day in CHANGES[name]:
            for minute in range(0, 24 * 60, 15):
                wall = time(*divmod(minute, 60))
                at = moment(datetime.combine(day, wall), zone)
                series = at_wall_time(day, wall, zone)
                assert at is None or at == series
                assert at is not None or series.astimezone(zone).time() > wall


class TestMoments:
    def test_one_that_spring_skips_is_none_and_of_two_it_is_the_first(self) -> None:
        assert moment(datetime(2026, 3, 29, 2, 30), BERLIN) is None  # noqa: DTZ001 - a wall time
        first = moment(datetime(2026, 10, 25, 2, 30), BERLIN)  # noqa: DTZ001
        assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        assert first.tzinfo is UTC

    def test_spans_that_touch_do_not_overlap(self) -> None:
        first, second = Span(at(PLAIN_DAY, 9), at(PLAIN_DAY, 10)), Span(at(PLAIN_DAY, 10), at(PLAIN_DAY, 11))
        assert not first.overlaps(second)
        assert not second.overlaps(first)
        assert first.overlaps(Span(at(PLAIN_DAY, 9, 59), at(PLAIN_DAY, 12)))

    def test_the_last_moment_asked_for_is_offered_and_the_first_is_not(self) -> None:
        found = openings(
            PLAIN, [], zone=BERLIN, length=HOUR, terms=Terms(), since=at(PLAIN_DAY, 9), until=at(PLAIN_DAY, 11)
        )
        assert [one.starts_at for one in found] == [at(PLAIN_DAY, 10), at(PLAIN_DAY, 11)]
