"""From a coach's own appointments to what can be booked."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from operational_api.scheduling.calendars.models import BusyTime, CalendarPush
from operational_api.scheduling.calendars.port import Changes, Window
from operational_api.scheduling.errors import CoachBusyElsewhere, OnlyForCoaches
from operational_api.scheduling.models import Booking, BookingTerms, Coach
from operational_api.scheduling.service import (
    bookings,
    busy_times,
    holds,
    moves,
    recurring,
    slots,
    timetable,
    waitlist,
)
from operational_api.scheduling.service.calendar_sync import CalendarWorker, apply
from operational_api.scheduling.service.slots import SlotFilter
from operational_api.training.models import Client
from tests.factories import make_booking, make_client, make_coach, make_pack, make_slot
from tests.operational_api.scheduling.calendars.steps import DAY, HOUR, NOW, Connect, Link, due_again, hear, work
from tests.operational_api.scheduling.calendars.worlds import (
    CaldavWorld,
    FeedWorld,
    GoogleWorld,
    GraphWorld,
    weeks_later,
)
from tests.operational_api.statements import heard


@contextmanager
def little_memory() -> Iterator[None]:
    """Nothing in the block may take more than 64 MB at once; the local servers, which run beside it, are in that."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024 * 1024
    finally:
        tracemalloc.stop()


