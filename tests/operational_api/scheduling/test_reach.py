"""Who is kept to some studios reaches nothing of the others, by whichever way in."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.identity.models import Account
from operational_api.scheduling import public
from operational_api.scheduling.models import Booking, Coach, DeskLocation
from operational_api.training.models import Client
from tests.factories import account_of, make_account, make_booking, make_client, make_coach, make_pack, make_slot
from tests.operational_api.conftest import SignIn

FAR = datetime(2099, 7, 1, 9, tzinfo=UTC)
LONG_AGO = datetime(2025, 7, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def here(session: Session) -> Coach:
    """A coach of the studio that the desk works at."""
    return make_coach(session)


@pytest.fixture
def elsewhere(session: Session) -> Coach:
    """A coach of another studio."""
    return make_coach(session)


@pytest.fixture
def front(session: Session, here: Coach) -> Account:
    account = make_account(session, role="front_desk")
    session.add(
        DeskLocation(account_id=account.id, location_id=here.location_id, given_by=new_id(), given_at=FAR)
    )  # fmt: skip
    session.flush()
    return account


@pytest.fixture
def desk(front: Account, sign_in: SignIn) -> TestClient:
    return sign_in(front)


@pytest.fixture
def mia(session: Session, here: Coach) -> Client:
    client = make_client(session, coach=here)
    make_pack(session, customer_id=client.id)
    return client


def booked(
    session: Session, coach: Coach, mia: Client, hours: int = 0, *, day: datetime = FAR, **given: Any
) -> Booking:
    slot = make_slot(session, coach=coach, starts_at=day + hours * HOUR)
    return make_booking(session, slot=slot, customer_id=mia.id, **given)


BOOKINGS = "/api/scheduling/bookings"
WAYS: list[tuple[str, dict[str, object], dict[str, Any]]] = [
    (f"{BOOKINGS}/ID/cancellation", {}, {}),
    (f"{BOOKINGS}/ID/outcome", {"outcome": "attended"}, {"day": LONG_AGO}),
    (f"{BOOKINGS}/ID/answer", {"is_accepted": True}, {"status": "requested", "held_until": FAR}),
    (
        f"{BOOKINGS}/ID/fee-waiver",
        {"reason": "Ill"},
        {"status": "late_cancelled", "late_fee_minor": 900, "late_fee_currency": "EUR", "late_fee_due_at": FAR},
    ),
]


class TestFrontDesk:
    @pytest.mark.parametrize(("path", "body", "given"), WAYS, ids=[one[0].rpartition("/")[2] for one in WAYS])
    def test_reaches_a_booking_at_its_studio_and_none_elsewhere(
        self, session: Session, desk: TestClient, here: Coach, elsewhere: Coach, mia: Client, path: str,
        body: dict[str, object], given: dict[str, Any],
    ) -> None:  # fmt: skip
        answers = []
        for hours, coach in enumerate((here, elsewhere)):
            booking = booked(session, coach, mia, 2 * hours, **given)
            answers.append(desk.post(path.replace("ID", str(booking.id)), json=body))
        assert [one.status_code for one in answers] == [200, 404]
        assert answers[1].json()["code"] == "scheduling.booking_not_found"

    def test_calls_off_no_session_elsewhere(self, session: Session, desk: TestClient, elsewhere: Coach) -> None:
        slot = make_slot(session, coach=elsewhere, starts_at=FAR)
        assert desk.post(f"/api/scheduling/slots/{slot.id}/cancellation").status_code == 404
        assert slot.status == "open"

    def test_moves_bookings_within_its_studio_only(
        self, session: Session, desk: TestClient, here: Coach, elsewhere: Coach, mia: Client
    ) -> None:
        booking = booked(session, here, mia)
        there, near = (make_slot(session, coach=coach, starts_at=FAR + 5 * HOUR) for coach in (elsewhere, here))
        path = f"{BOOKINGS}/{booking.id}/rescheduling"
        refused = desk.post(path, json={"slot_id": str(there.id)})
        assert (refused.status_code, refused.json()["code"]) == (404, "scheduling.slot_not_found")
        assert booking.status == "booked"
        assert desk.post(path, json={"slot_id": str(near.id)}).status_code == 201

    def test_sees_no_hours_or_terms_elsewhere(self, desk: TestClient, here: Coach, elsewhere: Coach) -> None:
        for path in ("availability", "terms"):
            asked = [
                desk.get(f"/api/scheduling/{path}", params={"coach_id": str(one.id)}).status_code
                for one in (here, elsewhere)
            ]
            assert asked == [200, 404]

    def test_is_told_of_sessions_and_fees_of_its_studio_only(
        self, session: Session, desk: TestClient, here: Coach, elsewhere: Coach, mia: Client
    ) -> None:
        booked(session, elsewhere, mia)
        late: dict[str, Any] = {"late_fee_minor": 900, "late_fee_currency": "EUR", "late_fee_due_at": FAR}
        booked(session, elsewhere, mia, 2, status="late_cancelled", **late)
        asked = {"query": f'{{ client(id: "{mia.id}") {{ nextSession {{ title }} }} }}'}
        assert desk.post("/api/graphql", json=asked).json()["data"]["client"] == {"nextSession": None}
        page = desk.get(f"/staff/people/{mia.id}").text
        assert "9.00" not in page
        assert "Waive" not in page
        booked(session, here, mia, 4)
        assert desk.post("/api/graphql", json=asked).json()["data"]["client"]["nextSession"] is not None

    def test_of_whom_nobody_said_where_is_told_everything(
        self, session: Session, elsewhere: Coach, mia: Client, front: Account
    ) -> None:
        booking = booked(session, elsewhere, mia)
        found = public.next_session(session, mia.id, FAR - HOUR)
        assert found is not None
        assert found.booking_id == booking.id


class TestCoach:
    def test_moves_clients_within_their_own_calendar(
        self, session: Session, sign_in: SignIn, here: Coach, elsewhere: Coach, mia: Client
    ) -> None:
        booking = booked(session, here, mia)
        phone = sign_in(account_of(session, here))
        path = f"{BOOKINGS}/{booking.id}/rescheduling"

        def move(slot_id: UUID) -> int:
            return phone.post(path, json={"slot_id": str(slot_id)}).status_code

        assert move(make_slot(session, coach=elsewhere, starts_at=FAR + 5 * HOUR).id) == 404
        assert move(make_slot(session, coach=here, starts_at=FAR + 5 * HOUR).id) == 201
