"""Programmes: phases, supersets, rules, templates, and versions that never alter what was logged."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, event, func, select
from sqlalchemy.orm import Session

from contracts.events.registry import EVENTS
from contracts.events.training import PlanUpdated
from contracts.ids import new_id
from operational_api.core.database import session_factory
from operational_api.core.models import OutboxEvent
from operational_api.training.models import Client, Goal, PlannedExercise, Programme, Workout, WorkoutSet
from operational_api.training.service import plans, programmes, wellbeing, workouts
from operational_api.training.service.plans import Line, PhasePlan, Plan
from operational_api.training.service.workouts import Log, SetDone
from tests.conftest import sqlalchemy_url
from tests.factories import (
    account_of,
    make_account,
    make_client,
    make_coach,
    make_exercise,
    make_template,
    make_workout,
)
from tests.operational_api.conftest import SignIn

NOW = datetime.now(UTC).replace(hour=12)
LINEAR = {"kind": "linear", "step_kg": 2.5, "increment_kg": 2.5}
TODAY = NOW.date()


@pytest.fixture
def mia(session: Session) -> Client:
    return make_client(session, coach=make_coach(session), time_zone="UTC")


@pytest.fixture
def squat(session: Session) -> int:
    return make_exercise(session, name="Back Squat").id


@pytest.fixture
def row(session: Session) -> int:
    return make_exercise(session, name="Row").id


@pytest.fixture
def coach(session: Session, mia: Client, sign_in: SignIn) -> TestClient:
    """Mia's coach."""
    return sign_in(account_of(session, session.get_one(programmes_coach(), mia.coach_id)))


def programmes_coach() -> Any:
    from operational_api.scheduling.models import Coach

    return Coach


def body(*lines: dict[str, Any], **given: Any) -> dict[str, Any]:
    """A programme of two weeks, once a week."""
    told = {"name": "Base", "goal": "strength", "starts_on": TODAY.isoformat(), "weeks": 2, "sessions_per_week": 1}
    return told | {"lines": list(lines)} | given


def line(exercise_id: int, **given: Any) -> dict[str, Any]:
    return {"day": 1, "exercise_id": exercise_id, "sets": 3, "reps": 5, "weight_kg": 60} | given


def events(session: Session, type_: str) -> list[dict[str, Any]]:
    query = select(OutboxEvent.payload).where(OutboxEvent.type == type_)
    return list(session.scalars(query.order_by(OutboxEvent.position)))