class TestBusy:
    def test_a_busy_time_cannot_be_booked_until_it_is_gone(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        connection = connect(coach.id)
        slot = make_slot(session, coach=coach, starts_at=DAY)
        wanted = slots.SlotFilter(coach_id=coach.id)
        theirs = google.add(DAY + timedelta(minutes=30))
        work(session, worker)
        with pytest.raises(CoachBusyElsewhere):
            bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        assert slots.list_slots(session, wanted, viewer_id=None, now=NOW, limit=9)[0] == []
        assert not any(day.free for day in timetable.free_days(session, wanted, zone="UTC", now=NOW))
        span = (DAY + timedelta(minutes=30), DAY + timedelta(minutes=90))
        assert busy_times.busy_ranges(session, coach.id, DAY, DAY + HOUR) == [span]
        google.move(theirs, DAY + HOUR)  # begins as the session ends
        due_again(session, connection)
        work(session, worker)
        bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)

    def test_a_seat_that_was_kept_is_not_booked_into_it(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        connection = connect(coach.id)
        slot = make_slot(session, coach=coach, starts_at=DAY)
        kept = holds.hold_seat(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        theirs = google.add(DAY)
        work(session, worker)
        with pytest.raises(CoachBusyElsewhere):
            holds.confirm_hold(session, booking_id=kept.id, now=NOW)
        assert kept.status == "held"
        google.move(theirs, DAY + HOUR)
        due_again(session, connection)
        work(session, worker)
        assert holds.confirm_hold(session, booking_id=kept.id, now=NOW).status == "booked"

    def test_nobody_is_moved_into_a_busy_time(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        connect(coach.id)
        slot, other = (make_slot(session, coach=coach, starts_at=DAY + n * HOUR) for n in (0, 3))
        booking = bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        google.add(DAY + 3 * HOUR)
        hear(session)
        work(session, worker)
        with session.begin_nested() as nested:
            with pytest.raises(CoachBusyElsewhere):
                moves.reschedule_booking(session, booking_id=booking.id, slot_id=other.id, now=NOW)
            nested.rollback()
        session.refresh(booking)
        assert booking.status == "booked"

    def test_nobody_is_offered_a_seat_in_a_busy_time_until_it_is_gone(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        connection, slot = connect(coach.id), make_slot(session, coach=coach, starts_at=DAY)
        taken = make_booking(session, slot=slot)
        waitlist.join_waitlist(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        theirs = google.add(DAY)
        work(session, worker)
        bookings.cancel_booking(session, booking_id=taken.id, now=NOW)
        assert [one.status for one in waitlist.waiting(session, slot.id)] == ["waiting"]
        google.remove(theirs)
        due_again(session, connection)
        work(session, worker)
        assert holds.free_seats(session, NOW)[1] == 1

    @pytest.mark.parametrize(("ends", "is_free"), [(-31, True), (-30, True), (-29, False)])
    def test_what_is_nearer_than_the_buffer_is_in_the_way(
        self, session: Session, connect: Connect, coach: Coach, mia: Client, ends: int, is_free: bool
    ) -> None:
        coach.buffer_minutes = 20
        session.add(BookingTerms(kind="one_to_one", buffer_before_minutes=30))
        slot = make_slot(session, coach=coach, starts_at=DAY)
        connection = connect(coach.id)
        for n, (starts_at, ends_at) in enumerate(
            [(DAY - 3 * HOUR, DAY + timedelta(minutes=ends)), (slot.ends_at + timedelta(minutes=20), DAY + 4 * HOUR)]
        ):
            session.add(
                BusyTime(
                    connection_id=connection.id, coach_id=coach.id, external_id=str(n), starts_at=starts_at,
                    ends_at=ends_at,
                )
            )  # fmt: skip
        session.flush()
        shown, _ = slots.list_slots(session, SlotFilter(), viewer_id=None, now=NOW, limit=5)
        assert [one.slot.id for one in shown] == [slot.id] * is_free
        assert busy_times.is_busy(session, slot) is not is_free
        if is_free:
            bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        else:
            with pytest.raises(CoachBusyElsewhere):
                bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)

    def test_touching_spans_are_one(self, session: Session, connect: Connect, coach: Coach) -> None:
        connection = connect(coach.id)
        for n, hours in ((0, 1), (1, 1), (1, 3), (6, 1)):
            session.add(
                BusyTime(
                    connection_id=connection.id, coach_id=coach.id, external_id=f"{n}{hours}",
                    starts_at=DAY + n * HOUR, ends_at=DAY + (n + hours) * HOUR,
                )
            )  # fmt: skip
        session.flush()
        found = busy_times.busy_ranges(session, coach.id, DAY, DAY + 20 * HOUR)
        assert found == [(DAY, DAY + 4 * HOUR), (DAY + 6 * HOUR, DAY + 7 * HOUR)]

    def test_a_cursor_that_is_too_old_reads_all_anew(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach
    ) -> None:
        connection = connect(coach.id)
        gone, kept = google.add(DAY), google.add(DAY + 4 * HOUR)
        work(session, worker)
        google.remove(gone)
        google.forget()
        due_again(session, connection)
        work(session, worker)
        assert session.scalars(select(BusyTime.external_id)).all() == [kept]

    def test_more_may_change_at_once_than_a_statement_has_values(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach
    ) -> None:
        """Whoever deletes a daily series of decades touches each of its days."""
        connection = connect(coach.id)
        gone, kept = google.add(DAY), google.add(DAY + 4 * HOUR)
        work(session, worker)
        touched = frozenset([gone, *(f"{gone}_{number}" for number in range(40_000))])
        window = Window(NOW, NOW + timedelta(days=90))
        apply(
            session, connection.id, Changes([], touched, [], "next", is_full=False), read_from=connection.cursor,
            window=window, now=NOW, next_at=NOW + HOUR,
        )  # fmt: skip
        assert session.scalars(select(BusyTime.external_id)).all() == [kept]
        assert connection.cursor == "next"

    @pytest.mark.parametrize("count", [500, pytest.param(5_000, marks=pytest.mark.drill)])
    @pytest.mark.parametrize("world", ["google", "graph"], indirect=True)
    def test_a_calendar_of_very_many_appointments_is_read_and_read_on(
        self, session: Session, engine: Engine, worker: CalendarWorker, link: Link, world: GoogleWorld | GraphWorld,
        coach: Coach, count: int,
    ) -> None:  # fmt: skip
        """In a statement for each thousand of them, and little more memory than they take."""
        connection = link(coach.id, world)
        world.store.page_size = 250
        ids = [world.add(DAY + number * timedelta(minutes=30)) for number in range(count)]
        with heard(engine) as said, little_memory():
            work(session, worker)
        assert len(said) < 40
        assert session.scalar(select(func.count()).select_from(BusyTime)) == len(ids)
        for one in ids[::2]:
            world.remove(one)
        due_again(session, connection)
        with heard(engine) as said, little_memory():
            work(session, worker)
        assert len(said) < 30
        assert sorted(session.scalars(select(BusyTime.external_id))) == sorted(ids[1::2])

    @pytest.mark.parametrize("count", [500, pytest.param(5_000, marks=pytest.mark.drill)])
    @pytest.mark.parametrize("kind", ["feed", "caldav"])
    def test_a_file_of_very_many_appointments_is_read(
        self, session: Session, engine: Engine, worker: CalendarWorker, connect: Connect, link: Link, coach: Coach,
        feed: FeedWorld, caldav: CaldavWorld, kind: str, count: int,
    ) -> None:  # fmt: skip
        found = [
            f"BEGIN:VEVENT\r\nUID:{n}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:{DAY + n * HOUR / 2:%Y%m%dT%H%M%SZ}\r\n"
            "DURATION:PT30M\r\nEND:VEVENT\r\n"
            for n in range(count)
        ]
        text = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{''.join(found)}END:VCALENDAR\r\n"
        if kind == "feed":
            feed.state["content"] = text.encode()
            connect(coach.id, "feed", calendar_id="f", secret={"url": feed.url}, expires_at=None)
        else:
            caldav.fill(text)
            link(coach.id, caldav)
        with heard(engine) as said, little_memory():
            work(session, worker)
        assert len(said) < 40
        assert session.scalar(select(func.count()).select_from(BusyTime)) == count

    def test_series_are_read_on_before_what_is_known_ends(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach
    ) -> None:
        connection = connect(coach.id)
        work(session, worker)
        first = connection.read_until
        assert first is not None
        connection.read_until = first - timedelta(days=31)
        due_again(session, connection)
        work(session, worker)
        assert connection.read_until is not None
        assert connection.read_until >= first

    def test_a_customers_own_appointments_are_not_read(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, mia: Client
    ) -> None:
        connect(mia.id)
        google.add(DAY)
        work(session, worker)
        assert session.scalars(select(BusyTime)).all() == []
        with pytest.raises(OnlyForCoaches):
            connect(mia.id, "feed", calendar_id="x", secret={"url": "https://a.test"})

    def test_a_subscribed_calendar_that_breaks_keeps_what_was_known(
        self, session: Session, worker: CalendarWorker, connect: Connect, feed: FeedWorld, coach: Coach
    ) -> None:
        feed.add(DAY)
        connection = connect(coach.id, "feed", calendar_id="f", secret={"url": feed.url}, expires_at=None)
        work(session, worker)
        assert busy_times.busy_ranges(session, coach.id, DAY, DAY + HOUR)
        feed.state["content"] = b"<html>sign in</html>"
        due_again(session, connection)
        work(session, worker)
        assert connection.state == "active"
        assert connection.problem == "It does not begin with BEGIN:VCALENDAR."
        assert busy_times.busy_ranges(session, coach.id, DAY, DAY + HOUR)

    def test_caldav_from_end_to_end(
        self, session: Session, worker: CalendarWorker, connect: Connect, caldav: CaldavWorld, coach: Coach, mia: Client
    ) -> None:
        secret = {"url": caldav.url, "username": "ana", "password": "s3cret"}
        connection = connect(coach.id, "caldav", calendar_id=caldav.calendar_id, secret=secret, expires_at=None)
        slot, other = (make_slot(session, coach=coach, starts_at=DAY + n * HOUR) for n in (0, 3))
        bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        caldav.add(DAY + 3 * HOUR)
        hear(session)
        work(session, worker)
        push = session.scalars(select(CalendarPush)).one()
        assert caldav.shows(str(push.external_id)) == ("Personal training with Mia Maier", DAY, False)
        due_again(session, connection)
        work(session, worker)
        spans = busy_times.busy_ranges(session, coach.id, DAY, DAY + 9 * HOUR)
        assert spans == [(other.starts_at, other.ends_at)]


class TestClashes:
    def test_a_booking_stands_whatever_is_read_and_its_coach_is_told_until_one_of_the_two_goes(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        slot, beside, elsewhere = (make_slot(session, coach=coach, starts_at=DAY + n * HOUR) for n in (0, 1, 4))
        other = make_slot(session, coach=make_coach(session), starts_at=DAY)  # somebody else's at that time
        make_booking(session, slot=other)
        booking = bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        make_booking(session, slot=beside)
        connection = connect(coach.id)
        theirs = google.add(DAY)
        for _ in range(2):  # read twice, changed a little in between
            due_again(session, connection)
            work(session, worker)
            session.refresh(booking)
            assert booking.status == "booked"
            assert [one.id for one in busy_times.clashes(session, coach.id, now=NOW)] == [slot.id]
            google.move(theirs, DAY - timedelta(minutes=30))
        assert busy_times.clashes(session, other.coach_id, now=NOW) == []
        assert busy_times.clashes(session, coach.id, now=slot.ends_at) == []
        tom = make_client(session, coach=coach)
        make_pack(session, customer_id=tom.id)
        moves.reschedule_booking(session, booking_id=booking.id, slot_id=elsewhere.id, now=NOW)
        assert busy_times.clashes(session, coach.id, now=NOW) == []
        with pytest.raises(CoachBusyElsewhere):  # the freed seat goes to nobody
            bookings.book_session(session, customer_id=tom.id, slot_id=slot.id, now=NOW)

    def test_of_a_series_the_weeks_that_clash_are_told_and_those_busy_before_are_not_booked(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        weeks = [make_slot(session, coach=coach, starts_at=weeks_later(DAY, week)) for week in range(4)]
        connection = connect(coach.id)
        google.add(weeks[2].starts_at)  # there before
        work(session, worker)
        found = recurring.book_series(session, customer_id=mia.id, slot_id=weeks[0].id, times=4, now=NOW)
        assert [one.starts_at for one in found.bookings] == [weeks[n].starts_at for n in (0, 1, 3)]
        id_ = google.add_series(weeks[0].starts_at)  # there after: its second is skipped, its third two hours later
        hear(session)
        for _ in range(2):
            due_again(session, connection)
            work(session, worker)
            clashing = [one.starts_at for one in busy_times.clashes(session, coach.id, now=NOW)]
            assert clashing == [weeks[0].starts_at, weeks[3].starts_at]
        statuses = session.scalars(select(Booking.status).where(Booking.coach_id == coach.id)).all()
        assert set(statuses) == {"booked"}
        google.remove(id_)
        due_again(session, connection)
        work(session, worker)
        assert busy_times.clashes(session, coach.id, now=NOW) == []


def test_busy_times_are_found_by_their_index(session: Session, connect: Connect, coach: Coach) -> None:
    connection = connect(coach.id)
    session.execute(
        text(
            """insert into scheduling.busy_times (id, connection_id, coach_id, external_id, starts_at, ends_at)
            select gen_random_uuid(), :connection, gen_random_uuid(), n::text, now() + n * interval '1 hour',
                now() + (n + 1) * interval '1 hour' from generate_series(1, 5000) as n"""
        ),
        {"connection": connection.id},
    )
    session.execute(text("analyze scheduling.busy_times"))
    plan = "\n".join(
        session.scalars(
            text(
                """explain select exists (select from scheduling.busy_times where coach_id = :coach
                and tstzrange(starts_at, ends_at) && tstzrange(:since, :until))"""
            ),
            {"coach": coach.id, "since": DAY, "until": DAY + HOUR},
        )
    )
    assert "ix_busy_times_span" in plan
    assert "Seq Scan" not in plan
