"""Callers who race over HTTP: the real app in a server of its own, the real database, the real pool of connections.

Of all who race one wins, the others are told why, nobody waits for ever, and the database had to break no circle of
those who wait for each other. Twenty race with every test, two hundred in `make drill`.

Does not belong here: what they race for, which is in the tests beside this, by noun.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from operational_api.identity.models import Account
from operational_api.scheduling.models import Booking
from tests.factories import (
    make_account,
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

    def race(self, calls: list[tuple[Account, str, dict[str, Any]]], *, method: str = "POST") -> Counter[str]:
        tokens = [access_token(self.app, account) for account, _, _ in calls]
        start = threading.Barrier(len(calls))
        limits = httpx.Limits(max_connections=None)
        with httpx.Client(base_url=self.url, timeout=25, limits=limits) as client:

            def ask(number: int) -> str:
                _, path, body = calls[number]
                start.wait()
                headers = {"Authorization": f"Bearer {tokens[number]}", "Host": ISSUER.partition("//")[2]}
                for _ in range(MOST_TRIES):
                    answer = client.request(method, path, json=body, headers=headers)
                    if answer.status_code != 503 or answer.json()["code"] != "core.busy":
                        break
                    time.sleep(float(answer.headers["Retry-After"]))
                told = "" if answer.is_success else f" {answer.json()['code']}"
                return f"{answer.status_code}{told}"

            with ThreadPoolExecutor(len(calls)) as pool:
                return Counter(pool.map(ask, range(len(calls))))


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