class TestPlan:
    def test_has_phases_supersets_and_rules(self, coach: TestClient, mia: Client, squat: int, row: int) -> None:
        rule = {"kind": "linear", "step_kg": 2.5}
        plan = body(
            line(squat, superset="A", progression=rule),
            line(row, superset="A", phase=2, note="slowly"),
            line(row, superset="A", phase=1),
            customer_id=str(mia.id),
            phases=[{"name": "Build", "weeks": 1}, {"name": "Deload", "weeks": 1, "load_percent": 90}],
        )
        answer = coach.post("/api/training/programmes", json=plan)
        assert answer.status_code == 201, answer.text
        read = answer.json()
        assert [phase["name"] for phase in read["phases"]] == ["Build", "Deload"]
        assert [(one["superset"], one["phase"], one["note"]) for one in read["lines"]] == [
            ("A", None, None), ("A", 2, "slowly"), ("A", 1, None),
        ]  # fmt: skip
        assert read["lines"][0]["progression"] == rule | {"increment_kg": 2.5}

    WRONG: tuple[tuple[dict[str, Any], str], ...] = (
        ({"phases": [{"name": "Build", "weeks": 1}]}, "training.invalid_plan"),
        ({"lines": [{"phase": 1}]}, "training.invalid_plan"),
        ({"lines": [{"superset": "A"}]}, "training.invalid_plan"),
        ({"lines": [{"superset": "A"}, {"superset": "A", "reps": 3}]}, "training.invalid_plan"),
        ({"lines": [{"day": 2}]}, "training.invalid_dates"),
        ({"lines": [{"progression": {"kind": "magic"}}]}, "core.invalid_request"),
        ({"starts_on": "2020-01-01"}, "training.invalid_dates"),
    )

    def test_refuses_a_superset_that_is_none_in_a_phase(
        self, coach: TestClient, mia: Client, squat: int, row: int
    ) -> None:
        phases = [{"name": "Build", "weeks": 1}, {"name": "Peak", "weeks": 1}]
        lines = [line(squat, superset="A"), line(row, superset="A", phase=1)]
        answer = coach.post("/api/training/programmes", json=body(*lines, customer_id=str(mia.id), phases=phases))
        assert (answer.status_code, answer.json()["code"]) == (422, "training.invalid_plan")

    def test_refuses_what_does_not_fit(self, coach: TestClient, mia: Client, squat: int) -> None:
        for change, code in self.WRONG:
            given = change | {"lines": [line(squat, **one) for one in change.get("lines", [{}])]}
            answer = coach.post("/api/training/programmes", json=body(customer_id=str(mia.id)) | given)
            assert (answer.status_code, answer.json()["code"]) == (422, code), change

    def test_asks_for_more_when_the_last_time_was_enough(self, session: Session, mia: Client, squat: int) -> None:
        rule = {"kind": "linear", "step_kg": 2.5, "increment_kg": 2.5}
        plan = Plan(
            [Line(1, squat, 2, 5, Decimal(60), progression=rule)],
            [PhasePlan("Build", 2), PhasePlan("Deload", 1, load_percent=90, extra_sets=-1)],
        )
        programmes.assign_programme(
            session, client=mia, coach_id=new_id(), name="Base", goal="strength", starts_on=TODAY, weeks=3,
            sessions_per_week=1, plan=plan, now=NOW,
        )  # fmt: skip
        first, second, third = session.scalars(select(Workout).order_by(Workout.scheduled_on)).all()
        assert [one.prescription.weight_kg for one in plans.asked_for(session, first)] == [60]
        log(session, mia, first.id, [SetDone(squat, 5, 60), SetDone(squat, 5, 60)])
        assert [one.prescription.weight_kg for one in plans.asked_for(session, second)] == [62.5]
        [deload] = plans.asked_for(session, third)
        assert (deload.prescription.sets, deload.prescription.weight_kg) == (1, 55)

    def week_of_two(self, session: Session, mia: Client, squat: int, second: Line) -> list[Workout]:
        """Two weeks of a heavy day and another; what is asked of the second week, by the log of the first."""
        heavy = Line(1, squat, 1, 5, Decimal(80), progression=LINEAR)
        programmes.assign_programme(
            session, client=mia, coach_id=new_id(), name="Base", goal="strength", starts_on=TODAY, weeks=2,
            sessions_per_week=2, plan=Plan([heavy, second]), now=NOW,
        )  # fmt: skip
        return list(session.scalars(select(Workout).order_by(Workout.scheduled_on)))

    def test_a_heavy_and_a_light_day_have_each_their_own_weights(
        self, session: Session, mia: Client, squat: int
    ) -> None:
        light = Line(2, squat, 1, 10, Decimal(50), progression=LINEAR)
        first, second, third, fourth = self.week_of_two(session, mia, squat, light)
        log(session, mia, first.id, [SetDone(squat, 5, 80)])
        assert weights(session, second) == [50]
        log(session, mia, second.id, [SetDone(squat, 10, 50)])
        assert (weights(session, third), weights(session, fourth)) == ([82.5], [52.5])

    def test_days_that_ask_alike_go_on_from_one_another(self, session: Session, mia: Client, squat: int) -> None:
        first, second, third, _ = self.week_of_two(
            session, mia, squat, Line(2, squat, 1, 5, Decimal(80), progression=LINEAR)
        )
        log(session, mia, first.id, [SetDone(squat, 5, 80)])
        assert weights(session, second) == [82.5]
        log(session, mia, second.id, [SetDone(squat, 5, 82.5)])
        assert weights(session, third) == [85]


