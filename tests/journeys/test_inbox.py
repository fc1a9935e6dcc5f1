"""The inbox on a phone: what is opened is read, what comes is there by itself, and all of it without a network.

Needs a browser, not the stack: the API alone is served.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from operational_api.engagement.service import inbox
from operational_api.engagement.service.contacts import contact_by_email
from operational_api.engagement.service.emails import queue_email
from tests.journeys.conftest import PHONE, eventually
from tests.journeys.site import Site, sign_in

pytestmark = pytest.mark.journey
BADGE = """window.badge = null;
navigator.setAppBadge = async (number) => { window.badge = number; };
navigator.clearAppBadge = async () => { window.badge = 0; };"""


@pytest.fixture
def page(chromium: Browser, site: Site) -> Iterator[Page]:
    context = chromium.new_context(viewport=PHONE)
    context.add_init_script(BADGE)
    page = context.new_page()
    pay(site, "first")
    sign_in(page, site.url, site.email, "/inbox")
    page.evaluate("navigator.serviceWorker.ready")
    page.reload()
    yield page
    context.close()


def pay(site: Site, key: str) -> None:
    with site.rows.begin() as session:
        queue_email(
            session, dedupe_key=key, recipient=site.email, template="payment_receipt",
            context={"name": "Mia", "amount_minor": 4900, "currency": "EUR"}, now=datetime.now(UTC),
        )  # fmt: skip


def unread(site: Site) -> int:
    with site.rows() as session:
        found = contact_by_email(session, site.email)
        assert found
        return inbox.unread(session, found.account_id)


def test_what_is_opened_is_read_and_what_comes_appears_and_stays_without_a_network(site: Site, page: Page) -> None:
    bell = page.get_by_role("banner").get_by_role("link", name="Inbox")
    expect(bell).to_contain_text("1")
    assert page.evaluate("window.badge") == 1
    page.locator("summary").filter(has_text="49").click()
    eventually(lambda: unread(site) == 0, what="that who opens a message has read it")
    expect(page.locator(".is-unread")).to_have_count(0)
    expect(page.get_by_role("button", name="Mark as unread")).to_be_visible()
    eventually(lambda: page.evaluate("window.badge") == 0, what="an icon without a number")
    pay(site, "second")
    expect(page.locator(".inbox-message")).to_have_count(2)
    expect(page.locator(".inbox-message details[open]")).to_have_count(1)
    expect(bell).to_contain_text("1")
    page.reload()
    page.context.set_offline(True)
    page.reload()
    page.locator("summary").filter(has_text="49").first.click()
    expect(page.locator(".inbox-body").first).to_be_visible()
    assert page.evaluate("window.badge") is None
