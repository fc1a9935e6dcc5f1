"""The app by keyboard: days, search and the menu have keys, `?` shows them, and none is heard while somebody types.

Needs a browser, not the stack: the API alone is served.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from operational_api.identity import passwords
from operational_api.scheduling.models import Coach
from tests.factories import account_of, make_client
from tests.journeys.conftest import DESKTOP
from tests.journeys.site import PASSWORD, Site, sign_in

pytestmark = pytest.mark.journey


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport=DESKTOP, service_workers="block")
    yield context.new_page()
    context.close()


def test_days_the_menu_and_what_is_made_most_have_keys(site: Site, page: Page) -> None:
    sign_in(page, site.url, site.email, "/bookings")
    page.keyboard.press("n")
    page.wait_for_url("**/book")
    today = page.locator("nav.day-strip [aria-current]").inner_text()
    page.keyboard.press("j")
    page.wait_for_url("**/book?*day=*")
    assert page.locator("nav.day-strip [aria-current]").inner_text() != today
    page.keyboard.press("k")
    page.wait_for_function(
        "(told) => document.querySelector('nav.day-strip [aria-current]')?.innerText === told", arg=today
    )
    page.keyboard.press("2")
    page.wait_for_url("**/training")


def test_a_question_mark_shows_the_keys_of_this_page_and_escape_hides_them(site: Site, page: Page) -> None:
    sign_in(page, site.url, site.email, "/bookings")
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys of this page")
    expect(sheet).to_contain_text("Book a session")
    page.keyboard.press("n")  # what lies below hears nothing
    expect(sheet).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    assert page.url.endswith("/bookings")


def test_search_is_a_stroke_away_and_who_types_is_left_alone(site: Site, page: Page) -> None:
    sign_in(page, site.url, site.email, "/exercises")
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("j2?n")
    expect(page.get_by_label("Search")).to_have_value("j2?n")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.wait_for_url("**/home")


def test_a_long_list_is_narrowed_by_words_whatever_their_accents(site: Site, page: Page) -> None:
    with site.rows.begin() as session:
        coach = session.scalars(select(Coach)).one()
        account = account_of(session, coach)
        account.email, account.password_hash = "coach.of.many@plyo.test", passwords.hashed(PASSWORD)
        account.email_verified_at = datetime.now(UTC)
        for name in ("Zoë Müller", *(f"Client {number}" for number in range(9))):
            make_client(session, coach=coach, display_name=name)
    sign_in(page, site.url, "coach.of.many@plyo.test", "/coaching")
    page.keyboard.press("/")
    page.keyboard.type("muller zoe")
    expect(page.locator("#clients > li:visible")).to_have_count(1)
    expect(page.get_by_role("link", name="Zoë Müller")).to_be_visible()
    page.keyboard.type(" x")
    expect(page.get_by_role("status").filter(has_text="Nothing in this list")).to_be_visible()
