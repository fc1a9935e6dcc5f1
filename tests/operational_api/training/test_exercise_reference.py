"""Sets and exercises hold together without a foreign key of their own."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, update
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


class TestExercises:
    def test_in_use_are_not_deleted(self, session: Session, workout_id: UUID) -> None:
        with pytest.raises(IntegrityError, match="in use"):
            session.execute(delete(Exercise).where(Exercise.id == 9001))
