"""The booking pages as a browser without JavaScript uses them."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.scheduling.models import Booking, Coach, WaitlistEntry
from operational_api.training.models import Client
from tests.factories import (
    account_of,
    make_account,
    make_booking,
    make_client,
    make_coach,
    make_pack,
    make_plan,
    make_slot,
    make_subscription,
)
from tests.operational_api.conftest import SignIn

SOON = (datetime.now(UTC) + timedelta(days=2)).replace(hour=10, minute=0, second=0, microsecond=0)
DAY = SOON.date().isoformat()


@pytest.fixture
def coach(session: Session) -> Coach:
    """A coach in Berlin."""
    return make_coach(session, display_name="Ana Keller")


@pytest.fixture
def mia(session: Session, coach: Coach) -> Client:
    """A member."""
    client = make_client(session, coach=coach)
    make_subscription(session, customer_id=client.id)
    return client


@pytest.fixture
def browser(session: Session, mia: Client, sign_in: SignIn) -> TestClient:
    """Mia's browser."""
    return sign_in(account_of(session, mia))


class TestWhatPays:
    """The page of one session, and of a time with any coach, say what pays for it: what a booking would use."""

    @pytest.fixture
    def two_a_month(self, session: Session, coach: Coach) -> Client:
        client = make_client(session, coach=coach)
        plan = make_plan(session, price=None, name="Twice a month", sessions_included=2)
        make_subscription(session, customer_id=client.id, plan=plan)
        return client

    def test_is_the_membership_as_far_as_its_month_goes(
        self, session: Session, coach: Coach, two_a_month: Client, sign_in: SignIn
    ) -> None:
        browser, month = sign_in(account_of(session, two_a_month)), f"{SOON:%B}"
        slots = [make_slot(session, coach=coach, starts_at=SOON + hour * timedelta(hours=1)) for hour in range(3)]
        wanted = {"place": str(coach.location_id), "at": slots[2].starts_at.isoformat(), "minutes": "60"}
        first = make_booking(session, slot=slots[0], customer_id=two_a_month.id)

        def pages(**asked: object) -> list[str]:
            return [
                browser.get(f"/book/{slots[2].id}", params=asked).text,
                browser.get("/book/any", params=wanted | asked).text,
            ]

        assert all(f"Covered by Twice a month. Sessions booked in {month}: 1 of 2." in page for page in pages())
        make_booking(session, slot=slots[1], customer_id=two_a_month.id)
        for page in pages():
            assert f"The sessions of your membership in {month} are all booked." in page
            assert "add a session pack" in page
            assert "Book this session" not in page
        assert all(f"Sessions booked in {month}: 1 of 2." in page for page in pages(move=first.id))
        make_pack(session, customer_id=two_a_month.id)
        for page in pages():
            assert f"The sessions of your membership in {month} are all booked." in page
            assert "Uses one of your 10 prepaid sessions." in page
            assert "Book this session" in page

    def test_is_the_last_session_of_a_pack_that_goes_along_with_a_booking(
        self, session: Session, coach: Coach, sign_in: SignIn
    ) -> None:
        client = make_client(session, coach=coach)
        pack = make_pack(session, customer_id=client.id, sessions_total=1, sessions_used=1)
        old, new = (make_slot(session, coach=coach, starts_at=SOON + days * timedelta(days=1)) for days in range(2))
        booking = make_booking(session, slot=old, customer_id=client.id, session_pack_id=pack.id)
        browser = sign_in(account_of(session, client))
        assert "You need a plan" in browser.get(f"/book/{new.id}").text
        page = browser.get(f"/book/{new.id}?move={booking.id}").text
        assert "Move to this time" in page
        browser.post(f"/book/{new.id}", data={"move": str(booking.id)})
        [moved] = session.scalars(select(Booking).where(Booking.slot_id == new.id))
        assert (moved.status, moved.session_pack_id) == ("booked", pack.id)


