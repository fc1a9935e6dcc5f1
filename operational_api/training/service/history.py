"""What was done of a movement so far, as progression rules look at it."""

from collections.abc import Callable, Collection
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_api.training.models import Programme, Workout, WorkoutSet
from operational_api.training.progression import Performance, Phase
from operational_api.training.strength import e1rm_column

REMEMBERED = timedelta(weeks=8)
"""Of a programme that many weeks are looked at: rules ask for the last few times of each movement."""
LATE = timedelta(weeks=12)


class Done(NamedTuple):
    """What was done of a movement, on which training day and by which version of its programme."""

    day: int | None
    version: int | None
    performance: Performance


def performances(
    session: Session,
    programme: Programme,
    exercise_ids: Collection[int],
    *,
    before: date,
    phase_of: Callable[[int | None, int], Phase],
) -> dict[int, list[Done]]:
    """What was done of movements in one programme before a day, oldest first, in one query.

    Args:
        phase_of: What the phase of a version and a week of the programme did to its plan.
    """
    rows = session.execute(
        select(
            WorkoutSet.exercise_id, Workout.id, Workout.scheduled_on, Workout.programme_day, Workout.programme_version,
            WorkoutSet.weight_kg, WorkoutSet.reps, WorkoutSet.rpe,
        )
        .join(Workout, Workout.id == WorkoutSet.workout_id)
        .where(
            Workout.customer_id == programme.customer_id,
            Workout.programme_id == programme.id,
            Workout.status == "completed",
            Workout.scheduled_on < before,
            Workout.scheduled_on >= before - REMEMBERED,
            WorkoutSet.exercise_id.in_(exercise_ids),
        )
        .order_by(Workout.scheduled_on, Workout.completed_at, WorkoutSet.position)
    )  # fmt: skip
    sets: dict[tuple[int, UUID], list[tuple[float | None, int, float | None]]] = {}
    done_in: dict[tuple[int, UUID], tuple[int | None, int | None, Phase]] = {}
    for exercise_id, workout_id, on, day, version, weight, reps, rpe in rows:
        key = (exercise_id, workout_id)
        sets.setdefault(key, []).append((weight, reps, rpe))
        done_in[key] = day, version, phase_of(version, (on - programme.starts_on).days // 7 + 1)
    found: dict[int, list[Done]] = {}
    for key, done in sets.items():
        day, version, phase = done_in[key]
        performance = Performance(done, phase.load_percent, phase.extra_sets)
        found.setdefault(key[0], []).append(Done(day, version, performance))
    return found


def late_maxima(session: Session, customer_id: UUID, exercise_ids: Collection[int], *, until: date) -> dict[int, float]:
    """Best estimated one-repetition maximum of the last twelve weeks by movement, in one query."""
    rows = session.execute(
        select(WorkoutSet.exercise_id, func.max(e1rm_column()))
        .join(Workout, Workout.id == WorkoutSet.workout_id)
        .where(
            Workout.customer_id == customer_id,
            Workout.status == "completed",
            Workout.scheduled_on < until,
            Workout.scheduled_on >= until - LATE,
            WorkoutSet.exercise_id.in_(exercise_ids),
        )
        .group_by(WorkoutSet.exercise_id)
    ).tuples()
    return {exercise_id: best for exercise_id, best in rows if best is not None}
