"""Chromium walks every page of the app, as a guest, a customer and an admin, and no content policy stops anything on
the way; something planted is stopped and reported. Needs a browser, not the stack: the API alone is served."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI, Request, Response
from joserfc.jwk import RSAKey
from playwright.sync_api import Browser, Page
from pydantic import SecretStr

from contracts.ids import new_id
from operational_api.app import create_app
from operational_api.identity import passwords
from operational_api.identity.clients import ensure_clients
from operational_api.identity.models import Account
from operational_api.settings import ApiSettings
from tests.conftest import sqlalchemy_url
from tests.factories import make_account, make_booking, make_client, make_coach, make_plan, make_slot, make_subscription
from tests.fakes.stripe.testing import free_listener, served
from tests.journeys.conftest import eventually

pytestmark = pytest.mark.journey
SECRETS = dict.fromkeys(("plyo-app", "plyo-coach", "plyo-activation"), "a-secret-of-a-service-of-32-chars")
PASSWORD = "correct horse battery"
GUEST = ("/", "/plans", "/book", "/signup", "/login", "/reset-password", "/offline", "/design", "/api/docs", "/nothing")
CUSTOMER = (
    "/home", "/book", "/bookings", "/training", "/training/log", "/progress", "/messages", "/membership", "/account",
    "/privacy", "/devices", "/messages/preferences",
)  # fmt: skip
STAFF = (
    "/staff",
    "/staff/requests",
    "/staff/requests?show=decided",
    "/staff/people",
    "/staff/people?q=Mia",
    "/staff/today",
    "/staff/exports",
    "/staff/audit",
    "/account",
    "/account/factors",
    "/account/logins",
)
LISTEN = """document.addEventListener("securitypolicyviolation",
    (event) => console.warn(`POLICY ${event.effectiveDirective} ${event.blockedURI} ${document.location.pathname}`))"""


@dataclass
class Site:
    """A served app: its address, e-mails of a customer and an admin, and the paths that were posted to.

    Args:
        person: Path of the customer as the staff see them.
    """

    url: str
    email: str
    admin: str
    person: str
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
        accounts = [session.get_one(Account, mia.id), make_account(session, role="admin")]
        for account in accounts:
            account.email, account.password_hash = f"{new_id().hex[-8:]}@plyo.test", passwords.hashed(PASSWORD)
            account.email_verified_at = datetime.now(UTC)
        site = Site(url, *(account.email for account in accounts), person=f"/staff/people/{mia.id}")

    @app.middleware("http")
    async def note(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.method == "POST":
            site.posted.append(request.url.path)
        return await answer(request)

    with served(app, listener):
        yield site
    app.state.sessions.kw["bind"].dispose()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    context.add_init_script(LISTEN)
    yield context.new_page()
    context.close()


def sign_in(page: Page, url: str, email: str, onward: str) -> None:
    page.goto(f"{url}/auth/login?return_to={onward}")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{onward}")


@pytest.mark.asvs("3.4.3")
def test_no_policy_stops_anything_of_ours(site: Site, page: Page) -> None:
    url = site.url
    stopped: list[str] = []
    page.on("console", lambda said: stopped.append(said.text) if said.text.startswith("POLICY") else None)
    for path in GUEST:
        page.goto(url + path)
    sign_in(page, url, site.email, "/home")
    for path in CUSTOMER:
        page.goto(url + path)
        assert page.url == url + path
    page.context.clear_cookies()
    sign_in(page, url, site.admin, "/staff")
    for path in (*STAFF, site.person):
        page.goto(url + path)
        assert page.url == url + path
    page.title()  # what was said so far is heard with the next question
    assert stopped == []
    with page.expect_console_message(lambda said: said.text.startswith("POLICY img-src")):
        page.evaluate("document.body.append(Object.assign(document.createElement('img'), {src: 'http://127.0.0.2/x'}))")
    eventually(lambda: "/gateway/csp-reports" in site.posted, what="the browser's report")
