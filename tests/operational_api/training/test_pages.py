"""The training pages as a browser without JavaScript uses them."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.training import charts
from operational_api.training.models import Client, Exercise, Injury, Workout, WorkoutSet
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
    """A client."""
    return make_client(session, coach=make_coach(session))


@pytest.fixture
def browser(session: Session, mia: Client, sign_in: SignIn) -> TestClient:
    """Mia's browser."""
    return sign_in(account_of(session, mia))


@pytest.fixture
def squat(session: Session) -> Exercise:
    """A loaded movement."""
    return make_exercise(session, name="Back Squat")


def form(squat: Exercise, *rows: tuple[str, str, str], **given: str) -> dict[str, object]:
    """The logging form with these (kg, reps, RPE) as typed."""
    return {
        "workout_id": str(new_id()),
        "exercise_id": [str(squat.id)] * len(rows),
        "weight_kg": [row[0] for row in rows],
        "reps": [row[1] for row in rows],
        "rpe": [row[2] for row in rows],
    } | given


class TestTraining:
    def test_a_new_person_is_told_where_to_start(self, session: Session, sign_in: SignIn) -> None:
        page = sign_in(make_account(session)).get("/training").text
        assert "Rest day" in page
        assert "No workouts yet" in page

    def test_shows_what_is_planned_today(
        self, session: Session, browser: TestClient, mia: Client, squat: Exercise
    ) -> None:
        programme = make_programme(session, client=mia, exercises=[squat], starts_on=date.today())  # noqa: DTZ011
        today = datetime.now(UTC).astimezone().date()
        planned = make_workout(session, client=mia, programme=programme, scheduled_on=today)
        page = browser.get("/training").text
        assert f"/training/log?workout={planned.id}" in page
        assert "3 × 5 with 60 kg at RPE 7.5" in page

    def test_skips(self, session: Session, browser: TestClient, mia: Client) -> None:
        planned = make_workout(session, client=mia)
        assert browser.post(f"/training/workouts/{planned.id}/skip").status_code == 303
        session.refresh(planned)
        assert planned.status == "skipped"

    def test_earlier_workouts_are_a_link_away(self, session: Session, browser: TestClient, mia: Client) -> None:
        today = datetime.now(UTC).date()
        for days in range(1, 33):
            day = today - timedelta(days=days)
            make_workout(
                session, client=mia, title=f"Workout {days:02}", scheduled_on=day, status="completed",
                completed_at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
            )  # fmt: skip
        page, seen = browser.get("/training").text, []
        while True:
            seen += re.findall(r"Workout (\d\d)<", page)
            older = re.search(r'href="(/training\?cursor=[^"#]+)', page)
            if older is None:
                break
            page = browser.get(older[1].replace("&amp;", "&")).text
        assert seen == [f"{days:02}" for days in range(1, 33)]
        assert 'href="/training#history"' in page

    def test_is_not_for_coaches(self, session: Session, sign_in: SignIn) -> None:
        assert sign_in(make_account(session, role="coach")).get("/training").status_code == 403

    def test_sends_guests_to_sign_in(self, api: TestClient) -> None:
        answer = api.get("/training", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/auth/login?return_to=%2Ftraining")


class TestLog:
    def test_is_prefilled_from_plan_and_last_time(
        self, session: Session, browser: TestClient, mia: Client, squat: Exercise
    ) -> None:
        yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        browser.post(
            "/api/training/workouts",
            json={"id": str(new_id()), "sets": [{"exercise_id": squat.id, "reps": 6, "weight_kg": 57.5}]}
            | {"completed_at": yesterday},
        )
        planned = make_workout(session, client=mia, programme=make_programme(session, client=mia, exercises=[squat]))
        page = browser.get(f"/training/log?workout={planned.id}").text
        assert page.count('name="weight_kg" inputmode="decimal" autocomplete="off" maxlength="7" value="60"') == 3
        assert "Last time: 57.5 kg × 6" in page

    @pytest.mark.parametrize("wrong_by", [timedelta(days=-3), timedelta(days=40), timedelta(seconds=-20)])
    def test_kept_on_a_phone_whose_clock_is_wrong_it_is_of_when_it_was_done(
        self, session: Session, browser: TestClient, squat: Exercise, wrong_by: timedelta
    ) -> None:
        now = datetime.now(UTC)
        told = {"done_at": now - timedelta(hours=2) + wrong_by, "sent_at": now + wrong_by}
        body = form(squat, ("60", "5", "")) | {name: at.isoformat() for name, at in told.items()}
        assert browser.post("/training/log", data=body).status_code == 303
        done_at = session.scalars(select(Workout.completed_at)).one()
        assert done_at is not None
        assert abs(done_at - (now - timedelta(hours=2))) < timedelta(minutes=1)

    def test_sent_twice_it_stores_once(self, session: Session, browser: TestClient, squat: Exercise) -> None:
        body = form(squat, ("62,5", "5", "8"), ("62.5", "5", ""), ("", "", ""))
        answers = [browser.post("/training/log", data=body) for _ in range(2)]
        assert {answer.headers["location"] for answer in answers} == {f"/training/workouts/{body['workout_id']}"}
        assert session.execute(select(WorkoutSet.weight_kg, WorkoutSet.reps, WorkoutSet.rpe)).all() == [
            (62.5, 5, 8.0),
            (62.5, 5, None),
        ]
        assert session.scalar(select(func.count()).select_from(OutboxEvent)) == 1
        page = browser.get(f"/training/workouts/{body['workout_id']}").text
        assert "62.5 kg ×" in page

    @pytest.mark.parametrize(
        ("row", "told"),
        [
            (("abc", "5", ""), "Weight: 0 to 700 kg."),
            (("60", "many", ""), "Repetitions: a whole number"),
            (("60", "5", "11"), "RPE: 0 to 10"),
            (("60", "", "8"), "How many repetitions?"),
        ],
    )
    def test_keeps_what_was_typed_beside_what_is_wrong(
        self, session: Session, browser: TestClient, squat: Exercise, row: tuple[str, str, str], told: str
    ) -> None:
        answer = browser.post("/training/log", data=form(squat, ("55", "5", ""), row, note="Felt good"))
        assert answer.status_code == 422
        assert told in answer.text
        assert 'value="55"' in answer.text
        assert all(f'value="{text}"' in answer.text for text in row if text)
        assert "Felt good" in answer.text
        assert session.scalars(select(Workout)).all() == []

    def test_an_empty_log_says_so(self, browser: TestClient, squat: Exercise) -> None:
        answer = browser.post("/training/log", data={"workout_id": str(new_id()), "duration_minutes": "9999"})
        assert answer.status_code == 422
        assert "Log at least one set" in answer.text
        assert "Between 1 and 600 minutes" in answer.text

    def test_grows_without_a_script(self, session: Session, browser: TestClient, squat: Exercise) -> None:
        press = make_exercise(session, name="Bench Press")
        grown = browser.post("/training/log", data=form(squat, ("60", "5", "7"), action=f"add_set:{squat.id}")).text
        assert len(re.findall(r'name="reps"[^>]*value="5"', grown)) == 2
        more = browser.post("/training/log", data=form(squat, ("60", "5", "7"), action=f"add_exercise:{press.id}")).text
        assert "<h2>Bench Press</h2>" in more
        assert session.scalars(select(Workout)).all() == []

    @pytest.mark.parametrize("how", [{"action": "find"}, {}])
    def test_finds_a_movement_without_a_script(
        self, session: Session, browser: TestClient, squat: Exercise, how: dict[str, str]
    ) -> None:
        """Also by Enter in the search field, which sends the form as if it were to be saved."""
        press = make_exercise(session, name="Incline Bench Press")
        page = browser.post("/training/log", data=form(squat, ("61", "5", "7"), find="inclin bench", **how)).text
        assert f'value="add_exercise:{press.id}"' in page
        assert 'value="61"' in page
        assert session.scalars(select(Workout)).all() == []

    def test_corrects_today_and_not_yesterday(self, session: Session, browser: TestClient, squat: Exercise) -> None:
        body = form(squat, ("60", "5", ""))
        browser.post("/training/log", data=body)
        edit = browser.get(f"/training/log?workout={body['workout_id']}").text
        assert 'name="mode" value="edit"' in edit
        browser.post("/training/log", data=body | {"mode": "edit", "weight_kg": ["70"]})
        assert session.scalars(select(WorkoutSet.weight_kg)).all() == [70.0]
        row = session.scalars(select(Workout)).one()
        row.completed_at -= timedelta(days=2)  # type: ignore[operator]
        session.flush()
        assert browser.get(f"/training/log?workout={row.id}").status_code == 409
        assert browser.post("/training/log", data=body | {"mode": "edit"}).status_code == 409

    def test_never_touches_somebody_elses(self, session: Session, browser: TestClient, squat: Exercise) -> None:
        other = make_workout(session, client=make_client(session))
        body = form(squat, ("60", "5", "")) | {"workout_id": str(other.id)}
        assert browser.get(f"/training/log?workout={other.id}").status_code == 404
        assert browser.post("/training/log", data=body).status_code == 404
        assert browser.post("/training/log", data=body | {"mode": "edit"}).status_code == 404


class TestInjuries:
    def test_are_noted_once_and_resolved(self, session: Session, browser: TestClient) -> None:
        body = {"body_part": "knee", "severity": "2", "occurred_on": "2026-01-05"}
        for _ in range(2):
            browser.post("/training/injuries", data=body)
        injury = session.scalars(select(Injury)).one()
        assert "Limits training" in browser.get("/training").text
        browser.post(f"/training/injuries/{injury.id}/resolve")
        assert "Healed" in browser.get("/training").text

    def test_one_called_healed_by_a_slip_hurts_again_from_there(self, session: Session, browser: TestClient) -> None:
        body = {"body_part": "knee", "severity": "2", "occurred_on": "2026-01-05"}
        browser.post("/training/injuries", data=body)
        [injury] = session.scalars(select(Injury)).all()
        browser.post(f"/training/injuries/{injury.id}/resolve")
        page = browser.get("/training").text
        asked = dict(
            re.findall(r'name="(body_part|severity|occurred_on)" value="([^"]*)"', page.partition("It still hurts")[0])
        )
        assert asked == body
        browser.post("/training/injuries", data=asked)
        session.expire_all()
        assert [one.resolved_on is None for one in session.scalars(select(Injury).order_by(Injury.id))] == [False, True]


class TestProgress:
    def test_draws_what_was_logged(self, browser: TestClient, squat: Exercise) -> None:
        assert "Nothing to draw yet" in browser.get("/progress").text
        for days, kg in ((14, 100), (7, 105), (0, 110)):
            at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
            sets = [{"exercise_id": squat.id, "reps": 5, "weight_kg": kg}]
            browser.post("/api/training/workouts", json={"id": str(new_id()), "sets": sets, "completed_at": at})
        page = browser.get("/progress").text
        assert "Back Squat: from 116.7 to 128.3 kg over 3 training days" in page
        assert "+11.7 kg" in page
        assert browser.get("/progress?weeks=52").status_code == 200

    @pytest.mark.parametrize("told", [((14, 100), (7, 105), (0, 110)), ((14, 100), (0, 105), (7, 110))])
    def test_tells_the_bests_that_stand_and_not_those_they_beat(
        self, browser: TestClient, squat: Exercise, told: tuple[tuple[int, int], ...]
    ) -> None:
        """Also where the best was done before a lesser one and told after it."""
        assert "Your bests" not in browser.get("/progress").text
        for days, kg in told:
            at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
            sets = [{"exercise_id": squat.id, "reps": 5, "weight_kg": kg}]
            browser.post("/api/training/workouts", json={"id": str(new_id()), "sets": sets, "completed_at": at})
        page = browser.get("/progress").text.partition("Your bests")[2]
        assert re.findall(r"Heaviest yet: Back Squat, (\d+) kg", page) == ["110"]


class TestCharts:
    @given(
        st.lists(
            st.tuples(st.dates(date(2025, 1, 1), date(2026, 12, 31)), st.floats(0.1, 1e6)), min_size=1, max_size=40
        )
    )
    def test_a_line_stays_in_its_box(self, points: list[tuple[date, float]]) -> None:
        chart = charts.line(sorted(points), unit="kg")
        assert all(0 <= x <= charts.WIDTH and 0 <= y <= charts.HEIGHT for x, y, *_ in chart.points)
        assert all(0 <= y <= charts.HEIGHT for y, _ in chart.ticks)
        assert 2 <= len(chart.ticks) <= 6

    @given(st.lists(st.one_of(st.none(), st.floats(0, 1e6)), min_size=1, max_size=52))
    def test_bars_stay_in_their_box(self, values: list[float | None]) -> None:
        weeks = [(date(2026, 1, 5) + timedelta(weeks=n), value) for n, value in enumerate(values)]
        chart = charts.bars(weeks)
        assert len(chart.points) == sum(value is not None for value in values)
        assert all(charts.TOP - 0.1 <= y <= chart.base for _, y, *_ in chart.points)
