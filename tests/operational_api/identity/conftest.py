"""People, clients and browsers for tests of signing in, on a database of the test's own: everything really commits."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.engagement.models import OutgoingEmail
from operational_api.identity import passwords
from operational_api.identity.clients import ensure_clients
from operational_api.identity.models import Account
from operational_api.identity.service import risk
from operational_api.identity.service.risk import Assessment
from operational_api.settings import ApiSettings
from plyo.postgres import PostgresServer
from tests.browser import Browser
from tests.conftest import sqlalchemy_url
from tests.operational_api.conftest import ISSUER, app_with

PASSWORD = "correct horse battery"
HASH = passwords.hashed(PASSWORD)
SECRETS = {
    name: f"{name}-secret-of-high-entropy" for name in ("plyo-app", "plyo-coach", "plyo-activation", "plyo-supervisor")
}
VERIFIER = "a-verifier-that-is-long-enough-for-the-rfc-7636"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def unasked(session: Session, *, account: Account, browser: Any, now: datetime) -> Assessment:
    """The real judge, whom nobody follows: people of these tests sign in with many browsers, seconds apart."""
    return replace(risk.assess(session, account=account, browser=browser, now=now), decision="allow", reasons=())


@pytest.fixture(scope="module")
def app(postgres: PostgresServer, template_database: str, signing_key_file: Path) -> Iterator[FastAPI]:
    """The API with all clients registered; its back channel leads to itself. Tests of a module share its database:
    each makes its own people."""
    name = f"identity_{new_id().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template_database}")
    app = app_with(
        ApiSettings(
            public_url=ISSUER,
            database_url=SecretStr(sqlalchemy_url(postgres.url(name))),
            signing_key_file=signing_key_file,
            session_secret=SecretStr("test-session-secret-of-32-characters!"),
            staff_mfa="offered",
            app_client_secret=SecretStr(SECRETS["plyo-app"]),
        )
    )
    app.state.back_channel = TestClient(app, base_url=ISSUER)
    app.state.assess_sign_in = unasked
    with app.state.sessions.begin() as session:
        ensure_clients(session, public_url=ISSUER, secrets=SECRETS)
    yield app
    app.state.sessions.kw["bind"].dispose()


@pytest.fixture
def make_account(app: FastAPI) -> Callable[..., Account]:
    """Makes people who can sign in with `PASSWORD`."""

    def make(**given: Any) -> Account:
        facts = {
            "id": new_id(), "email": f"{new_id().hex[-8:]}@plyo.test", "password_hash": HASH,
            "display_name": "Mia Santos", "role": "customer", "time_zone": "Europe/Berlin",
            "email_verified_at": datetime.now(UTC), "created_at": datetime.now(UTC),
        }  # fmt: skip
        with app.state.sessions.begin() as session:
            account = Account(**facts | given)
            session.add(account)
        return account

    return make


@dataclass
class Mailbox:
    """What would be sent."""

    app: FastAPI

    def sent(self, recipient: str) -> list[OutgoingEmail]:
        """E-mails to an address, oldest first."""
        with self.app.state.sessions() as session:
            rows = select(OutgoingEmail).where(OutgoingEmail.recipient == recipient).order_by(OutgoingEmail.id)
            return list(session.scalars(rows))

    def link(self, recipient: str) -> str:
        """The path in the newest e-mail."""
        return str(self.sent(recipient)[-1].context["path"])


@pytest.fixture
def mailbox(app: FastAPI) -> Mailbox:
    """The e-mails queued."""
    return Mailbox(app)


def log_in(browser: Browser, email: str, password: str = PASSWORD, **data: str) -> Any:
    """Fill in the sign-in page; returns its answer without following it."""
    browser.get("/login")
    return browser.submit("/login", {"email": email, "password": password} | data, follow_redirects=False)


def enter(app: FastAPI, account: Account) -> Browser:
    """A browser signed in to the web app."""
    browser = Browser(app)
    page = browser.get("/auth/login?return_to=/account")
    onward = re.search(r'name="return_to" value="([^"]+)"', page.text)
    assert onward, page.text
    landed = browser.submit(
        "/login", {"email": account.email, "password": PASSWORD, "return_to": onward[1].replace("&amp;", "&")}
    )
    assert landed.url.path == "/account", landed.text
    return browser


@dataclass
class Relying:
    """A client application, as conformant as told."""

    app: FastAPI
    client_id: str = "plyo-admin"
    redirect_uri: str = f"{ISSUER}/admin/login"
    secret: str | None = None
    browser: Browser = field(init=False)

    def __post_init__(self) -> None:
        self.browser = Browser(self.app)

    def sign_in(self, account: Account) -> None:
        """Sign the browser in at the provider."""
        assert log_in(self.browser, account.email).status_code == 303

    def authorize(self, **changes: str | None) -> Any:
        """The authorization endpoint's answer, not followed."""
        parameters = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": self.redirect_uri,
            "scope": "openid profile email offline_access", "state": "s-1", "nonce": "n-1",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        } | changes  # fmt: skip
        kept = {name: value for name, value in parameters.items() if value is not None}
        return self.browser.get("/oidc/authorize", params=kept, follow_redirects=False)

    def answer(self, **changes: str | None) -> dict[str, str]:
        """What comes back to the client's address."""
        response = self.authorize(**changes)
        assert response.status_code == 303, response.text
        assert response.headers["location"].startswith(self.redirect_uri)
        return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}

    def token(self, **form: str | None) -> Any:
        """The token endpoint's answer."""
        kept = {name: value for name, value in form.items() if value is not None}
        auth = (self.client_id, self.secret) if self.secret else None
        if auth is None:
            kept = {"client_id": self.client_id} | kept
        return TestClient(self.app, base_url=ISSUER).post("/oidc/token", data=kept, auth=auth)

    def trade(self, code: str, **changes: str | None) -> Any:
        """Trade a code."""
        return self.token(
            **{"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri}
            | {"code_verifier": VERIFIER}
            | changes
        )


@pytest.fixture
def admin_console(app: FastAPI, make_account: Callable[..., Account]) -> Relying:
    """A public client with an admin signed in."""
    client = Relying(app)
    client.sign_in(make_account(role="admin", display_name="Ada Admin"))
    return client