class TestBook:
    def test_shows_the_day_by_coach(self, session: Session, browser: TestClient, coach: Coach) -> None:
        slot = make_slot(session, coach=coach, starts_at=SOON)
        page = browser.get(f"/book?day={DAY}").text
        assert f'href="/book/{slot.id}"' in page
        assert "Ana Keller" in page
        assert "Your coach" in page

    def test_guests_may_look_and_are_asked_to_sign_in(self, session: Session, api: TestClient, coach: Coach) -> None:
        slot = make_slot(session, coach=coach, starts_at=SOON)
        assert str(slot.id) in api.get(f"/book?day={DAY}").text
        assert f"/auth/login?return_to=/book/{slot.id}" in api.get(f"/book/{slot.id}").text

    def test_an_empty_day_says_when_there_is_more(self, session: Session, browser: TestClient, coach: Coach) -> None:
        make_slot(session, coach=coach, starts_at=SOON)
        other = (SOON + timedelta(days=1)).date().isoformat()
        assert "No sessions on this day" in browser.get(f"/book?day={other}").text
        assert "Nothing free in the next two weeks" in browser.get(f"/book?day={DAY}&kind=group").text

    @pytest.mark.parametrize("query", ["coach=nonsense&place=nonsense", "day=1999-01-01", "day=9999-12-31"])
    def test_survives_odd_filters(self, browser: TestClient, query: str) -> None:
        assert browser.get(f"/book?{query}").status_code == 200

    def test_without_a_plan_points_to_the_plans(self, session: Session, coach: Coach, sign_in: SignIn) -> None:
        poor = sign_in(make_account(session))
        slot = make_slot(session, coach=coach, starts_at=SOON)
        assert 'href="/plans"' in poor.get(f"/book?day={DAY}").text
        assert 'href="/plans"' in poor.get(f"/book/{slot.id}").text
        answer = poor.post(f"/book/{slot.id}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/plans")


class TestBookSlot:
    def test_sent_twice_it_books_once(self, session: Session, browser: TestClient, coach: Coach) -> None:
        slot = make_slot(session, coach=coach, starts_at=SOON)
        assert "Book this session" in browser.get(f"/book/{slot.id}").text
        for _ in range(2):
            answer = browser.post(f"/book/{slot.id}")
            assert (answer.status_code, answer.headers["location"]) == (303, "/bookings")
        assert len(session.scalars(select(Booking).where(Booking.slot_id == slot.id)).all()) == 1
        assert "Ana Keller" in browser.get("/bookings").text

    def test_the_loser_of_a_race_is_told_on_the_page_they_were_on(
        self, session: Session, browser: TestClient, coach: Coach
    ) -> None:
        slot = make_slot(session, coach=coach, starts_at=SOON)
        make_booking(session, slot=slot)
        came_from = {"Referer": f"http://testserver/book/{slot.id}", "Accept": "text/html"}
        answer = browser.post(f"/book/{slot.id}", headers=came_from)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/book/{slot.id}")
        page = browser.get(f"/book/{slot.id}").text
        assert "Someone else booked the last seat first" in page
        assert "Join the waitlist" in page

    def test_waits_and_leaves(self, session: Session, browser: TestClient, coach: Coach) -> None:
        slot = make_slot(session, coach=coach, starts_at=SOON)
        make_booking(session, slot=slot)
        browser.post(f"/book/{slot.id}/waitlist", data={"action": "join"})
        assert "you are next" in browser.get("/bookings").text
        browser.post(f"/book/{slot.id}/waitlist", data={"action": "leave"})
        assert session.scalars(select(WaitlistEntry.status)).all() == ["left"]

    def test_a_new_customer_is_known_with_their_time_zone_before_the_event_is_handled(
        self, session: Session, sign_in: SignIn, coach: Coach
    ) -> None:
        account = make_account(session, role="customer", display_name="Nora")
        make_subscription(session, customer_id=account.id)
        slot = make_slot(session, coach=coach, starts_at=SOON)
        browser = sign_in(account)
        browser.cookies.set("plyo_tz", "Asia/Ho_Chi_Minh")
        assert browser.post(f"/book/{slot.id}").status_code == 303
        client = session.get_one(Client, account.id)
        assert (client.display_name, client.time_zone) == ("Nora", "Asia/Ho_Chi_Minh")


