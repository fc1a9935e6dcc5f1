"""Every route of training that shows a client's data leaves an entry that names reader and client.

Routes are read from the app: a new one is either tried here, or named in `ABOUT_NOBODY` with its reason.
"""

import re
from collections.abc import Iterator
from datetime import date

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.compliance.pages import SEEN
from operational_api.core.models import AuditEntry
from operational_api.core.principal import Principal
from operational_api.identity.models import Account
from operational_api.scheduling.models import Coach
from operational_api.training import pages, router
from operational_api.training.models import Client, Injury
from tests.factories import (
    account_of,
    make_account,
    make_client,
    make_coach,
    make_exercise,
    make_programme,
    make_template,
    make_video,
    make_wellbeing,
    make_workout,
)
from tests.operational_api.conftest import SignIn
from tests.operational_api.gates import ROUTES_OF
from tests.operational_api.matrix import ROLES_OF
from tests.operational_api.test_matrix import routes_of as routes_of_app

ABOUT_NOBODY = {
    "GET /api/training/clients": "names and zones of a coach's clients, nothing of their training",
    "GET /api/training/exercises": "the catalogue",
    "GET /api/training/exercises/{slug}": "the catalogue",
    "GET /api/training/onboarding/funnel": "numbers about all",
    "GET /api/training/templates": "a coach's own work",
    "POST /api/training/templates": "a coach's own work",
    "PUT /api/training/templates/{template_id}": "a coach's own work",
    "DELETE /api/training/media/{media_id}": "the sender's own",
    "GET /api/training/media-files/{media_id}/{edition}/{name}": "whoever holds an address that was noted when given",
    "GET /api/training/media-search": "nothing without words; with them, see below",
    "GET /api/training/media/{media_id}/upload": "the sender's own",
    "PATCH /api/training/media/{media_id}": "the sender's own",
    "POST /api/training/media": "the sender's own",
    "POST /api/training/media/{media_id}/completion": "the sender's own",
    "PUT /api/training/media/{media_id}/captions": "the sender's own",
    "PUT /api/training/media/{media_id}/parts/{number}": "the sender's own",
    "PUT /api/training/media/{media_id}/position": "where the coach stopped watching",
    "POST /api/training/templates/{template_id}/archive": "a coach's own work",
}
CUSTOMERS = {route for action, roles in ROLES_OF.items() if "coach" not in roles for route in ROUTES_OF.get(action, ())}
"""What only customers do, about themselves."""
CORRECTION = "PUT /api/training/workouts/{workout_id}"
DELETION = "DELETE /api/training/workouts/{workout_id}"


def routes_of(given: APIRouter) -> Iterator[str]:
    app = FastAPI()
    app.include_router(given)
    ours = r"/api/training|/training|/progress|/exercises|/welcome|/wellbeing|/coaching"
    yield from (one.key for one in routes_of_app(app) if re.match(ours, one.path))


@pytest.fixture
def mia(session: Session) -> Client:
    return make_client(session, coach=make_coach(session))


@pytest.fixture
def ids(session: Session, mia: Client) -> dict[str, str]:
    """What path parameters stand for."""
    injury = Injury(id=new_id(), customer_id=mia.id, body_part="knee", severity=1, occurred_on=date(2026, 3, 1))
    session.add(injury)
    programme = make_programme(session, client=mia)
    template = make_template(session, coach=session.get_one(Coach, mia.coach_id))
    workout = make_workout(session, client=mia, programme=programme)
    more = make_wellbeing(session, client=mia)
    mia.on_hold_since = None
    session.flush()
    return {name + "_id": str(row.id) for name, row in more.items()} | {
        "step": "goal", "customer_id": str(mia.id), "injury_id": str(injury.id), "workout_id": str(workout.id),
        "programme_id": str(programme.id), "template_id": str(template.id),
        "media_id": str(make_video(session, client=mia).id),
    }  # fmt: skip


