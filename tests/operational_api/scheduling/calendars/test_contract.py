"""What every calendar outside must do, said once and held against each adapter on its server."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from contracts.ids import new_id
from operational_api.scheduling.calendars.errors import CalendarRefused, CalendarThrottled, CursorTooOld
from operational_api.scheduling.calendars.port import Busy, Changes, Entry, Occurrence, Pushed, Series, Window, uid_of
from tests.operational_api.scheduling.calendars.worlds import BERLIN, HOUR, WEEK, World, weeks_later

MONDAY = datetime(2026, 10, 12, 8, tzinfo=UTC)
WINDOW = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
WRITABLE = ["google", "graph", "caldav", "xandikos"]
ALL = [*WRITABLE, "feed"]


@pytest.fixture
def ours(world: World) -> Iterator[Any]:
    """Our adapter of it."""
    adapter = world.adapter()
    yield adapter
    adapter.close()


def entry(**given: Any) -> Entry:
    """A booked hour."""
    values = {
        "uid": uid_of(new_id()), "sequence": 0, "title": "Personal training with Ana", "location": "Plyo Kreuzberg",
        "starts_at": MONDAY, "ends_at": MONDAY + HOUR, "time_zone": BERLIN, "changed_at": MONDAY - WEEK,
    }  # fmt: skip
    return Entry(**values | given)


def read(world: World, ours: Any, cursor: str | None = None) -> Changes:
    """What changed."""
    found: Changes = ours.changes(world.calendar_id, cursor, WINDOW, zone=BERLIN)
    return found


def times(changes: Changes) -> list[datetime]:
    """Starts of busy times, in order."""
    return sorted(one.starts_at for one in changes.busy)


@pytest.mark.parametrize("world", WRITABLE, indirect=True)
class TestWriting:
    def test_lists_calendars_that_can_be_written_to(self, world: World, ours: Any) -> None:
        found = ours.calendars()
        assert world.calendar_id in [one.id for one in found if one.is_writable]
        assert found[0].is_primary

    def test_what_was_written_is_found_by_its_uid_as_long_as_it_is_there(self, world: World, ours: Any) -> None:
        for booked in (entry(), weekly(MONDAY, 3)):
            assert ours.find(world.calendar_id, booked.uid) is None
            pushed = ours.put(world.calendar_id, booked, None)
            found = ours.find(world.calendar_id, booked.uid)
            assert found.external_id == pushed.external_id
            ours.cancel(world.calendar_id, found)
            assert world.shows(pushed.external_id) is None
            assert ours.find(world.calendar_id, booked.uid) is None

    def test_a_booking_appears_moves_and_goes(self, world: World, ours: Any) -> None:
        booked = entry()
        pushed = ours.put(world.calendar_id, booked, None)
        assert world.shows(pushed.external_id) == (booked.title, MONDAY, False)
        moved = replace(booked, starts_at=MONDAY + WEEK, ends_at=MONDAY + WEEK + HOUR, sequence=1)
        again = ours.put(world.calendar_id, moved, pushed)
        assert again.external_id == pushed.external_id
        assert again.etag != pushed.etag
        assert world.shows(pushed.external_id) == (booked.title, MONDAY + WEEK, False)
        ours.cancel(world.calendar_id, again)
        assert world.shows(pushed.external_id) is None
        ours.cancel(world.calendar_id, again)

    def test_an_answer_that_was_lost_makes_no_second_event(self, world: World, ours: Any) -> None:
        booked = entry()
        first = ours.put(world.calendar_id, booked, None)
        assert ours.put(world.calendar_id, booked, None).external_id == first.external_id
        assert [one.external_id for one in read(world, ours).own] == [first.external_id]

    def test_ours_wins_where_both_changed_it_and_their_reminder_stays(self, world: World, ours: Any) -> None:
        booked = entry()
        pushed = ours.put(world.calendar_id, booked, None)
        world.move(pushed.external_id, MONDAY + 3 * HOUR)
        world.note(pushed.external_id)
        moved = replace(booked, starts_at=MONDAY + WEEK, ends_at=MONDAY + WEEK + HOUR, sequence=1)
        ours.put(world.calendar_id, moved, pushed)
        assert world.shows(pushed.external_id) == (booked.title, MONDAY + WEEK, True)

    def test_what_they_deleted_comes_back_when_the_booking_changes(self, world: World, ours: Any) -> None:
        booked = entry()
        pushed = ours.put(world.calendar_id, booked, None)
        world.remove(pushed.external_id)
        back = ours.put(world.calendar_id, replace(booked, sequence=1), pushed)
        assert world.shows(back.external_id) == (booked.title, MONDAY, False)

    def test_our_echo_makes_nobody_busy_and_is_told_as_ours(self, world: World, ours: Any) -> None:
        cursor = read(world, ours).cursor
        pushed = ours.put(world.calendar_id, entry(), None)
        seen = read(world, ours, cursor)
        assert seen.busy == []
        (own,) = seen.own
        assert (own.external_id, own.starts_at, own.ends_at) == (pushed.external_id, MONDAY, MONDAY + HOUR)
        world.move(pushed.external_id, MONDAY + HOUR)
        assert [one.starts_at for one in read(world, ours, seen.cursor).own] == [MONDAY + HOUR]

    def test_a_cursor_that_is_too_old_says_so(self, world: World, ours: Any) -> None:
        world.add(MONDAY)
        cursor = read(world, ours).cursor
        world.forget()
        with pytest.raises(CursorTooOld):
            read(world, ours, cursor)
        assert times(read(world, ours)) == [MONDAY]


@pytest.mark.parametrize("world", ALL, indirect=True)
class TestReading:
    def test_what_is_theirs_keeps_them_busy_and_what_is_free_does_not(self, world: World, ours: Any) -> None:
        world.add(MONDAY)
        world.add(MONDAY + 2 * HOUR, is_free=True)
        world.add(MONDAY + 4 * HOUR)
        world.add(MONDAY + timedelta(days=400))
        found = read(world, ours)
        assert found.is_full
        assert times(found) == [MONDAY, MONDAY + 4 * HOUR]
        assert {one.ends_at - one.starts_at for one in found.busy} == {HOUR}

    def test_a_cursor_brings_only_what_changed(self, world: World, ours: Any) -> None:
        kept, moved, gone = world.add(MONDAY), world.add(MONDAY + WEEK), world.add(MONDAY + 2 * WEEK)
        first = read(world, ours)
        assert not read(world, ours, first.cursor).busy
        world.move(moved, MONDAY + 5 * HOUR)
        world.remove(gone)
        later = read(world, ours, first.cursor)
        if later.is_full:  # a feed is read whole
            assert times(later) == [MONDAY, MONDAY + 5 * HOUR]
        else:
            assert times(later) == [MONDAY + 5 * HOUR]
            assert {moved, gone} <= later.touched
            assert kept not in later.touched

    def test_whole_days_are_days_where_the_person_lives(self, world: World, ours: Any) -> None:
        world.add_days(date(2026, 10, 24), 2)  # the clocks go back in the second night
        (found,) = read(world, ours).busy
        assert found.starts_at == datetime(2026, 10, 23, 22, tzinfo=UTC)
        assert found.ends_at == datetime(2026, 10, 25, 23, tzinfo=UTC)

    def test_a_series_with_a_hole_and_an_exception(self, world: World, ours: Any) -> None:
        world.add_series(MONDAY)  # ten o'clock in Berlin, and an hour later in UTC once the clocks go back
        found = times(read(world, ours))
        assert found == [MONDAY, weeks_later(MONDAY, 2) + 2 * HOUR, weeks_later(MONDAY, 3)]
        assert found[-1] == MONDAY + 3 * WEEK + HOUR

    def test_being_asked_to_wait_says_how_long(self, world: World, ours: Any) -> None:
        if not world.can_throttle:
            pytest.skip("that server never asks to wait")
        world.throttle()
        with pytest.raises(CalendarThrottled) as refused:
            read(world, ours)
        assert refused.value.retry_after == 7


@pytest.mark.parametrize("world", WRITABLE, indirect=True)
class TestTheirSeries:
    """What is known after each change is what reading everything anew tells."""

    def after(self, known: list[Busy], changes: Changes) -> list[Busy]:
        kept = [one for one in known if not {one.external_id, one.series_id} & changes.touched]
        return kept + list(changes.busy)

    def test_one_moved_one_gone_those_that_follow_moved_and_all_of_it(self, world: World, ours: Any) -> None:
        id_ = world.add_series(MONDAY)
        first = read(world, ours)
        known, cursor = list(first.busy), first.cursor
        third, fourth = weeks_later(MONDAY, 2) + 2 * HOUR, weeks_later(MONDAY, 3)
        assert sorted(one.starts_at for one in known) == [MONDAY, third, fourth]
        expected = {
            "those that follow": [MONDAY, third, fourth + HOUR, weeks_later(MONDAY, 4) + HOUR],
            "all": [weeks_later(MONDAY + 3 * HOUR, n) for n in (0, 2)] + [fourth + HOUR, weeks_later(MONDAY, 4) + HOUR],
        }
        for what, starts in expected.items():
            if what == "all":
                world.move_all(id_, 3 * HOUR)
            else:
                world.split(id_, 3, HOUR)
            changes = read(world, ours, cursor)
            known, cursor = self.after(known, changes), changes.cursor
            anew = times(read(world, ours))
            assert sorted(one.starts_at for one in known) == anew
            assert set(starts) <= set(anew)
            assert fourth not in anew
        world.remove(id_)
        known = self.after(known, read(world, ours, cursor))
        assert sorted(one.starts_at for one in known) == expected["all"][-2:]


def weekly(first: datetime, weeks: int, *, without: Sequence[int] = (), **given: Any) -> Entry:
    """An hour booked every week on Berlin's clock, but for some weeks."""
    starts = [weeks_later(first, number) for number in range(weeks)]
    shown = [Occurrence(one, one, one + HOUR) for number, one in enumerate(starts) if number not in without]
    series = Series(f"FREQ=WEEKLY;COUNT={weeks}", starts, shown)
    return entry(starts_at=first, ends_at=first + HOUR, series=series, **given)