class TestBookings:
    def test_cancels_and_says_what_it_cost(
        self, session: Session, browser: TestClient, mia: Client, coach: Coach
    ) -> None:
        free = make_booking(session, slot=make_slot(session, coach=coach, starts_at=SOON), customer_id=mia.id)
        near = datetime.now(UTC) + timedelta(hours=3)
        late = make_booking(session, slot=make_slot(session, coach=coach, starts_at=near), customer_id=mia.id)
        page = browser.get("/bookings").text
        assert "Nothing is used." in page
        assert "counts as used" in page
        for booking in (free, late, late):
            assert browser.post(f"/bookings/{booking.id}/cancel").status_code == 303
        session.expire_all()
        assert (free.status, late.status) == ("cancelled", "late_cancelled")
        assert "Cancelled late" in browser.get("/bookings").text

    def test_what_was_cancelled_by_a_slip_is_booked_again_from_there(
        self, session: Session, browser: TestClient, mia: Client, coach: Coach
    ) -> None:
        slot = make_slot(session, coach=coach, starts_at=SOON)
        booking = make_booking(session, slot=slot, customer_id=mia.id)
        browser.post(f"/bookings/{booking.id}/cancel")
        page = browser.get("/bookings").text
        back = re.search(r'<form method="post" action="(/book/[\w-]+)">.*?Book it again', page, re.S)
        assert back is not None
        assert browser.post(back[1]).headers["location"] == "/bookings"
        held = session.scalars(select(Booking.status).where(Booking.slot_id == slot.id).order_by(Booking.status)).all()
        assert held == ["booked", "cancelled"]
        assert "Book it again" not in browser.get("/bookings").text

    def test_late_it_has_cost_something_and_no_button_takes_that_back(
        self, session: Session, browser: TestClient, mia: Client, coach: Coach
    ) -> None:
        near = make_slot(session, coach=coach, starts_at=datetime.now(UTC) + timedelta(hours=3))
        booking = make_booking(session, slot=near, customer_id=mia.id)
        browser.post(f"/bookings/{booking.id}/cancel")
        page = browser.get("/bookings").text
        assert "Cancelled late" in page
        assert "Book it again" not in page

    def test_moves_to_another_time(self, session: Session, browser: TestClient, mia: Client, coach: Coach) -> None:
        old = make_booking(session, slot=make_slot(session, coach=coach, starts_at=SOON), customer_id=mia.id)
        other = make_slot(session, coach=coach, starts_at=SOON + timedelta(hours=2))
        listed = browser.get(f"/book?move={old.id}&day={DAY}").text
        assert f"/book/{other.id}?move={old.id}" in listed
        form = browser.get(f"/book/{other.id}?move={old.id}").text
        assert "Move to this time" in form
        assert re.search(rf'name="move" value="{old.id}"', form)
        browser.post(f"/book/{other.id}", data={"move": str(old.id)})
        session.expire_all()
        assert old.status == "cancelled"

    def test_earlier_ones_are_a_link_away(
        self, session: Session, browser: TestClient, mia: Client, coach: Coach
    ) -> None:
        now = datetime.now(UTC)
        for days in range(-25, 5):
            at = now + timedelta(days=days, minutes=30)
            slot = make_slot(session, coach=coach, starts_at=at, ends_at=at + timedelta(minutes=45))
            status = "booked" if days >= 0 else "attended"
            make_booking(session, slot=slot, customer_id=mia.id, status=status)
        page, seen = browser.get("/bookings").text, []
        while True:
            seen.append(page.partition('id="past"')[2].count("Attended"))
            older = re.search(r'href="(/bookings\?cursor=[^"#]+)', page)
            if older is None:
                break
            page = browser.get(older[1].replace("&amp;", "&")).text
        assert seen == [12, 12, 1]
        assert 'href="/bookings#past"' in page

    def test_shows_nothing_of_others(self, session: Session, browser: TestClient) -> None:
        theirs = make_booking(session)
        assert "Nothing booked" in browser.get("/bookings").text
        assert browser.post(f"/bookings/{theirs.id}/cancel").status_code == 404
        assert browser.get(f"/book?move={theirs.id}").status_code == 404
