"""What every calendar outside must do, said once and held against each adapter on its server."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from contracts.ids import new_id
from operational_api.scheduling.calendars.errors import CalendarRefused, CalendarThrottled, CursorTooOld
from operational_api.scheduling.calendars.port import Changes, Entry, Window, uid_of
from tests.operational_api.scheduling.calendars.worlds import BERLIN, HOUR, WEEK, World, weeks_later

MONDAY = datetime(2026, 10, 12, 8, tzinfo=UTC)
WINDOW = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
WRITABLE = ["google", "graph", "caldav"]
ALL = [*WRITABLE, "feed"]


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    """The calendar named by the test's parameter."""
    found: World = request.getfixturevalue(request.param)
    return found


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
        try:
            world.throttle()
        except NotImplementedError:
            pytest.skip("Radicale never asks to wait")
        with pytest.raises(CalendarThrottled) as refused:
            read(world, ours)
        assert refused.value.retry_after == 7


@pytest.mark.parametrize("world", WRITABLE, indirect=True)
def test_a_credential_that_counts_no_more_is_told_apart(world: Any) -> None:
    adapter = world.adapter("wrong")
    with pytest.raises(CalendarRefused):
        adapter.put(world.calendar_id, entry(), None)
    with pytest.raises(CalendarRefused):
        adapter.changes(world.calendar_id, None, WINDOW, zone=BERLIN)
    with pytest.raises(CalendarRefused):
        adapter.changes(world.calendar_id, "t1", WINDOW, zone=BERLIN)
    adapter.close()
