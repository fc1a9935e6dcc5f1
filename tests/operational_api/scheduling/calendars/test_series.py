"""From bookings that recur to one event in a calendar, and back from what people do to it there."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.scheduling.calendars import feed as feed_of
from operational_api.scheduling.calendars.models import CalendarPush
from operational_api.scheduling.models import Coach, Slot
from operational_api.scheduling.service import (
    bookings,
    busy_times,
    entries,
    moves,
    recurring,
)
from operational_api.scheduling.service.calendar_sync import CalendarWorker
from operational_api.training.models import Client
from tests.factories import make_coach, make_slot
from tests.operational_api.scheduling.calendars.steps import DAY, HOUR, NOW, Connect, Link, due_again, hear, shown, work
from tests.operational_api.scheduling.calendars.worlds import CaldavWorld, GoogleWorld, World, weeks_later


class TestSeries:
    @pytest.fixture
    def weeks(self, session: Session, coach: Coach, mia: Client) -> recurring.Booked:
        """Three weeks booked of one hour, and the coach's other sessions."""
        for week in range(3):
            make_slot(session, coach=coach, starts_at=weeks_later(DAY, week))
        slot_id = session.scalars(select(Slot.id).where(Slot.starts_at == DAY)).one()
        return recurring.book_series(session, customer_id=mia.id, slot_id=slot_id, times=3, now=NOW)

    def test_is_one_event_for_both_whose_sessions_move_and_go(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach,
        weeks: recurring.Booked,
    ) -> None:  # fmt: skip
        connect(coach.id)
        hear(session)
        work(session, worker)
        (id_,) = google.store.events
        first, second, third = (one.starts_at for one in weeks.bookings)
        assert google.occurrences(id_) == {one: one for one in (first, second, third)}
        later = make_slot(session, coach=coach, starts_at=second + 26 * HOUR)
        moved = moves.reschedule_booking(session, booking_id=weeks.bookings[1].id, slot_id=later.id, now=NOW)
        bookings.cancel_booking(session, booking_id=weeks.bookings[2].id, now=NOW)
        hear(session, backwards=True)
        work(session, worker)
        assert google.occurrences(id_) == {first: first, second: later.starts_at}
        bookings.cancel_booking(session, booking_id=moved.id, now=NOW)
        bookings.cancel_booking(session, booking_id=weeks.bookings[0].id, now=NOW)
        hear(session)
        work(session, worker)
        assert google.occurrences(id_) == {}
        assert google.shows(id_) is None

    def test_one_moved_there_is_put_back_and_one_deleted_stays_away_until_it_changes(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach,
        weeks: recurring.Booked,
    ) -> None:  # fmt: skip
        connection = connect(coach.id)
        hear(session)
        work(session, worker)
        (id_,) = google.store.events
        first, second, third = (one.starts_at for one in weeks.bookings)
        google.remove_one(id_, third)
        google.move_one(id_, second, second + 3 * HOUR)
        due_again(session, connection)
        work(session, worker)
        assert google.occurrences(id_) == {first: first, second: second}
        assert busy_times.busy_ranges(session, coach.id, first, third + 9 * HOUR) == []
        later = make_slot(session, coach=coach, starts_at=third + HOUR)
        moves.reschedule_booking(session, booking_id=weeks.bookings[2].id, slot_id=later.id, now=NOW)
        hear(session)
        work(session, worker)
        assert google.occurrences(id_) == {first: first, second: second, third: later.starts_at}

    @pytest.mark.parametrize("world", ["google", "graph", "caldav", "xandikos"], indirect=True)
    def test_one_moved_as_a_whole_is_put_back_as_a_whole(
        self, session: Session, worker: CalendarWorker, link: Link, world: World, coach: Coach,
        weeks: recurring.Booked,
    ) -> None:  # fmt: skip
        connection = link(coach.id, world)
        hear(session)
        work(session, worker)
        due_again(session, connection)
        work(session, worker)  # our own echo
        push = session.scalars(select(CalendarPush)).one()
        starts = [one.starts_at for one in weeks.bookings]
        world.move_all(str(push.external_id), 2 * HOUR)
        for _ in range(2):
            due_again(session, connection)
            work(session, worker)
        assert world.occurrences(str(push.external_id)) == {one: one for one in starts}
        assert (push.away, push.due_at) == ({}, None)
        assert busy_times.busy_ranges(session, coach.id, starts[0], starts[2] + 9 * HOUR) == []

    @pytest.mark.parametrize("number", [1, 2])
    @pytest.mark.parametrize("by", [timedelta(0), 2 * HOUR, timedelta(days=1)], ids=["renamed", "later", "next day"])
    def test_one_and_all_that_follow_split_off_at_google_are_put_back_and_no_copy_stays(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach,
        weeks: recurring.Booked, number: int, by: timedelta,
    ) -> None:  # fmt: skip
        connection = connect(coach.id)
        hear(session)
        work(session, worker)
        due_again(session, connection)
        work(session, worker)  # our own echo
        (id_,) = google.store.events
        starts = [one.starts_at for one in weeks.bookings]
        wall = starts[number].astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None)
        copy = google.store.split(id_, wall, by)
        assert len(google.occurrences(id_)) == number
        for _ in range(3):
            due_again(session, connection)
            work(session, worker)
        assert google.shows(copy) is None, "a session stands there once"
        assert google.occurrences(id_) == {one: one for one in starts}
        push = session.scalars(select(CalendarPush)).one()
        assert (push.away, push.due_at, push.external_id) == ({}, None, id_), "nobody deleted anything"
        assert busy_times.busy_ranges(session, coach.id, starts[0], starts[2] + 30 * HOUR) == []

    def test_an_event_of_another_series_of_ours_is_no_copy(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach,
        mia: Client, weeks: recurring.Booked,
    ) -> None:  # fmt: skip
        """Of two people who have connected one calendar, both see what the other's sessions are."""
        connection = connect(coach.id)
        connect(mia.id)
        hear(session)
        work(session, worker)
        (id_,) = google.store.events
        other = google.store.events[id_] | {
            "extendedProperties": {"private": {"plyo": "11111111-2222-3333-4444-555555555555@plyo"}}
        }
        theirs = google.store.save("plo" + "1" * 32, other)["id"]
        for _ in range(2):
            due_again(session, connection)
            work(session, worker)
        assert google.shows(theirs) is not None
        assert google.shows(id_) is not None

    @pytest.mark.parametrize("world", ["caldav", "xandikos"], indirect=True)
    def test_one_and_all_that_follow_moved_there_are_put_back(
        self, session: Session, worker: CalendarWorker, link: Link, world: CaldavWorld, coach: Coach,
        weeks: recurring.Booked,
    ) -> None:  # fmt: skip
        connection = link(coach.id, world)
        hear(session)
        work(session, worker)
        push = session.scalars(select(CalendarPush)).one()
        first, second, third = (one.starts_at for one in weeks.bookings)
        world.move_one(str(push.external_id), second, second + 2 * HOUR, range_="THISANDFUTURE")
        assert list(world.occurrences(str(push.external_id)).values())[-1] in (second + 2 * HOUR, third + 2 * HOUR)
        for _ in range(2):
            due_again(session, connection)
            work(session, worker)
        assert world.occurrences(str(push.external_id)) == {one: one for one in (first, second, third)}
        assert push.away == {}

    def test_caldav_hears_of_one_deleted_too(
        self, session: Session, worker: CalendarWorker, connect: Connect, caldav: CaldavWorld, coach: Coach,
        weeks: recurring.Booked,
    ) -> None:  # fmt: skip
        secret = {"url": caldav.url, "username": "ana", "password": "s3cret"}
        connection = connect(coach.id, "caldav", calendar_id=caldav.calendar_id, secret=secret, expires_at=None)
        hear(session)
        work(session, worker)
        push = session.scalars(select(CalendarPush)).one()
        id_, (first, second, third) = str(push.external_id), [one.starts_at for one in weeks.bookings]
        caldav.remove_one(id_, first)
        caldav.move_one(id_, second, second + HOUR)
        due_again(session, connection)
        work(session, worker)
        assert caldav.occurrences(id_) == {second: second, third: third}

    def test_the_feed_and_the_file_have_one_event_whose_uid_stays_and_whose_sequence_grows(
        self, session: Session, coach: Coach, mia: Client, weeks: recurring.Booked
    ) -> None:
        seen = entries.of_feed(session, mia.id, NOW)
        later = make_slot(session, coach=coach, starts_at=weeks.bookings[1].starts_at + HOUR)
        moves.reschedule_booking(session, booking_id=weeks.bookings[1].id, slot_id=later.id, now=NOW)
        hear(session)
        seen += entries.of_feed(session, mia.id, NOW)
        recurring.cancel_following(session, booking_id=weeks.bookings[0].id, now=NOW)
        hear(session)
        seen += entries.of_feed(session, mia.id, NOW)
        assert len(seen) == 3
        assert {one.uid for one in seen} == {seen[0].uid}
        sequences = [one.sequence for one in seen]
        assert sequences == sorted(set(sequences))
        assert [one.is_cancelled for one in seen] == [False, False, True]
        text = feed_of.render(seen[1:2]).decode()
        assert text.count("BEGIN:VEVENT") == 2
        assert "RRULE:FREQ=WEEKLY;COUNT=3" in text
        assert text.count("RECURRENCE-ID") == 1

    def test_one_that_goes_to_another_coach_is_an_event_by_itself(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, mia: Client,
        weeks: recurring.Booked,
    ) -> None:  # fmt: skip
        connect(mia.id)
        hear(session)
        work(session, worker)
        (id_,) = google.store.events
        first, second, third = (one.starts_at for one in weeks.bookings)
        other = make_slot(session, coach=make_coach(session, display_name="Bo"), starts_at=second + HOUR)
        moves.reschedule_booking(session, booking_id=weeks.bookings[1].id, slot_id=other.id, now=NOW)
        hear(session)
        work(session, worker)
        assert google.occurrences(id_) == {first: first, third: third}
        assert ("Personal training with Bo", other.starts_at) in shown(google)
