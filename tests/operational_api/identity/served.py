"""The app on a port of its own, for clients that nobody here wrote and that speak real HTTP."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from contracts.ids import new_id
from operational_api.identity.clients import ensure_clients
from operational_api.settings import ApiSettings
from plyo.postgres import PostgresServer, free_port
from tests.conftest import sqlalchemy_url
from tests.operational_api.conftest import app_with
from tests.operational_api.identity.conftest import SECRETS, unasked


class CountsPaths:
    """Counts what is asked for, by path."""

    def __init__(self, app: Any, counts: Counter[str]) -> None:
        self.app, self.counts = app, counts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.counts[scope["path"]] += 1
        await self.app(scope, receive, send)


@contextmanager
def serve(postgres: PostgresServer, template: str, signing_key_file: Path, **settings: Any) -> Iterator[FastAPI]:
    """The app on a free port, with a database of its own and all clients; `app.state.counts` counts its requests."""
    name, port = f"served_{new_id().hex}", free_port()
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}")
    origin = f"http://localhost:{port}"
    app = app_with(
        ApiSettings(
            public_url=origin, api_url=origin, database_url=SecretStr(sqlalchemy_url(postgres.url(name))),
            signing_key_file=signing_key_file, staff_mfa="offered",
            session_secret=SecretStr("test-session-secret-of-32-characters!"),
            app_client_secret=SecretStr(SECRETS["plyo-app"]), **settings,
        )
    )  # fmt: skip
    app.state.counts, app.state.assess_sign_in = Counter(), unasked
    with app.state.sessions.begin() as session:
        ensure_clients(session, public_url=origin, secrets=SECRETS)
    with listening(CountsPaths(app, app.state.counts), port):
        yield app


@contextmanager
def listening(app: Any, port: int) -> Iterator[None]:
    """An ASGI app answers at a port of this machine."""
    server = uvicorn.Server(uvicorn.Config(app, host="localhost", port=port, log_level="warning"))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield
    server.should_exit = True
    thread.join(timeout=10)
