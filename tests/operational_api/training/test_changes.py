"""Changing and deleting what was logged from several devices, late and twice: nothing of either side is lost."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.training.errors import WorkoutClosed
from operational_api.training.models import Client, PersonalRecord, Workout, WorkoutSet
from operational_api.training.service import corrections
from operational_api.training.service.workouts import Log, SetDone, log_workout
from tests.factories import account_of, make_client, make_coach, make_exercise, make_programme, make_workout
from tests.operational_api.conftest import SignIn

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)


@pytest.fixture
def mia(session: Session) -> Client:
    return make_client(session, coach=make_coach(session), display_name="Mia")


@pytest.fixture
def squat(session: Session) -> int:
    return make_exercise(session, name="Back Squat").id


@pytest.fixture
def logged(phone: TestClient, squat: int) -> dict[str, Any]:
    """A workout as the phone sent it: 60 kg, five times, after a lighter one of yesterday."""
    before = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    sets = [{"exercise_id": squat, "weight_kg": 50, "reps": 5}]
    phone.post("/api/training/workouts", json={"id": str(new_id()), "sets": sets, "completed_at": before})
    body = {"id": str(new_id()), "sets": [{"exercise_id": squat, "weight_kg": 60, "reps": 5}], "note": "Fine"}
    assert phone.post("/api/training/workouts", json=body).status_code == 201
    return body


def form(workout: str, squat: int, kg: str, **given: str) -> dict[str, Any]:
    return {"workout_id": workout, "exercise_id": [squat], "weight_kg": [kg], "reps": ["5"], "rpe": [""],
            "mode": "edit", "note": "Fine"} | given  # fmt: skip


def told(session: Session, type_: str) -> int:
    return session.scalar(select(func.count()).select_from(OutboxEvent).where(OutboxEvent.type == type_)) or 0


def weights(session: Session, workout: str) -> list[float | None]:
    query = select(WorkoutSet.weight_kg).where(WorkoutSet.workout_id == UUID(workout)).order_by(WorkoutSet.position)
    return list(session.scalars(query))


class TestWhatWasSeen:
    def test_a_change_that_is_sent_twice_is_made_once(
        self, session: Session, phone: TestClient, logged: dict[str, Any], squat: int
    ) -> None:
        first, second = form(logged["id"], squat, "62.5", revision="0"), form(logged["id"], squat, "65", revision="1")
        for body in (first, first, second, second, first):
            assert phone.post("/training/log", data=body).status_code == 303
        assert weights(session, logged["id"]) == [65]
        assert told(session, "training.workout_corrected") == 2
        assert phone.get(f"/api/training/workouts/{logged['id']}").json()["revision"] == 2

    def test_another_change_of_the_same_version_is_refused_with_what_it_says_now(
        self, session: Session, phone: TestClient, logged: dict[str, Any], squat: int
    ) -> None:
        path = f"/api/training/workouts/{logged['id']}"
        sets = [{"exercise_id": squat, "weight_kg": 70, "reps": 5}]
        assert phone.put(path, json={"sets": sets, "revision": 0}).json()["revision"] == 1
        refused = phone.put(path, json={"sets": sets, "note": "Another note", "revision": 0})
        assert (refused.status_code, refused.json()["code"]) == (409, "training.workout_changed")
        assert (refused.json()["revision"], refused.json()["says"]["sets"][0]["weight_kg"]) == (1, 70)
        assert weights(session, logged["id"]) == [70]
        assert (
            phone.put(path, json={"sets": sets, "note": "Another note", "revision": 1}).json()["note"] == "Another note"
        )
        assert phone.put(path, json={"sets": sets, "revision": 9}).status_code == 409

    def test_the_page_shows_both_and_the_person_picks(
        self, session: Session, mia: Client, phone: TestClient, logged: dict[str, Any], squat: int, sign_in: SignIn
    ) -> None:
        coach = sign_in(session.get_one(type(account_of(session, mia)), mia.coach_id))
        theirs = {"sets": [{"exercise_id": squat, "weight_kg": 55, "reps": 8}], "note": "Pauses"}
        assert coach.put(f"/api/training/workouts/{logged['id']}", json=theirs).status_code == 200
        mine = form(logged["id"], squat, "62.5", revision="0", session_rpe="7")
        page = phone.post("/training/log", data=mine, headers={"accept": "text/html"})
        assert page.status_code == 409
        for words in ("Your coach changed this workout", "62.5 kg × 5", "55 kg × 8", "Pauses", "Effort 7 of 10"):
            assert words in page.text
        assert weights(session, logged["id"]) == [55]
        assert phone.post("/training/log", data=mine | {"revision": "1"}).status_code == 303
        assert weights(session, logged["id"]) == [62.5]
        said = phone.get(f"/api/training/workouts/{logged['id']}/revisions").json()
        assert [one["said"]["note"] for one in said] == ["Pauses", "Fine"], "what was not picked is not lost"

    def test_two_devices_that_log_one_workout_differently_see_both(
        self, session: Session, mia: Client, phone: TestClient, logged: dict[str, Any], squat: int
    ) -> None:
        page = phone.post(
            "/training/log", data=form(logged["id"], squat, "80", mode="log"), headers={"accept": "text/html"}
        )
        assert (page.status_code, "on another device" in page.text) == (409, True)
        assert "80 kg × 5" in page.text
        assert "60 kg × 5" in page.text
        assert 'name="mode" value="edit"' in page.text


class TestDelete:
    def test_takes_back_the_sets_and_records_once_and_keeps_what_was_said(
        self, session: Session, mia: Client, phone: TestClient, logged: dict[str, Any]
    ) -> None:
        assert session.scalars(select(PersonalRecord.kind)).all() != []
        for _ in range(2):
            assert phone.post(f"/training/workouts/{logged['id']}/delete", data={"revision": "0"}).status_code == 303
        assert phone.delete(f"/api/training/workouts/{logged['id']}").status_code == 204
        row = session.get_one(Workout, UUID(logged["id"]))
        assert (row.status, row.completed_at, row.note, weights(session, logged["id"])) == ("skipped", None, None, [])
        assert session.scalars(select(PersonalRecord.kind)).all() == []
        assert told(session, "training.workout_deleted") == 1
        assert phone.get(f"/training/workouts/{logged['id']}").status_code == 404
        (said,) = phone.get(f"/api/training/workouts/{logged['id']}/revisions").json()
        assert (said["said"]["note"], said["said"]["sets"][0]["weight_kg"]) == ("Fine", 60)

    def test_a_log_that_comes_once_more_afterwards_brings_nothing_back(
        self, session: Session, phone: TestClient, logged: dict[str, Any], squat: int
    ) -> None:
        phone.delete(f"/api/training/workouts/{logged['id']}")
        again = phone.post("/api/training/workouts", json=logged)
        assert (again.status_code, again.json()["status"], again.json()["sets"]) == (201, "skipped", [])
        assert weights(session, logged["id"]) == []
        other = logged | {"sets": [{"exercise_id": squat, "weight_kg": 90, "reps": 5}]}
        assert phone.post("/api/training/workouts", json=other).json()["code"] == "training.workout_skipped"

    def test_who_deletes_what_was_changed_meanwhile_sees_both_first(
        self, session: Session, phone: TestClient, logged: dict[str, Any], squat: int
    ) -> None:
        phone.post("/training/log", data=form(logged["id"], squat, "62.5", revision="0"))
        path = f"/training/workouts/{logged['id']}/delete"
        assert phone.post(path, data={"revision": "0"}).json()["code"] == "training.workout_changed"
        page = phone.post(path, data={"revision": "0"}, headers={"accept": "text/html"})
        assert (page.status_code, "Deleted." in page.text, "62.5 kg × 5" in page.text) == (409, True, True)
        assert f'action="{path}"' in page.text
        assert weights(session, logged["id"]) == [62.5]
        assert phone.post(path, data={"revision": "1"}).status_code == 303

    def test_who_changed_it_before_they_heard_that_it_was_deleted_logs_it_again_if_they_want(
        self, session: Session, phone: TestClient, logged: dict[str, Any], squat: int
    ) -> None:
        was = session.get_one(Workout, UUID(logged["id"])).completed_at
        phone.delete(f"/api/training/workouts/{logged['id']}?revision=0")
        mine = form(logged["id"], squat, "62.5", revision="0")
        page = phone.post("/training/log", data=mine, headers={"accept": "text/html"})
        assert (page.status_code, "Deleted." in page.text, "Keep this one" in page.text) == (409, True, True)
        assert phone.post("/training/log", data=mine | {"revision": "1"}).status_code == 303
        row = session.get_one(Workout, UUID(logged["id"]))
        assert (row.status, row.completed_at, weights(session, logged["id"])) == ("completed", was, [62.5])

    def test_what_was_never_logged_cannot_be_deleted(self, session: Session, mia: Client, phone: TestClient) -> None:
        planned = make_workout(session, client=mia, programme=make_programme(session, client=mia))
        for path in (f"/api/training/workouts/{planned.id}", f"/api/training/workouts/{planned.id}?revision=0"):
            assert phone.delete(path).json()["code"] == "training.workout_closed"
        assert planned.status == "planned"


class TestDayOfAChange:
    """By when it was made, not by when it came; the client's clock decides what day that was."""

    @pytest.fixture
    def done(self, session: Session, mia: Client, squat: int) -> UUID:
        log = Log([SetDone(squat, 5, 60.0)], completed_at=NOON)
        log_workout(session, workout_id=(id_ := new_id()), client=mia, log=log, logged_by=mia.id, now=NOON)
        return id_

    @pytest.mark.parametrize(
        ("made_after", "sent_after", "is_taken"),
        [
            (timedelta(hours=9), timedelta(days=3), True),
            (timedelta(days=1), timedelta(days=3), False),
            (timedelta(hours=9), timedelta(days=40), False),
            (timedelta(days=5), timedelta(hours=2), True),  # a clock that is ahead: not after now
        ],
    )
    def test_decides(
        self, session: Session, mia: Client, squat: int, done: UUID, made_after: timedelta, sent_after: timedelta,
        is_taken: bool,
    ) -> None:  # fmt: skip
        given: dict[str, Any] = {
            "workout_id": done, "client": mia, "now": NOON + sent_after, "made_at": NOON + made_after, "revision": 0,
        }  # fmt: skip
        change: dict[str, Any] = {"log": Log([SetDone(squat, 4, 60.0)]), "logged_by": mia.id}
        if is_taken:
            corrections.correct_workout(session, **given, **change)
            assert session.scalars(select(WorkoutSet.reps)).all() == [4]
            return
        with pytest.raises(WorkoutClosed):
            corrections.correct_workout(session, **given, **change)
        with pytest.raises(WorkoutClosed):
            corrections.delete_workout(session, **given, deleted_by=mia.id)
        assert session.scalars(select(WorkoutSet.reps)).all() == [5]
