"""From a booking to the calendars of its two people."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.scheduling.calendars.models import CalendarPush
from operational_api.scheduling.calendars.port import Entry
from operational_api.scheduling.models import Booking, Coach, Location
from operational_api.scheduling.service import (
    bookings,
    busy_times,
    classes,
    entries,
    moves,
)
from operational_api.scheduling.service.calendar_sync import CalendarWorker
from operational_api.training.models import Client
from tests.factories import make_client, make_coach, make_pack, make_slot
from tests.operational_api.scheduling.calendars.steps import DAY, HOUR, NOW, Connect, due_again, hear, shown, work
from tests.operational_api.scheduling.calendars.worlds import GoogleWorld


class TestShowing:
    def test_a_booking_appears_moves_as_one_event_and_goes(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        connect(coach.id)
        first, later = (make_slot(session, coach=coach, starts_at=DAY + n * HOUR) for n in (0, 2))
        booking = bookings.book_session(session, customer_id=mia.id, slot_id=first.id, now=NOW)
        hear(session)
        work(session, worker)
        assert shown(google) == [("Personal training with Mia Maier", DAY)]
        moved = moves.reschedule_booking(session, booking_id=booking.id, slot_id=later.id, now=NOW)
        hear(session)
        work(session, worker)
        assert shown(google) == [("Personal training with Mia Maier", DAY + 2 * HOUR)]
        assert len(google.store.events) == 1
        bookings.cancel_booking(session, booking_id=moved.id, now=NOW)
        hear(session)
        work(session, worker)
        assert shown(google) == []

    def test_an_assistants_calendar_shows_the_class_moves_it_and_loses_it(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach
    ) -> None:
        ben = make_coach(session, location=session.get_one(Location, coach.location_id))
        slot = make_slot(session, coach=coach, starts_at=DAY, capacity=8, title="Mobility")
        connect(ben.id)

        def assign(*ids: UUID) -> None:
            classes.assign_assistants(session, slot_id=slot.id, coach_ids=ids, scope="one", now=NOW)

        assign(ben.id)
        hear(session)
        work(session, worker)
        assert shown(google) == [("Mobility with Ana", DAY)]
        begins = (DAY + 2 * HOUR).astimezone(ZoneInfo("Europe/Berlin")).time()
        plan = classes.ClassPlan("Strength", begins, 60, 8)
        classes.change_classes(session, slot_id=slot.id, plan=plan, scope="one", now=NOW, by=moves.Mover(None, "coach"))
        hear(session)
        work(session, worker)
        assert shown(google) == [("Strength with Ana", DAY + 2 * HOUR)]
        assign()
        hear(session)
        work(session, worker)
        assert shown(google) == []
        assign(ben.id)
        assert [one.entry.title for one in entries.coming(session, ben.id, NOW)] == ["Strength with Ana"]

    def test_what_is_heard_out_of_order_ends_the_same(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        connect(mia.id)
        first, later = (make_slot(session, coach=coach, starts_at=DAY + n * HOUR) for n in (0, 2))
        booking = bookings.book_session(session, customer_id=mia.id, slot_id=first.id, now=NOW)
        hear(session)
        moves.reschedule_booking(session, booking_id=booking.id, slot_id=later.id, now=NOW)
        hear(session, backwards=True)
        work(session, worker)
        assert shown(google) == [("Personal training with Ana", DAY + 2 * HOUR)]
        assert len(google.store.events) == 1

    def test_moving_to_another_coach_takes_it_from_the_first_ones_calendar(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        connect(coach.id)
        first = make_slot(session, coach=coach, starts_at=DAY)
        other = make_slot(session, coach=make_coach(session), starts_at=DAY + HOUR)
        booking = bookings.book_session(session, customer_id=mia.id, slot_id=first.id, now=NOW)
        hear(session)
        work(session, worker)
        moves.reschedule_booking(session, booking_id=booking.id, slot_id=other.id, now=NOW)
        hear(session)
        work(session, worker)
        assert shown(google) == []

    def test_a_class_that_is_longer_or_called_otherwise_is_so_in_everybodys_calendar(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        slot = make_slot(session, coach=coach, starts_at=DAY, capacity=4, title="Mobility")
        for one in (coach.id, mia.id):
            connect(one)
        bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        hear(session)
        work(session, worker)
        (before,), (of_coach,) = (entries.of_feed(session, one, NOW) for one in (mia.id, coach.id))
        zone = ZoneInfo(session.get_one(Location, slot.location_id).time_zone)
        plan = classes.ClassPlan("Strength", DAY.astimezone(zone).time(), 90, 4)
        classes.change_classes(session, slot_id=slot.id, plan=plan, scope="one", now=NOW, by=moves.Mover(None, "coach"))
        hear(session)
        work(session, worker)
        ends = [datetime.fromisoformat(one["end"]["dateTime"]) for one in google.store.events.values()]
        assert sorted(shown(google)) == [("Strength", DAY), ("Strength with Ana", DAY)]
        assert ends == [DAY + 1.5 * HOUR] * 2
        (after,), (for_coach,) = (entries.of_feed(session, one, NOW) for one in (mia.id, coach.id))
        assert after.sequence > before.sequence
        assert for_coach.sequence > of_coach.sequence
        assert (after.changed_at, for_coach.changed_at) == (NOW, NOW)

    def test_a_group_is_one_event_for_its_coach(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        connect(coach.id)
        group = make_slot(session, coach=coach, starts_at=DAY, capacity=4)
        tom = make_client(session, coach=coach)
        make_pack(session, customer_id=tom.id)
        mine = bookings.book_session(session, customer_id=mia.id, slot_id=group.id, now=NOW)
        theirs = bookings.book_session(session, customer_id=tom.id, slot_id=group.id, now=NOW)
        hear(session)
        work(session, worker)
        assert shown(google) == [("Small group", DAY)]
        bookings.cancel_booking(session, booking_id=mine.id, now=NOW)
        hear(session)
        work(session, worker)
        assert shown(google) == [("Small group", DAY)]
        bookings.cancel_booking(session, booking_id=theirs.id, now=NOW)
        hear(session)
        work(session, worker)
        assert shown(google) == []

    def test_connecting_shows_what_is_coming_already_and_twice_is_once(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        slot = make_slot(session, coach=coach, starts_at=DAY)
        bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        assert connect(mia.id).id == connect(mia.id).id
        work(session, worker)
        assert shown(google) == [("Personal training with Ana", DAY)]
        assert not session.scalars(select(CalendarPush).where(CalendarPush.due_at.is_not(None))).all()

    def test_a_server_that_is_down_is_asked_again(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        connect(mia.id)
        slot = make_slot(session, coach=coach, starts_at=DAY)
        bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        hear(session)
        google.store.faults += [(500, ""), (429, "120")]
        work(session, worker)
        push = session.scalars(select(CalendarPush)).one()
        assert (push.attempts, push.last_error is not None, push.pushed_at) == (1, True, None)
        assert push.due_at is not None
        push.due_at = NOW - HOUR
        work(session, worker)  # asked to wait, which is no try
        assert push.attempts == 1
        assert push.due_at is not None
        assert timedelta(seconds=110) < push.due_at - datetime.now(UTC) <= timedelta(seconds=120)
        push.due_at = NOW - HOUR
        work(session, worker)
        assert len(shown(google)) == 1
        assert (push.attempts, push.due_at, push.last_error) == (0, None, None)

    def test_ours_that_was_moved_there_is_put_back(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        connection = connect(coach.id)
        slot = make_slot(session, coach=coach, starts_at=DAY)
        bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        hear(session)
        work(session, worker)
        (id_,) = google.store.events
        google.move(id_, DAY + 5 * HOUR)
        due_again(session, connection)
        work(session, worker)
        assert shown(google) == [("Personal training with Mia Maier", DAY)]
        assert busy_times.busy_ranges(session, coach.id, DAY - HOUR, DAY + 9 * HOUR) == []


class TestEntries:
    def test_a_chain_of_moves_is_one_uid_with_a_growing_sequence(
        self, session: Session, coach: Coach, mia: Client
    ) -> None:
        times = [make_slot(session, coach=coach, starts_at=DAY + n * HOUR) for n in range(4)]
        booking = bookings.book_session(session, customer_id=mia.id, slot_id=times[0].id, now=NOW)
        hear(session)
        seen = [entries.of_booking(session, booking.id, mia.id)]
        current: Booking = booking
        for slot in times[1:]:
            old, current = (
                current,
                moves.reschedule_booking(session, booking_id=current.id, slot_id=slot.id, now=NOW),
            )
            hear(session)
            assert entries.of_booking(session, old.id, mia.id) is None
            seen.append(entries.of_booking(session, current.id, mia.id))
        bookings.cancel_booking(session, booking_id=current.id, now=NOW)
        hear(session)
        seen.append(entries.of_booking(session, current.id, mia.id))
        assert {one.uid for one in seen if one} == {f"{booking.id}@plyo"}
        sequences = [one.sequence for one in seen if one]
        assert sequences == sorted(set(sequences))
        (only,) = entries.of_feed(session, mia.id, NOW)
        assert only.is_cancelled
        assert entries.of_feed(session, mia.id, NOW + timedelta(days=31)) == []

    def test_a_classes_sequence_grows_as_people_stay_away_and_come_again_and_never_shrinks(
        self, session: Session, coach: Coach, mia: Client
    ) -> None:
        day = timedelta(days=1)
        slot = make_slot(session, coach=coach, starts_at=DAY + 60 * day, capacity=8)
        other = make_client(session, coach=coach)
        make_pack(session, customer_id=other.id, now=NOW)

        def seen(at: datetime) -> Entry:
            (found,) = entries.of_feed(session, coach.id, at)
            return found

        told: list[Entry] = []
        for customer_id in (mia.id, other.id):
            booking = bookings.book_session(
                session, customer_id=customer_id, slot_id=slot.id, now=NOW + len(told) * day
            )
            told.append(seen(NOW + len(told) * day))
            bookings.cancel_booking(session, booking_id=booking.id, now=NOW + len(told) * day)
            told.append(seen(NOW + len(told) * day))
        bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW + 5 * day)
        told += [seen(NOW + 5 * day), seen(NOW + 40 * day)]
        assert [one.is_cancelled for one in told] == [False, True, False, True, False, False]
        assert [one.sequence for one in told] == [0, 1, 2, 3, 4, 4]
        assert told[4].changed_at == told[5].changed_at == NOW + 5 * day
        assert entries.of_slot(session, slot.id) == told[5]
