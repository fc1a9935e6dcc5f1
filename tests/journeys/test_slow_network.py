"""A phone on a slow network: little is sent for a first view, two taps book once, what was typed survives a refusal.

Needs a browser, not the stack: the API alone is served.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect
from sqlalchemy import func, select

from operational_api.scheduling.models import Booking, Coach
from tests.factories import make_slot
from tests.journeys.conftest import PHONE
from tests.journeys.site import Site, sign_in

pytestmark = pytest.mark.journey
FIRST_VIEWS = ("/home", "/book", "/bookings", "/training", "/progress", "/messages", "/membership")
MOST_BYTES, MOST_REQUESTS = 150_000, 12
SLOW_3G = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
"""Milliseconds, and bytes a second."""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport=PHONE, service_workers="block")
    yield context.new_page()
    context.close()


@pytest.fixture
def wire(page: Page) -> CDPSession:
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    return wire


def test_a_first_view_is_small_before_anything_is_compressed(site: Site, page: Page, wire: CDPSession) -> None:
    sign_in(page, site.url, site.email, "/home")
    sent: list[float] = []
    wire.on("Network.loadingFinished", lambda told: sent.append(told["encodedDataLength"]))
    for path in FIRST_VIEWS:
        wire.send("Network.clearBrowserCache")
        sent.clear()
        page.goto(site.url + path, wait_until="networkidle")
        assert len(sent) <= MOST_REQUESTS, path
        assert 5_000 < sum(sent) <= MOST_BYTES, path


def test_two_taps_book_once(site: Site, page: Page, wire: CDPSession) -> None:
    with site.rows.begin() as session:
        coach = session.scalars(select(Coach)).one()
        slot = make_slot(session, coach=coach, starts_at=datetime.now(UTC) + timedelta(days=3)).id
    sign_in(page, site.url, site.email, f"/book/{slot}")
    wire.send("Network.emulateNetworkConditions", SLOW_3G)
    page.get_by_role("button", name="Book this session").dblclick(no_wait_after=True)
    page.wait_for_url("**/bookings")
    assert site.posted.count(f"/book/{slot}") == 1
    with site.rows() as session:
        assert session.scalar(select(func.count()).where(Booking.slot_id == slot)) == 1


def test_what_was_typed_survives_a_refusal_and_is_kept_no_longer(site: Site, page: Page) -> None:
    sign_in(page, site.url, site.admin, "/staff/exports")
    page.get_by_label("Customers").check()
    page.get_by_label("Why, in a sentence").fill("Quarter, for the auditor")
    page.get_by_label("From day").fill("2026-05-02")
    page.get_by_label("To day").fill("2026-05-01")
    page.get_by_role("button", name="Ask for it").click()
    expect(page.get_by_role("alert")).to_contain_text("Those days do not fit")
    expect(page.get_by_label("Why, in a sentence")).to_have_value("Quarter, for the auditor")
    expect(page.get_by_label("To day")).to_have_value("2026-05-01")
    expect(page.get_by_label("Customers")).to_be_checked()
    assert page.evaluate("sessionStorage.getItem('typed')") is None
    page.reload()
    expect(page.get_by_label("Why, in a sentence")).to_have_value("")
