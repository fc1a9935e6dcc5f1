"""A booking goes to the phone's calendar by a signed address, and only that booking, to its customer and coach."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from operational_api.core.signed_urls import UrlSigner
from operational_api.scheduling.service import calendar_file
from tests.factories import account_of, make_account, make_booking, make_client, make_coach, make_slot
from tests.operational_api.conftest import SignIn

BERLIN = ZoneInfo("Europe/Berlin")
SOON = (datetime.now(UTC) + timedelta(days=2)).replace(hour=10, minute=0, second=0, microsecond=0)


@pytest.fixture
def link(session: Session, sign_in: SignIn) -> str:
    """Where Mia's booking is fetched."""
    coach = make_coach(session, display_name="Ana Keller")
    mia = make_client(session, coach=coach)
    booking = make_booking(session, slot=make_slot(session, coach=coach, starts_at=SOON), customer_id=mia.id)
    browser = sign_in(account_of(session, mia))
    assert f'href="/bookings/{booking.id}/calendar"' in browser.get("/bookings").text
    answer = browser.post(f"/api/scheduling/bookings/{booking.id}/calendar-link")
    assert answer.status_code == 201
    onward = browser.get(f"/bookings/{booking.id}/calendar", follow_redirects=False).headers["location"]
    assert urlsplit(onward).path == urlsplit(answer.json()["url"]).path
    url: str = answer.json()["url"]
    return url


def test_opens_without_a_sign_in(link: str, api: TestClient) -> None:
    answer = api.get(link)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/calendar")
    assert answer.headers["cache-control"] == "no-store"
    assert f"DTSTART;TZID=Europe/Berlin:{SOON.astimezone(BERLIN):%Y%m%dT%H%M%S}\r\n" in answer.text
    assert re.search(r"SUMMARY:.* with Ana Keller\r\n", answer.text)


@pytest.mark.asvs("8.2.2")
def test_opens_nothing_else(link: str, api: TestClient, session: Session, sign_in: SignIn) -> None:
    other = make_booking(session)
    path, _, query = link.partition("?")
    assert api.get(f"{path.rpartition('/')[0]}/{other.id}?{query}").status_code == 403
    assert api.get(link.replace("sub=", "sub=0")).status_code == 403
    assert api.get(f"{link}&exp=9999999999").status_code == 403
    assert api.get(path).status_code == 422
    assert sign_in(make_account(session)).get(link).status_code == 403


def test_others_get_no_link(session: Session, sign_in: SignIn) -> None:
    booking = make_booking(session)
    stranger = sign_in(make_account(session))
    assert stranger.post(f"/api/scheduling/bookings/{booking.id}/calendar-link").status_code == 404
    assert stranger.get(f"/bookings/{booking.id}/calendar").status_code == 404


def test_a_key_that_is_gone_opens_nothing(link: str, api: TestClient, app: FastAPI) -> None:
    app.state.url_signer = UrlSigner({"k2": b"2" * 32})
    answer = api.get(link)
    assert (answer.status_code, answer.json()["code"]) == (403, "core.bad_signed_url")


def test_text_is_escaped_and_long_lines_are_folded(session: Session) -> None:
    coach = make_coach(session, display_name="Müller; Anna, " + "ü" * 60)
    slot = make_slot(session, coach=coach, starts_at=SOON, title="Legs\\Core\nEND:VEVENT")
    booking = make_booking(session, slot=slot, status="cancelled", cancelled_at=SOON)
    text = calendar_file.render(session, booking.id, booking.customer_id).decode()
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    assert text.count("\r\nEND:VEVENT") == 1
    unfolded = text.replace("\r\n ", "")
    assert "SUMMARY:Legs\\\\Core\\nEND:VEVENT with Müller\\; Anna\\, ü" in unfolded
    assert "STATUS:CANCELLED" in unfolded