def weights(session: Session, workout: Workout) -> list[float | None]:
    """What a workout asks for, line by line."""
    return [one.prescription.weight_kg for one in plans.asked_for(session, workout)]


def log(session: Session, client: Client, workout_id: Any, sets: list[SetDone]) -> Workout:
    return workouts.log_workout(
        session, workout_id=workout_id, client=client, log=Log(sets, completed_at=NOW), logged_by=client.id, now=NOW
    ).detail.workout


class TestVersions:
    def test_a_change_is_a_version_that_says_who_and_why(
        self, session: Session, coach: TestClient, mia: Client, squat: int
    ) -> None:
        first = coach.post("/api/training/programmes", json=body(line(squat), customer_id=str(mia.id))).json()
        address = f"/api/training/programmes/{first['id']}"
        told = {"lines": [line(squat, reps=8)], "version": 1, "reason": "more volume"}
        second = coach.put(f"{address}/lines", json=told).json()
        assert (second["version"], second["lines"][0]["reps"]) == (2, 8)
        again = coach.put(f"{address}/lines", json=told | {"version": 2}).json()
        assert again["version"] == 2, "the same plan is no new version"
        stale = coach.put(f"{address}/lines", json={"lines": [line(squat, reps=3)], "version": 1})
        assert (stale.status_code, stale.json()["code"]) == (409, "training.plan_changed")
        versions = coach.get(f"{address}/versions").json()
        assert [(one["version"], one["reason"]) for one in versions] == [(2, "more volume"), (1, None)]
        [event] = events(session, PlanUpdated.type)
        assert (event["plan_version"], event["customer_id"]) == (2, str(mia.id))

    def test_an_archived_one_leaves_the_calendar_and_is_not_changed(
        self, session: Session, coach: TestClient, mia: Client, squat: int
    ) -> None:
        made = coach.post("/api/training/programmes", json=body(line(squat), customer_id=str(mia.id))).json()
        address = f"/api/training/programmes/{made['id']}"
        for _ in range(2):
            assert coach.post(f"{address}/archive").json()["status"] == "archived"
        assert session.scalars(select(Workout)).all() == []
        assert len(events(session, "training.programme_archived")) == 1
        assert coach.put(f"{address}/lines", json={"lines": [line(squat, reps=3)]}).status_code == 409

    def test_the_log_keeps_pointing_at_its_version(self, session: Session, mia: Client, squat: int) -> None:
        programme = programmes.assign_programme(
            session, client=mia, coach_id=new_id(), name="P", goal="strength", starts_on=TODAY, weeks=2,
            sessions_per_week=1, plan=Plan([Line(1, squat, 3, 5)]), now=NOW,
        )  # fmt: skip
        first, second = session.scalars(select(Workout).order_by(Workout.scheduled_on)).all()
        log(session, mia, first.id, [SetDone(squat, 5, 60)])
        programmes.change_programme(
            session, programme_id=programme.id, plan=Plan([Line(1, squat, 3, 8)]), changed_by=new_id(), now=NOW
        )
        assert [one.prescription.reps for one in plans.asked_for(session, first)] == [5]
        assert [one.prescription.reps for one in plans.asked_for(session, second)] == [8]

    def test_a_log_that_comes_late_points_at_the_version_of_when_it_was_done(
        self, session: Session, mia: Client, squat: int
    ) -> None:
        programme = programmes.assign_programme(
            session, client=mia, coach_id=new_id(), name="P", goal="strength", starts_on=TODAY, weeks=3,
            sessions_per_week=1, plan=Plan([Line(1, squat, 3, 5)]), now=NOW,
        )  # fmt: skip
        for hours, reps in ((2, 8), (4, 10)):
            programmes.change_programme(
                session, programme_id=programme.id, plan=Plan([Line(1, squat, 3, reps)]), changed_by=new_id(),
                now=NOW + timedelta(hours=hours),
            )  # fmt: skip
        planned = session.scalars(select(Workout).order_by(Workout.scheduled_on)).all()
        for workout, hours in zip(planned, (1, 3, 5), strict=True):
            done = Log([SetDone(squat, 5, 60)], completed_at=NOW + timedelta(hours=hours))
            workouts.log_workout(
                session, workout_id=workout.id, client=mia, log=done, logged_by=mia.id, now=NOW + timedelta(hours=6)
            )
        assert [one.programme_version for one in planned] == [1, 2, 3]

    def test_a_weight_that_is_written_anew_is_where_the_rule_begins_again(
        self, session: Session, mia: Client, squat: int, row: int
    ) -> None:
        def plan(kg: int, *more: Line, sets: int = 1, day: int = 1) -> Plan:
            return Plan([Line(day, squat, sets, 5, Decimal(kg), progression=LINEAR), *more])

        programme = programmes.assign_programme(
            session, client=mia, coach_id=new_id(), name="P", goal="strength", starts_on=TODAY, weeks=2,
            sessions_per_week=2, plan=plan(100), now=NOW,
        )  # fmt: skip
        first, *_, last = session.scalars(select(Workout).order_by(Workout.scheduled_on)).all()
        log(session, mia, first.id, [SetDone(squat, 5, 100)])
        asked = []
        for changed in (plan(100, Line(1, row, 1, 5)), Plan([Line(2, row, 1, 5)]), plan(100, day=2), plan(60, day=2),
                        plan(60, sets=2, day=2)):  # fmt: skip
            programmes.change_programme(
                session, programme_id=programme.id, plan=changed, changed_by=new_id(), now=NOW + timedelta(hours=1)
            )
            asked.append(weights(session, last))
        assert asked == [[], [None], [102.5], [60], [60]], "on from what was done, until the coach says 60"

    def test_a_weight_that_another_day_had_is_written_anew_too(self, session: Session, mia: Client, squat: int) -> None:
        """After an injury the heavy day asks for what the light one did."""

        def plan(heavy: int, light: int) -> Plan:
            return Plan(
                [Line(day, squat, 1, 5, Decimal(kg), progression=LINEAR) for day, kg in ((1, heavy), (2, light))]
            )

        programme = programmes.assign_programme(
            session, client=mia, coach_id=new_id(), name="P", goal="strength", starts_on=TODAY, weeks=2,
            sessions_per_week=2, plan=plan(100, 80), now=NOW,
        )  # fmt: skip
        first, _, third, _ = session.scalars(select(Workout).order_by(Workout.scheduled_on)).all()
        log(session, mia, first.id, [SetDone(squat, 5, 100)])
        assert weights(session, third) == [102.5]
        programmes.change_programme(
            session, programme_id=programme.id, plan=plan(80, 60), changed_by=new_id(), now=NOW + timedelta(hours=1)
        )
        assert weights(session, third) == [80]

    def test_a_later_versions_phases_do_not_scale_what_was_done_before(
        self, session: Session, mia: Client, squat: int
    ) -> None:
        lines = [Line(1, squat, 1, 5, Decimal(100), progression=LINEAR)]
        programme = programmes.assign_programme(
            session, client=mia, coach_id=new_id(), name="P", goal="strength", starts_on=TODAY, weeks=3,
            sessions_per_week=1, plan=Plan(lines, [PhasePlan("Build", 3)]), now=NOW,
        )  # fmt: skip
        first, second, _ = session.scalars(select(Workout).order_by(Workout.scheduled_on)).all()
        log(session, mia, first.id, [SetDone(squat, 5, 100)])
        phases = [PhasePlan("Deload", 1, load_percent=50), PhasePlan("Build", 2)]
        programmes.change_programme(
            session, programme_id=programme.id, plan=Plan(lines, phases), changed_by=new_id(), now=NOW
        )
        assert weights(session, second) == [102.5], "100 kg were no half of 200"


