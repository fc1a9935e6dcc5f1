"""Training over HTTP: what each role may reach, and what a phone may send twice."""

from datetime import UTC, date, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.training.metrics import epley_1rm_kg
from operational_api.training.models import Client, Workout, WorkoutSet
from tests.factories import (
    account_of,
    make_account,
    make_client,
    make_coach,
    make_exercise,
    make_programme,
    make_workout,
)
from tests.operational_api.conftest import SignIn


@pytest.fixture
def mia(session: Session) -> Client:
    """A client of a coach."""
    return make_client(session, coach=make_coach(session))


@pytest.fixture
def squat(session: Session) -> int:
    """Id of a loaded movement."""
    return make_exercise(session).id


def logged(squat: int, *sets: tuple[float, int], **given: object) -> dict[str, object]:
    """The body of a workout with these (kg, reps)."""
    done = [{"exercise_id": squat, "weight_kg": kg, "reps": reps, "rpe": 8} for kg, reps in sets or ((100, 5),)]
    return {"id": str(new_id()), "sets": done, "session_rpe": 7, "duration_minutes": 50} | given


def published(session: Session, type_: str) -> int:
    """How many events of a type were announced."""
    query = select(func.count()).select_from(OutboxEvent).where(OutboxEvent.type == type_)
    return session.scalar(query) or 0


class TestLogWorkout:
    def test_stores_each_set_once_however_often_it_is_sent(
        self, session: Session, phone: TestClient, squat: int
    ) -> None:
        body = logged(squat, (100, 5), (102.5, 3))
        first = phone.post("/api/training/workouts", json=body)
        again = phone.post("/api/training/workouts", json=body)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert first.json()["volume_kg"] == 807.5
        assert session.scalar(select(func.count()).select_from(WorkoutSet)) == 2
        assert published(session, "training.workout_logged") == 1

    def test_shows_the_best_estimate_and_the_record(self, phone: TestClient, squat: int) -> None:
        yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        phone.post("/api/training/workouts", json=logged(squat, (100, 5), completed_at=yesterday))
        [best] = phone.post("/api/training/workouts", json=logged(squat, (100, 3), (140, 3))).json()["bests"]
        assert (best["e1rm_kg"], round(best["previous_kg"], 2), best["is_record"]) == (154.0, 116.67, True)

    def test_completes_the_planned_workout(self, session: Session, mia: Client, phone: TestClient, squat: int) -> None:
        planned = make_workout(session, client=mia, programme=make_programme(session, client=mia))
        answer = phone.post("/api/training/workouts", json=logged(squat, id=str(planned.id))).json()
        assert (answer["status"], answer["title"], answer["programme_day"]) == ("completed", "Lower body", 1)

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"sets": []}, "core.invalid_request"),
            ({"sets": [{"exercise_id": 1, "reps": -1}]}, "core.invalid_request"),
            ({"sets": [{"exercise_id": 1, "reps": 5, "weight_kg": 5000}]}, "core.invalid_request"),
            ({"sets": [{"exercise_id": 999_999, "reps": 5}]}, "training.unknown_exercise"),
            ({"session_rpe": 11}, "core.invalid_request"),
            ({"completed_at": "2099-01-01T00:00:00Z"}, "training.workout_in_the_future"),
            ({"completed_at": "2020-01-01T00:00:00Z"}, "training.invalid_dates"),
        ],
    )
    def test_refuses_what_cannot_be(
        self, session: Session, phone: TestClient, squat: int, change: dict[str, object], code: str
    ) -> None:
        answer = phone.post("/api/training/workouts", json=logged(squat) | change)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert session.scalars(select(Workout)).all() == []

    def test_is_open_to_somebody_who_just_signed_up(self, session: Session, sign_in: SignIn, squat: int) -> None:
        account = make_account(session, display_name="New Nora")
        assert sign_in(account).post("/api/training/workouts", json=logged(squat)).status_code == 201
        assert session.get_one(Client, account.id).display_name == "New Nora"

    def test_lets_the_coach_log_for_their_client_and_nobody_else(
        self, session: Session, mia: Client, sign_in: SignIn, squat: int
    ) -> None:
        body = logged(squat, customer_id=str(mia.id))
        stranger = make_coach(session)
        refused = sign_in(account_of(session, stranger)).post("/api/training/workouts", json=body)
        missing = sign_in(account_of(session, stranger)).post(
            "/api/training/workouts", json=body | {"customer_id": str(new_id())}
        )
        assert (refused.status_code, refused.json()["code"]) == (404, "training.client_not_found")
        assert missing.json()["detail"] == refused.json()["detail"]
        coach = make_account(session, role="coach", id=new_id())
        mia.coach_id = coach.id
        session.flush()
        answer = sign_in(coach).post("/api/training/workouts", json=body)
        assert answer.status_code == 201
        assert session.get_one(Workout, body["id"]).logged_by == coach.id

    @pytest.mark.asvs("8.2.2")
    def test_never_takes_over_somebody_elses_workout(self, session: Session, phone: TestClient, squat: int) -> None:
        other = make_workout(session, client=make_client(session))
        answer = phone.post("/api/training/workouts", json=logged(squat, id=str(other.id)))
        assert (answer.status_code, answer.json()["code"]) == (404, "training.workout_not_found")


