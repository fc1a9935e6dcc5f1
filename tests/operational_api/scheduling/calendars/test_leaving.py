"""Leaving a calendar: what we wrote is taken out, then what opened it is given back and forgotten."""

import signal
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, select, update
from sqlalchemy.orm import Session

from contracts.events.identity import AccountClosed
from contracts.sealing import Sealer
from operational_api.core.database import session_factory
from operational_api.core.models import OutboxEvent
from operational_api.core.viewer import SYSTEM
from operational_api.scheduling import handlers
from operational_api.scheduling.calendars.models import BusyTime, CalendarConnection, CalendarPush, CalendarSecret
from operational_api.scheduling.calendars.port import Window
from operational_api.scheduling.errors import TooManyCalendars
from operational_api.scheduling.models import Booking, Coach
from operational_api.scheduling.service import bookings, busy_times, connections, moves, pushes, recurring
from operational_api.scheduling.service.calendar_sync import CalendarWorker
from operational_api.training.models import Client
from tests.conftest import sqlalchemy_url
from tests.factories import make_booking, make_coach, make_slot
from tests.operational_api.scheduling.calendars.steps import (
    DAY,
    HOUR,
    KEY,
    NOW,
    Connect,
    Link,
    due_again,
    hear,
    settings_of,
    shown,
    work,
    work_until_killed,
)
from tests.operational_api.scheduling.calendars.worlds import (
    GoogleWorld,
    GraphWorld,
    World,
    weeks_later,
)


@pytest.fixture
def sessions_of_ana(session: Session, coach: Coach, mia: Client) -> list[Booking]:
    """An hour, a series of which one was moved, and a group's; then nothing of it was told to anybody yet."""
    single = make_slot(session, coach=coach, starts_at=DAY + 6 * HOUR)
    group = make_slot(session, coach=coach, starts_at=DAY + 30 * HOUR, capacity=4)
    weeks = [make_slot(session, coach=coach, starts_at=weeks_later(DAY, week)) for week in range(3)]
    elsewhere = make_slot(session, coach=coach, starts_at=weeks_later(DAY, 1) + 3 * HOUR)
    booked = [bookings.book_session(session, customer_id=mia.id, slot_id=one.id, now=NOW) for one in (single, group)]
    recurs = recurring.book_series(session, customer_id=mia.id, slot_id=weeks[0].id, times=3, now=NOW).bookings
    moves.reschedule_booking(session, booking_id=recurs[1].id, slot_id=elsewhere.id, now=NOW)
    return [*booked, *recurs]


def ours_in(world: World) -> int:
    """How many events of ours lie in a calendar."""
    with closing(world.adapter()) as adapter:
        window = Window(NOW - timedelta(days=9), NOW + timedelta(days=60))
        return len(adapter.changes(world.calendar_id, None, window, zone="UTC").own)


def told(session: Session) -> list[tuple[str, int | None]]:
    """What left of calendars' coming and going, and how much stayed behind."""
    rows = session.scalars(select(OutboxEvent).order_by(OutboxEvent.position))
    return [
        (one.type.removeprefix("scheduling.calendar_"), one.payload.get("left_behind"))
        for one in rows if one.type.startswith("scheduling.calendar_")
    ]  # fmt: skip


