"""Many callers at once over HTTP: the real app in a server of its own, the real database, the real pool of connections.

Of all who race one wins, the others are told why, nobody waits for ever. Twenty race with every test, two hundred in
`make drill`.
"""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from operational_api.commerce.models import SessionPack
from operational_api.identity.models import Account
from operational_api.scheduling.models import Booking, Resource, SessionSeries, Slot, WaitlistEntry
from operational_api.scheduling.service import bookings, waitlist
from plyo.postgres import PostgresServer
from tests.factories import (
    make_account,
    make_booking,
    make_coach,
    make_pack,
    make_plan,
    make_slot,
    make_subscription,
)
from tests.operational_api.conftest import ISSUER, access_token

SOON = (datetime.now(UTC) + timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
WEEK = timedelta(weeks=1)
CALLERS = pytest.mark.parametrize("callers", [20, pytest.param(200, marks=pytest.mark.drill)])


class Server:
    """The app behind a port. `race` sends requests at the same time and counts the answers by status and code."""

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
                answer = client.post(path, json=body, headers=headers)
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
        connection.execute("drop database plyo_races with (force)")


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
