"""A coach sets up a passkey and signs in with it, in a real browser that has an authenticator of its own."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Page, sync_playwright
from pydantic import SecretStr

from contracts.ids import new_id
from operational_api.identity.clients import ensure_clients
from operational_api.identity.models import Account
from operational_api.settings import ApiSettings
from plyo.postgres import PostgresServer, free_port
from tests.conftest import sqlalchemy_url
from tests.operational_api.conftest import app_with
from tests.operational_api.identity.conftest import HASH, PASSWORD, SECRETS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def served(postgres: PostgresServer, template_database: str, signing_key_file: Path) -> Iterator[FastAPI]:
    """The app as it is deployed, at an address where browsers make passkeys."""
    name, port = f"passkeys_{new_id().hex}", free_port()
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template_database}")
    app = app_with(
        ApiSettings(
            public_url=f"http://localhost:{port}", api_url=f"http://localhost:{port}",
            database_url=SecretStr(sqlalchemy_url(postgres.url(name))), signing_key_file=signing_key_file,
            session_secret=SecretStr("test-session-secret-of-32-characters!"),
            app_client_secret=SecretStr(SECRETS["plyo-app"]),
        )
    )  # fmt: skip
    with app.state.sessions.begin() as session:
        ensure_clients(session, public_url=app.state.settings.public_url, secrets=SECRETS)
    server = uvicorn.Server(uvicorn.Config(app, host="localhost", port=port, log_level="warning"))
    thread = Thread(target=server.run)
    thread.start()
    yield app
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def page(served: FastAPI) -> Iterator[Page]:
    """A page of a browser with an authenticator built in; what breaks the content policy fails the test."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(base_url=served.state.settings.public_url, service_workers="block")
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        devtools = page.context.new_cdp_session(page)
        devtools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        yield page
        browser.close()
    assert complaints == []


def sign_in(page: Page, account: Account) -> None:
    page.goto("/auth/login?return_to=/account/factors")
    page.get_by_label("E-mail").fill(account.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.asvs("6.3.3")
def test_a_passkey_is_made_and_signs_in(served: FastAPI, page: Page) -> None:
    account = Account(
        id=new_id(), email="coach@plyo.test", role="coach", display_name="Ana Ruiz", password_hash=HASH,
        email_verified_at=datetime.now(UTC),
    )  # fmt: skip
    with served.state.sessions.begin() as session:
        session.add(account)
    sign_in(page, account)
    page.get_by_label("Name").fill("My laptop")
    page.get_by_role("button", name="Create a passkey").click()
    page.get_by_role("button", name="Show my ten codes").click()
    assert page.locator("#codes code").count() == 10
    page.get_by_role("button", name="I have kept them").click()
    page.get_by_text("My laptop").wait_for()
    page.context.clear_cookies()
    sign_in(page, account)
    page.get_by_role("button", name="Use your passkey").click()
    page.get_by_text("last used just now").wait_for()
