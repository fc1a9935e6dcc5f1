"""Scheduling over HTTP: what guests, customers, coaches and admins see and may do."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.scheduling.models import Booking, Coach, Slot
from operational_api.training.models import Client
from tests.factories import (
    account_of,
    make_account,
    make_booking,
    make_client,
    make_coach,
    make_slot,
    make_subscription,
)
from tests.operational_api.conftest import SignIn


@pytest.fixture
def coach(session: Session) -> Coach:
    """A coach in Berlin."""
    return make_coach(session)


@pytest.fixture
def mia(session: Session, coach: Coach) -> Client:
    """A member, living in New York."""
    client = make_client(session, coach=coach, time_zone="America/New_York")
    make_subscription(session, customer_id=client.id)
    return client


@pytest.fixture
def phone(session: Session, mia: Client, sign_in: SignIn) -> TestClient:
    """Mia's phone."""
    return sign_in(account_of(session, mia))


@pytest.fixture
def desk(session: Session, coach: Coach, sign_in: SignIn) -> TestClient:
    """The coach's own client."""
    return sign_in(account_of(session, coach))


def code(answer) -> tuple[int, str]:  # type: ignore[no-untyped-def]
    """Status and stable code of a refusal."""
    return answer.status_code, answer.json()["code"]


class TestListSlots:
    def test_is_open_to_guests_in_the_studios_zone(self, session: Session, api: TestClient, coach: Coach) -> None:
        slot = make_slot(session, coach=coach, starts_at=datetime(2099, 7, 1, 7, tzinfo=UTC), capacity=8)
        make_booking(session, slot=slot)
        [one] = api.get("/api/scheduling/slots").json()["items"]
        assert (one["seats_left"], one["starts_at_local"], one["time_zone"]) == (
            7,
            "2099-07-01T09:00:00+02:00",
            "Europe/Berlin",
        )

    def test_tells_the_readers_own_time(self, session: Session, phone: TestClient, coach: Coach) -> None:
        make_slot(session, coach=coach, starts_at=datetime(2099, 7, 1, 7, tzinfo=UTC))
        [one] = phone.get("/api/scheduling/slots").json()["items"]
        assert one["starts_at_local"] == "2099-07-01T03:00:00-04:00"
        [one] = phone.get("/api/scheduling/slots?time_zone=Asia/Ho_Chi_Minh").json()["items"]
        assert one["starts_at_local"] == "2099-07-01T14:00:00+07:00"
        assert phone.get("/api/scheduling/slots?time_zone=../../etc/passwd").status_code == 422

    def test_filters_and_pages(self, session: Session, api: TestClient, coach: Coach) -> None:
        start = datetime(2099, 7, 1, 7, tzinfo=UTC)
        made = [make_slot(session, coach=coach, starts_at=start + timedelta(hours=n)) for n in range(5)]
        make_slot(session, starts_at=start)
        make_slot(session, coach=coach, starts_at=start + timedelta(days=1), capacity=4)
        make_booking(session, slot=made[0])
        query = f"coach_id={coach.id}&from=2099-07-01T00:00:00Z&to=2099-07-02T00:00:00Z&kind=one_to_one&limit=2"
        seen, cursor = [], ""
        while cursor is not None:
            page = api.get(f"/api/scheduling/slots?{query}{f'&cursor={cursor}' if cursor else ''}").json()
            seen += page["items"]
            cursor = page["next_cursor"]
        assert [one["id"] for one in seen] == [str(slot.id) for slot in made]
        assert seen[0]["seats_left"] == 0
        free = api.get(f"/api/scheduling/slots?{query}&only_free=true").json()["items"]
        assert free[0]["id"] == str(made[1].id)

    def test_hides_what_is_past_too_soon_or_called_off(self, session: Session, api: TestClient) -> None:
        now = datetime.now(UTC)
        make_slot(session, starts_at=now - timedelta(hours=3))
        make_slot(session, starts_at=now + timedelta(hours=1))
        make_slot(session, status="cancelled")
        assert api.get("/api/scheduling/slots").json()["items"] == []


