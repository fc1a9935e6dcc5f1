"""The desk books for a customer, and a coach for a client, by keyboard alone, on a phone and on a desk: found, booked,
undone; axe reads it. So are messages in doubt, which an admin decides on.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from operational_api.engagement.models import OutgoingMessage
from operational_api.identity import passwords
from operational_api.identity.models import Account
from tests.factories import account_of, make_client, make_coach, make_location, make_pack, make_slot
from tests.journeys.site import PASSWORD, Site, sign_in
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


class Look:
    """Has pages read by axe, and gathers what is wrong with them."""

    def __init__(self, page: Page, width: int) -> None:
        self.page, self.width = page, width
        self.seen: list[str] = []

    def __call__(self, name: str) -> None:
        self.page.wait_for_load_state("networkidle")
        self.seen.extend(f"{name}: {fault}" for fault in wrong(self.page))
        if LOOKS:
            self.page.screenshot(path=Path(LOOKS) / f"{name}-{self.width}.png", full_page=True)


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
    look = Look(page, width)
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
    assert not look.seen, "\n".join(look.seen)
    page.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_coach_books_for_a_client_and_undoes_it_by_keyboard(site: Site, chromium: Browser, width: int) -> None:
    with site.rows.begin() as session:
        coach = make_coach(session, location=make_location(session, name="Aa studio"), display_name="Cara Coach")
        client = make_client(session, coach=coach, location_id=coach.location_id, display_name="Zoe Obermaier")
        account = account_of(session, client)
        account.display_name = "Zoe Obermaier"
        make_pack(session, customer_id=client.id)
        soon = datetime.now(UTC) + timedelta(minutes=5)
        for weeks in range(3):
            make_slot(session, coach=coach, starts_at=soon + timedelta(weeks=weeks))
        own = account_of(session, coach)
        own.email, own.password_hash = f"{coach.id.hex}@plyo.test", passwords.hashed(PASSWORD)
        email, client_id = own.email, client.id
    page = chromium.new_page(viewport={"width": width, "height": 900})
    look = Look(page, width)
    sign_in(page, site.url, email, "/staff/today")
    look("coach-today")
    reach(page, "Book for a client")
    page.wait_for_url("**/staff/book")
    look("coach-clients")
    reach(page, "Zoe Obermaier")
    page.wait_for_url("**/staff/book/*")
    look("coach-when")
    reach(page, "Personal training")
    page.wait_for_selector("text=How it is paid")
    look("coach-how")
    reach(page, "Just this one", key="ArrowRight")  # four weeks
    reach(page, "Book it")
    page.wait_for_selector("text=Just booked")
    assert page.get_by_text("3 weeks booked for Zoe Obermaier").count() == 1
    look("coach-made")
    reach(page, "Undo")
    page.wait_for_selector("text=3 sessions taken back")
    page.goto(f"{site.url}/coaching/clients/{client_id}")
    look("coach-client")
    reach(page, "Book a session")
    page.wait_for_url(f"**/staff/book/{client_id}")
    assert not look.seen, "\n".join(look.seen)
    page.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_an_admin_decides_on_a_message_in_doubt_by_keyboard(site: Site, chromium: Browser, width: int) -> None:
    now = datetime.now(UTC)
    with site.rows.begin() as session:
        mia = make_client(session)
        for key in ("one", "another"):
            row = OutgoingMessage(
                dedupe_key=key, recipient="mia@plyo.test", template="session_reminder", context={"name": "Mia"},
                next_attempt_at=now, status="undecided", in_doubt_since=now, purpose="reminders", customer_id=mia.id,
            )  # fmt: skip
            session.add(row)
    page = chromium.new_page(viewport={"width": width, "height": 900})
    look = Look(page, width)
    sign_in(page, site.url, site.admin, "/staff/messages")
    look("doubt")
    reach(page, "Send again")
    page.wait_for_selector("text=It is sent again")
    reach(page, "Leave it")
    page.wait_for_selector("text=Nothing in doubt")
    look("no-doubt")
    assert not look.seen, "\n".join(look.seen)
    page.close()
