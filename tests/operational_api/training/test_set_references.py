"""Sets, workouts and exercises hold together by triggers that look at a statement as a whole."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.training.models import Client, Exercise, Workout, WorkoutSet


@pytest.fixture
def workout_id(session: Session) -> UUID:
    client = Client(id=new_id(), display_name="Ada", joined_at=datetime(2026, 3, 2, tzinfo=UTC))
    exercise = Exercise(
        id=9001, slug="test-squat", name="Squat", pattern="squat", primary_muscle="quads", equipment="barbell"
    )
    session.add_all([client, exercise])
    session.flush()
    workout = Workout(customer_id=client.id, title="Legs", scheduled_on=date(2026, 3, 2))
    session.add(workout)
    session.flush()
    session.execute(insert(WorkoutSet).values(workout_id=workout.id, position=1, exercise_id=9001, reps=5))
    return workout.id


class TestWorkoutSets:
    def test_refuse_an_unknown_exercise(self, session: Session, workout_id: UUID) -> None:
        with pytest.raises(IntegrityError, match="no exercise 9999"):
            session.execute(insert(WorkoutSet).values(workout_id=workout_id, position=2, exercise_id=9999, reps=5))

    def test_refuse_to_become_an_unknown_exercise(self, session: Session, workout_id: UUID) -> None:
        with pytest.raises(IntegrityError, match="no exercise 9999"):
            session.execute(update(WorkoutSet).where(WorkoutSet.workout_id == workout_id).values(exercise_id=9999))

    def test_refuse_an_unknown_workout(self, session: Session, workout_id: UUID) -> None:
        with pytest.raises(IntegrityError, match="no workout"):
            session.execute(insert(WorkoutSet).values(workout_id=new_id(), position=1, exercise_id=9001, reps=5))

    def test_refuse_to_move_to_an_unknown_workout(self, session: Session, workout_id: UUID) -> None:
        with pytest.raises(IntegrityError, match="no workout"):
            session.execute(update(WorkoutSet).where(WorkoutSet.workout_id == workout_id).values(workout_id=new_id()))

    def test_leave_with_their_workout(self, session: Session, workout_id: UUID) -> None:
        session.execute(delete(Workout).where(Workout.id == workout_id))
        assert session.scalars(select(WorkoutSet).where(WorkoutSet.workout_id == workout_id)).all() == []

    def test_keep_their_workout_s_id(self, session: Session, workout_id: UUID) -> None:
        with pytest.raises(IntegrityError, match="does not change"):
            session.execute(update(Workout).where(Workout.id == workout_id).values(id=new_id()))


class TestRaces:
    """Two connections at once: whoever is first, no set is left without its workout."""

    @pytest.fixture
    def workout(self, fresh_database: Callable[[], str]) -> tuple[str, UUID]:
        url, workout_id = fresh_database(), new_id()
        with psycopg.connect(url) as connection:
            connection.execute(
                "insert into training.clients (id, display_name, joined_at) values (%s, 'Ada', now())", [workout_id]
            )
            connection.execute(
                "insert into training.exercises (id, slug, name, pattern, primary_muscle, equipment)"
                " values (1, 's', 'S', 'squat', 'quads', 'barbell')"
            )
            connection.execute(
                "insert into training.workouts (id, customer_id, title, scheduled_on) values (%s, %s, 'x', now())",
                [workout_id, workout_id],
            )
        return url, workout_id

    def test_a_set_written_first_is_deleted_with_the_workout(self, workout: tuple[str, UUID]) -> None:
        url, workout_id = workout
        with psycopg.connect(url) as writer, psycopg.connect(url) as deleter, ThreadPoolExecutor() as pool:
            writer.execute("insert into training.workout_sets values (%s, 1, 1, 5)", [workout_id])
            deleting = pool.submit(deleter.execute, "delete from training.workouts where id = %s", [workout_id])
            self.wait_for_a_lock(url)
            writer.commit()
            deleting.result(10)
            deleter.commit()
            assert writer.execute("select count(*) from training.workout_sets").fetchone() == (0,)

    def test_a_workout_deleted_first_takes_no_set(self, workout: tuple[str, UUID]) -> None:
        url, workout_id = workout
        with psycopg.connect(url) as writer, psycopg.connect(url) as deleter, ThreadPoolExecutor() as pool:
            deleter.execute("delete from training.workouts where id = %s", [workout_id])
            writing = pool.submit(
                writer.execute, "insert into training.workout_sets values (%s, 1, 1, 5)", [workout_id]
            )
            self.wait_for_a_lock(url)
            deleter.commit()
            with pytest.raises(psycopg.errors.ForeignKeyViolation, match="no workout"):
                writing.result(10)

    def wait_for_a_lock(self, url: str) -> None:
        with psycopg.connect(url, autocommit=True) as watcher:
            for _ in range(200):
                if watcher.execute("select 1 from pg_locks where not granted").fetchone():
                    return
                time.sleep(0.05)
        raise AssertionError("nobody waits")


class TestExercises:
    def test_in_use_are_not_deleted(self, session: Session, workout_id: UUID) -> None:
        with pytest.raises(IntegrityError, match="in use"):
            session.execute(delete(Exercise).where(Exercise.id == 9001))
