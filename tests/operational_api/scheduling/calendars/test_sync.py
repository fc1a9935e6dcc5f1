"""From a booking to the calendars of its two people, and from a coach's own appointments to what can be booked."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from contracts.events import registry
from contracts.events.identity import AccountClosed
from contracts.sealing import Sealer
from operational_api.core.database import session_factory
from operational_api.core.models import OutboxEvent
from operational_api.core.viewer import SYSTEM
from operational_api.scheduling import handlers
from operational_api.scheduling.calendars import feed as feed_of
from operational_api.scheduling.calendars.models import BusyTime, CalendarConnection, CalendarPush, CalendarSecret
from operational_api.scheduling.calendars.port import Changes, Window
from operational_api.scheduling.errors import CoachBusyElsewhere, OnlyForCoaches, TooManyCalendars
from operational_api.scheduling.models import Booking, BookingTerms, Coach, Slot
from operational_api.scheduling.service import (
    bookings,
    busy_times,
    connections,
    entries,
    holds,
    moves,
    recurring,
    slots,
    timetable,
    waitlist,
)
from operational_api.scheduling.service.calendar_sync import CalendarWorker, apply
from operational_api.scheduling.service.slots import SlotFilter
from operational_api.scheduling.settings import CalendarSettings
from operational_api.training.models import Client
from tests.factories import make_booking, make_client, make_coach, make_pack, make_slot
from tests.fakes.google_calendar import app as google_app
from tests.operational_api.scheduling.calendars.worlds import CaldavWorld, FeedWorld, GoogleWorld, weeks_later

KEY = "k" * 40
HOUR = timedelta(hours=1)
NOW = datetime.now(UTC)
DAY = (NOW + timedelta(days=3)).replace(hour=9, minute=0, second=0, microsecond=0)


@pytest.fixture
def coach(session: Session) -> Coach:
    return make_coach(session, display_name="Ana")


@pytest.fixture
def mia(session: Session, coach: Coach) -> Client:
    client = make_client(session, coach=coach)
    make_pack(session, customer_id=client.id)
    return client


@pytest.fixture
def worker(session: Session, google: GoogleWorld) -> CalendarWorker:
    sessions = session_factory(session.connection(), viewer=lambda: SYSTEM, join_transaction_mode="create_savepoint")
    settings = CalendarSettings(
        calendar_keys=SecretStr(KEY), calendar_private_networks="127.0.0.0/8",
        calendar_google_client_id=google.grants.client_id,
        calendar_google_client_secret=SecretStr(google.grants.client_secret),
        calendar_google_token_url=f"{google.url}/token", calendar_google_api_url=google.url + google_app.API,
    )  # fmt: skip
    return CalendarWorker(sessions, settings)


Connect = Callable[..., CalendarConnection]


@pytest.fixture
def connect(session: Session, google: GoogleWorld) -> Connect:
    """Connects somebody's Google calendar, or what is given."""

    def make(account_id: UUID, provider: str = "google", **given: Any) -> CalendarConnection:
        told = google.grants.issue()
        secret = {"access_token": str(told["access_token"]), "refresh_token": str(told["refresh_token"])}
        values = {"calendar_id": google.calendar_id, "label": "Work", "secret": secret, "expires_at": NOW + HOUR}
        return connections.connect(
            session, account_id=account_id, provider=provider, sealer=Sealer([KEY]), now=NOW, **values | given
        )

    return make


def hear(session: Session, *, backwards: bool = False) -> None:
    """Hand what the outbox has new to scheduling's own handlers."""
    rows = session.scalars(select(OutboxEvent).where(OutboxEvent.relayed_at.is_(None)).order_by(OutboxEvent.position))
    for row in reversed(rows.all()) if backwards else rows.all():
        event = registry.parse(
            event_type=row.type, version=row.version, event_id=row.event_id, occurred_at=row.occurred_at,
            payload=row.payload,
        )  # fmt: skip
        for handler in handlers.HANDLERS.get(row.type, []):
            handler(session, event)
        row.relayed_at = NOW
    session.flush()


def work(session: Session, worker: CalendarWorker) -> None:
    """Let the worker do all that is due."""
    session.flush()
    for _ in range(30):
        if not worker.run_due():
            session.expire_all()
            return
    raise AssertionError("the worker never comes to an end")


def shown(google: GoogleWorld) -> list[tuple[str, datetime]]:
    """What the calendar shows of ours."""
    found = [google.shows(id_) for id_, one in google.store.events.items() if "extendedProperties" in one]
    return [(one[0], one[1]) for one in found if one]


def due_again(session: Session, connection: CalendarConnection) -> None:
    session.flush()
    connection.next_sync_at = NOW - HOUR
    session.flush()


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

    def test_a_calendar_of_five_thousand_appointments_is_read_and_read_on(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach
    ) -> None:
        connection = connect(coach.id)
        google.store.page_size = 250
        ids = [google.add(DAY + number * timedelta(minutes=30)) for number in range(5_000)]
        work(session, worker)
        assert session.scalar(select(func.count()).select_from(BusyTime)) == len(ids)
        for one in ids[::2]:
            google.remove(one)
        due_again(session, connection)
        work(session, worker)
        assert sorted(session.scalars(select(BusyTime.external_id))) == sorted(ids[1::2])

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


class TestEnding:
    def test_disconnecting_forgets_what_opened_it_and_what_it_brought(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach
    ) -> None:
        connection = connect(coach.id)
        google.add(DAY)
        work(session, worker)
        assert busy_times.busy_ranges(session, coach.id, DAY, DAY + HOUR)
        for _ in range(2):
            connections.disconnect(session, connection.id, now=NOW)
        for table in (BusyTime, CalendarSecret, CalendarPush):
            assert session.scalars(select(table)).all() == []
        assert (connection.state, connection.calendar_id, connection.cursor) == ("ended", "", None)
        told = session.scalars(select(OutboxEvent.type).order_by(OutboxEvent.position)).all()
        assert told == ["scheduling.calendar_connected", "scheduling.calendar_disconnected"]
        assert worker.run_due() is False

    def test_who_closes_their_account_leaves_no_calendar_behind(
        self, session: Session, connect: Connect, mia: Client
    ) -> None:
        connection = connect(mia.id)
        handlers.disconnect_calendars(session, AccountClosed(occurred_at=NOW, account_id=mia.id))
        assert connection.state == "ended"

    def test_a_calendar_that_refuses_us_waits_for_its_owner(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach
    ) -> None:
        google.add(DAY)
        connection = connect(coach.id)
        work(session, worker)
        google.grants.access_tokens.clear()
        due_again(session, connection)
        work(session, worker)
        assert connection.state == "refused"
        assert connection.problem is not None
        assert busy_times.busy_ranges(session, coach.id, DAY, DAY + HOUR)
        assert connect(coach.id).id == connection.id
        work(session, worker)
        assert (connection.state, connection.problem) == ("active", None)

    def test_a_secret_of_another_connection_opens_nothing(
        self, session: Session, worker: CalendarWorker, connect: Connect, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        mine, theirs = connect(coach.id), connect(mia.id)
        rows = {row.connection_id: row for row in session.scalars(select(CalendarSecret))}
        assert b"access_token" not in rows[mine.id].sealed
        rows[mine.id].sealed = rows[theirs.id].sealed
        work(session, worker)
        assert mine.state == "refused"

    def test_ten_calendars_are_enough(self, session: Session, connect: Connect, coach: Coach) -> None:
        for n in range(10):
            connect(coach.id, calendar_id=str(n))
        with pytest.raises(TooManyCalendars):
            connect(coach.id, calendar_id="11")


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