def elsewhere(booked: Entry, number: int, to: datetime | None) -> Entry:
    """One more change of a series: its occurrence of that number is at another time, or off."""
    assert booked.series is not None
    shown = [
        Occurrence(one.recurs_at, to, to + HOUR) if to and one.recurs_at == booked.series.every[number] else one
        for one in booked.series.shown
        if to or one.recurs_at != booked.series.every[number]
    ]
    series = replace(booked.series, shown=shown)
    return replace(booked, series=series, sequence=booked.sequence + 1)


AUTUMN = MONDAY  # the clocks go back on the second Sunday after it
SPRING = datetime(2027, 3, 15, 9, tzinfo=UTC)  # and forward on the second Sunday after this


@pytest.mark.parametrize("world", [*WRITABLE, "published"], indirect=True)
class TestSeries:
    @pytest.mark.parametrize("first", [AUTUMN, SPRING])
    def test_is_one_event_that_stays_on_the_studios_clock(self, world: World, ours: Any, first: datetime) -> None:
        pushed = ours.put(world.calendar_id, weekly(first, 4, without=[1]), None)
        found = world.occurrences(pushed.external_id)
        assert found == {one: one for one in (weeks_later(first, number) for number in (0, 2, 3))}
        assert weeks_later(first, 3) - first != 3 * WEEK

    def test_one_is_moved_moved_on_and_called_off_and_the_others_stay(self, world: World, ours: Any) -> None:
        booked = weekly(AUTUMN, 4)
        pushed = ours.put(world.calendar_id, booked, None)
        starts = [weeks_later(AUTUMN, number) for number in range(4)]
        for to in (starts[2] + 3 * HOUR, starts[2] - 26 * HOUR, starts[2]):
            booked = elsewhere(booked, 2, to)
            again = ours.put(world.calendar_id, booked, pushed)
            assert again.external_id == pushed.external_id
            assert world.occurrences(pushed.external_id) == {one: one for one in starts} | {starts[2]: to}
            pushed = again
        booked = elsewhere(elsewhere(booked, 1, starts[1] + HOUR), 2, None)
        pushed = ours.put(world.calendar_id, booked, pushed)
        expected = {starts[0]: starts[0], starts[1]: starts[1] + HOUR, starts[3]: starts[3]}
        assert world.occurrences(pushed.external_id) == expected
        assert ours.put(world.calendar_id, booked, pushed).external_id == pushed.external_id
        assert world.occurrences(pushed.external_id) == expected

    def test_grows_by_a_week_as_the_calendar_opens_and_keeps_what_was_moved(self, world: World, ours: Any) -> None:
        pushed, uid = None, uid_of(new_id())
        for weeks in (1, 2, 3, 4):
            booked = replace(weekly(AUTUMN, weeks, uid=uid), sequence=weeks)
            if weeks > 1:
                booked = elsewhere(booked, 1, weeks_later(AUTUMN, 1) + HOUR)
            pushed = ours.put(world.calendar_id, booked, pushed)
            expected = {one: one for one in (weeks_later(AUTUMN, number) for number in range(weeks))}
            if weeks > 1:
                expected[weeks_later(AUTUMN, 1)] = weeks_later(AUTUMN, 1) + HOUR
            assert world.occurrences(pushed.external_id) == expected


