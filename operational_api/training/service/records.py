"""Personal records of a workout: what it beat, kept beside it and announced once.

A workout that is logged late is compared with what was done before it; records of later ones stay as they were told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    Subquery,
    any_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from contracts.events.training import PersonalRecordSet, PersonalRecordWithdrawn
from operational_api.core.outbox import publish
from operational_api.core.statements import Statement
from operational_api.training.models import Exercise, PersonalRecord, Workout, WorkoutSet
from operational_api.training.records import Bests, Record, bests_of_sets, records
from operational_api.training.strength import e1rm_column, volume_column

Sets = Sequence[tuple[int, float | None, int]]
"""(exercise, kg, repetitions)."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The records of a workout, by what it did and what was done before it, a movement each."""

    records: Sequence[PersonalRecord]
    done: Mapping[int, Bests]
    before: Mapping[int, Bests]


def settle_records(session: Session, workout: Workout, sets: Sets, *, now: datetime, has_none: bool = False) -> Settled:
    """Bring the records of a logged workout to what its sets say, and announce each that is new or is none any more.

    Args:
        has_none: It was written just now, and has no records yet.
    """
    by_exercise: dict[int, list[tuple[float | None, int]]] = {}
    for exercise_id, weight, reps in sets:
        by_exercise.setdefault(exercise_id, []).append((weight, reps))
    before = _bests_before(session, workout, by_exercise)
    done = {exercise_id: bests_of_sets(lifted) for exercise_id, lifted in by_exercise.items()}
    found: dict[tuple[int, str], Record] = {
        (exercise_id, one.kind): one
        for exercise_id, bests in done.items()
        for one in records(bests, before.get(exercise_id, Bests()))
    }
    known = {} if has_none else {(row.exercise_id, row.kind): row for row in records_of(session, workout.id)}
    about = {"customer_id": workout.customer_id, "workout_id": workout.id}
    for key in known.keys() - found.keys():
        session.execute(delete(PersonalRecord).where(*_which(workout, key)))
        publish(session, PersonalRecordWithdrawn(occurred_at=now, exercise_id=key[0], kind=key[1], **about))
    for key in known.keys() & found.keys():
        session.execute(
            update(PersonalRecord)
            .where(*_which(workout, key))
            .values(value=found[key].value, previous=found[key].previous)
        )
    for key in sorted(found.keys() - known.keys()):
        told = {"exercise_id": key[0], "kind": key[1], "value": found[key].value, "previous": found[key].previous}
        session.execute(insert(PersonalRecord).values(achieved_at=workout.completed_at, **about, **told))
        publish(session, PersonalRecordSet(occurred_at=now, **about, **told))
    return Settled(records_of(session, workout.id) if found else [], done, before)


def _which(workout: Workout, key: tuple[int, str]) -> tuple[ColumnElement[bool], ...]:
    """The record of a workout in a movement, of a kind."""
    exercise_id, kind = key
    return (
        PersonalRecord.workout_id == workout.id, PersonalRecord.exercise_id == exercise_id, PersonalRecord.kind == kind,
    )  # fmt: skip


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
    asked = {
        "customer_id": workout.customer_id, "workout_id": workout.id, "completed_at": workout.completed_at,
        "exercise_ids": list(exercise_ids),
    }  # fmt: skip
    return {row[0]: Bests(*row[1:]) for row in _BEFORE.all(session, asked)}


def _best_of_all(each: Subquery) -> Select[Any]:
    bests = (func.max(each.c[name]) for name in ("e1rm", "weight", "volume", "reps"))
    return select(each.c.exercise_id, *bests).group_by(each.c.exercise_id)


_IS_LOADED = WorkoutSet.weight_kg > 0
_IS_UNLOADED = or_(WorkoutSet.weight_kg.is_(None), WorkoutSet.weight_kg == 0)
_BEFORE: Statement[Any] = Statement(
    _best_of_all(
        select(
            WorkoutSet.exercise_id,
            func.max(e1rm_column()).label("e1rm"),
            func.max(WorkoutSet.weight_kg).filter(_IS_LOADED, WorkoutSet.reps > 0).label("weight"),
            case((func.bool_or(_IS_LOADED & (WorkoutSet.reps > 0)), volume_column())).label("volume"),
            func.max(WorkoutSet.reps).filter(_IS_UNLOADED, WorkoutSet.reps > 0).label("reps"),
        )
        .join(Workout, Workout.id == WorkoutSet.workout_id)
        .where(
            Workout.customer_id == bindparam("customer_id"),
            Workout.status == "completed",
            Workout.completed_at < bindparam("completed_at"),
            Workout.id != bindparam("workout_id"),
            WorkoutSet.exercise_id == any_(bindparam("exercise_ids", type_=ARRAY(Integer))),
        )
        .group_by(WorkoutSet.exercise_id, WorkoutSet.workout_id)
        .subquery()
    )
)
