"""Random lives of programmes on the real database: assigned, changed, trained by, ended, in whatever order.

A few dozen live with every test; `PLYO_LIVES=10000` (`make lives`) asks for that many.
"""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.errors import DomainError
from operational_api.training.models import Client, Programme, Workout
from operational_api.training.service import corrections, programmes, workouts
from operational_api.training.service.plans import Line, PhasePlan, Plan
from operational_api.training.service.workouts import Log, SetDone
from tests.factories import make_client, make_coach, make_exercise
from tests.operational_api.lives import Stage, live, stage

LIVES = int(os.environ.get("PLYO_LIVES", "20"))
A_CLIENT = 4
"""Programmes that one client lives through, at least about."""
STEPS = 25
BEGIN = datetime(2026, 3, 23, 12, tzinfo=UTC)  # a Monday; the clocks change on Sunday

LOGGED = text("""
    select w.id, w.programme_version, w.scheduled_on, w.completed_at,
        (select array_agg((s.exercise_id, s.reps, s.weight_kg, s.rir)::text order by s.position)
            from training.workout_sets s where s.workout_id = w.id),
        (select array_agg((p.id, p.day, p.position, p.exercise_id, p.sets, p.reps, p.note, p.phase)::text order by p.id)
            from training.planned_exercises p
            where p.programme_id = w.programme_id and p.version = w.programme_version)
    from training.workouts w where w.status = 'completed'""")
"""All that each logged workout says, and the plan it was done by."""
BROKEN = {
    "two programmes are active at once": """
        select 1 from training.programmes where status = 'active' group by customer_id having count(*) > 1""",
    "a version is missing or too many": """
        select 1 from training.programmes p join training.programme_versions v on v.programme_id = p.id
        group by p.id having count(*) <> p.version or max(v.version) <> p.version or min(v.version) <> 1""",
    "a version has no lines": """
        select 1 from training.programme_versions v where not exists (
            select 1 from training.planned_exercises e where e.programme_id = v.programme_id
            and e.version = v.version)""",
    "a version was not told": """
        select 1 from training.programmes p where p.version - 1 <> (select count(*) from platform.outbox_events e
            where e.type = 'training.plan_updated' and e.payload->>'programme_id' = p.id::text)""",
    "what is logged was not told once": """
        select 1 from training.workouts w where (w.status = 'completed')::int <> (
            select count(*) from platform.outbox_events e where e.type = 'training.workout_logged'
            and e.payload->>'workout_id' = w.id::text)""",
    "a session lies outside its programme": """
        select 1 from training.workouts w join training.programmes p on p.id = w.programme_id
        where w.scheduled_on < p.starts_on or w.scheduled_on >= p.starts_on + 7 * p.weeks
            or w.programme_day > p.sessions_per_week""",
    "a session has a state by halves": """
        select 1 from training.workouts where (status = 'completed') <> (completed_at is not null)
            or status <> 'completed' and exists (
                select 1 from training.workout_sets s where s.workout_id = workouts.id)""",
}
ANY_BROKEN = text(" union all ".join(f"select '{name}' from ({query}) q" for name, query in BROKEN.items()))
AHEAD = text("""
    select count(*) from training.workouts w join training.programmes p on p.id = w.programme_id
    where p.status <> 'active' and w.status = 'planned' and w.scheduled_on >= :ended_on""")


class World:
    """A client in New York, whose day is another than ours at times, and two movements."""

    def __init__(self, session: Session) -> None:
        self.client = make_client(session, coach=make_coach(session), time_zone="America/New_York").id
        self.squat, self.row = (make_exercise(session, name=name).id for name in ("Back Squat", "Row"))
        self.coach, self.lived = new_id(), 0


