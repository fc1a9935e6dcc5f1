"""Movements by the name of whoever reads: on every page of a customer that names one, asked of no table."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.scheduling.models import Coach
from operational_api.training.models import Client, Programme, Workout
from operational_api.training.naming import about, called
from operational_api.web.language import speaking
from tests.factories import account_of, make_client, make_coach, make_exercise, make_workout
from tests.operational_api.conftest import SignIn
from tests.operational_api.gateway.test_graphql_mutations import do

VI = {"accept-language": "vi"}


@pytest.fixture
def tom(session: Session) -> Coach:
    return make_coach(session)


@pytest.fixture
def mia(session: Session, tom: Coach) -> Client:
    return make_client(session, coach=tom)


@pytest.mark.parametrize(
    ("name", "expected", "line"),
    [
        ("Front Squat", "Gánh tạ trước", "Front Squat · đùi trước · tạ đòn"),
        ("Push-Ups", "Hít đất", "Push-Ups · đùi trước · tạ đòn"),
        ("Zercher Squat", "Gánh tạ (Zercher Squat)", "Đùi trước · tạ đòn"),
        ("Zottman Wave", "Zottman Wave", "Đùi trước · tạ đòn"),
    ],
)
def test_a_name_is_of_the_language_and_leaves_no_doubt_which_movement_it_is(
    name: str, expected: str, line: str
) -> None:
    with speaking("vi"):
        assert (called(name), about(name, "quadriceps", "barbell")) == (expected, line)
    assert (called(name), about(name, "quadriceps", "barbell")) == (name, "Quadriceps · barbell")


def test_every_page_of_a_customer_names_movements_in_their_language(
    session: Session, tom: Coach, mia: Client, sign_in: SignIn
) -> None:
    squat, plank = make_exercise(session, name="Front Squat"), make_exercise(session, name="Plank", measure="time")
    coach, phone = sign_in(account_of(session, tom)), sign_in(account_of(session, mia))
    lines = [
        {"day": 1, "exercise_id": squat.id, "sets": 3, "reps": 5, "weight_kg": 60},
        {"day": 1, "exercise_id": plank.id, "sets": 3, "duration_seconds": 45},
    ]
    plan = {
        "customer_id": str(mia.id), "name": "Base", "goal": "strength", "weeks": 4, "sessions_per_week": 1,
        "starts_on": (datetime.now(UTC) + timedelta(days=1)).date().isoformat(), "lines": lines,
    }  # fmt: skip
    given = coach.post("/api/training/programmes", json=plan).json()
    programme = session.get_one(Programme, UUID(given["id"]))
    planned = make_workout(session, client=mia, programme=programme, programme_day=1)
    logged = []
    for days_ago, kg, seconds in ((2, 60, 45), (1, 70, 60)):
        sets = [
            {"exercise_id": squat.id, "reps": 5, "weight_kg": kg},
            {"exercise_id": plank.id, "duration_seconds": seconds},
        ]
        at = datetime.now(UTC) - timedelta(days=days_ago)
        body = {"id": str(new_id()), "sets": sets, "completed_at": at.isoformat(), "title": "Base"}
        logged.append(phone.post("/api/training/workouts", json=body).json())
    names = {"Front Squat": "Gánh tạ trước", "Plank": "Tấm ván"}
    pages = {
        "/training": ("Front Squat", "Plank"), f"/training/log?workout={planned.id}": ("Front Squat", "Plank"),
        f"/training/workouts/{logged[1]['id']}": ("Front Squat", "Plank"), "/progress": ("Front Squat",),
        "/home": ("Front Squat",), f"/exercises/{squat.slug}": ("Front Squat",),
    }  # fmt: skip
    for path, shown in pages.items():
        english, theirs = phone.get(path).text, phone.get(path, headers=VI).text
        for name in shown:
            assert (name in english, names[name] in english) == (True, False), (path, name)
            is_left = path.startswith("/exercises") and name in theirs  # the line below tells the English name too
            assert (names[name] in theirs, name in theirs) == (True, is_left), (path, name)
    record = phone.get(f"/training/workouts/{logged[1]['id']}", headers=VI).text
    assert "Lâu nhất từ trước đến nay: Tấm ván, 1:00" in record
    form = phone.get(f"/training/log?workout={planned.id}", headers=VI).text
    assert "3 × 5 với 60 kg" in form, "what Python says of a plan too"
    assert "Front Squat" in coach.get(f"/coaching/clients/{mia.id}", headers=VI).text, "staff read English"


def test_a_refusal_on_a_page_names_the_movement_so_and_programs_hear_english(
    session: Session, mia: Client, sign_in: SignIn
) -> None:
    plank = make_exercise(session, name="Plank", measure="time")
    phone: TestClient = sign_in(account_of(session, mia))
    form = {"workout_id": str(new_id()), "exercise_id": [plank.id], "weight_kg": [""], "reps": [""], "rpe": [""],
            "distance": ["400 m"]}  # fmt: skip
    page = phone.post("/training/log", data=form, headers=VI | {"accept": "text/html"})
    assert (page.status_code, "Tấm ván được đo bằng thời gian" in page.text) == (422, True)
    body = {"id": str(new_id()), "sets": [{"exercise_id": plank.id, "distance_m": 400}]}
    answer = phone.post("/api/training/workouts", json=body, headers=VI)
    assert "Plank is measured by time" in answer.text


def test_a_workout_that_nobody_planned_is_called_by_what_was_done_in_it_in_the_readers_language(
    session: Session, tom: Coach, mia: Client, sign_in: SignIn
) -> None:
    movements = [make_exercise(session, name=name).id for name in ("Front Squat", "Plank", "Push-Ups")]
    coach, phone = sign_in(account_of(session, tom)), sign_in(account_of(session, mia))
    sets = [{"exercise_id": id_, "reps": 5} for id_ in movements]
    english, theirs = "Front Squat, Plank and 1 more", "Gánh tạ trước, Tấm ván và 1 bài khác"
    for was_written in (False, True):  # as its English words are still found in older rows
        body = {"id": str(new_id()), "sets": sets}
        assert phone.post("/api/training/workouts", json=body, headers=VI).json()["title"] == theirs
        row = session.get_one(Workout, UUID(body["id"]))
        assert row.title == ""
        if was_written:
            row.title = english
            session.flush()
        paths = ("/training", f"/training/workouts/{row.id}", f"/training/log?workout={row.id}")
        for path in (*paths, f"/api/training/workouts/{row.id}", "/api/training/workouts"):
            assert english in phone.get(path).text, path
            page = phone.get(path, headers=VI).text
            assert (theirs in page, english in page) == (True, False), path
    assert english in coach.get(f"/coaching/clients/{mia.id}", headers=VI).text
    named = {"id": str(new_id()), "sets": sets, "title": "Legs at home"}
    assert phone.post("/api/training/workouts", json=named, headers=VI).json()["title"] == "Legs at home"
    asked = {"id": str(new_id()), "sets": [{"exerciseId": id_, "reps": 5} for id_ in movements]}
    phone.headers.update(VI)
    assert do(phone, "log_workout", workout=asked)["workout"]["title"] == theirs
