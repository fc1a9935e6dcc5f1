"""Personal records of a workout: what it beat, kept beside it and announced once.

A workout that is logged late is compared with what was done before it; records of later ones stay as they were told.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from contracts.events.training import PersonalRecordSet, PersonalRecordWithdrawn
from operational_api.core.outbox import publish
from operational_api.training.models import Exercise, PersonalRecord, Workout, WorkoutSet
from operational_api.training.records import Bests, Record, bests_of_sets, records
from operational_api.training.strength import e1rm_column, volume_column

Sets = Sequence[tuple[int, float | None, int]]
"""(exercise, kg, repetitions)."""


def settle_records(session: Session, workout: Workout, sets: Sets, *, now: datetime) -> None:
    """Bring the records of a logged workout to what its sets say, and announce each that is new or is none any more."""
    by_exercise: dict[int, list[tuple[float | None, int]]] = {}
    for exercise_id, weight, reps in sets:
        by_exercise.setdefault(exercise_id, []).append((weight, reps))
    before = _bests_before(session, workout, by_exercise)
    found: dict[tuple[int, str], Record] = {
        (exercise_id, one.kind): one
        for exercise_id, done in by_exercise.items()
        for one in records(bests_of_sets(done), before.get(exercise_id, Bests()))
    }
    known = {(row.exercise_id, row.kind): row for row in records_of(session, workout.id)}
    about = {"customer_id": workout.customer_id, "workout_id": workout.id}
    mine = PersonalRecord.workout_id == workout.id
    for key in known.keys() - found.keys():
        session.execute(
            delete(PersonalRecord).where(mine, PersonalRecord.exercise_id == key[0], PersonalRecord.kind == key[1])
        )
        publish(session, PersonalRecordWithdrawn(occurred_at=now, exercise_id=key[0], kind=key[1], **about))
    for key in known.keys() & found.keys():
        session.execute(
            update(PersonalRecord)
            .where(mine, PersonalRecord.exercise_id == key[0], PersonalRecord.kind == key[1])
            .values(value=found[key].value, previous=found[key].previous)
        )
    for key in sorted(found.keys() - known.keys()):
        told = {"exercise_id": key[0], "kind": key[1], "value": found[key].value, "previous": found[key].previous}
        session.execute(insert(PersonalRecord).values(achieved_at=workout.completed_at, **about, **told))
        publish(session, PersonalRecordSet(occurred_at=now, **about, **told))


def records_of(session: Session, workout_id: UUID) -> list[PersonalRecord]:
    """What a workout is a record of."""
    query = select(PersonalRecord).where(PersonalRecord.workout_id == workout_id)
    order = (PersonalRecord.exercise_id, PersonalRecord.kind)
    return list(session.scalars(query.order_by(*order).execution_options(populate_existing=True)))


def latest_records(session: Session, customer_id: UUID, *, limit: int) -> list[tuple[PersonalRecord, Exercise]]:
    """A client's records with their movements, the newest first."""
    rows = session.execute(
        select(PersonalRecord, Exercise)
        .join(Exercise, Exercise.id == PersonalRecord.exercise_id)
        .where(PersonalRecord.customer_id == customer_id)
        .order_by(PersonalRecord.achieved_at.desc(), Exercise.name, PersonalRecord.kind)
        .limit(limit)
    )
    return list(rows.tuples())


def _bests_before(session: Session, workout: Workout, exercise_ids: Iterable[int]) -> dict[int, Bests]:
    is_loaded = WorkoutSet.weight_kg > 0
    is_unloaded = or_(WorkoutSet.weight_kg.is_(None), WorkoutSet.weight_kg == 0)
    each = (
        select(
            WorkoutSet.exercise_id,
            func.max(e1rm_column()).label("e1rm"),
            func.max(WorkoutSet.weight_kg).filter(is_loaded, WorkoutSet.reps > 0).label("weight"),
            case((func.bool_or(is_loaded & (WorkoutSet.reps > 0)), volume_column())).label("volume"),
            func.max(WorkoutSet.reps).filter(is_unloaded, WorkoutSet.reps > 0).label("reps"),
        )
        .join(Workout, Workout.id == WorkoutSet.workout_id)
        .where(
            Workout.customer_id == workout.customer_id,
            Workout.status == "completed",
            Workout.completed_at < workout.completed_at,
            Workout.id != workout.id,
            WorkoutSet.exercise_id.in_(list(exercise_ids)),
        )
        .group_by(WorkoutSet.exercise_id, WorkoutSet.workout_id)
        .subquery()
    )
    rows = session.execute(
        select(each.c.exercise_id, *(func.max(each.c[name]) for name in ("e1rm", "weight", "volume", "reps"))).group_by(
            each.c.exercise_id
        )
    )
    return {row[0]: Bests(*row[1:]) for row in rows}