def told(session: Session, workout_id: Any) -> Any:
    """All that a logged workout says, and the plan it was done by."""
    workout = session.get_one(Workout, workout_id, populate_existing=True)
    sets = session.execute(
        select(WorkoutSet.exercise_id, WorkoutSet.reps, WorkoutSet.weight_kg, WorkoutSet.rpe, WorkoutSet.rir)
        .where(WorkoutSet.workout_id == workout_id).order_by(WorkoutSet.position)
    ).all()  # fmt: skip
    plan = session.execute(
        select(PlannedExercise.id, PlannedExercise.day, PlannedExercise.reps, PlannedExercise.note)
        .where(
            PlannedExercise.programme_id == workout.programme_id,
            PlannedExercise.version == workout.programme_version,
        )
        .order_by(PlannedExercise.id)
    ).all()
    assert plan, "a logged workout has lost its plan"
    return workout.status, workout.title, workout.scheduled_on, workout.programme_version, sets, plan


class TestTemplates:
    def test_are_given_to_a_client_from_a_day_on(
        self, session: Session, coach: TestClient, mia: Client, squat: int
    ) -> None:
        kept = coach.post("/api/training/templates", json={
            name: value for name, value in body(line(squat, weight_kg=62.5)).items() if name != "starts_on"
        }).json()  # fmt: skip
        given = {"customer_id": str(mia.id), "starts_on": (TODAY + timedelta(days=3)).isoformat()}
        made = coach.post(f"/api/training/templates/{kept['id']}/assignments", json=given).json()
        assert (made["template_id"], made["starts_on"], made["lines"][0]["weight_kg"]) == (
            kept["id"], given["starts_on"], 62.5,
        )  # fmt: skip
        again = coach.put(f"/api/training/templates/{kept['id']}", json=body(line(squat, reps=12))).json()
        assert again["version"] == 2
        programme = coach.get(f"/api/training/programmes?customer_id={mia.id}").json()["items"][0]
        assert programme["lines"][0]["reps"] == 5, "what was given stays"

    def test_archived_ones_are_gone_from_the_list(self, session: Session, coach: TestClient, mia: Client) -> None:
        template = make_template(session, coach=session.get_one(programmes_coach(), mia.coach_id))
        assert [one["id"] for one in coach.get("/api/training/templates").json()] == [str(template.id)]
        coach.post(f"/api/training/templates/{template.id}/archive")
        assert coach.get("/api/training/templates").json() == []
        given = {"customer_id": str(mia.id), "starts_on": TODAY.isoformat()}
        assert coach.post(f"/api/training/templates/{template.id}/assignments", json=given).status_code == 404

    def test_are_not_another_coachs(self, session: Session, coach: TestClient, sign_in: SignIn) -> None:
        theirs = make_template(session, coach=make_coach(session))
        assert coach.post(f"/api/training/templates/{theirs.id}/archive").status_code == 404
        assert coach.get("/api/training/templates").json() == []
        lead = sign_in(make_account(session, role="lead_coach"))
        assert [one["id"] for one in lead.get("/api/training/templates").json()] == [str(theirs.id)]


class TestEvents:
    """What other worlds read of training: its fields are a promise. A field that changes its meaning is a version."""

    PROMISED: dict[str, tuple[int, set[str]]] = {
        "training.plan_updated": (1, {"programme_id", "customer_id", "coach_id", "plan_version"}),
        "training.programme_archived": (1, {"programme_id", "customer_id"}),
        "training.personal_record_set": (
            1, {"customer_id", "workout_id", "exercise_id", "kind", "value", "previous", "over_m"},
        ),
        "training.screening_answered": (1, {"customer_id", "screening_id", "holds_training"}),
        "training.onboarding_step_left": (1, {"customer_id", "step", "outcome"}),
    }  # fmt: skip

    @pytest.mark.parametrize("type_", sorted(PROMISED))
    def test_say_what_was_promised(self, type_: str) -> None:
        version, fields = self.PROMISED[type_]
        cls = EVENTS[type_]
        assert (cls.version, set(cls.model_fields) - {"event_id", "occurred_at"}) == (version, fields)
        assert cls.aggregate in fields


class TestStatements:
    """However many programmes, lines and phases a client has, lists and pages ask as often."""

    @pytest.fixture
    def counted(self, session: Session) -> Callable[[Callable[[], object]], int]:
        def count(ask: Callable[[], object]) -> int:
            sent: list[str] = []

            def note(_c: Any, _u: Any, statement: str, *_: Any) -> None:
                sent.append(statement)

            connection = session.connection()
            event.listen(connection, "before_cursor_execute", note)
            ask()
            event.remove(connection, "before_cursor_execute", note)
            return len(sent)

        return count

    def test_of_programmes_and_of_a_planned_workout(
        self, session: Session, mia: Client, squat: int, row: int, counted: Callable[[Callable[[], object]], int]
    ) -> None:
        rule = {"kind": "linear", "step_kg": 2.5}

        def assign(lines: int) -> None:
            plan = Plan([Line(1, (squat, row)[n % 2], 3, 5, Decimal(60), progression=rule) for n in range(lines)])
            programmes.assign_programme(
                session, client=session.get_one(Client, mia.id), coach_id=new_id(), name="P", goal="strength",
                starts_on=TODAY, weeks=2, sessions_per_week=1, plan=plan, now=NOW,
            )  # fmt: skip
            session.flush()
            session.expunge_all()

        def planned() -> Workout:
            return session.scalars(select(Workout).where(Workout.status == "planned")).all()[0]

        assign(2)
        few = (
            counted(lambda: programmes.programmes_of(session, mia.id)),
            counted(lambda: plans.asked_for(session, planned())),
        )
        for _ in range(4):
            assign(12)
        many = (
            counted(lambda: programmes.programmes_of(session, mia.id)),
            counted(lambda: plans.asked_for(session, planned())),
        )
        assert few == many == (3, 6)