class TestBookings:
    def test_needs_a_customer(self, session: Session, api: TestClient, desk: TestClient, coach: Coach) -> None:
        body = {"slot_id": str(make_slot(session, coach=coach).id)}
        assert code(api.post("/api/scheduling/bookings", json=body)) == (401, "core.unauthenticated")
        assert code(desk.post("/api/scheduling/bookings", json=body)) == (403, "core.forbidden")

    def test_the_whole_story(
        self, session: Session, phone: TestClient, desk: TestClient, mia: Client, coach: Coach
    ) -> None:
        slot = make_slot(session, coach=coach)
        key = {"Idempotency-Key": str(new_id())}
        first = phone.post("/api/scheduling/bookings", json={"slot_id": str(slot.id)}, headers=key)
        again = phone.post("/api/scheduling/bookings", json={"slot_id": str(slot.id)}, headers=key)
        assert (first.status_code, again.json()) == (201, first.json())
        booking = first.json()
        assert booking["is_free_to_cancel"] is True
        [seen] = desk.get("/api/scheduling/bookings").json()["items"]
        assert (seen["id"], seen["customer_name"]) == (booking["id"], "Mia Maier")
        path = f"/api/scheduling/bookings/{booking['id']}"
        assert code(desk.post(f"{path}/outcome", json={"outcome": "attended"})) == (
            409,
            "scheduling.session_not_started",
        )
        row = session.get_one(Booking, UUID(booking["id"]))
        row.starts_at, row.ends_at = row.starts_at - timedelta(days=3), row.ends_at - timedelta(days=3)
        session.flush()
        assert code(phone.post(f"{path}/outcome", json={"outcome": "attended"})) == (403, "core.forbidden")
        assert desk.post(f"{path}/outcome", json={"outcome": "attended"}).json()["status"] == "attended"
        assert code(phone.post(f"{path}/cancellation")) == (409, "scheduling.booking_closed")

    def test_a_refusal_names_its_code(self, session: Session, phone: TestClient, coach: Coach, sign_in: SignIn) -> None:
        slot = make_slot(session, coach=coach)
        poor = sign_in(account_of(session, make_client(session)))
        body = {"slot_id": str(slot.id)}
        assert code(poor.post("/api/scheduling/bookings", json=body)) == (402, "scheduling.plan_required")
        phone.post("/api/scheduling/bookings", json=body)
        assert code(phone.post("/api/scheduling/bookings", json=body)) == (409, "scheduling.already_booked")
        assert code(phone.post("/api/scheduling/bookings", json={"slot_id": str(new_id())})) == (
            404,
            "scheduling.slot_not_found",
        )
        past = make_slot(session, coach=coach, starts_at=datetime(2026, 1, 1, tzinfo=UTC))
        assert code(phone.post("/api/scheduling/bookings", json={"slot_id": str(past.id)})) == (
            409,
            "scheduling.slot_closed",
        )

    @pytest.mark.asvs("8.2.2")
    def test_somebody_elses_booking_is_like_a_missing_one(
        self, session: Session, phone: TestClient, sign_in: SignIn
    ) -> None:
        theirs = make_booking(session)
        stranger = sign_in(account_of(session, make_coach(session)))
        for client in (phone, stranger):
            for path in ("", "/cancellation", "/outcome", "/rescheduling"):
                bodies = {"/outcome": {"outcome": "attended"}, "/rescheduling": {"slot_id": str(new_id())}}
                ask = client.get if path == "" else client.post
                given = {"json": bodies[path]} if path in bodies else {}
                mine = ask(f"/api/scheduling/bookings/{theirs.id}{path}", **given)
                nobodys = ask(f"/api/scheduling/bookings/{new_id()}{path}", **given)
                is_staffs = path == "/outcome" and client is phone
                expected = (403, "core.forbidden") if is_staffs else (404, "scheduling.booking_not_found")
                assert code(mine) == code(nobodys) == expected
        assert phone.get("/api/scheduling/bookings").json()["items"] == []

    def test_reschedules_and_cancels(self, session: Session, phone: TestClient, coach: Coach) -> None:
        first, second = (
            make_slot(session, coach=coach, starts_at=datetime(2099, 7, 1, hour, tzinfo=UTC)) for hour in (7, 9)
        )
        booking = phone.post("/api/scheduling/bookings", json={"slot_id": str(first.id)}).json()
        path = f"/api/scheduling/bookings/{booking['id']}"
        moved = phone.post(f"{path}/rescheduling", json={"slot_id": str(second.id)})
        assert (moved.status_code, moved.json()["slot_id"]) == (201, str(second.id))
        done = phone.post(f"/api/scheduling/bookings/{moved.json()['id']}/cancellation").json()
        assert done["status"] == "cancelled"
        listed = phone.get("/api/scheduling/bookings?order=desc").json()["items"]
        assert [one["status"] for one in listed] == ["cancelled", "cancelled"]

    def test_a_customer_who_just_signed_up_has_a_name(
        self, session: Session, desk: TestClient, coach: Coach, sign_in: SignIn
    ) -> None:
        account = make_account(session, display_name="New Nora")
        make_subscription(session, customer_id=account.id)
        sign_in(account).post("/api/scheduling/bookings", json={"slot_id": str(make_slot(session, coach=coach).id)})
        assert desk.get("/api/scheduling/bookings").json()["items"][0]["customer_name"] == "New Nora"


