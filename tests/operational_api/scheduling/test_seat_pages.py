"""Seats that are kept, requests, classes and terms as browsers without JavaScript and programs use them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.scheduling.models import Booking, BookingTerms, Coach, Slot, TimeOff, WaitlistEntry
from operational_api.scheduling.service import waitlist
from operational_api.training.models import Client
from tests.factories import (
    account_of,
    make_account,
    make_availability,
    make_booking,
    make_client,
    make_coach,
    make_pack,
    make_slot,
    make_subscription,
)
from tests.operational_api.conftest import SignIn

SOON = (datetime.now(UTC) + timedelta(days=3)).replace(hour=10, minute=0, second=0, microsecond=0)


@pytest.fixture
def coach(session: Session) -> Coach:
    return make_coach(session, display_name="Ana Keller")


@pytest.fixture
def mia(session: Session, coach: Coach) -> Client:
    return make_client(session, coach=coach, display_name="Mia Maier", time_zone="America/New_York")


@pytest.fixture
def browser(session: Session, mia: Client, sign_in: SignIn) -> TestClient:
    return sign_in(account_of(session, mia))


@pytest.fixture
def desk(session: Session, coach: Coach, sign_in: SignIn) -> TestClient:
    return sign_in(account_of(session, coach))


def test_whoever_leads_a_class_reads_who_waits_and_in_which_order(
    session: Session, desk: TestClient, coach: Coach
) -> None:
    slot = make_slot(session, coach=coach, starts_at=SOON, kind="group", capacity=1)
    make_booking(session, slot=slot)
    assert "Who waits" not in desk.get(f"/classes/{slot.id}").text
    for name in ("Zoe First", "Adam Second"):
        waiter = make_client(session, coach=coach, display_name=name)
        waitlist.join_waitlist(session, customer_id=waiter.id, slot_id=slot.id, now=datetime.now(UTC))
    page = desk.get(f"/classes/{slot.id}").text
    assert page.index("Who waits") < page.index("Zoe First") < page.index("Adam Second")
    assert desk.get(f"/api/scheduling/classes/{slot.id}").json()["waiting"] == ["Zoe First", "Adam Second"]


class TestHolding:
    def test_a_customer_without_a_plan_keeps_the_seat_pays_and_confirms(
        self, session: Session, browser: TestClient, mia: Client, coach: Coach
    ) -> None:
        slot = make_slot(session, coach=coach, starts_at=SOON)
        assert "Keep my seat for 15 minutes" in browser.get(f"/book/{slot.id}").text
        answer = browser.post(f"/book/{slot.id}/hold")
        assert (answer.status_code, answer.headers["location"]) == (303, "/plans")
        booking = session.scalars(select(Booking)).one()
        page = browser.get("/bookings").text
        assert "Held while you pay" in page
        assert "Times are yours: America/New York" in page
        assert browser.post(f"/bookings/{booking.id}/confirm").headers["location"] == "/plans"
        make_pack(session, customer_id=mia.id)
        assert "This seat is kept for you" in browser.get(f"/book/{slot.id}").text
        for _ in range(2):  # sent twice it is booked once
            assert browser.post(f"/bookings/{booking.id}/confirm").headers["location"] == "/bookings"
        session.expire_all()
        assert booking.status == "booked"
        assert "Held while you pay" not in browser.get("/bookings").text

    def test_an_expired_hold_is_told_and_gone(self, session: Session, browser: TestClient, mia: Client) -> None:
        make_pack(session, customer_id=mia.id)
        past = datetime.now(UTC) - timedelta(minutes=1)
        held = make_booking(session, slot=make_slot(session), customer_id=mia.id, status="held", held_until=past)
        assert "Held while you pay" not in browser.get("/bookings").text
        browser.post(f"/bookings/{held.id}/confirm")
        assert "that time is over" in browser.get("/bookings").text
        answer = browser.post(f"/api/scheduling/bookings/{held.id}/confirmation")
        assert (answer.status_code, answer.json()["code"]) == (409, "scheduling.hold_expired")

    def test_a_seat_on_a_day_that_the_coach_took_off_since_is_not_booked(
        self, session: Session, browser: TestClient, mia: Client, coach: Coach
    ) -> None:
        make_pack(session, customer_id=mia.id)
        slot = make_slot(session, coach=coach, starts_at=SOON)
        browser.post(f"/book/{slot.id}/hold")
        held = session.scalars(select(Booking)).one()
        session.add(TimeOff(coach_id=coach.id, starts_on=SOON.date(), ends_on=SOON.date(), kind="sick"))
        session.flush()
        assert browser.post(f"/bookings/{held.id}/confirm").headers["location"] == "/bookings"
        assert "Choose another time" in browser.get("/bookings").text
        assert held.status == "held"

    def test_over_http_a_hold_tells_until_when(self, session: Session, browser: TestClient, coach: Coach) -> None:
        slot = make_slot(session, coach=coach, starts_at=SOON)
        held = browser.post(f"/api/scheduling/slots/{slot.id}/hold").json()
        assert held["status"] == "held"
        assert datetime.fromisoformat(held["held_until"]) > datetime.now(UTC) + timedelta(minutes=14)
        [seen] = browser.get("/api/scheduling/slots").json()["items"]
        assert (seen["booking_id"], seen["booking_status"], seen["seats_left"]) == (held["id"], "held", 0)
        assert browser.get("/api/scheduling/bookings").json()["items"] == []
        assert browser.get("/api/scheduling/bookings?status=held").json()["items"][0]["id"] == held["id"]
        assert browser.post(f"/api/scheduling/bookings/{held['id']}/release").json()["status"] == "released"


class TestOffers:
    def test_who_waited_takes_or_declines_on_the_page(
        self, session: Session, browser: TestClient, mia: Client, coach: Coach
    ) -> None:
        make_subscription(session, customer_id=mia.id)
        slots = [make_slot(session, coach=coach, starts_at=SOON + timedelta(hours=3 * hour)) for hour in (0, 1)]
        for slot in slots:
            taken = make_booking(session, slot=slot)
            browser.post(f"/book/{slot.id}/waitlist", data={"action": "join"})
            taken.status = "cancelled"
            session.flush()
            waitlist.offer_seats(session, slot=slot, now=datetime.now(UTC))
        page = browser.get("/bookings").text
        assert page.count("You waited, and a seat is free") == 2
        first, second = session.scalars(select(Booking).where(Booking.status == "held").order_by(Booking.starts_at))
        browser.post(f"/bookings/{first.id}/confirm")
        for _ in range(2):
            browser.post(f"/bookings/{second.id}/release")
        session.expire_all()
        assert (first.status, second.status) == ("booked", "released")
        assert set(session.scalars(select(WaitlistEntry.status))) == {"promoted", "declined"}


class TestRequests:
    def test_a_coach_answers_on_the_page(
        self, session: Session, browser: TestClient, desk: TestClient, mia: Client, coach: Coach
    ) -> None:
        make_subscription(session, customer_id=mia.id)
        session.add(BookingTerms(coach_id=coach.id, needs_confirmation=True))
        slots = [make_slot(session, coach=coach, starts_at=SOON + timedelta(hours=3 * hour)) for hour in (0, 1)]
        assert "Ask for this session" in browser.get(f"/book/{slots[0].id}").text
        for slot in slots:
            browser.post(f"/book/{slot.id}")
        assert browser.get("/bookings").text.count("Your coach has been asked") == 2
        assert desk.get("/classes").text.count("Mia Maier") >= 2
        yes, no = session.scalars(select(Booking).order_by(Booking.starts_at)).all()
        desk.post(f"/classes/requests/{yes.id}", data={"answer": "yes"})
        assert desk.post(f"/api/scheduling/bookings/{no.id}/answer", json={"is_accepted": False}).status_code == 200
        session.expire_all()
        assert (yes.status, no.status) == ("booked", "released")
        assert browser.post(f"/api/scheduling/bookings/{yes.id}/answer", json={"is_accepted": True}).status_code == 403


class TestHistory:
    def test_customer_and_coach_see_who_moved_what(
        self, session: Session, browser: TestClient, desk: TestClient, mia: Client, coach: Coach
    ) -> None:
        make_subscription(session, customer_id=mia.id)
        first, second, third = (
            make_slot(session, coach=coach, starts_at=SOON + timedelta(hours=3 * hour)) for hour in range(3)
        )
        booking = make_booking(session, slot=first, customer_id=mia.id)
        moved = browser.post(
            f"/api/scheduling/bookings/{booking.id}/rescheduling", json={"slot_id": str(second.id)}
        ).json()
        again = desk.post(
            f"/api/scheduling/bookings/{moved['id']}/rescheduling", json={"slot_id": str(third.id)}
        ).json()
        for reader, zone in ((browser, "America/New_York"), (desk, "Europe/Berlin")):
            steps = reader.get(f"/api/scheduling/bookings/{again['id']}/moves").json()["items"]
            assert [one["moved_by_role"] for one in steps] == ["customer", "coach"]
            assert datetime.fromisoformat(steps[0]["from_starts_at"]) == SOON
            assert steps[1]["to_starts_at_local"][:16] == f"{third.starts_at.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"
        page = browser.get("/bookings").text
        assert "Moved 2 times" in page
        assert "by your coach" in page
        assert page.count(">Moved</span>") == 2  # and not "Cancelled"


class TestFees:
    def test_are_told_before_and_after_and_waived_by_staff(
        self, session: Session, browser: TestClient, desk: TestClient, mia: Client, coach: Coach, sign_in: SignIn
    ) -> None:
        make_subscription(session, customer_id=mia.id)
        session.add(BookingTerms(coach_id=coach.id, late_fee_minor=1500, late_fee_currency="EUR"))
        near = (datetime.now(UTC) + timedelta(hours=5)).replace(second=0, microsecond=0)
        slot = make_slot(session, coach=coach, starts_at=near)
        assert "costs €15.00" in browser.get(f"/book/{slot.id}").text
        browser.post(f"/book/{slot.id}")
        booking = session.scalars(select(Booking)).one()
        assert "costs €15.00" in browser.get("/bookings").text
        browser.post(f"/bookings/{booking.id}/cancel")
        assert "The fee is €15.00" in browser.get("/bookings").text
        path = f"/api/scheduling/bookings/{booking.id}/fee-waiver"
        assert desk.post(path, json={"reason": "ill"}).status_code == 403
        front = sign_in(make_account(session, role="front_desk"))
        waived = front.post(path, json={"reason": "ill"}).json()
        assert waived["late_fee_waived_at"] is not None
        assert "Fee waived" in browser.get("/bookings").text
        assert front.post(path, json={"reason": "ill"}).json()["code"] == "scheduling.no_fee"

    def test_are_waived_at_the_desk_for_the_person_they_are_about(
        self, session: Session, mia: Client, coach: Coach, sign_in: SignIn
    ) -> None:
        past = datetime.now(UTC) - timedelta(days=1)
        booking = make_booking(
            session, customer_id=mia.id, status="late_cancelled", late_fee_minor=1500, late_fee_currency="EUR",
            late_fee_due_at=past, slot=make_slot(session, coach=coach, starts_at=past),
        )  # fmt: skip
        front = sign_in(make_account(session, role="front_desk"))
        assert "Waive the fee" in front.get(f"/staff/people/{mia.id}").text
        form = {"booking_id": str(booking.id), "reason": "ill"}
        other = make_client(session)
        assert front.post(f"/staff/people/{other.id}/fee-waivers", data=form).status_code == 404
        assert front.post(f"/staff/people/{mia.id}/fee-waivers", data=form).status_code == 303
        assert "Waive the fee" not in front.get(f"/staff/people/{mia.id}").text


class TestClasses:
    FORM = {"title": "Mobility flow", "wall_start": "18:00", "minutes": "60", "capacity": "8"}

    def test_a_coach_opens_a_series_changes_and_calls_it_off(
        self, session: Session, desk: TestClient, coach: Coach
    ) -> None:
        assert "No classes yet" in desk.get("/classes").text
        form = self.FORM | {"first_on": f"{SOON:%Y-%m-%d}", "repeats": "weekly", "times": "3", "until": ""}
        assert desk.post("/classes", data=form).headers["location"] == "/classes"
        assert desk.get("/classes").text.count(">Mobility flow</a>") == 3
        slot = session.scalars(select(Slot).order_by(Slot.starts_at)).first()
        assert slot is not None
        assert "This and all that follow" in desk.get(f"/classes/{slot.id}").text
        change = self.FORM | {"title": "Evening flow", "wall_start": "20:30", "scope": "following"}
        desk.post(f"/classes/{slot.id}", data=change)
        assert "20:30" in desk.get("/classes").text
        desk.post(f"/classes/{slot.id}/cancel", data={"scope": "following"})
        assert "No classes yet" in desk.get("/classes").text
        assert "was called off" in desk.get(f"/classes/{slot.id}").text

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"repeats": "weekly"}, "Say how often"),
            ({"minutes": "5"}, "10 to 480 minutes"),
            ({"first_on": "2020-01-01"}, "starts in the future"),
        ],
    )
    def test_what_does_not_fit_is_told_and_nothing_entered_is_lost(
        self, session: Session, desk: TestClient, changes: dict[str, str], told: str
    ) -> None:
        answer = desk.post("/classes", data=self.FORM | {"first_on": f"{SOON:%Y-%m-%d}"} | changes)
        assert answer.status_code == 409
        assert told in answer.text
        assert 'value="Mobility flow"' in answer.text
        assert session.scalars(select(Slot)).all() == []

    def test_over_http_with_a_room(self, session: Session, desk: TestClient, coach: Coach, sign_in: SignIn) -> None:
        lead = sign_in(make_account(session, role="lead_coach"))
        places = f"/api/scheduling/locations/{coach.location_id}"
        room = lead.put(f"{places}/resources", json={"name": "Studio A", "kind": "room"}).json()
        assert desk.put(f"{places}/resources", json={"name": "Mine", "kind": "room"}).status_code == 403
        assert [one["id"] for one in desk.get(f"{places}/resources").json()["items"]] == [room["id"]]
        body = {
            "title": "Mobility", "wall_start": "18:00", "capacity": 8, "first_on": f"{SOON:%Y-%m-%d}",
            "rule": "FREQ=WEEKLY;INTERVAL=2;COUNT=2", "resource_ids": [room["id"]],
        }  # fmt: skip
        made = desk.post("/api/scheduling/classes", json=body)
        assert made.status_code == 201
        first, second = made.json()["items"]
        assert {one["starts_at_local"][11:16] for one in (first, second)} == {"18:00"}
        assert first["resources"][0]["name"] == "Studio A"
        assert desk.post("/api/scheduling/classes", json=body).json()["code"] == "scheduling.coach_busy"
        bad = desk.post("/api/scheduling/classes", json=body | {"rule": "FREQ=DAILY;COUNT=2"})
        assert (bad.status_code, bad.json()["code"]) == (422, "scheduling.invalid_recurrence")
        change = {"title": "Yoga", "wall_start": "19:00", "capacity": 6}
        assert desk.put(f"/api/scheduling/classes/{first['id']}", json=change).json()["resources"] == []
        path = f"/api/scheduling/classes/{first['id']}/cancellation"
        assert desk.post(path, json={"scope": "following"}).json()["status"] == "cancelled"
        assert desk.get("/api/scheduling/classes").json()["items"] == []


class TestTerms:
    def test_a_coach_says_on_what_terms_and_the_calendar_follows(
        self, session: Session, desk: TestClient, coach: Coach
    ) -> None:
        for weekday in range(7):
            make_availability(session, coach=coach, weekday=weekday)  # 9 to 12
        desk.put("/api/scheduling/terms", json={"hold_minutes": 5})
        hours = {one.starts_at.astimezone(ZoneInfo("Europe/Berlin")).hour for one in session.scalars(select(Slot))}
        assert hours == {9, 10, 11}
        found = desk.put("/api/scheduling/terms", json={"buffer_before_minutes": 60, "late_fee_minor": 0,
                                                        "late_fee_currency": "EUR"}).json()  # fmt: skip
        assert (found["hold_minutes"], found["buffer_before_minutes"]) == (15, 60)
        hours = {one.starts_at.astimezone(ZoneInfo("Europe/Berlin")).hour for one in session.scalars(select(Slot))}
        assert hours == {9, 11}
        assert desk.get("/api/scheduling/terms?kind=group").json()["buffer_before_minutes"] == 60
        assert desk.put("/api/scheduling/terms", json={"late_fee_minor": 100}).status_code == 422

    def test_the_studio_says_what_holds_where_a_coach_says_nothing(
        self, session: Session, desk: TestClient, sign_in: SignIn
    ) -> None:
        lead = sign_in(make_account(session, role="lead_coach"))
        body = {"kind": "group", "hold_minutes": 30, "offer_minutes": 45}
        assert lead.put("/api/scheduling/studio-terms", json=body).status_code == 200
        assert desk.put("/api/scheduling/studio-terms", json=body).status_code == 403
        desk.put("/api/scheduling/terms", json={"offer_minutes": 20})
        found = desk.get("/api/scheduling/terms?kind=group").json()
        assert (found["hold_minutes"], found["offer_minutes"]) == (30, 20)
        assert desk.get("/api/scheduling/terms").json()["hold_minutes"] == 15
