"""Logging in depth: repetitions in reserve, supersets, records that are told once, corrections that keep what was."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.identity.models import Account
from operational_api.training.models import Client, Workout, WorkoutRevision, WorkoutSet
from operational_api.training.schemas.training import SetIn
from tests.factories import account_of, make_client, make_coach, make_exercise
from tests.operational_api.conftest import SignIn


@pytest.fixture
def mia(session: Session) -> Client:
    return make_client(session, coach=make_coach(session))


@pytest.fixture
def squat(session: Session) -> int:
    return make_exercise(session, name="Back Squat").id


def logged(*sets: dict[str, Any], days_ago: int = 0, **given: Any) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(days=days_ago, seconds=1)
    return {"id": str(new_id()), "sets": list(sets), "completed_at": at.isoformat()} | given


def done(squat: int, kg: float | None, reps: int, **given: Any) -> dict[str, Any]:
    return {"exercise_id": squat, "weight_kg": kg, "reps": reps} | given


def told(session: Session, type_: str) -> list[tuple[str, float]]:
    rows = session.scalars(select(OutboxEvent.payload).where(OutboxEvent.type == type_).order_by(OutboxEvent.position))
    return [(row["kind"], row.get("value", 0)) for row in rows]


SET, WITHDRAWN = "training.personal_record_set", "training.personal_record_withdrawn"


class TestEffort:
    def test_repetitions_in_reserve_tell_the_effort(self, session: Session, phone: TestClient, squat: int) -> None:
        sets = (done(squat, 60, 5, rir=2), done(squat, 60, 5, rir=2, rpe=8.5, superset="A", note="belt"))
        answer = phone.post("/api/training/workouts", json=logged(*sets)).json()
        assert [(one["rpe"], one["rir"]) for one in answer["sets"]] == [(8.0, 2), (8.5, 2)]
        assert (answer["sets"][1]["superset"], answer["sets"][1]["note"]) == ("A", "belt")

    def test_refuses_what_cannot_be(self, phone: TestClient, squat: int) -> None:
        wrong: tuple[dict[str, Any], ...] = ({"rir": 11}, {"rir": -1}, {"superset": "AB"}, {"superset": "a"})
        for one in wrong:
            assert phone.post("/api/training/workouts", json=logged(done(squat, 60, 5, **one))).status_code == 422
            assert set(one) <= set(SetIn.model_fields)

    def test_the_form_asks_in_either(self, session: Session, phone: TestClient, squat: int) -> None:
        form = {"workout_id": str(new_id()), "exercise_id": [squat], "weight_kg": ["60"], "reps": ["5"], "rpe": ["3"],
                "superset": ["B"], "scale": "rir"}  # fmt: skip
        assert phone.post("/training/log", data=form).status_code == 303
        one = session.scalars(select(WorkoutSet)).one()
        assert (one.rir, one.rpe, one.superset) == (3, 7.0, "B")
        wrong = phone.post("/training/log", data=form | {"workout_id": str(new_id()), "rpe": ["2.5"]})
        assert (wrong.status_code, "RIR: a whole number" in wrong.text) == (422, True)


class TestRecords:
    def test_are_told_once_however_often_the_phone_sends(self, session: Session, phone: TestClient, squat: int) -> None:
        phone.post("/api/training/workouts", json=logged(done(squat, 100, 5), days_ago=2))
        assert told(session, SET) == [], "the first time is no record"
        better = logged(done(squat, 110, 5))
        answers = [phone.post("/api/training/workouts", json=better).json() for _ in range(2)]
        assert answers[0] == answers[1]
        assert {(one["kind"], one["value"], one["previous"]) for one in answers[0]["records"]} == {
            ("e1rm", 128.33, 116.67), ("weight", 110, 100), ("volume", 550, 500),
        }  # fmt: skip
        assert sorted(kind for kind, _ in told(session, SET)) == ["e1rm", "volume", "weight"]
        listed = phone.get("/api/training/records").json()
        assert {one["exercise_name"] for one in listed} == {"Back Squat"}
        assert "Heaviest yet: Back Squat, 110 kg" in phone.get(f"/training/workouts/{better['id']}").text

    def test_a_correction_withdraws_what_is_none_any_more(
        self, session: Session, phone: TestClient, squat: int
    ) -> None:
        phone.post("/api/training/workouts", json=logged(done(squat, 100, 5), days_ago=2))
        typo = logged(done(squat, 1000 / 2, 5))
        phone.post("/api/training/workouts", json=typo)
        assert len(told(session, SET)) == 3
        right = {"sets": [done(squat, 100, 6)]}
        answer = phone.put(f"/api/training/workouts/{typo['id']}", json=right).json()
        assert {one["kind"] for one in answer["records"]} == {"e1rm", "volume"}
        assert told(session, WITHDRAWN) == [("weight", 0)]
        assert len(told(session, SET)) == 3, "what is still a record is not told again"

    def test_of_a_movement_without_a_weight_repetitions_count(self, phone: TestClient, squat: int) -> None:
        phone.post("/api/training/workouts", json=logged(done(squat, None, 10), days_ago=1))
        answer = phone.post("/api/training/workouts", json=logged(done(squat, None, 12))).json()
        assert [(one["kind"], one["value"]) for one in answer["records"]] == [("reps", 12)]


class TestTwoDevices:
    def test_the_second_one_hears_that_the_workout_is_logged_with_other_sets(
        self, session: Session, phone: TestClient, squat: int
    ) -> None:
        first = logged(done(squat, 62.3, 5))
        assert phone.post("/api/training/workouts", json=first).status_code == 201
        second = first | {"sets": [done(squat, 70, 5)]}
        refused = phone.post("/api/training/workouts", json=second)
        assert (refused.status_code, refused.json()["code"]) == (409, "training.logged_otherwise")
        form = {"workout_id": first["id"], "exercise_id": [squat], "weight_kg": ["70"], "reps": ["5"], "rpe": [""]}
        asked = phone.post("/training/log", data=form, headers={"accept": "application/json"})
        assert (asked.status_code, "another device" in asked.json()["detail"]) == (409, True)
        assert [one.weight_kg for one in session.scalars(select(WorkoutSet))] == [pytest.approx(62.3)]

    def test_a_repeat_after_a_correction_is_a_repeat(self, session: Session, phone: TestClient, squat: int) -> None:
        first = logged(done(squat, 62.3, 5))
        phone.post("/api/training/workouts", json=first)
        right = {"sets": [done(squat, 65, 5), done(squat, 65, 4)]}
        assert phone.put(f"/api/training/workouts/{first['id']}", json=right).status_code == 200
        late = phone.post("/api/training/workouts", json=first)
        assert (late.status_code, len(late.json()["sets"])) == (201, 2)


class TestCorrections:
    def test_keep_what_was_said(self, session: Session, mia: Client, phone: TestClient, squat: int) -> None:
        body = logged(done(squat, 60, 5, rir=1), note="hard", session_rpe=7, duration_minutes=40)
        phone.post("/api/training/workouts", json=body)
        for kg in (62.5, 65):
            assert phone.put(f"/api/training/workouts/{body['id']}", json={"sets": [done(squat, kg, 5)]}).is_success
        found = phone.get(f"/api/training/workouts/{body['id']}/revisions").json()
        assert [(one["revision"], one["said"]["sets"][0]["weight_kg"]) for one in found] == [(2, 62.5), (1, 60)]
        assert (found[1]["said"]["note"], found[1]["said"]["session_rpe"]) == ("hard", 7)
        assert session.get_one(Workout, body["id"]).note is None
        assert session.scalars(select(WorkoutRevision.customer_id)).all() == [mia.id, mia.id]

    def test_are_not_for_others(self, session: Session, phone: TestClient, squat: int, sign_in: SignIn) -> None:
        body = logged(done(squat, 60, 5))
        phone.post("/api/training/workouts", json=body)
        stranger = sign_in(account_of(session, make_coach(session)))
        assert stranger.get(f"/api/training/workouts/{body['id']}/revisions").status_code == 404


class TestBests:
    def test_are_told_as_they_are_read_later(self, phone: TestClient, squat: int) -> None:
        phone.post("/api/training/workouts", json=logged(done(squat, 62.35, 5), days_ago=2))
        body = logged(done(squat, 82.35, 3), done(squat, 60, 10), done(squat, None, 12))
        answer = phone.post("/api/training/workouts", json=body).json()
        [best], [later] = answer["bests"], phone.get(f"/api/training/workouts/{body['id']}").json()["bests"]
        assert (best["exercise_name"], best["is_record"]) == (later["exercise_name"], later["is_record"])
        assert (best["e1rm_kg"], best["previous_kg"]) == pytest.approx((later["e1rm_kg"], later["previous_kg"]))
        assert best["previous_kg"] < best["e1rm_kg"]


class TestStatements:
    def test_logging_takes_no_more_than_this(self, session: Session, phone: TestClient, squat: int) -> None:
        heard: list[str] = []

        def note(*told: object) -> None:
            if not str(told[2]).startswith(("SAVEPOINT", "RELEASE", "set local role ", "select set_config(")):
                heard.append(str(told[2]))

        engine = session.get_bind().engine
        counts = []
        for sets in (20, 1):
            heard.clear()
            event.listen(engine, "before_cursor_execute", note)
            answer = phone.post("/api/training/workouts", json=logged(*[done(squat, 60, 5)] * sets))
            event.remove(engine, "before_cursor_execute", note)
            assert (answer.status_code, len(answer.json()["sets"])) == (201, sets)
            counts.append(len(heard))
        assert counts[0] == counts[1]
        assert counts[0] <= 7, "\n".join(heard)


def typed(*sets: tuple[int, str, str]) -> dict[str, Any]:
    """The form of these (movement, superset, repetitions), as a phone sends it: a movement after the other."""
    return {
        "workout_id": str(new_id()), "exercise_id": [str(one[0]) for one in sets],
        "superset": [one[1] for one in sets], "weight_kg": ["20"] * len(sets), "reps": [one[2] for one in sets],
        "rpe": [""] * len(sets),
    }  # fmt: skip


class TestSupersets:
    @pytest.fixture
    def row(self, session: Session) -> int:
        return make_exercise(session, name="Row").id

    def test_are_kept_in_the_order_they_were_done(
        self, session: Session, phone: TestClient, squat: int, row: int
    ) -> None:
        curl = make_exercise(session, name="Curl").id
        sets = [(squat, "A", "5"), (squat, "A", "6"), (squat, "A", "7"), (row, "A", "8"), (row, "A", ""),
                (row, "A", "9"), (curl, "", "10"), (curl, "", "11")]  # fmt: skip
        assert phone.post("/training/log", data=typed(*sets)).status_code == 303
        kept = session.execute(select(WorkoutSet.exercise_id, WorkoutSet.reps).order_by(WorkoutSet.position)).all()
        assert kept == [(squat, 5), (row, 8), (squat, 6), (row, 9), (squat, 7), (curl, 10), (curl, 11)]

    def test_are_shown_by_movement_and_change_without_losing_order_or_notes(
        self, session: Session, phone: TestClient, mia: Client, squat: int, row: int
    ) -> None:
        sets = [done(id_, 20, reps, superset="A", rir=2, note=note) for id_, reps, note in
                ((squat, 5, "belt"), (row, 8, None), (squat, 6, None), (row, 9, "slowly"))]  # fmt: skip
        given = logged(*sets)
        assert phone.post("/api/training/workouts", json=given).status_code == 201
        page = phone.get(f"/training/workouts/{given['id']}").text
        assert page.count("Superset A") == 2
        assert "belt" in page
        form = phone.get(f"/training/log?workout={given['id']}").text
        again = {"workout_id": given["id"], "mode": "edit", "scale": "rir", "title": "Workout"} | {
            name: re.findall(rf'name="{name}"[^>]*value="([^"]*)"', form)
            for name in ("exercise_id", "superset", "set_note", "weight_kg", "reps", "rpe")
        }
        assert again["rpe"] == ["2"] * 4
        assert phone.post("/training/log", data=again).headers["location"] == f"/training/workouts/{given['id']}"
        told = ("exercise_id", "reps", "rir", "superset", "note")
        read = phone.get(f"/api/training/workouts/{given['id']}").json()["sets"]
        assert [[one[name] for name in told] for one in read] == [[one.get(name) for name in told] for one in sets]

    def test_are_seen_by_the_coach_with_what_was_noted(
        self, session: Session, phone: TestClient, mia: Client, sign_in: SignIn, squat: int, row: int
    ) -> None:
        phone.post("/api/training/workouts", json=logged(
            done(squat, 20, 5, superset="A", note="belt"), done(row, 20, 8, superset="A"), note="Tired", session_rpe=7,
        ))  # fmt: skip
        assert mia.coach_id
        page = sign_in(session.get_one(Account, mia.coach_id)).get(f"/coaching/clients/{mia.id}").text
        assert page.count("Superset A") == 2
        for words in ("What they did", "effort 7", "Tired", "belt"):
            assert words in page