def body(route: str, mia: Client, exercise_id: int) -> dict[str, object]:
    line = {"day": 1, "exercise_id": exercise_id, "sets": 3, "reps": 5, "weight_kg": 60, "target_rpe": 8}
    done = {"title": "x", "sets": [{"exercise_id": exercise_id, "reps": 5}]}
    injury = {"body_part": "knee", "severity": 1, "occurred_on": "2026-03-01"}
    programme = {"name": "x", "goal": "strength", "starts_on": "2099-03-02", "weeks": 4, "sessions_per_week": 1}
    return {
        "POST /api/training/clients/{customer_id}/injuries": injury,
        "POST /api/training/workouts": {"id": str(new_id()), "customer_id": str(mia.id)} | done,
        CORRECTION: done,
        "POST /api/training/programmes": {"customer_id": str(mia.id), "lines": [line]} | programme,
        "PUT /api/training/programmes/{programme_id}/lines": {"lines": [line]},
        "POST /api/training/screenings/{screening_id}/clearance": {"note": "Fine with a doctor's word."},
        "POST /api/training/check-ins/{check_in_id}/answer": {"answer": "Well done."},
        "POST /api/training/templates/{template_id}/assignments": {
            "customer_id": str(mia.id),
            "starts_on": "2099-03-02",
        },
    }.get(route, {})


def reads(session: Session) -> list[AuditEntry]:
    return list(session.scalars(select(AuditEntry).where(AuditEntry.action.startswith("training."))))


@pytest.mark.asvs("16.3.2")
@pytest.mark.parametrize("route", sorted(set(routes_of(router.router)) - ABOUT_NOBODY.keys() - CUSTOMERS))
def test_the_api_writes_down_that_the_coach_saw_the_client(
    session: Session, mia: Client, ids: dict[str, str], sign_in: SignIn, route: str
) -> None:
    coach = session.get_one(Account, mia.coach_id)
    method, path = route.split(" ")
    asked = {"customer_id": str(mia.id)} if "{" not in path and method == "GET" else None
    squat = make_exercise(session).id
    if route in (CORRECTION, DELETION):  # only what was done can be corrected
        first = {"id": ids["workout_id"]} | body(CORRECTION, mia, squat)
        assert sign_in(account_of(session, mia)).post("/api/training/workouts", json=first).status_code == 201
    before = len(reads(session))
    answer = sign_in(coach).request(method, path.format(**ids), params=asked, json=body(route, mia, squat))
    assert answer.is_success, answer.text
    found = reads(session)[before:]
    assert found, f"{route} shows a client's data and leaves no entry"
    assert {(entry.actor_id, entry.actor_role, entry.subject_id, entry.purpose) for entry in found} == {
        (coach.id, "coach", mia.id, "care")
    }
    assert {entry.action for entry in found} <= SEEN.keys(), "say in words on /privacy what this action saw"


def test_words_of_a_clients_video_that_a_search_shows_are_written_down(
    session: Session, mia: Client, ids: dict[str, str], sign_in: SignIn
) -> None:
    coach = sign_in(session.get_one(Account, mia.coach_id))
    before = len(reads(session))
    for words, is_seen in (("unheard of", False), ("keep your chest", True)):
        assert bool(coach.get("/api/training/media-search", params={"q": words}).json()) == is_seen
        assert [entry.subject_id for entry in reads(session)[before:]] == ([mia.id] if is_seen else [])


def test_what_is_about_nobody_exists() -> None:
    assert ABOUT_NOBODY.keys() <= set(routes_of(router.router))


ELSEWHERE = re.compile(r"GET /(exercises|coaching)")
"""Pages about nobody, and those of coaches."""
OWN = sorted(route for route in routes_of(pages.router) if route.startswith("GET") and not ELSEWHERE.match(route))


@pytest.mark.parametrize("page", [*OWN, "GET /home"])
def test_pages_write_down_that_the_client_saw_their_own(
    app: FastAPI, session: Session, mia: Client, ids: dict[str, str], api: TestClient, sign_in: SignIn, page: str
) -> None:
    person = account_of(session, mia)
    done = {"id": ids["workout_id"]} | body(CORRECTION, mia, make_exercise(session).id)
    assert sign_in(person).post("/api/training/workouts", json=done).status_code == 201
    before = len(reads(session))
    app.state.authenticators = [lambda _: Principal("customer", "app", person.id, display_name="Mia")]
    answer = api.get(page.split(" ")[1].format(**ids), headers={"Accept": "text/html"})
    assert answer.status_code in (200, 303), answer.text
    found = reads(session)[before:]
    assert {(entry.actor_id, entry.subject_id, entry.purpose) for entry in found} == {(person.id, mia.id, "own")}


def test_a_stranger_leaves_a_refusal(session: Session, mia: Client, sign_in: SignIn) -> None:
    stranger = make_account(session, role="coach")
    assert sign_in(stranger).get(f"/api/training/clients/{mia.id}/injuries").status_code == 404
    [entry] = reads(session)
    assert (entry.outcome, entry.actor_id, entry.subject_id) == ("refused", stranger.id, mia.id)
