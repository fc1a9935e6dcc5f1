"""Chromium walks every page of the app, as a guest, a customer and an admin, and no content policy stops anything on
the way; something planted is stopped and reported. Needs a browser, not the stack: the API alone is served."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.journeys.conftest import eventually
from tests.journeys.site import Site, sign_in

pytestmark = pytest.mark.journey
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
    "/staff/book",
    "/staff/book?q=Mia",
    "/staff/exports",
    "/staff/audit",
    "/account",
    "/account/factors",
    "/account/logins",
)
LISTEN = """document.addEventListener("securitypolicyviolation",
    (event) => console.warn(`POLICY ${event.effectiveDirective} ${event.blockedURI} ${document.location.pathname}`))"""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    context.add_init_script(LISTEN)
    yield context.new_page()
    context.close()


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