class TestRaces:
    def test_of_programmes_and_goals_given_at_once_one_stays(self, fresh_database: Callable[[], str]) -> None:
        engine = create_engine(sqlalchemy_url(fresh_database()), pool_size=8)
        sessions = session_factory(engine)
        with sessions.begin() as session:
            mia, plan = make_client(session), Plan([Line(1, make_exercise(session).id, 3, 5)])

        def act(turn: int) -> None:
            with sessions.begin() as session:
                client = session.get_one(Client, mia.id)
                wellbeing.set_goal(session, client=client, text="Ten pull-ups", target_on=None, now=NOW)
                programmes.assign_programme(
                    session, client=client, coach_id=new_id(), name=f"Base {turn}", goal="strength", starts_on=TODAY,
                    weeks=1, sessions_per_week=1, plan=plan, now=NOW,
                )  # fmt: skip

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(act, range(6)))
        with sessions() as session:
            assert session.scalars(select(Programme.status).order_by(Programme.status)).all() == [
                "active", *["completed"] * 5,
            ]  # fmt: skip
            assert session.scalar(select(func.count()).select_from(Workout)) == 1
            assert session.scalar(select(func.count()).select_from(Goal)) == 1
        engine.dispose()


class TestSkip:
    def test_is_announced_once(self, session: Session, mia: Client) -> None:
        planned = make_workout(session, client=mia)
        for _ in range(2):
            workouts.skip_workout(session, workout_id=planned.id, now=NOW)
        assert events(session, "training.workout_skipped") == [
            {"workout_id": str(planned.id), "customer_id": str(mia.id)}
        ]