class TestCorrectWorkout:
    def test_replaces_todays_sets(self, session: Session, phone: TestClient, squat: int) -> None:
        body = logged(squat, (100, 5), (100, 5))
        phone.post("/api/training/workouts", json=body)
        answer = phone.put(f"/api/training/workouts/{body['id']}", json=logged(squat, (90, 5)))
        assert [one["weight_kg"] for one in answer.json()["sets"]] == [90]
        assert published(session, "training.workout_corrected") == 1

    def test_leaves_yesterday_alone(self, phone: TestClient, squat: int) -> None:
        body = logged(squat, completed_at=(datetime.now(UTC) - timedelta(days=1)).isoformat())
        phone.post("/api/training/workouts", json=body)
        answer = phone.put(f"/api/training/workouts/{body['id']}", json=logged(squat, (1, 1)))
        assert (answer.status_code, answer.json()["code"]) == (409, "training.workout_closed")


class TestProgrammes:
    def body(self, mia: Client, squat: int, **given: object) -> dict[str, object]:
        line = {"day": 1, "exercise_id": squat, "sets": 3, "reps": 5, "weight_kg": "60.00", "target_rpe": 7.5}
        tomorrow = (date.today() + timedelta(days=1)).isoformat()  # noqa: DTZ011
        return {
            "customer_id": str(mia.id), "name": "Base", "goal": "strength", "starts_on": tomorrow, "weeks": 4,
            "sessions_per_week": 2, "lines": [line, line | {"day": 2}],
        } | given  # fmt: skip

    def test_fills_the_calendar_and_replaces_the_old_plan(
        self, session: Session, mia: Client, sign_in: SignIn, squat: int
    ) -> None:
        coach = make_account(session, role="coach")
        mia.coach_id = coach.id
        session.flush()
        for _ in range(2):
            assert sign_in(coach).post("/api/training/programmes", json=self.body(mia, squat)).status_code == 201
        listed = sign_in(coach).get(f"/api/training/programmes?customer_id={mia.id}").json()["items"]
        assert sorted(one["status"] for one in listed) == ["active", "completed"]
        assert len(listed[0]["lines"]) == 2
        assert session.scalar(select(func.count()).select_from(Workout).where(Workout.status == "planned")) == 8

    def test_is_not_for_customers(self, mia: Client, phone: TestClient, squat: int) -> None:
        assert phone.post("/api/training/programmes", json=self.body(mia, squat)).status_code == 403

    def test_a_change_never_alters_logged_history(
        self, session: Session, mia: Client, phone: TestClient, sign_in: SignIn, squat: int
    ) -> None:
        coach = make_account(session, role="coach")
        mia.coach_id = coach.id
        session.flush()
        programme = sign_in(coach).post("/api/training/programmes", json=self.body(mia, squat)).json()
        planned = session.scalars(
            select(Workout).where(Workout.customer_id == mia.id).order_by(Workout.scheduled_on)
        ).first()
        assert planned is not None
        phone.post("/api/training/workouts", json=logged(squat, (60, 5), id=str(planned.id)))
        before = phone.get(f"/api/training/workouts/{planned.id}").json()
        press = make_exercise(session).id
        lines = [{"day": 1, "exercise_id": press, "sets": 5, "reps": 3}]
        answer = sign_in(coach).put(f"/api/training/programmes/{programme['id']}/lines", json={"lines": lines})
        assert [line["exercise_id"] for line in answer.json()["lines"]] == [press]
        assert phone.get(f"/api/training/workouts/{planned.id}").json() == before


