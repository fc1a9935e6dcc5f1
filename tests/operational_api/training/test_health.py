"""The health questionnaire, goals, habits, check-ins: what holds training, who may see it, what is said twice."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.core.principal import Principal
from operational_api.core.viewer import show_as
from operational_api.training import screening as questionnaire
from operational_api.training.models import Client, Goal, Screening, WorkoutSet
from operational_api.training.service import coaching, progress, screening, wellbeing
from tests.factories import (
    account_of,
    make_account,
    make_client,
    make_coach,
    make_exercise,
    make_programme,
    make_wellbeing,
    make_workout,
)
from tests.operational_api.conftest import SignIn

KEYS = [one.key for one in questionnaire.QUESTIONS[questionnaire.VERSION]]
NO: dict[str, bool] = dict.fromkeys(KEYS, False)
RED = NO | {"chest_pain": True}
NOW = datetime.now(UTC)


def types(session: Session) -> list[str]:
    return list(session.scalars(select(OutboxEvent.type).order_by(OutboxEvent.position)))


def answer(phone: TestClient, mia: Client, answers: dict[str, bool]) -> Any:
    return phone.post(f"/api/training/clients/{mia.id}/screenings", json={"answers": answers})


class TestQuestionnaire:
    @pytest.mark.parametrize("key", KEYS)
    def test_each_yes_is_red(self, key: str) -> None:
        assert questionnaire.is_red(questionnaire.VERSION, NO | {key: True})
        assert not questionnaire.is_red(questionnaire.VERSION, NO)

    def test_is_answered_whole_or_not_at_all(self, phone: TestClient, mia: Client) -> None:
        for answers in ({}, {"heart": True}, NO | {"more": False}):
            refused = answer(phone, mia, answers)
            assert (refused.status_code, refused.json()["code"]) == (422, "training.invalid_answers")

    def test_is_asked_anew_after_a_year_and_when_it_changes(self, session: Session, mia: Client) -> None:
        assert screening.is_due(None, NOW)
        row = screening.answer_screening(session, client=mia, answers=NO, now=NOW)
        assert not screening.is_due(row, NOW)
        assert screening.is_due(row, NOW + timedelta(days=366))
        row.version = "2020-1"
        assert screening.is_due(row, NOW)


class TestHold:
    @pytest.mark.asvs("2.3.1")
    def test_a_red_answer_holds_plan_and_workouts_until_the_coach_clears_it(
        self, session: Session, phone: TestClient, coach: TestClient, mia: Client
    ) -> None:
        squat = make_exercise(session).id
        planned = make_workout(session, client=mia, programme=make_programme(session, client=mia))
        made = answer(phone, mia, RED).json()
        assert (made["is_red"], made["cleared_at"]) == (True, None)
        log = {"id": str(planned.id), "sets": [{"exercise_id": squat, "reps": 5}]}
        assert phone.post("/api/training/workouts", json=log).json()["code"] == "training.training_on_hold"
        plan = {"customer_id": str(mia.id), "name": "x", "goal": "strength", "starts_on": "2099-03-02", "weeks": 1,
                "sessions_per_week": 1, "lines": [{"day": 1, "exercise_id": squat, "sets": 3, "reps": 5}]}  # fmt: skip
        assert coach.post("/api/training/programmes", json=plan).status_code == 409
        assert answer(phone, mia, NO).status_code == 201
        assert phone.post("/api/training/workouts", json=log).status_code == 409, "only the coach ends a hold"
        page = phone.get("/training").text
        assert ("Training is on hold" in page, "Base strength" in page) == (True, True)
        for words in ("Day 1", "3 × 5", "Rest day", "Start logging"):
            assert words not in page, words
        cleared = coach.post(f"/api/training/screenings/{made['id']}/clearance", json={"note": "Doctor agrees."})
        assert cleared.json()["clearance_note"] == "Doctor agrees."
        again = coach.post(f"/api/training/screenings/{made['id']}/clearance", json={"note": "Another."})
        assert again.json()["clearance_note"] == "Doctor agrees."
        assert phone.post("/api/training/workouts", json=log).status_code == 201
        assert coach.post("/api/training/programmes", json=plan).status_code == 201
        assert types(session).count("training.screening_cleared") == 1

    def test_hides_what_the_plan_asks_for_from_the_client_on_every_way_and_not_from_the_coach(
        self, session: Session, phone: TestClient, coach: TestClient, mia: Client
    ) -> None:
        squat = make_exercise(session, name="Zercher Squat")
        programme = make_programme(session, client=mia, exercises=[squat])
        make_workout(session, client=mia, programme=programme, scheduled_on=datetime.now(UTC).date())
        ways = ("/api/training/programmes", f"/api/training/clients/{mia.id}")

        def lines(browser: TestClient) -> list[int]:
            listed = browser.get(ways[0], params={"customer_id": str(mia.id)}).json()["items"]
            return [len(listed[0]["lines"]), len(browser.get(ways[1]).json()["programme"]["lines"])]

        assert lines(phone) == lines(coach) == [1, 1]
        mia.on_hold_since = datetime.now(UTC)
        session.flush()
        assert lines(phone) == [0, 0]
        assert phone.get(ways[0]).json()["items"][0]["is_on_hold"] is True
        assert lines(coach) == [1, 1], "who clears it looks at the plan"
        assert squat.name not in phone.get("/training").text
        planned = phone.get("/api/training/workouts", params={"status": "planned"}).json()["items"][0]
        assert squat.name not in phone.get(f"/training/log?workout={planned['id']}").text
        assert phone.get(f"/api/training/workouts/{planned['id']}").json()["sets"] == []

    def test_what_was_done_before_the_answer_can_still_be_logged(
        self, session: Session, phone: TestClient, mia: Client
    ) -> None:
        answer(phone, mia, RED)
        yesterday = (NOW - timedelta(days=1)).isoformat()
        log = {"id": str(new_id()), "completed_at": yesterday, "sets": [{"exercise_id": make_exercise(session).id,
               "reps": 5}]}  # fmt: skip
        assert phone.post("/api/training/workouts", json=log).status_code == 201

    def test_an_old_or_harmless_one_is_not_cleared(
        self, session: Session, phone: TestClient, coach: TestClient, mia: Client
    ) -> None:
        old, harmless, new = (answer(phone, mia, one).json()["id"] for one in (RED, NO, NO | {"joints": True}))
        for one in (old, harmless):
            refused = coach.post(f"/api/training/screenings/{one}/clearance", json={"note": "Fine."})
            assert refused.json()["code"] == "training.not_to_clear"
        assert coach.post(f"/api/training/screenings/{new}/clearance", json={"note": "Fine."}).status_code == 200
        waiting = select(Screening.id).where(Screening.is_red, Screening.cleared_at.is_(None))
        assert session.scalars(waiting).all() == []
        assert session.get_one(Client, mia.id, populate_existing=True).on_hold_since is None

    def test_sent_twice_it_is_kept_once(self, session: Session, phone: TestClient, mia: Client) -> None:
        assert answer(phone, mia, RED).json()["id"] == answer(phone, mia, RED).json()["id"]

    @pytest.mark.asvs("8.2.2")
    @pytest.mark.parametrize("role", ["admin", "lead_coach", "coach", "support"])
    def test_nobody_else_sees_or_clears_it(self, session: Session, mia: Client, sign_in: SignIn, role: str) -> None:
        row = make_wellbeing(session, client=mia)["screening"]
        other = sign_in(make_account(session, role=role))
        for answered in (
            other.get(f"/api/training/clients/{mia.id}/screenings"),
            other.get(f"/api/training/clients/{mia.id}/wellbeing"),
            other.post(f"/api/training/screenings/{row.id}/clearance", json={"note": "Fine."}),
        ):
            assert answered.status_code in (403, 404)
        session.refresh(row)
        assert row.cleared_at is None


class TestRowSecurity:
    TABLES = ("screenings", "goals", "habits", "check_ins")

    @pytest.mark.parametrize(
        ("who", "seen"), [("client", 1), ("coach", 1), ("other", 0), ("admin", 0), ("nobody", 0), ("system", 1)]
    )
    def test_shows_health_data_to_whom_it_may(
        self, session: Session, mia: Client, plain_role: str, who: str, seen: int
    ) -> None:
        make_wellbeing(session, client=mia)
        other = make_coach(session)
        viewers = {
            "client": Principal("customer", "t", mia.id), "coach": Principal("coach", "t", mia.coach_id),
            "other": Principal("coach", "t", other.id), "admin": Principal("admin", "t", new_id()), "nobody": None,
            "system": Principal("system", "t"),
        }  # fmt: skip
        session.execute(text(f"set local role {plain_role}"))
        show_as(viewers[who], session)
        for table in self.TABLES:
            assert session.scalar(text(f"select count(*) from training.{table}")) == seen, table
        session.execute(text("reset role"))


class TestGoalsAndHabits:
    def test_are_kept_by_the_client_and_seen_by_the_coach(
        self, session: Session, phone: TestClient, coach: TestClient, mia: Client
    ) -> None:
        goal = phone.post("/api/training/goals", json={"text": "Ten pull-ups", "target_on": "2099-01-01"}).json()
        assert phone.post("/api/training/goals", json={"text": "Ten pull-ups"}).json()["id"] == goal["id"]
        habit = phone.post("/api/training/habits", json={"name": "Walk", "times_per_week": 5}).json()
        today = NOW.date().isoformat()
        for _ in range(2):
            phone.put(f"/api/training/habits/{habit['id']}/checks/{today}", json={"is_kept": True})
        seen = coach.get(f"/api/training/clients/{mia.id}/wellbeing").json()
        assert (seen["goals"][0]["text"], seen["habits"][0]["kept_on"]) == ("Ten pull-ups", [today])
        assert types(session).count("training.habit_checked") == 1
        phone.put(f"/api/training/habits/{habit['id']}/checks/{today}", json={"is_kept": False})
        phone.post(f"/api/training/habits/{habit['id']}/archive")
        assert phone.post(f"/api/training/goals/{goal['id']}/closing", json={"outcome": "reached"}).is_success
        seen = coach.get(f"/api/training/clients/{mia.id}/wellbeing").json()
        assert (seen["goals"][0]["status"], seen["habits"]) == ("reached", [])

    @pytest.mark.parametrize("days", [1, -8])
    def test_a_habit_is_checked_for_today_and_the_week_before(
        self, session: Session, phone: TestClient, mia: Client, days: int
    ) -> None:
        habit = make_wellbeing(session, client=mia)["habit"]
        day = (NOW + timedelta(days=days)).date().isoformat()
        refused = phone.put(f"/api/training/habits/{habit.id}/checks/{day}", json={"is_kept": True})
        assert refused.json()["code"] == "training.invalid_dates"

    @pytest.mark.parametrize(
        ("zone", "monday"),
        [
            ("Europe/Berlin", date(2026, 3, 23)),  # the night to Sunday has 23 hours
            ("Europe/Berlin", date(2026, 10, 19)),  # and 25
            ("America/New_York", date(2026, 10, 26)),
            ("Asia/Ho_Chi_Minh", date(2026, 3, 23)),
        ],
    )
    def test_a_habit_kept_late_each_evening_is_kept_seven_days_of_every_week(
        self, session: Session, zone: str, monday: date
    ) -> None:
        client = make_client(session, time_zone=zone)
        evenings = [datetime.combine(monday + timedelta(days=n), time(23, 50), ZoneInfo(zone)) for n in range(14)]
        habit = wellbeing.begin_habit(session, client=client, name="Walk", times_per_week=7, now=evenings[0])
        kept, due = [], []
        for at in evenings:
            now = at.astimezone(UTC)
            wellbeing.check_habit(session, client=client, habit_id=habit.id, day=at.date(), is_kept=True, now=now)
            kept.append(wellbeing.wellbeing_of(session, client, now=now).habits[0].this_week)
            due.append(wellbeing.due_on(client, now))
        assert kept == [1, 2, 3, 4, 5, 6, 7] * 2
        assert due == [monday + timedelta(days=6)] * 7 + [monday + timedelta(days=13)] * 7

    def test_who_flies_back_into_last_week_has_no_eighth_day_in_it(self, session: Session) -> None:
        client, monday = make_client(session, time_zone="Pacific/Auckland"), date(2026, 3, 2)
        days = [datetime.combine(monday + timedelta(days=n), time(9), ZoneInfo(client.time_zone)) for n in range(8)]
        habit = wellbeing.begin_habit(session, client=client, name="Walk", times_per_week=7, now=days[0])
        for at in days:
            wellbeing.check_habit(session, client=client, habit_id=habit.id, day=at.date(), is_kept=True, now=at)
        assert wellbeing.wellbeing_of(session, client, now=days[-1]).habits[0].this_week == 1
        client.time_zone = "America/Los_Angeles"  # Sunday again
        assert wellbeing.wellbeing_of(session, client, now=days[-1]).habits[0].this_week == 7
        assert wellbeing.due_on(client, days[-1]) == monday + timedelta(days=6)

    def test_another_persons_are_not_there(self, session: Session, mia: Client, sign_in: SignIn) -> None:
        theirs = make_wellbeing(session, client=mia)
        tom = sign_in(account_of(session, make_client(session)))
        today = NOW.date().isoformat()
        for refused in (
            tom.put(f"/api/training/habits/{theirs['habit'].id}/checks/{today}", json={"is_kept": True}),
            tom.post(f"/api/training/goals/{theirs['goal'].id}/closing", json={"outcome": "reached"}),
        ):
            assert refused.status_code == 404
        assert session.get_one(Goal, theirs["goal"].id, populate_existing=True).status == "open"


class TestCheckIns:
    def test_one_a_week_that_may_be_said_anew_until_it_is_answered(
        self, session: Session, phone: TestClient, coach: TestClient, mia: Client
    ) -> None:
        first = phone.post("/api/training/check-ins", json={"mood": 4, "weight_kg": 71.5}).json()
        second = phone.post("/api/training/check-ins", json={"mood": 2, "note": "Slept badly"}).json()
        assert (first["id"], second["mood"], second["weight_kg"]) == (second["id"], 2, None)
        assert datetime.fromisoformat(first["due_on"]).weekday() == 6
        address = f"/api/training/check-ins/{first['id']}/answer"
        assert coach.post(address, json={"answer": "Rest on Tuesday."}).json()["answer"] == "Rest on Tuesday."
        assert coach.post(address, json={"answer": "Rest on Tuesday."}).status_code == 200
        assert coach.post(address, json={"answer": "Other"}).json()["code"] == "training.answered_already"
        assert phone.post("/api/training/check-ins", json={"mood": 5}).status_code == 409
        assert [one for one in types(session) if "check_in" in one] == [
            "training.check_in_submitted", "training.check_in_answered",
        ]  # fmt: skip

    def test_is_due_on_the_sunday_where_the_client_lives(self, session: Session) -> None:
        client = make_client(session, time_zone="Pacific/Auckland")
        sunday_evening = datetime(2026, 3, 1, 20, tzinfo=UTC)  # Monday morning there
        assert wellbeing.due_on(client, sunday_evening).isoformat() == "2026-03-08"


class TestMetrics:
    def test_are_those_of_the_dictionary(self, session: Session, mia: Client, coach: TestClient) -> None:
        programme = make_programme(session, client=mia)
        for days_ago in range(28):
            at = NOW - timedelta(days=days_ago)
            make_workout(
                session, client=mia, programme=programme, status="completed", completed_at=at, scheduled_on=at.date(),
                session_rpe=5 if days_ago < 7 else 3, duration_minutes=10,
            )  # fmt: skip
        make_workout(session, client=mia, programme=programme, scheduled_on=NOW.date())
        found = coach.get(f"/api/training/clients/{mia.id}/metrics").json()
        ratios = [round(found[f"acwr_{name}"], 5) for name in ("coupled", "uncoupled", "ewma")]
        assert ratios == [1.42857, 1.66667, 1.24975]
        assert (found["load_7d"], found["monotony"], found["adherence_7d_percent"]) == (350, None, 87.5)

    def test_a_pause_of_a_year_is_rest_and_makes_nobody_new(self, session: Session, mia: Client) -> None:
        for days_ago in (400, 3):
            at = NOW - timedelta(days=days_ago)
            make_workout(
                session, client=mia, status="completed", completed_at=at, scheduled_on=at.date(), session_rpe=5,
                duration_minutes=60,
            )  # fmt: skip
        found = coaching.metrics_of(session, mia, now=NOW)
        assert found.acwr is not None
        assert (found.acwr.coupled, found.acwr.uncoupled) == (pytest.approx(4), None)
        assert found.monotony == pytest.approx(7**-0.5)
        assert (found.load_7d, len(found.loads), sum(found.loads)) == (300, 28, 300)

    def test_place_what_was_lifted_on_the_day_it_was(self, session: Session, mia: Client) -> None:
        programme = make_programme(session, client=mia)
        late, ahead = NOW - timedelta(days=10), NOW + timedelta(days=3)
        for planned in (late, ahead):
            workout = make_workout(
                session, client=mia, programme=programme, status="completed", completed_at=NOW,
                scheduled_on=planned.date(),
            )  # fmt: skip
            exercise_id = make_exercise(session).id
            session.add(WorkoutSet(workout_id=workout.id, position=1, exercise_id=exercise_id, reps=5, weight_kg=20))
        session.flush()
        assert coaching.metrics_of(session, mia, now=NOW).volume_7d_kg == 200
        weeks = progress.weeks_of(session, mia, now=NOW, weeks=4)
        assert [(one.volume_kg, one.workouts) for one in weeks] == [(0, 0), (0, 0), (0, 0), (200, 2)]
        [week] = [one for one in weeks if one.planned]
        assert week.starts_on <= late.date() < week.starts_on + timedelta(days=7)
        assert (week.planned, week.completed) == (1, 1)

    def test_of_somebody_new_are_none(self, session: Session, mia: Client) -> None:
        found = coaching.metrics_of(session, mia, now=NOW)
        assert (found.acwr, found.monotony, found.loads, found.adherence_percent[7]) == (None, None, [], None)
