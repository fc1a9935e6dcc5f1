"""The real API under test: the app as it is deployed, a generated signing key, real signed access tokens.

`api` is a guest. `sign_in(account)` is the same app with that person's bearer token. Both see what the test's
`session` has flushed and are rolled back with it; `serve_app` is for tests that need real commits and real races.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.orm import Session, SessionTransaction
from starlette.routing import BaseRoute

from contracts.ids import new_id
from operational_api.app import create_app
from operational_api.core.database import SCHEMAS, session_factory
from operational_api.core.tokens import AUDIENCE
from operational_api.identity.models import Account
from operational_api.settings import ApiSettings
from tests.conftest import sqlalchemy_url
from tests.factories import make_login_session

ISSUER = "http://testserver"
# A fifth of a second for each of some hundred sign-ins would be the longest thing that these tests do.
os.environ.update(PLYO_ARGON2_MEMORY_KIB="8", PLYO_ARGON2_PASSES="1", PLYO_ARGON2_LANES="1")

SignIn = Callable[[Account], TestClient]


# The default renders every local of every frame of a crash, which takes half a minute.
structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-statements", action="store_true", help="write down how many each operation takes")


@pytest.fixture(scope="session")
def signing_key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PEM of an RSA private key made for this run."""
    file = tmp_path_factory.mktemp("keys") / "signing.pem"
    file.write_bytes(RSAKey.generate_key(2048).as_pem(private=True))
    return file


def access_token(app: FastAPI, account: Account, *, expires_in: int = 600, session_id: UUID | None = None) -> str:
    """A token as the provider issues it: RS256, `at+jwt`, our audience.

    Args:
        session_id: The login session it belongs to; a new random one unless given.
    """
    key = app.state.keys.active()
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(account.id),
        "role": account.role,
        "client_id": "tests",
        "scope": "openid profile email",
        "sid": str(session_id or new_id()),
        "name": account.display_name,
        "iat": now,
        "exp": now + expires_in,
    }
    return jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}, claims, key)


def service_token(app: FastAPI, client_id: str) -> str:
    """A token of a service client, as the client_credentials grant issues it."""
    key = app.state.keys.active()
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": client_id, "role": "service", "client_id": client_id}
    return jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}, claims | {"iat": now, "exp": now + 600}, key)


@pytest.fixture(scope="session")
def serve_app(signing_key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], FastAPI]:
    """Makes the API on a database of its own: `serve_app(fresh_database())`."""

    def make(libpq_url: str) -> FastAPI:
        return app_with(
            ApiSettings(
                public_url=ISSUER,
                database_url=SecretStr(sqlalchemy_url(libpq_url)),
                signing_key_file=signing_key_file,
                session_secret=SecretStr("test-session-secret-of-32-characters!"),
                staff_mfa="offered",
                warehouse_docs=tmp_path_factory.getbasetemp() / "no_docs",  # tests of dbt write where it is looked for
                warehouse_quality=tmp_path_factory.getbasetemp() / "no_quality",
            )
        )

    return make


_ROUTES: list[BaseRoute] = []


def app_with(settings: ApiSettings) -> FastAPI:
    """The API with these settings: an app of its own in all but its routes.

    FastAPI works out each route's parameters when an app is first asked, which takes longer than most tests: the apps
    of a worker share what it found.
    """
    app = create_app(settings)
    known, *others = app.router.routes  # the first keeps paths that this app was asked for
    if not _ROUTES:
        _ROUTES.extend(others)
    app.router.routes = [known, *_ROUTES]
    return app


@pytest.fixture(scope="session")
def plain_role(engine: Engine) -> str:
    """A role with the rights of `plyo_api`: it owns nothing, and row-level security holds for it."""
    with engine.begin() as connection:
        connection.execute(text("create role plyo_plain"))
        grant(connection, "plyo_plain")
    return "plyo_plain"


def grant(connection: Connection, role: str) -> None:
    """Let a role work in a migrated database."""
    schemas = ", ".join(SCHEMAS)
    connection.execute(
        text(
            f"grant usage on schema {schemas} to {role};"
            f"grant select, insert, update, delete on all tables in schema {schemas} to {role};"
            f"grant usage, select on all sequences in schema {schemas} to {role}"
        )
    )


@pytest.fixture
def app(session: Session, serve_app: Callable[[str], FastAPI], plain_role: str) -> FastAPI:
    """The API whose requests join the test's transaction, as a role for which row-level security holds."""
    return joined(serve_app, session.connection(), plain_role)


def joined(serve_app: Callable[[str], FastAPI], connection: Connection, plain_role: str) -> FastAPI:
    """The API whose requests are part of a connection's transaction, as a role for which row-level security holds."""
    app = serve_app(connection.engine.url.set(drivername="postgresql").render_as_string(hide_password=False))
    app.state.sessions = session_factory(connection, join_transaction_mode="create_savepoint")

    def become_plain(_: Session, transaction: SessionTransaction, connection: Connection) -> None:
        if not transaction.nested:
            connection.execute(text(f"set local role {plain_role}"))

    def become_the_test_again(_: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is None:
            connection.execute(
                text(
                    "select set_config('role', 'none', true), set_config('plyo.role', '', true), "
                    "set_config('plyo.principal', '', true)"
                )
            )

    event.listen(app.state.sessions, "after_begin", become_plain)
    event.listen(app.state.sessions, "after_transaction_end", become_the_test_again)
    return app


@pytest.fixture
def api(app: FastAPI) -> Iterator[TestClient]:
    """A guest's client. A crash answers 500 as in production, it does not raise into the test."""
    with TestClient(app, base_url=ISSUER, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def sign_in(app: FastAPI) -> SignIn:
    """A person's client: `sign_in(make_account(session, role="coach")).get("/api/…")`."""

    return lambda account: bearing(app, access_token(app, account))


@pytest.fixture
def proved(app: FastAPI, session: Session) -> SignIn:
    """A person's client as `sign_in` makes it, of a session that has just proved itself with a second factor."""

    def client(account: Account) -> TestClient:
        login = make_login_session(session, account)
        return bearing(app, access_token(app, account, session_id=login.id))

    return client


def bearing(app: FastAPI, token: str) -> TestClient:
    """A client that shows a token with every request."""
    return TestClient(
        app, base_url=ISSUER, raise_server_exceptions=False, follow_redirects=False,
        headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip
