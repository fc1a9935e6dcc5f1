"""The app alone, served, with a customer who has something on every page and an admin.

For walks that need a browser and not the stack.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from fastapi import FastAPI, Request, Response
from joserfc.jwk import RSAKey
from playwright.sync_api import Page
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker

from contracts.ids import new_id
from operational_api.app import create_app
from operational_api.identity import passwords
from operational_api.identity.clients import ensure_clients
from operational_api.identity.models import Account
from operational_api.settings import ApiSettings
from tests.conftest import sqlalchemy_url
from tests.factories import (
    make_account,
    make_booking,
    make_client,
    make_coach,
    make_exercise,
    make_plan,
    make_programme,
    make_slot,
    make_subscription,
    make_workout,
)
from tests.fakes.stripe.testing import free_listener, served

SECRETS = dict.fromkeys(("plyo-app", "plyo-coach", "plyo-activation"), "a-secret-of-a-service-of-32-chars")
PASSWORD = "correct horse battery"


@dataclass
class Site:
    """A served app: its address, e-mails of a customer and an admin, and the paths that were posted to.

    Args:
        person: Path of the customer as the staff see them.
        workout: The customer's of today, planned: a squat, three times five.
        rows: Makes sessions of its database.
    """

    url: str
    email: str
    admin: str
    person: str
    workout: UUID
    rows: sessionmaker[Session]
    posted: list[str] = field(default_factory=list)


@pytest.fixture
def site(fresh_database: Callable[[], str], tmp_path: Path) -> Iterator[Site]:
    """The app, and a customer who has something on every page."""
    listener = free_listener()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    key = tmp_path / "signing.pem"
    key.write_bytes(RSAKey.generate_key(2048).as_pem(private=True))
    app: FastAPI = create_app(
        ApiSettings(
            public_url=url, api_url=url, database_url=SecretStr(sqlalchemy_url(fresh_database())),
            signing_key_file=key, session_secret=SecretStr("test-session-secret-of-32-characters!"),
            app_client_secret=SecretStr(SECRETS["plyo-app"]), staff_mfa="offered",
        )
    )  # fmt: skip
    with app.state.sessions.begin() as session:
        ensure_clients(session, public_url=url, secrets=SECRETS)
        coach = make_coach(session)
        mia = make_client(session, coach=coach)
        make_plan(session)
        make_subscription(session, customer_id=mia.id)
        make_booking(session, slot=make_slot(session, coach=coach), customer_id=mia.id)
        squat = make_exercise(session, name="Barbell squat")
        today = datetime.now(UTC).date()
        programme = make_programme(session, client=mia, exercises=[squat], starts_on=today)
        workout = make_workout(session, client=mia, programme=programme, scheduled_on=today)
        accounts = [session.get_one(Account, mia.id), make_account(session, role="admin")]
        for account in accounts:
            account.email, account.password_hash = f"{new_id().hex[-8:]}@plyo.test", passwords.hashed(PASSWORD)
            account.email_verified_at = datetime.now(UTC)
        emails = (account.email for account in accounts)
        site = Site(url, *emails, f"/staff/people/{mia.id}", workout.id, app.state.sessions)

    @app.middleware("http")
    async def note(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.method == "POST":
            site.posted.append(request.url.path)
        return await answer(request)

    with served(app, listener):
        yield site
    app.state.sessions.kw["bind"].dispose()


def sign_in(page: Page, url: str, email: str, onward: str) -> None:
    page.goto(f"{url}/auth/login?return_to={onward}")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{onward}")
