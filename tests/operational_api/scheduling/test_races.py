"""Many callers at once over HTTP: the real app in a server of its own, the real database, the real pool of connections.

Of all who race one wins, the others are told why, nobody waits for ever, and the database had to break no circle of
those who wait for each other. Twenty race with every test, two hundred in `make drill`.
"""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session, sessionmaker

from operational_api.commerce.models import SessionPack
from operational_api.core.errors import DomainError
from operational_api.identity.models import Account
from operational_api.scheduling.calendars.models import BusyTime, CalendarConnection
from operational_api.scheduling.calendars.port import Busy, Changes, Window
from operational_api.scheduling.models import Booking, Resource, SessionSeries, Slot, WaitlistEntry
from operational_api.scheduling.service import bookings, calendar_sync, continuing, days_off, holds, openings, waitlist
from plyo.postgres import PostgresServer
from tests.factories import (
    make_account,
    make_availability,
    make_booking,
    make_coach,
    make_pack,
    make_plan,
    make_slot,
    make_subscription,
)
from tests.operational_api.conftest import ISSUER, access_token

BERLIN = ZoneInfo("Europe/Berlin")
SOON = (datetime.now(UTC) + timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
WEEK = timedelta(weeks=1)
MOST_TRIES = 12
"""Of a caller whom a busy server asks to come back, as it does after ten seconds at the door (`core.admission`)."""
CALLERS = pytest.mark.parametrize("callers", [20, pytest.param(200, marks=pytest.mark.drill)])


class Server:
    """The app behind a port. `race` sends requests at the same time and counts the answers by status and code.

    Who is told to come back does so when they were told to: how many are depends on the machine, what comes of it not.
    """

    def __init__(self, app: FastAPI, port: int) -> None:
        self.app, self.url = app, f"http://127.0.0.1:{port}"
        self.sessions: sessionmaker[Session] = app.state.sessions

    def race(self, calls: list[tuple[Account, str, dict[str, Any]]]) -> Counter[str]:
        tokens = [access_token(self.app, account) for account, _, _ in calls]
        start = threading.Barrier(len(calls))
        limits = httpx.Limits(max_connections=None)
        with httpx.Client(base_url=self.url, timeout=25, limits=limits) as client:

            def ask(number: int) -> str:
                _, path, body = calls[number]
                start.wait()
                headers = {"Authorization": f"Bearer {tokens[number]}", "Host": ISSUER.partition("//")[2]}
                for _ in range(MOST_TRIES):
                    answer = client.post(path, json=body, headers=headers)
                    if answer.status_code != 503 or answer.json()["code"] != "core.busy":
                        break
                    time.sleep(float(answer.headers["Retry-After"]))
                told = "" if answer.is_success else f" {answer.json()['code']}"
                return f"{answer.status_code}{told}"

            with ThreadPoolExecutor(len(calls)) as pool:
                return Counter(pool.map(ask, range(len(calls))))


@pytest.fixture(scope="module")
def server(
    postgres: PostgresServer, template_database: str, serve_app: Callable[[str], FastAPI]
) -> Iterator[Server]:  # fmt: skip
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database plyo_races template {template_database}")
    app = serve_app(postgres.url("plyo_races"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        served = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on", backlog=1024))
        thread = threading.Thread(target=served.run, kwargs={"sockets": [listener]})
        thread.start()
        while not served.started:
            time.sleep(0.01)
        yield Server(app, listener.getsockname()[1])
        served.should_exit = True
        thread.join()
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        counted = "select deadlocks from pg_stat_database where datname = 'plyo_races'"
        gone = "select count(*) from pg_stat_activity where datname = 'plyo_races'"
        while connection.execute(gone).fetchone() != (0,):  # what a connection counted is told when it ends
            time.sleep(0.01)
        deadlocks = connection.execute(counted).fetchone()
        connection.execute("drop database plyo_races with (force)")
    assert deadlocks == (0,)


def together(sessions: sessionmaker[Session], *work: Callable[[Session], object]) -> None:
    """What workers do at the same time, each in a transaction of its own."""
    start = threading.Barrier(len(work))

    def do(one: Callable[[Session], object]) -> None:
        start.wait()
        with sessions.begin() as session:
            one(session)

    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(do, one) for one in work]:
            done.result(timeout=60)


def seats_of(server: Server, slot_ids: Sequence[UUID]) -> Counter[UUID]:
    """How many hold a seat of each slot."""
    with server.sessions() as session:
        held = select(Booking.slot_id).where(Booking.slot_id.in_(slot_ids), Booking.status.in_(("held", "booked")))
        return Counter(session.scalars(held))


def members(session: Session, count: int) -> list[Account]:
    people = [make_account(session) for _ in range(count)]
    for one in people:
        make_subscription(session, customer_id=one.id)
    return people


def apart(number: int) -> datetime:
    """Hours of one month of Berlin, none of which overlaps another."""
    month = (SOON.replace(day=10) + timedelta(days=31)).replace(day=10)
    return month + timedelta(hours=2 * number)


@CALLERS
@pytest.mark.asvs("2.3.4")
def test_of_all_who_book_the_last_seat_one_gets_it(server: Server, callers: int) -> None:
    with server.sessions.begin() as session:
        slot_id, people = make_slot(session, starts_at=SOON).id, members(session, callers)
    body = {"slot_id": str(slot_id)}
    answers = server.race([(one, "/api/scheduling/bookings", body) for one in people])
    assert answers == {"201": 1, "409 scheduling.slot_taken": callers - 1}


@CALLERS
def test_of_all_who_hold_the_last_seat_one_gets_it(server: Server, callers: int) -> None:
    with server.sessions.begin() as session:
        slot_id, people = make_slot(session, starts_at=SOON).id, members(session, callers)
    answers = server.race([(one, f"/api/scheduling/slots/{slot_id}/hold", {}) for one in people])
    assert answers == {"201": 1, "409 scheduling.slot_taken": callers - 1}


@CALLERS
def test_a_seat_confirmed_many_times_is_paid_once(server: Server, callers: int) -> None:
    with server.sessions.begin() as session:
        person = make_account(session)
        make_pack(session, customer_id=person.id)
        until = datetime.now(UTC) + timedelta(minutes=15)
        slot = make_slot(session, starts_at=SOON)
        held = make_booking(session, slot=slot, customer_id=person.id, status="held", held_until=until).id
    answers = server.race([(person, f"/api/scheduling/bookings/{held}/confirmation", {})] * callers)
    assert answers == {"200": 1, "409 scheduling.booking_closed": callers - 1}
    with server.sessions() as session:
        used = session.scalar(select(SessionPack.sessions_used).where(SessionPack.customer_id == person.id))
        assert used == 1


@pytest.mark.parametrize("left", [-50, 0, 50, 150])
def test_a_hold_that_runs_out_while_it_is_paid_for_is_paid_and_kept_or_neither(server: Server, left: int) -> None:
    """The holder confirms, the worker frees what lapsed, and somebody who waits at the door reaches for the seat, all
    within the milliseconds around its end."""
    with server.sessions.begin() as session:
        holder, other = make_account(session), make_account(session)
        packs = {one.id: make_pack(session, customer_id=one.id).id for one in (holder, other)}
        slot = make_slot(session, starts_at=SOON)
        ends_at = datetime.now(UTC) + timedelta(milliseconds=400)
        held = make_booking(session, slot=slot, customer_id=holder.id, status="held", held_until=ends_at).id
        slot_id, other_id, holder_id = slot.id, other.id, holder.id
    time.sleep(max(0, (ends_at - datetime.now(UTC)).total_seconds() - left / 1000))
    refused: list[str] = []

    def trying(work: Callable[[Session], object]) -> Callable[[Session], object]:
        def do(session: Session) -> None:
            try:
                with session.begin_nested():
                    work(session)
            except DomainError as error:
                refused.append(error.code())

        return do

    def reach(session: Session) -> None:
        bookings.book_session(session, customer_id=other_id, slot_id=slot_id, now=datetime.now(UTC))

    together(
        server.sessions,
        *[trying(lambda session: holds.confirm_hold(session, booking_id=held, now=datetime.now(UTC)))] * 4,
        *[trying(lambda session: holds.free_seats(session, datetime.now(UTC)))] * 2,
        *[trying(reach)] * 4,
    )
    with server.sessions() as session:
        rows = session.scalars(select(Booking).where(Booking.slot_id == slot_id, Booking.status == "booked")).all()
        used = {id_: session.get_one(SessionPack, pack).sessions_used for id_, pack in packs.items()}
        waits = session.scalars(
            select(Booking.status).where(Booking.slot_id == slot_id, Booking.status == "held")
        ).all()
    assert len(rows) + len(waits) <= 1
    assert used == {one: sum(row.customer_id == one for row in rows) for one in (holder_id, other_id)}
    assert set(refused) <= {
        "scheduling.booking_closed", "scheduling.hold_expired", "scheduling.slot_taken", "scheduling.already_booked",
    }, refused  # fmt: skip


@CALLERS
def test_a_seat_that_is_held_is_its_holders_whatever_a_desk_moves_there(server: Server, callers: int) -> None:
    """One pays for the last seat, the others' sessions are moved into it by a desk, at once."""
    with server.sessions.begin() as session:
        holder, *people = members(session, callers)
        slot, clerk = make_slot(session, starts_at=SOON), make_account(session, role="front_desk")
        full = make_slot(session, starts_at=SOON + timedelta(hours=5), capacity=callers)
        old = [make_booking(session, slot=full, customer_id=one.id, seat=seat).id for seat, one in enumerate(people, 1)]
        until = datetime.now(UTC) + timedelta(minutes=15)
        held = make_booking(session, slot=slot, customer_id=holder.id, status="held", held_until=until).id
        slot_id, full_id = slot.id, full.id
    calls: list[tuple[Account, str, dict[str, Any]]] = [
        (clerk, f"/api/scheduling/bookings/{one}/rescheduling", {"slot_id": str(slot_id)}) for one in old
    ]
    calls.insert(callers // 2, (holder, f"/api/scheduling/bookings/{held}/confirmation", {}))
    assert server.race(calls) == {"200": 1, "409 scheduling.slot_taken": callers - 1}
    assert seats_of(server, [slot_id, full_id]) == {slot_id: 1, full_id: callers - 1}


@CALLERS
def test_of_all_who_want_the_last_places_of_a_class_as_many_come_as_there_are(server: Server, callers: int) -> None:
    with server.sessions.begin() as session:
        slot_id, people = make_slot(session, starts_at=SOON, capacity=8).id, members(session, callers)
    body = {"slot_id": str(slot_id)}
    answers = server.race([(one, "/api/scheduling/bookings", body) for one in people])
    assert answers == {"201": 8, "409 scheduling.slot_taken": callers - 8}
    with server.sessions() as session:
        taken = session.scalars(select(Booking.seat).where(Booking.slot_id == slot_id, Booking.status == "booked"))
        assert sorted(taken) == list(range(1, 9))


@pytest.mark.asvs("2.3.2")
def test_who_books_everything_at_once_gets_what_their_membership_includes(server: Server) -> None:
    with server.sessions.begin() as session:
        person = make_account(session)
        make_subscription(session, customer_id=person.id, plan=make_plan(session, sessions_included=2))
        hours = [apart(number) for number in range(10)]
        slot_ids = [make_slot(session, starts_at=one).id for one in hours]
    calls = [(person, "/api/scheduling/bookings", {"slot_id": str(one)}) for one in slot_ids]
    assert server.race(calls) == {"201": 2, "409 scheduling.allowance_used": 8}


def test_who_holds_everything_at_once_keeps_three(server: Server) -> None:
    with server.sessions.begin() as session:
        (person,) = members(session, 1)
        slot_ids = [make_slot(session, starts_at=apart(number)).id for number in range(10)]
    calls: list[tuple[Account, str, dict[str, Any]]] = [
        (person, f"/api/scheduling/slots/{one}/hold", {}) for one in slot_ids
    ]
    assert server.race(calls) == {"201": 3, "409 scheduling.too_many_holds": 7}


def test_a_series_is_called_off_while_its_customers_book_and_nobody_waits_in_a_circle(server: Server) -> None:
    """Credits go back to packs that pay for other classes of the same series at this moment."""
    with server.sessions.begin() as session:
        coach = make_coach(session)
        series = SessionSeries(
            coach_id=coach.id, location_id=coach.location_id, title="Mobility", rule="FREQ=WEEKLY;COUNT=8",
            starts_on=SOON.date(), wall_start=SOON.time(),
        )  # fmt: skip
        session.add(series)
        session.flush()
        slots = [
            make_slot(session, coach=coach, starts_at=SOON + n * WEEK, capacity=30, series_id=series.id)
            for n in range(8)
        ]
        leader, calls = session.get_one(Account, coach.id), []
        for seat in range(1, 17):
            person = make_account(session)
            pack = make_pack(session, customer_id=person.id, sessions_total=9, sessions_used=4)
            mine = [slots[(seat * 3 + n) % 8] for n in range(4)]
            for slot in mine:
                make_booking(session, slot=slot, customer_id=person.id, seat=seat, session_pack_id=pack.id)
            wanted = next(one for one in slots[seat % 8 :] + slots if one not in mine)
            calls.append((person, "/api/scheduling/bookings", {"slot_id": str(wanted.id)}))
        calls.insert(3, (leader, f"/api/scheduling/classes/{slots[0].id}/cancellation", {"scope": "following"}))
        series_id = series.id
    answers = server.race(calls)
    assert set(answers) <= {"200", "201", "409 scheduling.slot_closed"}, answers
    assert answers["200"] == 1
    with server.sessions() as session:
        of_it = select(Booking).join(Slot).where(Slot.series_id == series_id)
        assert session.scalars(of_it.where(Booking.status == "booked")).all() == []
        packs = {one.session_pack_id for one in session.scalars(of_it)}
        used = session.scalars(select(SessionPack.sessions_used).where(SessionPack.id.in_(packs))).all()
        assert set(used) == {0}


def test_who_leaves_the_waitlist_as_a_seat_is_freed_has_left_or_is_asked(server: Server) -> None:
    for number in range(10):
        with server.sessions.begin() as session:
            holder, waiter = members(session, 2)
            slot = make_slot(session, starts_at=SOON + number * WEEK)
            held = make_booking(session, slot=slot, customer_id=holder.id).id
            session.add(WaitlistEntry(slot_id=slot.id, customer_id=waiter.id, joined_at=datetime.now(UTC)))
            slot_id, waiter_id = slot.id, waiter.id
        start = threading.Barrier(2)

        def leave(slot_id: UUID = slot_id, waiter_id: UUID = waiter_id, start: threading.Barrier = start) -> None:
            with server.sessions.begin() as session:
                start.wait()
                waitlist.leave_waitlist(session, customer_id=waiter_id, slot_id=slot_id, now=datetime.now(UTC))

        def cancel(held: UUID = held, start: threading.Barrier = start) -> None:
            with server.sessions.begin() as session:
                start.wait()
                bookings.cancel_booking(session, booking_id=held, now=datetime.now(UTC))

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(leave), pool.submit(cancel)]:
                done.result(timeout=20)
        with server.sessions() as session:
            status = session.scalar(select(WaitlistEntry.status).where(WaitlistEntry.slot_id == slot_id))
            kept = session.scalar(
                select(func.count()).where(Booking.slot_id == slot_id, Booking.status == "held")
            )  # fmt: skip
            assert (status, kept) in {("left", 0), ("offered", 1)}


@CALLERS
def test_of_all_who_move_to_one_seat_one_does_and_the_others_keep_theirs(server: Server, callers: int) -> None:
    with server.sessions.begin() as session:
        people, coach = members(session, callers), make_coach(session)
        slot_id = make_slot(session, starts_at=SOON).id
        full = make_slot(session, coach=coach, starts_at=SOON + timedelta(hours=5), capacity=callers)
        old = [make_booking(session, slot=full, customer_id=one.id, seat=seat).id for seat, one in enumerate(people, 1)]
        ids = {one.id for one in people}
    body = {"slot_id": str(slot_id)}
    answers = server.race(
        [(one, f"/api/scheduling/bookings/{id_}/rescheduling", body) for one, id_ in zip(people, old, strict=True)]
    )
    assert answers == {"201": 1, "409 scheduling.slot_taken": callers - 1}
    with server.sessions() as session:
        live = select(func.count()).where(Booking.customer_id.in_(ids), Booking.status == "booked")
        assert session.scalar(live) == callers


@CALLERS
@pytest.mark.parametrize("what", ["coach", "room"])
def test_of_all_who_open_a_series_one_does_and_nothing_is_left_of_the_others(
    server: Server, callers: int, what: str
) -> None:
    """Of one coach's calendar, and of coaches who all want one room."""
    count = callers if what == "room" else 1
    with server.sessions.begin() as session:
        first = make_coach(session)
        room = Resource(location_id=first.location_id, name="Studio A", kind="room")
        session.add(room)
        coaches = [first, *(make_coach(session, location_id=first.location_id) for _ in range(count - 1))]
        accounts = [session.get_one(Account, one.id) for one in coaches]
        room_id = str(room.id)
    body = {
        "title": "Mobility", "wall_start": "18:00", "capacity": 8, "first_on": f"{SOON:%Y-%m-%d}",
        "rule": "FREQ=WEEKLY;COUNT=5", "resource_ids": [room_id] if what == "room" else [],
    }  # fmt: skip
    callers_ = (accounts * callers)[:callers]
    answers = server.race([(one, "/api/scheduling/classes", body) for one in callers_])
    refusal = "coach_busy" if what == "coach" else "resource_taken"
    assert answers == {"201": 1, f"409 scheduling.{refusal}": callers - 1}
    with server.sessions() as session:
        ids = [one.id for one in accounts]
        assert session.scalar(select(func.count()).where(Slot.coach_id.in_(ids))) == 5


@CALLERS
def test_of_all_who_want_one_hour_every_week_one_gets_it_in_all_of_them(server: Server, callers: int) -> None:
    with server.sessions.begin() as session:
        coach, people = make_coach(session), members(session, callers)
        ids = [make_slot(session, coach=coach, starts_at=SOON + n * WEEK).id for n in range(3)]
    body = {"slot_id": str(ids[0]), "times": 3}
    answers = server.race([(one, "/api/scheduling/booking-series", body) for one in people])
    assert answers == {"201": 1, "409 scheduling.slot_taken": callers - 1}
    assert seats_of(server, ids) == dict.fromkeys(ids, 1)


@CALLERS
def test_a_freed_seat_goes_to_who_waited_longest_whoever_reaches_for_it(server: Server, callers: int) -> None:
    """Those who wait and those who do not all book at the moment at which it is given up."""
    with server.sessions.begin() as session:
        holder, *people = members(session, callers)
        slot = make_slot(session, starts_at=SOON)
        held = make_booking(session, slot=slot, customer_id=holder.id).id
        for number, one in enumerate(people[: callers // 2]):
            joined_at = datetime.now(UTC) - timedelta(hours=9, minutes=-number)
            session.add(WaitlistEntry(slot_id=slot.id, customer_id=one.id, joined_at=joined_at))
        slot_id = slot.id
    body = {"slot_id": str(slot_id)}
    calls: list[tuple[Account, str, dict[str, Any]]] = [
        (one, "/api/scheduling/bookings", body) for one in people
    ]  # fmt: skip
    calls.insert(callers // 3, (holder, f"/api/scheduling/bookings/{held}/cancellation", {}))
    answers = server.race(calls)
    assert answers["200"] == 1
    assert set(answers) <= {"200", "201", "409 scheduling.slot_taken"}, answers
    with server.sessions() as session:
        (seat,) = session.scalars(
            select(Booking).where(Booking.slot_id == slot_id, Booking.status.in_(("held", "booked")))
        )
        assert seat.customer_id == people[0].id
        assert (seat.status, answers["201"]) in {("held", 0), ("booked", 1)}


def test_an_offer_that_lapses_goes_to_the_next_whoever_notices(server: Server) -> None:
    """Workers that free seats, of which one was killed before, and customers who book."""
    with server.sessions.begin() as session:
        first, second, *others = members(session, 20)
        slot, now = make_slot(session, starts_at=SOON), datetime.now(UTC)
        offer = make_booking(
            session, slot=slot, customer_id=first.id, status="held", held_until=now - timedelta(minutes=1)
        )
        session.add(
            WaitlistEntry(
                slot_id=slot.id, customer_id=first.id, joined_at=now - timedelta(hours=9), status="offered",
                booking_id=offer.id, offered_at=now - timedelta(hours=3),
            )
        )  # fmt: skip
        session.add(WaitlistEntry(slot_id=slot.id, customer_id=second.id, joined_at=now - timedelta(hours=8)))
        slot_id = slot.id
    calls: list[tuple[Account, str, dict[str, Any]]] = [
        (one, "/api/scheduling/bookings", {"slot_id": str(slot_id)}) for one in others
    ]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.race, calls)
        together(server.sessions, *[lambda session: holds.free_seats(session, datetime.now(UTC))] * 4)
        assert asked.result(timeout=60) == {"409 scheduling.slot_taken": len(others)}
    with server.sessions() as session:
        entries = select(WaitlistEntry.customer_id, WaitlistEntry.status).where(WaitlistEntry.slot_id == slot_id)
        assert dict(session.execute(entries).tuples().all()) == {first.id: "lapsed", second.id: "offered"}
    assert seats_of(server, [slot_id]) == {slot_id: 1}


def test_a_week_that_opens_is_booked_on_once_or_goes_to_who_was_first(server: Server) -> None:
    """Workers that go on with a series, and customers who want the same hour."""
    with server.sessions.begin() as session:
        owner, *others = members(session, 20)
        coach = make_coach(session)
        ids = [make_slot(session, coach=coach, starts_at=SOON + n * WEEK).id for n in range(3)]
    body = {"slot_id": str(ids[0])}
    assert server.race([(owner, "/api/scheduling/booking-series", body)]) == {"201": 1}
    with server.sessions.begin() as session:
        ids.append(make_slot(session, coach=session.merge(coach), starts_at=SOON + 3 * WEEK).id)
    calls: list[tuple[Account, str, dict[str, Any]]] = [
        (one, "/api/scheduling/bookings", {"slot_id": str(ids[3])}) for one in others
    ]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.race, calls)
        together(server.sessions, *[lambda session: continuing.go_on(session, datetime.now(UTC))] * 4)
        answers = asked.result(timeout=60)
    with server.sessions.begin() as session:  # what somebody worked on is looked at next time
        continuing.go_on(session, datetime.now(UTC))
    assert set(answers) <= {"201", "409 scheduling.slot_taken"}, answers
    assert answers["201"] <= 1
    assert seats_of(server, ids) == dict.fromkeys(ids, 1)
    with server.sessions() as session:
        last = session.scalar(
            select(Booking.customer_id).where(Booking.slot_id == ids[3], Booking.status == "booked")
        )  # fmt: skip
        assert (last == owner.id) == (answers["201"] == 0)


@pytest.mark.parametrize("imports", [1, 2])
def test_an_hour_that_a_calendar_brings_is_booked_before_or_not_at_all(server: Server, imports: int) -> None:
    """A calendar that is read, by two workers too, while customers book: its time is written once."""
    for number in range(4):
        with server.sessions.begin() as session:
            people, slot = members(session, 8), make_slot(session, starts_at=SOON + number * WEEK)
            connection = CalendarConnection(
                account_id=slot.coach_id, provider="google", calendar_id=f"{slot.id}", label="Work",
                time_zone="Europe/Berlin", is_read=True, is_written=False, next_sync_at=SOON, connected_at=SOON,
            )  # fmt: skip
            session.add(connection)
            session.flush()
            slot_id, id_ = slot.id, connection.id
            changes = Changes(
                [Busy("theirs", slot.starts_at, slot.ends_at)], frozenset(["theirs"]), [], "cursor", is_full=True
            )

        def bring(session: Session, id_: UUID = id_, changes: Changes = changes) -> None:
            window, now = Window(SOON - WEEK, SOON + 9 * WEEK), datetime.now(UTC)
            calendar_sync.apply(session, id_, changes, read_from=None, window=window, now=now, next_at=now + WEEK)

        calls: list[tuple[Account, str, dict[str, Any]]] = [
            (one, "/api/scheduling/bookings", {"slot_id": str(slot_id)}) for one in people
        ]
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(server.race, calls)
            together(server.sessions, *[bring] * imports)
            answers = asked.result(timeout=60)
        refused = {"409 scheduling.slot_taken", "409 scheduling.coach_busy_elsewhere"}
        assert set(answers) <= {"201", *refused}, answers
        assert answers["201"] <= 1
        assert answers["201"] == 1 or answers == {"409 scheduling.coach_busy_elsewhere": len(people)}
        with server.sessions() as session:
            kept = select(func.count()).select_from(BusyTime).where(BusyTime.connection_id == id_)
            assert session.scalar(kept) == 1
        assert seats_of(server, [slot_id]) == Counter({slot_id: answers["201"]})
        late = server.race([(people[0], "/api/scheduling/slots/" + str(slot_id) + "/hold", {})])
        assert set(late) <= {*refused, "409 scheduling.already_booked"}


def test_a_class_is_opened_where_an_empty_hour_was_or_the_hour_is_booked(server: Server) -> None:
    for number in range(6):
        with server.sessions.begin() as session:
            coach, people = make_coach(session), members(session, 6)
            starts_at = SOON.replace(hour=10) + timedelta(days=number)
            slot_id = make_slot(session, coach=coach, starts_at=starts_at).id
            leader = session.get_one(Account, coach.id)
        local = starts_at.astimezone(BERLIN)
        body = {"title": "Mobility", "wall_start": f"{local:%H:%M}", "capacity": 8, "first_on": f"{local:%Y-%m-%d}"}
        calls: list[tuple[Account, str, dict[str, Any]]] = [
            (one, "/api/scheduling/bookings", {"slot_id": str(slot_id)}) for one in people
        ]
        calls.insert(number, (leader, "/api/scheduling/classes", body))
        answers = server.race(calls)
        refused = {"409 scheduling.slot_taken", "404 scheduling.slot_not_found", "409 scheduling.coach_busy"}
        assert answers["201"] == 1, answers
        assert set(answers) <= {"201", *refused}, answers
        with server.sessions() as session:
            kinds = session.scalars(select(Slot.kind).where(Slot.coach_id == leader.id)).all()
        assert kinds == (["one_to_one"] if answers["409 scheduling.coach_busy"] else ["group"])


def test_a_day_off_that_is_said_while_calendars_are_opened_stays_one(server: Server, postgres: PostgresServer) -> None:
    """It is said between what the worker reads of the coach's hours and what it reads of the calendar."""
    with server.sessions.begin() as session:
        coach_id, day = (coach := make_coach(session)).id, SOON.date()
        make_availability(session, coach=coach, weekday=day.weekday())
        assert openings.open_slots(session, datetime.now(UTC), coach_id=coach_id)

    def say() -> None:
        with server.sessions.begin() as session:
            days_off.add_time_off(
                session, coach_id=coach_id, starts_on=day, ends_on=day, kind="sick", now=datetime.now(UTC)
            )

    waits = "select count(*) from pg_stat_activity where datname = 'plyo_races' and wait_event_type = 'Lock'"
    said: list[Future[None]] = []

    def meanwhile(_connection: Any, _cursor: Any, statement: str, *_: object) -> None:
        if "FROM scheduling.slots" not in statement or said:
            return
        said.append(pool.submit(say))
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            while not said[0].done() and connection.execute(waits).fetchone() == (0,):
                time.sleep(0.01)

    bind = server.sessions.kw["bind"]
    with ThreadPoolExecutor(1) as pool:
        event.listen(bind, "before_cursor_execute", meanwhile)
        try:
            with server.sessions.begin() as session:
                openings.open_slots(session, datetime.now(UTC), coach_id=coach_id)
        finally:
            event.remove(bind, "before_cursor_execute", meanwhile)
        said[0].result(timeout=20)
    with server.sessions() as session:
        starts = session.scalars(select(Slot.starts_at).where(Slot.coach_id == coach_id)).all()
        assert starts
        assert day not in {one.astimezone(BERLIN).date() for one in starts}
