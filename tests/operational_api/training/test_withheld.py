"""What a client withholds from others is answered like what does not exist, route by route, by one query a list."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.compliance.service import consents
from operational_api.identity.models import Account
from operational_api.scheduling.models import Coach
from operational_api.training.access import DATA_KIND_OF
from operational_api.training.models import Client, Injury
from tests.factories import (
    account_of,
    make_account,
    make_client,
    make_coach,
    make_exercise,
    make_wellbeing,
    make_workout,
)
from tests.operational_api.conftest import SignIn
from tests.operational_api.gates import ROUTES_OF
from tests.operational_api.matrix import ROLES_OF
from tests.operational_api.reach import OBJECTS
from tests.operational_api.statements import heard

INJURY = {"body_part": "knee", "severity": 1, "occurred_on": "2026-01-05"}


def withhold(session: Session, client: Client, *kinds: str) -> None:
    consents.decide(
        session, customer_id=client.id, decisions={(kind, "coaching"): False for kind in kinds},
        decided_by=client.id, now=datetime.now(UTC),
    )  # fmt: skip


@pytest.fixture
def mia(session: Session) -> Client:
    return make_client(session, coach=make_coach(session), display_name="Mia Berg")


@pytest.fixture
def coach(session: Session, sign_in: SignIn, mia: Client) -> TestClient:
    return sign_in(session.get_one(Account, mia.coach_id))


@pytest.fixture
def routes(session: Session, mia: Client) -> dict[str, tuple[str, str, str, object]]:
    """By route: kind of data, method, address about Mia, body."""
    planned, done = make_workout(session, client=mia), make_workout(session, client=mia)
    injury = Injury(id=new_id(), customer_id=mia.id, body_part="hip", severity=1, occurred_on=date(2026, 1, 1))
    session.add(injury)
    session.flush()
    more = make_wellbeing(session, client=mia)
    mia.on_hold_since = None
    session.flush()
    sets = {"sets": [{"exercise_id": make_exercise(session).id, "reps": 5}]}
    base, about = "/api/training", f"?customer_id={mia.id}"
    mias, skip = f"{base}/clients/{mia.id}", f"{base}/workouts/{planned.id}/skip"
    return {
        "GET /api/training/clients/{customer_id}/progress": ("training", "GET", f"{mias}/progress", None),
        "GET /api/training/workouts": ("training", "GET", f"{base}/workouts{about}", None),
        "GET /api/training/workouts/{workout_id}": ("training", "GET", f"{base}/workouts/{done.id}", None),
        "GET /api/training/workouts/{workout_id}/revisions": (
            "training", "GET", f"{base}/workouts/{done.id}/revisions", None,
        ),
        "GET /api/training/records": ("training", "GET", f"{base}/records{about}", None),
        "POST /api/training/workouts": (
            "training", "POST", f"{base}/workouts", sets | {"id": str(new_id()), "customer_id": str(mia.id)},
        ),
        "PUT /api/training/workouts/{workout_id}": ("training", "PUT", f"{base}/workouts/{done.id}", sets),
        "DELETE /api/training/workouts/{workout_id}": ("training", "DELETE", f"{base}/workouts/{done.id}", None),
        "POST /api/training/workouts/{workout_id}/skip": ("training", "POST", skip, None),
        "GET /api/training/clients/{customer_id}/injuries": ("injuries", "GET", f"{mias}/injuries", None),
        "POST /api/training/clients/{customer_id}/injuries": (
            "injuries", "POST", f"{mias}/injuries", INJURY,
        ),
        "GET /api/training/clients/{customer_id}/metrics": ("training", "GET", f"{mias}/metrics", None),
        "GET /api/training/clients/{customer_id}/wellbeing": ("training", "GET", f"{mias}/wellbeing", None),
        "POST /api/training/check-ins/{check_in_id}/answer": (
            "training", "POST", f"{base}/check-ins/{more['check_in'].id}/answer", {"answer": "Well done."},
        ),
        "GET /api/training/clients/{customer_id}/screenings": ("injuries", "GET", f"{mias}/screenings", None),
        "POST /api/training/screenings/{screening_id}/clearance": (
            "injuries", "POST", f"{base}/screenings/{more['screening'].id}/clearance", {"note": "Fine."},
        ),
        "POST /api/training/injuries/{injury_id}/resolution": (
            "injuries", "POST", f"{base}/injuries/{injury.id}/resolution", None,
        ),
    }  # fmt: skip


ROUTES_OF_CUSTOMERS = {
    route for action, roles in ROLES_OF.items() if "customer" in roles.split() for route in ROUTES_OF.get(action, ())
}


class TestEveryRoute:
    def test_of_health_data_has_a_kind(self, routes: dict[str, tuple[str, str, str, object]]) -> None:
        """The routes of these actions in the matrix, but the customer's own pages, are the ones that are tried here."""
        seen_by_others = [action for action in DATA_KIND_OF if "coach" in ROLES_OF[action].split()]
        named = {route for action in seen_by_others for route in ROUTES_OF[action]}
        assert {route for route in named if route.split()[1].startswith("/api/")} == routes.keys()
        assert routes.keys() <= OBJECTS.keys()

    @pytest.mark.asvs("8.2.2")
    @pytest.mark.parametrize("withheld", ["training", "injuries"])
    def test_answers_the_coach_as_if_it_did_not_exist(
        self, session: Session, sign_in: SignIn, mia: Client, coach: TestClient, withheld: str,
        routes: dict[str, tuple[str, str, str, object]],
    ) -> None:  # fmt: skip
        withhold(session, mia, withheld)
        stranger, own = sign_in(account_of(session, make_coach(session))), sign_in(account_of(session, mia))
        for route, (kind, method, address, body) in routes.items():
            told, unknown = (one.request(method, address, json=body) for one in (coach, stranger))
            assert unknown.status_code == 404
            if kind == withheld:
                assert {name: told.json()[name] for name in ("status", "code", "detail")} == {
                    name: unknown.json()[name] for name in ("status", "code", "detail")
                }, route
            else:
                assert told.status_code not in (403, 404), (route, told.text)
            if route in ROUTES_OF_CUSTOMERS:
                assert own.request(method, address, json=body).status_code not in (403, 404), route

    def test_opens_again_when_the_client_says_so(self, session: Session, mia: Client, coach: TestClient) -> None:
        address = f"/api/training/clients/{mia.id}/injuries"
        withhold(session, mia, "injuries")
        assert coach.get(address).status_code == 404
        consents.decide(
            session, customer_id=mia.id, decisions={("injuries", "coaching"): True}, decided_by=mia.id,
            now=datetime.now(UTC),
        )  # fmt: skip
        assert coach.get(address).status_code == 200

    def test_is_closed_to_admins_too_who_cannot_see_the_consent(
        self, session: Session, sign_in: SignIn, mia: Client
    ) -> None:
        admin = sign_in(make_account(session, role="admin"))
        address = f"/api/training/clients/{mia.id}/progress"
        assert admin.get(address).status_code == 200
        withhold(session, mia, "training")
        assert admin.get(address).status_code == 404