class TestLeaving:
    @pytest.mark.parametrize("world", ["google", "graph", "caldav", "xandikos"], indirect=True)
    def test_takes_out_all_that_is_ours_and_nothing_else(
        self, session: Session, worker: CalendarWorker, link: Link, world: World, coach: Coach,
        sessions_of_ana: list[Booking],
    ) -> None:  # fmt: skip
        theirs = world.add(DAY + 9 * HOUR)
        connection = link(coach.id, world)
        hear(session)
        work(session, worker)
        ids = session.scalars(select(CalendarPush.external_id)).all()
        assert len(ids) == 3
        assert all(world.shows(str(one)) for one in ids)
        assert busy_times.busy_ranges(session, coach.id, DAY, DAY + 20 * HOUR)
        world.note(str(ids[0]))
        for _ in range(2):
            connections.disconnect(session, connection.id, now=NOW)
        assert connection.state == "leaving"
        assert session.scalars(select(CalendarSecret)).all() != []
        assert busy_times.busy_ranges(session, coach.id, DAY, DAY + 20 * HOUR) == []
        work(session, worker)
        assert [world.shows(str(one)) for one in ids] == [None] * 3
        assert ours_in(world) == 0
        assert world.shows(theirs) is not None
        for table in (BusyTime, CalendarSecret, CalendarPush):
            assert session.scalars(select(table)).all() == []
        assert (connection.state, connection.calendar_id, connection.left_behind) == ("ended", "", 0)
        assert told(session) == [("connected", None), ("disconnected", 0)]
        assert worker.run_due() is False

    def test_leave_is_given_back_last(
        self, session: Session, worker: CalendarWorker, link: Link, google: GoogleWorld, coach: Coach,
        sessions_of_ana: list[Booking],
    ) -> None:  # fmt: skip
        connection = link(coach.id, google)
        hear(session)
        work(session, worker)
        connections.disconnect(session, connection.id, now=NOW)
        for _ in range(3):
            assert google.grants.revoked == []
            assert worker.push_next()
            assert shown(google) or worker.leave_next()
        assert len(google.grants.revoked) == 1
        assert shown(google) == []

    def test_a_server_that_is_down_is_asked_again_until_the_last_day_and_what_stayed_is_told(
        self, session: Session, worker: CalendarWorker, link: Link, google: GoogleWorld, coach: Coach,
        sessions_of_ana: list[Booking],
    ) -> None:  # fmt: skip
        connection = link(coach.id, google)
        hear(session)
        work(session, worker)
        connections.disconnect(session, connection.id, now=NOW)
        google.store.faults += [(500, ""), (503, "120")]
        work(session, worker)
        rows = session.scalars(select(CalendarPush)).all()
        assert [one.attempts for one in rows].count(1) == 1
        assert min(one.due_at for one in rows if one.due_at) > NOW
        assert connection.problem is not None
        (seen,) = connections.shown(session, coach.id, NOW)
        assert (seen.row.state, seen.remaining) == ("leaving", 3)
        for one in rows:
            one.due_at, one.attempts = NOW, 500  # no try is the last one as long as there is time
        google.store.faults += [(500, "")] * 2
        work(session, worker)
        assert len(shown(google)) == 2
        assert all(one.due_at for one in session.scalars(select(CalendarPush)))
        connection.leaves_by = connection.next_sync_at = NOW
        work(session, worker)
        assert (connection.state, connection.left_behind) == ("ended", 2)
        assert session.scalars(select(CalendarSecret)).all() == []
        assert len(google.grants.revoked) == 1
        assert told(session)[-1] == ("disconnected", 2)
        assert [one.remaining for one in connections.shown(session, coach.id, NOW)] == [2]
        assert connections.shown(session, coach.id, datetime.now(UTC) + timedelta(days=31)) == []

    def test_one_that_lets_us_in_no_longer_keeps_what_it_has(
        self, session: Session, worker: CalendarWorker, link: Link, google: GoogleWorld, coach: Coach,
        sessions_of_ana: list[Booking],
    ) -> None:  # fmt: skip
        connection = link(coach.id, google)
        hear(session)
        work(session, worker)
        google.grants.access_tokens.clear()
        connections.disconnect(session, connection.id, now=NOW)
        work(session, worker)
        assert (connection.state, connection.left_behind) == ("ended", 3)

    def test_at_once_asks_nobody(
        self, session: Session, worker: CalendarWorker, link: Link, google: GoogleWorld, coach: Coach,
        sessions_of_ana: list[Booking],
    ) -> None:  # fmt: skip
        connection = link(coach.id, google)
        hear(session)
        work(session, worker)
        google.store.faults += [(500, "")] * 9
        for within in (connections.LEAVES_WITHIN, timedelta()):
            connections.disconnect(session, connection.id, within=within, now=NOW)
        work(session, worker)
        assert connection.state == "ended"
        assert connection.left_behind > 0
        assert len(google.grants.revoked) == 1

    @pytest.mark.parametrize("world", ["google", "graph", "caldav", "xandikos"], indirect=True)
    def test_what_was_written_and_never_heard_of_is_found(
        self, session: Session, worker: CalendarWorker, link: Link, world: World, coach: Coach,
        sessions_of_ana: list[Booking],
    ) -> None:  # fmt: skip
        """Whoever wrote it died before the answer was noted."""
        connection = link(coach.id, world)
        hear(session)
        work(session, worker)
        for one in session.scalars(select(CalendarPush)):
            one.external_id, one.etag, one.occurrences, one.pushed_at = None, None, {}, None
            one.due_at = datetime.now(UTC) + HOUR  # in hand
        connections.disconnect(session, connection.id, now=datetime.now(UTC))
        assert worker.push_next() is False
        for one in session.scalars(select(CalendarPush)):
            assert one.due_at is not None
            assert timedelta() < one.due_at - datetime.now(UTC) <= pushes.LEASE
            one.due_at = NOW
        work(session, worker)
        assert ours_in(world) == 0
        assert connection.state == "ended"

    def test_a_booking_cancelled_before_its_writing_was_noted_goes_too(
        self, session: Session, worker: CalendarWorker, link: Link, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        link(coach.id, google)
        slot = make_slot(session, coach=coach, starts_at=DAY)
        booking = bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        hear(session)
        work(session, worker)
        push = session.scalars(select(CalendarPush)).one()
        push.external_id, push.etag = None, None
        bookings.cancel_booking(session, booking_id=booking.id, now=NOW)
        hear(session)
        work(session, worker)
        assert shown(google) == []

    def test_an_answer_that_comes_after_leaving_began_says_where_the_event_is(
        self, session: Session, worker: CalendarWorker, link: Link, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        connection = link(coach.id, google)
        slot = make_slot(session, coach=coach, starts_at=DAY)
        bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        hear(session)
        due = pushes.take_next(session, datetime.now(UTC))
        assert due is not None
        assert due.entry is not None
        connections.disconnect(session, connection.id, now=datetime.now(UTC))
        with closing(google.adapter()) as adapter:
            pushes.done(session, due, adapter.put(google.calendar_id, due.entry, None), now=datetime.now(UTC))
        assert len(shown(google)) == 1
        work(session, worker)
        assert shown(google) == []
        assert connection.state == "ended"

    def test_connected_again_meanwhile_it_shows_everything_again(
        self, session: Session, worker: CalendarWorker, link: Link, google: GoogleWorld, coach: Coach,
        sessions_of_ana: list[Booking],
    ) -> None:  # fmt: skip
        connection = link(coach.id, google)
        hear(session)
        work(session, worker)
        before = sorted(shown(google))
        connections.disconnect(session, connection.id, now=NOW)
        assert worker.push_next()
        assert len(shown(google)) < len(before)
        assert link(coach.id, google).id == connection.id
        work(session, worker)
        assert sorted(shown(google)) == before
        assert connection.state == "active"
        assert told(session) == [("connected", None)]

    def test_what_is_booked_meanwhile_is_not_shown_there(
        self, session: Session, worker: CalendarWorker, link: Link, google: GoogleWorld, coach: Coach, mia: Client
    ) -> None:
        connection = link(coach.id, google)
        connections.disconnect(session, connection.id, now=NOW)
        slot = make_slot(session, coach=coach, starts_at=DAY)
        bookings.book_session(session, customer_id=mia.id, slot_id=slot.id, now=NOW)
        hear(session)
        assert session.scalars(select(CalendarPush)).all() == []

    def test_who_closes_their_account_leaves_no_calendar_behind(
        self, session: Session, worker: CalendarWorker, link: Link, google: GoogleWorld, mia: Client,
        sessions_of_ana: list[Booking],
    ) -> None:  # fmt: skip
        connection = link(mia.id, google)
        hear(session)
        work(session, worker)
        assert shown(google)
        handlers.disconnect_calendars(session, AccountClosed(occurred_at=NOW, account_id=mia.id))
        assert (connection.state, connection.label) == ("leaving", "")
        assert connection.leaves_by == NOW + connections.CLOSED_WITHIN
        work(session, worker)
        assert shown(google) == []
        assert (connection.state, connection.calendar_id) == ("ended", "")

    def test_a_subscribed_calendar_has_nothing_of_ours_and_ends_at_once(
        self, session: Session, connect: Connect, coach: Coach
    ) -> None:
        connection = connect(coach.id, "feed", calendar_id="x", secret={"url": "https://a.test"}, expires_at=None)
        connections.disconnect(session, connection.id, now=NOW)
        assert connection.state == "ended"
        assert session.scalars(select(CalendarSecret)).all() == []


@pytest.mark.parametrize("failpoint", ["calendars.before_note", "calendars.before_note@2", "calendars.before_end"])
def test_a_worker_that_is_killed_while_leaving_is_followed_by_another(
    fresh_database: Callable[[], str], google: GoogleWorld, graph: GraphWorld, failpoint: str
) -> None:
    url = sqlalchemy_url(fresh_database())
    engine = create_engine(url)
    sessions = session_factory(engine, viewer=lambda: SYSTEM)
    settings = settings_of(google, graph)
    granted = google.grants.issue()
    with sessions.begin() as session:
        coach = make_coach(session)
        for hour in range(3):
            make_booking(session, slot=make_slot(session, coach=coach, starts_at=DAY + hour * HOUR))
        id_ = connections.connect(
            session, account_id=coach.id, provider="google", calendar_id=google.calendar_id, label="", now=NOW,
            secret={one: str(granted[one]) for one in ("access_token", "refresh_token")}, expires_at=NOW + HOUR,
            sealer=Sealer([KEY]),
        ).id  # fmt: skip
    while CalendarWorker(sessions, settings).run_due():
        pass
    assert len(shown(google)) == 3
    with sessions.begin() as session:
        connections.disconnect(session, id_, now=NOW)
    given = settings.model_dump(include={one for one in type(settings).model_fields if one.startswith("calendar_")})
    environment = {
        f"PLYO_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in given.items()
    }
    victim = get_context("spawn").Process(target=work_until_killed, args=(url, environment, failpoint))
    victim.start()
    victim.join(60)
    assert victim.exitcode == -signal.SIGKILL
    with sessions.begin() as session:  # its leases are over
        assert session.get_one(CalendarConnection, id_).state == "leaving"
        session.get_one(CalendarConnection, id_).next_sync_at = NOW
        session.execute(update(CalendarPush).values(due_at=NOW))
    while CalendarWorker(sessions, settings).run_due():
        pass
    assert shown(google) == []
    with sessions.begin() as session:
        row = session.get_one(CalendarConnection, id_)
        assert (row.state, row.left_behind) == ("ended", 0)
        assert session.scalars(select(CalendarSecret)).all() == []
        assert told(session) == [("connected", None), ("disconnected", 0)]
    assert set(google.grants.revoked) == {granted["refresh_token"]}
    engine.dispose()


class TestRefusing:
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
