"""What tests that generate requests share: one app and its people for a whole module; what each test changes is undone.

Making them anew for each of a hundred operations took a fifth of the time, and told no more.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, settings
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from tests.factories import account_of, make_account, make_booking, make_client, make_coach, make_slot, make_workout
from tests.operational_api.conftest import ISSUER, access_token, joined, service_token

EXAMPLES = int(os.environ.get("PLYO_FUZZ_EXAMPLES", "1"))
"""Requests a role and operation; `make fuzz` asks for many more, and for the borders of each parameter too."""
IS_THOROUGH = EXAMPLES >= 20
FEW_OR_MANY = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink] if IS_THOROUGH else [Phase.generate],
)  # fmt: skip


@dataclass
class Everybody:
    """A guest, people of the roles that differ most, and a service; and the app that they ask.

    Requests go straight into the app in one event loop: a client with threads of its own takes twice as long.
    """

    connection: Connection
    loop: asyncio.AbstractEventLoop
    client: httpx.AsyncClient
    headers: dict[str, dict[str, str]]

    def ask(self, role: str, method: str, url: str, **request: Any) -> httpx.Response:
        """An answer to somebody of the role."""
        self.client.cookies.clear()
        request["headers"] = dict(request.get("headers") or {}) | self.headers[role]
        if files := request.get("files"):
            pairs = files.items() if isinstance(files, dict) else files
            request["files"] = [(name, _as_text(value)) for name, value in pairs]
        built = self.client.build_request(method, url, **request)
        built.read()  # a form with files is a stream, which reports of a failure want to show
        return self.loop.run_until_complete(self.client.send(built))


def _as_text(value: Any) -> Any:
    """A generated value of a form's file as it can be sent: a number is its digits."""
    if isinstance(value, tuple):
        return tuple(part if part is None else _as_text(part) for part in value)
    return value if isinstance(value, str | bytes) else str(value)


@pytest.fixture(scope="module")
def everybody(engine: Engine, serve_app: Callable[[str], FastAPI], plain_role: str) -> Iterator[Everybody]:
    """People who have something: a client with a coach, a booking and a workout, their coach, and the office."""
    with engine.connect() as connection:
        outer = connection.begin()
        app = joined(serve_app, connection, plain_role)
        with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
            coach = make_coach(session)
            client = make_client(session, coach=coach)
            make_booking(session, slot=make_slot(session, coach=coach), customer_id=client.id)
            make_workout(session, client=client)
            people = {"customer": account_of(session, client), "coach": account_of(session, coach)}
            people["admin"] = make_account(session, role="admin")
            if IS_THOROUGH:
                for role in ("lead_coach", "front_desk", "finance", "support", "data"):
                    people[role] = make_account(session, role=role)
            tokens = {role: access_token(app, account, expires_in=86_400) for role, account in people.items()}
            session.commit()
        tokens["activation"] = service_token(app, "plyo-activation")
        headers = {role: {"Authorization": f"Bearer {token}"} for role, token in tokens.items()}
        loop = asyncio.new_event_loop()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        asks = httpx.AsyncClient(transport=transport, base_url=ISSUER)
        yield Everybody(connection, loop, asks, {"guest": {}} | headers)
        loop.run_until_complete(asks.aclose())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        outer.rollback()


@pytest.fixture
def asked(everybody: Everybody) -> Iterator[Everybody]:
    """Everybody, for one test."""
    with everybody.connection.begin_nested() as savepoint:
        yield everybody
        savepoint.rollback()
