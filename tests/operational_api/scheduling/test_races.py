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

import httpx
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from operational_api.commerce.models import SessionPack
from operational_api.identity.models import Account
from operational_api.scheduling.models import Booking, Resource, Slot
from plyo.postgres import PostgresServer
from tests.factories import make_account, make_booking, make_coach, make_pack, make_slot, make_subscription
from tests.operational_api.conftest import ISSUER, access_token

SOON = (datetime.now(UTC) + timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
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