@pytest.fixture
def statements(session: Session) -> Iterator[Callable[[], int]]:
    """How many statements asked for consents since the last call."""
    with heard(session.connection().engine) as said:

        def since() -> int:
            asked = sum("decided_kinds" in one for one in said)
            said.clear()
            return asked

        yield since


class TestLists:
    def test_leave_the_part_out_with_one_query_for_all(
        self, session: Session, mia: Client, coach: TestClient, statements: Callable[[], int]
    ) -> None:
        cara = session.get_one(Coach, mia.coach_id)
        for client in (mia, *(make_client(session, coach=cara, display_name=f"Tom {n}") for n in range(5))):
            make_workout(session, client=client, status="completed", completed_at=datetime.now(UTC))
        withhold(session, mia, "training")
        statements()
        rows = coach.get("/api/training/clients").json()["items"]
        assert statements() == 1
        assert len(rows) == 6
        assert [row["display_name"] for row in rows if row["last_workout_at"] is None] == ["Mia Berg"]

    def test_of_the_graph_too(
        self, session: Session, mia: Client, coach: TestClient, statements: Callable[[], int]
    ) -> None:
        tom = make_client(session, coach=session.get_one(Coach, mia.coach_id), display_name="Tom")
        for one in (mia.id, tom.id):
            injury = {"occurred_on": date(2026, 1, 1), "body_part": "hip", "severity": 1}
            session.add(Injury(id=new_id(), customer_id=one, **injury))
        withhold(session, mia, "injuries")
        statements()
        query = "{ clients { items { displayName injuries { bodyPart } } } }"
        found = coach.post("/api/graphql", json={"query": query}).json()
        assert statements() == 1
        assert found["data"]["clients"]["items"] == [
            {"displayName": "Mia Berg", "injuries": None}, {"displayName": "Tom", "injuries": [{"bodyPart": "hip"}]},
        ]  # fmt: skip
        assert found["errors"][0]["extensions"]["code"] == "gateway.field_forbidden"