def lives(gym: Stage[World]) -> type[RuleBasedStateMachine]:
    """The machine, whose every life begins with the world as it was made."""
    world = gym.world

    class Lives(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            _, self.session = gym.enter()
            self.now, self.has_changed = BEGIN, False
            self.logged: dict[UUID, Any] = {}
            self.corrected: set[UUID] = set()

        def teardown(self) -> None:
            self.has_changed = True
            self.no_promise_is_broken()
            world.lived += len(self.session.scalars(select(Programme.id)).all())
            gym.leave(self.session)

        @property
        def client(self) -> Client:
            return self.session.get_one(Client, world.client)

        def today(self) -> date:
            return (self.now - timedelta(hours=4)).date()

        def act(self, do: Callable[..., object], **given: object) -> bool:
            """Do it, or be refused and find everything as it was."""
            try:
                with self.session.begin_nested():
                    do(self.session, now=self.now, **given)
            except DomainError:
                self.session.expire_all()
                return False
            self.has_changed = True
            return True

        def one(self, of: Any, pick: int, *conditions: Any) -> UUID | None:
            ids = self.session.scalars(select(of.id).where(*conditions).order_by(of.id)).all()
            return ids[pick % len(ids)] if ids else None

        @initialize(begun=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 12)), min_size=3, max_size=5))
        def begins_with(self, begun: list[tuple[int, int]]) -> None:
            for weeks, reps in begun:
                self.assign(weeks, 1 + reps % 3, reps, reps % 4)

        @rule(hours=st.sampled_from([1, 5, 13, 24, 72]))
        def time_passes(self, hours: int) -> None:
            self.now += timedelta(hours=hours)

        @rule(weeks=st.integers(1, 3), sessions=st.integers(1, 3), reps=st.integers(1, 12), later=st.integers(-1, 3))
        def assign(self, weeks: int, sessions: int, reps: int, later: int) -> None:
            lines = [Line(day, world.squat, 3, reps) for day in range(1, sessions + 1)]
            self.act(
                programmes.assign_programme, client=self.client, coach_id=world.coach, name="Base", goal="strength",
                starts_on=self.today() + timedelta(days=later), weeks=weeks, sessions_per_week=sessions,
                plan=Plan(lines, [PhasePlan("Build", weeks)] if reps % 2 else []),
            )  # fmt: skip

        @rule(pick=st.integers(0, 9), day=st.integers(1, 3), reps=st.integers(1, 12), seen=st.integers(0, 4))
        def change(self, pick: int, day: int, reps: int, seen: int) -> None:
            if (programme_id := self.one(Programme, pick)) is not None:
                self.act(
                    programmes.change_programme, programme_id=programme_id, changed_by=world.coach,
                    plan=Plan([Line(day, world.row, reps, reps, note=f"{reps}"), Line(1, world.squat, 1, reps)]),
                    expected_version=seen or None,
                )  # fmt: skip

        @rule(pick=st.integers(0, 9))
        def archive(self, pick: int) -> None:
            if (programme_id := self.one(Programme, pick)) is not None:
                self.act(programmes.archive_programme, programme_id=programme_id, client=self.client)

        @rule(
            pick=st.integers(0, 19), reps=st.integers(1, 12), is_planned=st.booleans(), ago=st.sampled_from([0, 2, 800])
        )
        def train(self, pick: int, reps: int, is_planned: bool, ago: int) -> None:
            planned = self.one(Workout, pick, Workout.status == "planned") if is_planned else None
            log = Log([SetDone(world.squat, reps, 50.0 + reps, rir=2)], completed_at=self.now - timedelta(hours=ago))
            self.act(
                workouts.log_workout, workout_id=planned or new_id(), client=self.client, log=log,
                logged_by=world.client,
            )  # fmt: skip

        @rule(pick=st.integers(0, 19), reps=st.integers(1, 12))
        def correct(self, pick: int, reps: int) -> None:
            workout_id = self.one(Workout, pick, Workout.status == "completed")
            log = Log([SetDone(world.row, reps, 20.0)])
            if workout_id is not None and self.act(
                corrections.correct_workout, workout_id=workout_id, client=self.client, log=log, logged_by=world.client
            ):
                self.corrected.add(workout_id)

        @rule(pick=st.integers(0, 19))
        def skip(self, pick: int) -> None:
            if (workout_id := self.one(Workout, pick)) is not None:
                self.act(lambda session, now: workouts.skip_workout(session, workout_id=workout_id, now=now))

        @invariant()
        def no_promise_is_broken(self) -> None:
            """What was logged stays as it was, with the plan it was done by, but for what its client corrected."""
            if not self.has_changed:
                return
            self.has_changed = False
            self.session.flush()
            assert set(self.session.scalars(ANY_BROKEN)) == set()
            assert self.session.scalar(AHEAD, {"ended_on": self.today()}) == 0
            told = {row[0]: tuple(row[1:]) for row in self.session.execute(LOGGED)}
            for id_, was in self.logged.items():
                assert told[id_] == was or id_ in self.corrected
                assert (told[id_][0], told[id_][4]) == (was[0], was[4])
            self.logged, self.corrected = told, set()

    return Lives


@pytest.fixture
def gym(fresh_database: Callable[[], str]) -> Iterator[Stage[World]]:
    """The gym, in a database of its own."""
    with stage(fresh_database(), World) as made:
        yield made


def test_programmes_live_as_promised(gym: Stage[World], record_property: Callable[..., None]) -> None:
    live(lives(gym), examples=LIVES // A_CLIENT, steps=STEPS)
    record_property("programmes_lived", gym.world.lived)
