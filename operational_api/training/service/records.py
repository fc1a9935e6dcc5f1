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
from sqlalchemy.orm import Session, aliased

from contracts.events.training import PersonalRecordSet, PersonalRecordWithdrawn
from operational_api.core.outbox import publish
from operational_api.core.statements import Statement
from operational_api.training.models import Exercise, PersonalRecord, Workout, WorkoutSet
from operational_api.training.records import (
    LESS_IS_BETTER,
    NOTHING,
    Amount,
    Bests,
    Record,
    bests_of_sets,
    measured_records,
    records,
)
from operational_api.training.strength import e1rm_column, volume_column

Sets = Sequence[tuple[int, Amount]]
"""(exercise, how much)."""
Key = tuple[int, str, int]
"""(exercise, kind, over how many metres)."""


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
    by_exercise: dict[int, list[Amount]] = {}
    lifted: dict[int, list[tuple[float | None, int]]] = {}
    otherwise = set()
    for exercise_id, amount in sets:
        by_exercise.setdefault(exercise_id, []).append(amount)
        if amount.is_lifted:
            lifted.setdefault(exercise_id, []).append((amount.weight_kg, amount.reps))
        else:
            otherwise.add(exercise_id)
    before = _bests_before(session, workout, by_exercise)
    done = {exercise_id: bests_of_sets(lifted.get(exercise_id, ())) for exercise_id in by_exercise}
    found: dict[Key, Record] = {
        (exercise_id, one.kind, one.over_m): one
        for exercise_id, bests in done.items()
        for one in records(bests, before.get(exercise_id, NOTHING))
    }
    if otherwise:
        earlier = _amounts_before(session, workout, otherwise)
        for exercise_id in otherwise:
            for one in measured_records(by_exercise[exercise_id], earlier.get(exercise_id, [])):
                found[exercise_id, one.kind, one.over_m] = one
    known = (
        {} if has_none else {(row.exercise_id, row.kind, row.over_m): row for row in records_of(session, workout.id)}
    )
    about = {"customer_id": workout.customer_id, "workout_id": workout.id}
    for key in known.keys() - found.keys():
        session.execute(delete(PersonalRecord).where(*_which(workout, key)))
        told = dict(zip(_KEY, key, strict=True))
        publish(session, PersonalRecordWithdrawn(occurred_at=now, **told, **about))
    for key in known.keys() & found.keys():
        session.execute(
            update(PersonalRecord)
            .where(*_which(workout, key))
            .values(value=found[key].value, previous=found[key].previous)
        )
    for key in sorted(found.keys() - known.keys()):
        told = dict(zip(_KEY, key, strict=True)) | {"value": found[key].value, "previous": found[key].previous}
        session.execute(insert(PersonalRecord).values(achieved_at=workout.completed_at, **about, **told))
        publish(session, PersonalRecordSet(occurred_at=now, **about, **told))
    return Settled(records_of(session, workout.id) if found else [], done, before)


_KEY = ("exercise_id", "kind", "over_m")


def _which(workout: Workout, key: Key) -> tuple[ColumnElement[bool], ...]:
    """The record of a workout in a movement, of a kind."""
    named = (getattr(PersonalRecord, name) == value for name, value in zip(_KEY, key, strict=True))
    return PersonalRecord.workout_id == workout.id, *named


def records_of(session: Session, workout_id: UUID) -> list[PersonalRecord]:
    """What a workout is a record of."""
    query = select(PersonalRecord).where(PersonalRecord.workout_id == workout_id)
    order = (PersonalRecord.exercise_id, PersonalRecord.kind, PersonalRecord.over_m)
    return list(session.scalars(query.order_by(*order).execution_options(populate_existing=True)))


def latest_records(session: Session, customer_id: UUID, *, limit: int) -> list[tuple[PersonalRecord, Exercise]]:
    """A client's records with their movements, the newest first."""
    rows = session.execute(
        select(PersonalRecord, Exercise)
        .join(Exercise, Exercise.id == PersonalRecord.exercise_id)
        .where(PersonalRecord.customer_id == customer_id)
        .order_by(PersonalRecord.achieved_at.desc(), Exercise.name, PersonalRecord.kind, PersonalRecord.over_m)
        .limit(limit)
    )
    return list(rows.tuples())


def standing_records(session: Session, customer_id: UUID, *, limit: int) -> list[tuple[PersonalRecord, Exercise]]:
    """A client's bests that still stand, one of each kind of each movement, the newest first.

    The best is not always the newest: a phone that was offline may have told of it after a lesser one of a later day.
    """
    of_what = (PersonalRecord.exercise_id, PersonalRecord.kind, PersonalRecord.over_m)
    shortfall = case((PersonalRecord.kind.in_(LESS_IS_BETTER), PersonalRecord.value), else_=-PersonalRecord.value)
    standing = (
        select(PersonalRecord)
        .where(PersonalRecord.customer_id == customer_id)
        .distinct(*of_what)
        .order_by(*of_what, shortfall, PersonalRecord.achieved_at)
        .subquery()
    )
    best = aliased(PersonalRecord, standing)
    rows = session.execute(
        select(best, Exercise)
        .join(Exercise, Exercise.id == best.exercise_id)
        .order_by(best.achieved_at.desc(), Exercise.name, best.kind, best.over_m)
        .limit(limit)
    )
    return list(rows.tuples())


def earlier(workout: Workout) -> tuple[ColumnElement[bool], ...]:
    """Of `Workout`: what the same client had done before it."""
    return (
        Workout.customer_id == workout.customer_id, Workout.status == "completed",
        Workout.completed_at < workout.completed_at, Workout.id != workout.id,
    )  # fmt: skip


def _bests_before(session: Session, workout: Workout, exercise_ids: Iterable[int]) -> dict[int, Bests]:
    asked = {
        "customer_id": workout.customer_id, "workout_id": workout.id, "completed_at": workout.completed_at,
        "exercise_ids": list(exercise_ids),
    }  # fmt: skip
    return {row[0]: Bests(*row[1:]) for row in _BEFORE.all(session, asked)}


def _amounts_before(session: Session, workout: Workout, exercise_ids: Iterable[int]) -> dict[int, list[Amount]]:
    """Different sets of movements before a workout that are not measured by repetitions with a weight."""
    told = (
        WorkoutSet.weight_kg, WorkoutSet.reps, WorkoutSet.assistance_kg, WorkoutSet.distance_m,
        WorkoutSet.duration_seconds,
    )  # fmt: skip
    rows = session.execute(
        select(WorkoutSet.exercise_id, *told)
        .distinct()
        .join(Workout, Workout.id == WorkoutSet.workout_id)
        .where(
            *earlier(workout),
            WorkoutSet.exercise_id.in_(list(exercise_ids)),
            func.coalesce(WorkoutSet.assistance_kg, WorkoutSet.distance_m, WorkoutSet.duration_seconds).is_not(None),
        )
    )
    found: dict[int, list[Amount]] = {}
    for exercise_id, *amount in rows:
        found.setdefault(exercise_id, []).append(Amount(*amount))
    return found


def _best_of_all(each: Subquery) -> Select[Any]:
    bests = (func.max(each.c[name]) for name in ("e1rm", "weight", "volume", "reps"))
    return select(each.c.exercise_id, *bests).group_by(each.c.exercise_id)


_IS_LOADED = WorkoutSet.weight_kg > 0
_IS_UNLOADED = or_(WorkoutSet.weight_kg.is_(None), WorkoutSet.weight_kg == 0) & WorkoutSet.assistance_kg.is_(None)
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