class TestWaitlist:
    def test_joins_leaves_and_is_seen_on_the_slot(self, session: Session, phone: TestClient, coach: Coach) -> None:
        slot = make_slot(session, coach=coach)
        path = f"/api/scheduling/slots/{slot.id}"
        assert code(phone.post(f"{path}/waitlist")) == (409, "scheduling.seats_left")
        make_booking(session, slot=slot)
        assert phone.post(f"{path}/waitlist").json()["place"] == 1
        assert phone.get(path).json()["is_waiting"] is True
        assert phone.delete(f"{path}/waitlist").status_code == 204
        assert phone.get(path).json()["is_waiting"] is False


class TestAvailability:
    RULES = {
        "rules": [
            {"weekday": day, "starts_at": "09:00", "ends_at": "12:00", "valid_from": "2026-01-01"} for day in range(7)
        ]
    }

    def test_a_coach_edits_their_own(self, session: Session, desk: TestClient, phone: TestClient, coach: Coach) -> None:
        answer = desk.put("/api/scheduling/availability", json=self.RULES)
        assert answer.status_code == 200
        assert desk.get("/api/scheduling/availability").json() == answer.json()
        made = session.scalar(select(func.count()).select_from(Slot).where(Slot.coach_id == coach.id))
        assert made is not None
        assert 81 <= made <= 87
        other = make_coach(session)
        refused = desk.put(f"/api/scheduling/availability?coach_id={other.id}", json=self.RULES)
        assert code(refused) == (404, "scheduling.coach_not_found")
        assert code(phone.get("/api/scheduling/availability")) == (403, "core.forbidden")

    def test_refuses_nonsense(self, desk: TestClient) -> None:
        rule = self.RULES["rules"][0] | {"ends_at": "08:00"}
        answer = desk.put("/api/scheduling/availability", json={"rules": [rule]})
        assert code(answer) == (422, "scheduling.invalid_availability")
        assert "Monday 09:00-08:00" in answer.json()["detail"]


class TestCancelSlot:
    def test_is_for_the_slots_coach(self, session: Session, desk: TestClient, phone: TestClient, coach: Coach) -> None:
        slot, theirs = make_slot(session, coach=coach), make_slot(session)
        assert code(phone.post(f"/api/scheduling/slots/{slot.id}/cancellation")) == (403, "core.forbidden")
        assert code(desk.post(f"/api/scheduling/slots/{theirs.id}/cancellation")) == (404, "scheduling.slot_not_found")
        assert desk.post(f"/api/scheduling/slots/{slot.id}/cancellation").json()["status"] == "cancelled"


class TestHandlers:
    def test_periodic_work_runs(self, session: Session, coach: Coach) -> None:
        from operational_api.scheduling import handlers
        from tests.factories import make_availability

        make_availability(session, coach=coach)
        for _, _, run in handlers.PERIODIC:
            run(session, datetime.now(UTC))
        assert session.scalar(select(func.count()).select_from(Slot)) in (12, 11, 10, 9)