def seen_of(changes: Changes, pushed: Pushed) -> dict[datetime, datetime]:
    """What is told of our series, by when its rule has each; of servers that tell what changed only, that."""
    found = {}
    for one in changes.own:
        if one.occurrences is not None:
            found |= {each.recurs_at: each.starts_at for each in one.occurrences}
        elif one.external_id in pushed.occurrences and one.starts_at is not None:
            found[pushed.occurrences[one.external_id]] = one.starts_at
    told = {one.external_id: one.starts_at for one in changes.busy}
    return found | {pushed.occurrences[id_]: at for id_, at in told.items() if id_ in pushed.occurrences}


@pytest.mark.parametrize("world", WRITABLE, indirect=True)
class TestSeriesThere:
    def test_our_series_makes_nobody_busy(self, world: World, ours: Any) -> None:
        cursor = read(world, ours).cursor
        pushed = ours.put(world.calendar_id, weekly(AUTUMN, 4, without=[1]), None)
        seen = read(world, ours, cursor)
        assert [one for one in seen.busy if one.external_id not in pushed.occurrences] == []
        assert seen_of(seen, pushed) == world.occurrences(pushed.external_id)

    def test_an_occurrence_that_they_move_or_delete_is_told(self, world: World, ours: Any) -> None:
        pushed = ours.put(world.calendar_id, weekly(AUTUMN, 4), None)
        cursor, starts = read(world, ours).cursor, [weeks_later(AUTUMN, number) for number in range(4)]
        world.move_one(pushed.external_id, starts[1], starts[1] + 5 * HOUR)
        world.remove_one(pushed.external_id, starts[2])
        later = read(world, ours, cursor)
        seen = seen_of(later, pushed)
        assert seen[starts[1]] == starts[1] + 5 * HOUR
        assert starts[2] not in seen
        by_id = {one: id_ for id_, one in pushed.occurrences.items()}
        assert later.touched >= ({by_id[starts[1]], by_id[starts[2]]} if by_id else {pushed.external_id})

    def test_one_that_goes_on_for_years_is_told_to_its_last_session(self, world: World, ours: Any) -> None:
        pushed = ours.put(world.calendar_id, weekly(weeks_later(AUTUMN, -168), 170), None)
        starts = [weeks_later(AUTUMN, number) for number in range(2)]
        seen = seen_of(read(world, ours), pushed)
        assert [seen.get(one) for one in starts] == starts

    def test_ours_wins_in_an_occurrence_and_one_that_they_deleted_can_come_back(self, world: World, ours: Any) -> None:
        booked = weekly(AUTUMN, 3)
        pushed = ours.put(world.calendar_id, booked, None)
        starts = [weeks_later(AUTUMN, number) for number in range(3)]
        world.move_one(pushed.external_id, starts[1], starts[1] + 5 * HOUR)
        world.remove_one(pushed.external_id, starts[2])
        back = ours.put(world.calendar_id, elsewhere(booked, 2, starts[2] + HOUR), pushed)
        expected = {one: one for one in starts[:2]} | {starts[2]: starts[2] + HOUR}
        assert world.occurrences(back.external_id) == expected
        ours.cancel(world.calendar_id, back)
        assert read(world, ours).busy == []
        assert read(world, ours).own == []

    def test_their_reminder_stays_on_a_series(self, world: World, ours: Any) -> None:
        booked = weekly(AUTUMN, 3)
        pushed = ours.put(world.calendar_id, booked, None)
        world.note(pushed.external_id)
        again = ours.put(world.calendar_id, elsewhere(booked, 1, weeks_later(AUTUMN, 1) + HOUR), pushed)
        shown = world.shows(again.external_id)
        assert shown is not None
        assert shown[2]


@pytest.mark.parametrize("world", WRITABLE, indirect=True)
def test_a_credential_that_counts_no_more_is_told_apart(world: Any) -> None:
    if not getattr(world, "has_passwords", True):
        pytest.skip("that server has no passwords: a proxy before it would")
    with closing(world.adapter()) as adapter:
        cursor = read(world, adapter).cursor
    with closing(world.adapter("wrong")) as adapter:
        with pytest.raises(CalendarRefused):
            adapter.put(world.calendar_id, entry(), None)
        with pytest.raises(CalendarRefused):
            read(world, adapter)
        with pytest.raises(CalendarRefused):
            read(world, adapter, cursor)