class TestInjuries:
    @pytest.mark.asvs("8.2.2")
    def test_are_for_the_client_and_their_coach_only(
        self, session: Session, mia: Client, phone: TestClient, sign_in: SignIn
    ) -> None:
        path = f"/api/training/clients/{mia.id}/injuries"
        body = {"body_part": "knee", "severity": 2, "occurred_on": "2026-01-05"}
        injury = phone.post(path, json=body).json()
        coach = make_account(session, role="coach")
        mia.coach_id = coach.id
        session.flush()
        assert sign_in(coach).get(path).json() == [injury]
        assert sign_in(make_account(session, role="admin")).get(path).status_code == 403
        resolved = phone.post(f"/api/training/injuries/{injury['id']}/resolution").json()
        assert resolved["resolved_on"] is not None
        assert phone.post(f"/api/training/injuries/{injury['id']}/resolution").json() == resolved
        assert [published(session, f"training.injury_{what}") for what in ("reported", "resolved")] == [1, 1]

    def test_cannot_be_in_the_future(self, mia: Client, phone: TestClient) -> None:
        body = {"body_part": "knee", "severity": 2, "occurred_on": "2099-01-05"}
        answer = phone.post(f"/api/training/clients/{mia.id}/injuries", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "training.invalid_dates")


class TestLists:
    def test_a_coach_sees_own_clients_and_an_admin_everybody(
        self, session: Session, mia: Client, phone: TestClient, sign_in: SignIn
    ) -> None:
        make_client(session, coach=make_coach(session), display_name="Otto Other")
        coach = make_account(session, role="coach")
        mia.coach_id = coach.id
        session.flush()
        names = [one["display_name"] for one in sign_in(coach).get("/api/training/clients").json()["items"]]
        assert names == ["Mia Maier"]
        admin = sign_in(make_account(session, role="admin"))
        assert len(admin.get("/api/training/clients").json()["items"]) == 2
        assert [one["display_name"] for one in admin.get("/api/training/clients?q=ott").json()["items"]] == [
            "Otto Other"
        ]
        assert phone.get("/api/training/clients").status_code == 403

    def test_pages_do_not_lose_or_repeat_rows(self, session: Session, mia: Client, phone: TestClient) -> None:
        made = [make_workout(session, client=mia, scheduled_on=date(2026, 3, 1 + n // 2)) for n in range(7)]
        seen, cursor = [], ""
        while cursor is not None:
            page = phone.get(f"/api/training/workouts?limit=3{f'&cursor={cursor}' if cursor else ''}").json()
            seen += [one["id"] for one in page["items"]]
            cursor = page["next_cursor"]
        assert sorted(seen) == sorted(str(one.id) for one in made)

    def test_a_bad_cursor_is_refused(self, phone: TestClient) -> None:
        answer = phone.get("/api/training/workouts?cursor=nonsense")
        assert (answer.status_code, answer.json()["code"]) == (422, "core.invalid_cursor")

    @pytest.mark.parametrize("query", ["exercises?q=%00", "workouts?from=0001-01-01&to=9999-12-31", "clients/x"])
    def test_refuses_or_answers_odd_values_and_never_breaks(self, phone: TestClient, query: str) -> None:
        assert phone.get(f"/api/training/{query}").status_code in (200, 422)

    def test_exercises_are_found_by_any_word(self, session: Session, phone: TestClient) -> None:
        make_exercise(session, name="Zercher Squat", equipment="barbell")
        found = phone.get("/api/training/exercises?q=barbell zerch").json()["items"]
        assert [one["name"] for one in found] == ["Zercher Squat"]


class TestProgress:
    def test_says_the_same_as_the_arithmetic(
        self, session: Session, mia: Client, phone: TestClient, squat: int
    ) -> None:
        phone.post("/api/training/workouts", json=logged(squat, (100, 5), (110, 1), (60, 12)))
        answer = phone.get(f"/api/training/clients/{mia.id}/progress").json()
        [series] = answer["strength"]
        assert series["points"][0][1] == round(epley_1rm_kg(100, 5) or 0, 2)
        assert answer["weeks"][-1]["volume_kg"] == 100 * 5 + 110 + 60 * 12
        assert len(answer["weeks"]) == 12


class TestEstimated1rm:
    @pytest.mark.parametrize(
        ("kg", "reps", "expected"), [(100, 5, 116.67), (140, 3, 154.0), (60, 10, 80.0), (90, 1, 90.0)]
    )
    def test_matches_the_golden_values(self, kg: float, reps: int, expected: float) -> None:
        assert round(epley_1rm_kg(kg, reps) or 0, 2) == expected

    @pytest.mark.parametrize(("kg", "reps"), [(None, 5), (0, 5), (60, 11), (60, 0)])
    def test_says_nothing_where_it_cannot(self, kg: float | None, reps: int) -> None:
        assert epley_1rm_kg(kg, reps) is None
