"""The desk books for a customer by keyboard alone, on a phone and on a desk: found, booked, undone; axe reads it."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from operational_api.identity.models import Account
from tests.factories import make_client, make_coach, make_location, make_pack, make_slot
from tests.journeys.site import Site, sign_in
from tests.journeys.test_accessibility import wrong

pytestmark = pytest.mark.journey
LOOKS = os.environ.get("PLYO_LOOKS")
"""A folder for pictures of what was seen, for who wants to look."""


def reach(page: Page, name: str, *, key: str = "Enter") -> None:
    """Tab until what has this name is in focus, then press a key."""
    named = """() => { const one = document.activeElement;
        return one === document.body ? "" : [one.innerText, one.labels?.[0]?.innerText].join(" "); }"""
    for _ in range(80):
        if name in page.evaluate(named):
            page.keyboard.press(key)
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name} was not reached by keyboard on {page.url}")


@pytest.mark.parametrize("width", [390, 1280])
def test_a_customer_is_booked_for_and_it_is_undone_by_keyboard(site: Site, chromium: Browser, width: int) -> None:
    with site.rows.begin() as session:
        coach = make_coach(session, location=make_location(session, name="Aa studio"), display_name="Cara Coach")
        client = make_client(session, coach=coach, location_id=coach.location_id)
        session.get_one(Account, client.id).display_name = "Zoe Obermaier"
        make_pack(session, customer_id=client.id)
        soon = datetime.now(UTC) + timedelta(minutes=5)
        for hours in range(4):
            make_slot(session, coach=coach, starts_at=soon + timedelta(hours=2 * hours))
    page = chromium.new_page(viewport={"width": width, "height": 900})
    seen: list[str] = []

    def look(name: str) -> None:
        page.wait_for_load_state("networkidle")
        seen.extend(f"{name}: {fault}" for fault in wrong(page))
        if LOOKS:
            page.screenshot(path=Path(LOOKS) / f"{name}-{width}.png", full_page=True)

    sign_in(page, site.url, site.admin, "/staff/book")
    page.keyboard.type("Obermayer")
    page.keyboard.press("Enter")
    look("found")
    reach(page, "Zoe Obermaier")
    page.wait_for_url("**/staff/book/*")
    look("when")
    reach(page, "Personal training")
    page.wait_for_selector("text=How it is paid")
    look("how")
    reach(page, "They are here", key="Space")
    page.keyboard.press("Space")  # not after all
    reach(page, "Book it")
    page.wait_for_selector("text=Just booked")
    look("made")
    reach(page, "Undo")
    page.wait_for_selector("text=Taken back")
    look("undone")
    assert not seen, "\n".join(seen)
    page.close()
