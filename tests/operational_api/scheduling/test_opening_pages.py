"""Any coach, as a browser without JavaScript uses it; and the desk that gives a session to another coach."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.scheduling.models import Booking, Coach, Location
from operational_api.training.models import Client
from tests.factories import (
    account_of,
    make_account,
    make_client,
    make_coach,
    make_location,
    make_slot,
    make_subscription,
)
from tests.operational_api.conftest import SignIn

SOON = (datetime.now(UTC) + timedelta(days=2)).replace(hour=10, minute=0, second=0, microsecond=0)
HOUR = timedelta(hours=1)
DAY = SOON.date().isoformat()


@pytest.fixture
def studio(session: Session) -> Location:
    return make_location(session)


@pytest.fixture
def coaches(session: Session, studio: Location) -> list[Coach]:
    """Ana is free at ten, Ben then and an hour later."""
    ana, ben = (make_coach(session, location=studio, display_name=name) for name in ("Ana Keller", "Ben Vogt"))
    for coach, starts_at in ((ana, SOON), (ben, SOON), (ben, SOON + HOUR)):
        make_slot(session, coach=coach, starts_at=starts_at)
    return [ana, ben]


@pytest.fixture
def mia(session: Session, coaches: list[Coach]) -> Client:
    """A member, and Ana's client."""
    client = make_client(session, coach=coaches[0])
    make_subscription(session, customer_id=client.id)
    return client


@pytest.fixture
def browser(session: Session, mia: Client, sign_in: SignIn) -> TestClient:
    return sign_in(account_of(session, mia))


def times(page: str) -> list[str]:
    """Addresses of the times with whoever is free."""
    return [unescape(one) for one in re.findall(r'href="(/book/any[^"]+)"', page)]


def form(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(place|at|minutes|move|with_another)" value="([^"]*)"', page))


def bookings_page(browser: TestClient, answer_to: object) -> str:
    location = getattr(answer_to, "headers")["location"]  # noqa: B009 - whatever client it came from
    return unescape(browser.get(location).text)


class TestBook:
    def test_any_coach_stands_beside_the_coaches_and_the_answer_names_who_it_is(
        self, session: Session, browser: TestClient, studio: Location
    ) -> None:
        page = browser.get(f"/book?day={DAY}&place={studio.id}").text
        first, second = times(page)
        assert page.index("Any coach</strong>") < page.index("Ana Keller</strong>")
        assert times(browser.get(f"/book?day={DAY}&place={studio.id}&kind=group").text) == []
        look = browser.get(first).text
        assert "Your own coach is free then" in look
        assert "We choose the coach" in browser.get(second).text
        told = browser.post("/book/any", data=form(look))
        assert "Booked. You train with Ana Keller." in bookings_page(browser, told)
        assert "You already have a session" in bookings_page(browser, browser.post("/book/any", data=form(look)))
        assert session.scalars(select(Booking.assignment)).all() == ["own_coach"]

    def test_is_said_in_vietnamese(self, browser: TestClient, studio: Location) -> None:
        browser.headers["Accept-Language"] = "vi"
        page = browser.get(f"/book?day={DAY}&place={studio.id}").text
        assert "Huấn luyện viên bất kỳ" in page
        assert "Chúng tôi chọn huấn luyện viên" in browser.get(times(page)[1]).text

    def test_a_time_that_is_gone_says_so(self, session: Session, browser: TestClient, studio: Location) -> None:
        gone = {"place": str(studio.id), "at": (SOON + 5 * HOUR).isoformat(), "minutes": "60"}
        assert "No coach is free at that time any more" in browser.get("/book/any", params=gone).text
        assert "No coach is free" in bookings_page(browser, browser.post("/book/any", data=gone))
        assert session.scalars(select(Booking.id)).all() == []

    def test_moving_asks_before_it_takes_another_coach(
        self, session: Session, browser: TestClient, studio: Location
    ) -> None:
        first, _ = times(browser.get(f"/book?day={DAY}&place={studio.id}").text)
        browser.post("/book/any", data=form(browser.get(first).text))
        booking = session.scalars(select(Booking)).one()
        page = browser.get(f"/book?day={DAY}&place={studio.id}&move={booking.id}").text
        assert times(page) == [], "where one coach is free they are named"
        ana = session.get_one(Coach, booking.coach_id)
        make_slot(session, coach=make_coach(session, location=studio), starts_at=SOON + HOUR)
        (later,) = [one for one in times(browser.get(f"/book?day={DAY}&place={studio.id}&move={booking.id}").text)
                    if (SOON + HOUR).strftime("T%H%%3A") in one or (SOON + HOUR).strftime("T%H:") in one]  # fmt: skip
        look = browser.get(later).text
        assert "Ana Keller is not free then." in look
        asked = form(look)
        without = {name: value for name, value in asked.items() if name != "with_another"}
        assert "Your coach is not free" in bookings_page(browser, browser.post("/book/any", data=without))
        assert "Moved. You train with" in bookings_page(browser, browser.post("/book/any", data=asked))
        (kept,) = session.scalars(select(Booking).where(Booking.status == "booked"))
        assert (kept.starts_at, kept.coach_id != ana.id) == (SOON + HOUR, True)


class TestReassign:
    def test_the_desk_gives_it_to_who_is_free(
        self, session: Session, browser: TestClient, sign_in: SignIn, studio: Location
    ) -> None:
        first, _ = times(browser.get(f"/book?day={DAY}&place={studio.id}").text)
        browser.post("/book/any", data=form(browser.get(first).text))
        booking = session.scalars(select(Booking)).one()
        desk = sign_in(make_account(session, role="front_desk"))
        today = f"/staff/today?studio={studio.id}&day={DAY}"
        path = f"/staff/bookings/{booking.id}/reassignment"
        assert path in desk.get(today).text
        assert path not in sign_in(make_account(session, role="support")).get(today).text
        given = desk.post(path, data={"return_to": today})
        assert "Ben Vogt holds it now. The customer is told." in bookings_page(desk, given)
        again = desk.post(path, data={"return_to": today})
        assert "This booking is over" in bookings_page(desk, again)
