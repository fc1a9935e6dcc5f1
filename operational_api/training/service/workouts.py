"""Workouts: what is planned for a day, logging what was done, and history that stays as it was.

The id of a workout comes from whoever logs it, so a phone that was offline may send the same workout again: each set
is stored once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from typing import cast as as_type
from uuid import UUID

import orjson
from sqlalchemy import (
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import Session

from contracts.events.training import PlannedWorkoutSkipped, WorkoutLogged
from operational_api.core.outbox import publish
from operational_api.core.paging import after, cut
from operational_api.core.statements import Statement
from operational_api.training.errors import (
    InvalidDates,
    LoggedOtherwise,
    TrainingOnHold,
    WorkoutClosed,
    WorkoutInTheFuture,
    WorkoutNotFound,
    WorkoutSkipped,
)
from operational_api.training.models import (
    Client,
    Exercise,
    PersonalRecord,
    Programme,
    ProgrammeVersion,
    Workout,
    WorkoutRevision,
    WorkoutSet,
)
from operational_api.training.naming import titled
from operational_api.training.records import Amount
from operational_api.training.service.clients import local_today
from operational_api.training.service.exercises import demand_measures, measured
from operational_api.training.service.progress import Best, bests_beside, bests_of
from operational_api.training.service.records import records_of, settle_records
from operational_api.training.strength import volume_column

CLOCK_SKEW = timedelta(minutes=5)
LATEST_LOG = timedelta(days=31)
"""A workout may be logged this long after it was done: phones do come back from holidays."""


class SetDone(NamedTuple):
    """One set: kg may be None for movements without a load, `rpe` 10 means no repetition left. A distance or a time has
    no repetitions.

    Who tells repetitions in reserve (`rir`) tells the effort too: RPE is ten less those.
    """

    exercise_id: int
    reps: int
    weight_kg: float | None = None
    rpe: float | None = None
    rir: int | None = None
    superset: str | None = None
    note: str | None = None
    assistance_kg: float | None = None
    distance_m: float | None = None
    duration_seconds: int | None = None

    @property
    def effort(self) -> float | None:
        """RPE as it was told, or as the repetitions in reserve say."""
        return self.rpe if self.rpe is not None or self.rir is None else float(10 - self.rir)


@dataclass(frozen=True, slots=True)
class Log:
    """What was done, as the person who logs it says."""

    sets: Sequence[SetDone]
    title: str | None = None
    completed_at: datetime | None = None
    duration_minutes: int | None = None
    session_rpe: float | None = None
    note: str | None = None
    booking_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class WorkoutSummary:
    """A workout as lists show it. `movements` are the English names of what was done, of one that nobody planned."""

    workout: Workout
    set_count: int
    volume_kg: float
    movements: Sequence[str] = ()

    @property
    def title(self) -> str:
        """What it is called in the language spoken now."""
        return titled(self.workout.title, self.movements)


class StoredSet(NamedTuple):
    """A set as it was written, by the names of `WorkoutSet`."""

    position: int
    exercise_id: int
    reps: int
    weight_kg: float | None
    rpe: float | None
    rir: int | None
    superset: str | None
    note: str | None
    assistance_kg: float | None
    distance_m: float | None
    duration_seconds: int | None


@dataclass(frozen=True, slots=True)
class WorkoutDetail:
    """A workout with its sets in order, and what the movements in it are called.

    `revision` is how many versions came before what it says now.
    """

    workout: Workout
    sets: Sequence[WorkoutSet | StoredSet]
    names: Mapping[int, str]
    records: Sequence[PersonalRecord] = ()
    revision: int = 0

    @property
    def title(self) -> str:
        """What it is called in the language spoken now."""
        return titled(self.workout.title, (self.names[one.exercise_id] for one in self.sets))


@dataclass(frozen=True, slots=True)
class Logged:
    """A workout that was logged, and what it says about each movement beside all before it."""

    detail: WorkoutDetail
    bests: Sequence[Best]


def log_workout(
    session: Session, *, workout_id: UUID, client: Client, log: Log, logged_by: UUID, now: datetime
) -> Logged:
    """Store a workout that was done, planned before or not, and announce it.

    A workout that is already logged is left as it is: a repeat changes nothing. Other sets than it has, or had before
    it was corrected or deleted, are no repeat: another device logged it first.

    Args:
        workout_id: Of the planned workout, or a new id made by the caller.

    Raises:
        WorkoutNotFound: the id is another client's.
        LoggedOtherwise: it is logged already, with other sets.
        WorkoutSkipped: it was skipped before.
        TrainingOnHold: it was done while a health answer waits for the coach.
        WorkoutInTheFuture, InvalidDates: it was not done yet, or too long ago.
        UnknownExercise: a movement is not in the catalogue.
        MeasuredOtherwise: a set tells what its movement is not measured by.
    """
    completed_at = log.completed_at or now
    if completed_at > now + CLOCK_SKEW:
        raise WorkoutInTheFuture
    if completed_at < now - LATEST_LOG:
        raise InvalidDates("A workout can be logged until 31 days after it was done.")
    names = names_of(session, log)
    workout = _insert_done(
        session, workout_id, client, log, completed_at=completed_at, logged_by=logged_by, now=now
    )  # fmt: skip
    is_new = workout is not None
    if workout is None:
        workout = get_workout(session, workout_id, lock=True)
        if workout.customer_id != client.id:
            raise WorkoutNotFound
        if workout.status == "completed":
            detail = detail_of(session, workout)
            if not _is_told(session, detail, log):
                raise LoggedOtherwise
            return Logged(detail, bests_of(session, workout))
        if workout.status == "skipped":
            detail = detail_of(session, workout)
            if _is_told(session, detail, log):  # it was deleted since
                return Logged(detail, ())
            raise WorkoutSkipped
    if client.on_hold_since is not None and completed_at >= client.on_hold_since:
        raise TrainingOnHold
    if not is_new:
        workout.status = "completed"
        workout.completed_at = min(completed_at, now)
        if workout.programme_id is not None:
            workout.programme_version = _version_at(session, workout.programme_id, completed_at)
        describe(workout, log, logged_by=logged_by)
    sets = store_sets(session, workout.id, log.sets)
    publish(session, WorkoutLogged(occurred_at=now, **facts_of(workout, log.sets)))
    settled = settle_records(session, workout, amounts_of(log.sets), now=now, has_none=is_new)
    detail = WorkoutDetail(workout, sets, names, settled.records)
    return Logged(detail, bests_beside(settled.done, settled.before, names))


def _version_at(session: Session, programme_id: UUID, at: datetime) -> int | None:
    """The version of a programme that there was at a time: a phone that was offline tells of it after the next."""
    later = select(func.min(ProgrammeVersion.version)).where(
        ProgrammeVersion.programme_id == programme_id, ProgrammeVersion.version > 1, ProgrammeVersion.made_at > at
    )
    last_before = func.coalesce(later.scalar_subquery() - 1, Programme.version)
    found: int | None = session.scalar(select(last_before).where(Programme.id == programme_id))
    return found


def skip_workout(session: Session, *, workout_id: UUID, now: datetime) -> Workout:
    """Mark a planned workout as not done, and announce it. Skipping it again changes nothing.

    Raises:
        WorkoutNotFound: there is none.
        WorkoutClosed: it was done.
    """
    workout = get_workout(session, workout_id, lock=True)
    if workout.status == "completed":
        raise WorkoutClosed("This workout is already logged as done.")
    if workout.status != "skipped":
        workout.status = "skipped"
        session.flush()
        publish(session, PlannedWorkoutSkipped(occurred_at=now, workout_id=workout.id, customer_id=workout.customer_id))
    return workout


def get_workout(session: Session, workout_id: UUID, *, lock: bool = False) -> Workout:
    """The workout.

    Raises:
        WorkoutNotFound: there is none.
    """
    query = select(Workout).where(Workout.id == workout_id).execution_options(populate_existing=True)
    workout = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if workout is None:
        raise WorkoutNotFound
    return workout


def detail_of(session: Session, workout: Workout) -> WorkoutDetail:
    """The workout with everything in it."""
    before = select(func.count()).where(WorkoutRevision.workout_id == workout.id).scalar_subquery()
    query = (
        select(WorkoutSet, Exercise.name, before)
        .join(Exercise, Exercise.id == WorkoutSet.exercise_id)
        .where(WorkoutSet.workout_id == workout.id)
        .order_by(WorkoutSet.position)
    )
    rows = session.execute(query.execution_options(populate_existing=True)).tuples().all()
    names = {one.exercise_id: name for one, name, _ in rows}
    revision = rows[0][2] if rows else 0
    return WorkoutDetail(workout, [one for one, *_ in rows], names, records_of(session, workout.id), revision)


def sets_of(session: Session, workout_ids: Iterable[UUID]) -> dict[UUID, list[WorkoutSet]]:
    """The sets of many workouts in their order, in one query. A workout without sets is not in the answer."""
    query = select(WorkoutSet).where(WorkoutSet.workout_id.in_(list(workout_ids)))
    found: dict[UUID, list[WorkoutSet]] = {}
    for one in session.scalars(query.order_by(WorkoutSet.workout_id, WorkoutSet.position)):
        found.setdefault(one.workout_id, []).append(one)
    return found


def revisions_of(session: Session, workout: Workout) -> list[WorkoutRevision]:
    """What a workout said before it was corrected, the newest first."""
    query = select(WorkoutRevision).where(WorkoutRevision.workout_id == workout.id)
    return list(session.scalars(query.order_by(WorkoutRevision.revision.desc())))


def list_workouts(
    session: Session,
    *,
    customer_id: UUID,
    status: str | None = None,
    scheduled_from: date | None = None,
    scheduled_to: date | None = None,
    limit: int,
    cursor: str | None = None,
    oldest_first: bool = False,
) -> tuple[list[WorkoutSummary], str | None]:
    """A client's workouts by day, the latest first unless `oldest_first`, a page at a time. Both dates are included."""
    key = tuple_(Workout.scheduled_on, Workout.id)
    sums = (
        select(func.count(WorkoutSet.position).label("sets"), volume_column().label("volume"))
        .where(WorkoutSet.workout_id == Workout.id)
        .correlate(Workout)
        .lateral()
    )
    query = select(Workout, sums.c.sets, sums.c.volume).join(sums, onclause=true())
    query = query.where(Workout.customer_id == customer_id)
    if status:
        query = query.where(Workout.status == status)
    if scheduled_from:
        query = query.where(Workout.scheduled_on >= scheduled_from)
    if scheduled_to:
        query = query.where(Workout.scheduled_on <= scheduled_to)
    if cursor:
        last = tuple_(*after(cursor, date, UUID))  # type: ignore[arg-type]
        query = query.where(key > last if oldest_first else key < last)
    order = (Workout.scheduled_on, Workout.id)
    query = query.order_by(*(order if oldest_first else [column.desc() for column in order])).limit(limit + 1)
    rows, following = cut(
        [WorkoutSummary(*row) for row in session.execute(query)], limit,
        lambda row: (row.workout.scheduled_on, row.workout.id),
    )  # fmt: skip
    done = _movements(session, [row.workout.id for row in rows if row.workout.programme_id is None and row.set_count])
    return [replace(row, movements=done.get(row.workout.id, ())) for row in rows], following


def _movements(session: Session, workout_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """The names of what was done in workouts, in order, a name for each set. Nothing is asked about none."""
    if not workout_ids:
        return {}
    query = select(WorkoutSet.workout_id, Exercise.name).join(Exercise, Exercise.id == WorkoutSet.exercise_id)
    found: dict[UUID, list[str]] = {}
    for id_, name in session.execute(
        query.where(WorkoutSet.workout_id.in_(workout_ids)).order_by(WorkoutSet.workout_id, WorkoutSet.position)
    ):
        found.setdefault(id_, []).append(name)
    return found


def describe(workout: Workout, log: Log, *, logged_by: UUID) -> None:
    assert workout.completed_at is not None  # noqa: S101 - it was done
    for name, value in _described(log, workout.completed_at, logged_by=logged_by).items():
        setattr(workout, name, value)


def _described(log: Log, completed_at: datetime, *, logged_by: UUID) -> dict[str, object]:
    """What a log says of its workout, by the names of `Workout`. What it leaves open stays as it was."""
    said: dict[str, object] = {
        "duration_minutes": log.duration_minutes, "session_rpe": log.session_rpe, "note": log.note,
        "logged_by": logged_by,
    }  # fmt: skip
    if log.booking_id:
        said["booking_id"] = log.booking_id
    if log.duration_minutes:
        said["started_at"] = completed_at - timedelta(minutes=log.duration_minutes)
    return said


def _insert_done(
    session: Session,
    workout_id: UUID,
    client: Client,
    log: Log,
    *,
    completed_at: datetime,
    logged_by: UUID,
    now: datetime,
) -> Workout | None:
    """A workout that nobody planned, written as done. None where the id is known already."""
    done_at = min(completed_at, now)
    written = dict.fromkeys(_WRITTEN) | _described(log, done_at, logged_by=logged_by)
    written |= {
        "id": workout_id, "customer_id": client.id, "title": log.title or "", "status": "completed",
        "completed_at": done_at, "scheduled_on": local_today(client, completed_at),
    }  # fmt: skip
    row = _INSERT_WORKOUT.first(session, written)
    return row[0] if row else None


_WRITTEN = (
    "id", "customer_id", "title", "scheduled_on", "status", "started_at", "completed_at", "duration_minutes",
    "session_rpe", "note", "logged_by", "booking_id",
)  # fmt: skip
_WORKOUTS = as_type(Table, Workout.__table__)
_INSERT_WORKOUT = Statement.storing(
    Workout,
    pg_insert(_WORKOUTS)
    .values({name: bindparam(name, type_=_WORKOUTS.c[name].type) for name in _WRITTEN})
    .on_conflict_do_nothing(),
)

_SETS = as_type(Table, WorkoutSet.__table__)
_TOLD = StoredSet._fields
_ROWS = (
    func.jsonb_to_recordset(cast(bindparam("sets", type_=Text), JSONB))
    .table_valued(*(column(name, _SETS.c[name].type) for name in _TOLD))
    .render_derived(with_types=True)
)
_STORED: Statement[Any] = Statement(
    insert(_SETS)
    .from_select(
        ["workout_id", *_TOLD], select(bindparam("workout_id", type_=Uuid()), *(_ROWS.c[name] for name in _TOLD))
    )
    .returning(*(_SETS.c[name] for name in _TOLD))
)
"""All sets of a workout at once: triggers look at a statement's rows together."""


def store_sets(session: Session, workout_id: UUID, sets: Sequence[SetDone]) -> list[StoredSet]:
    if not sets:
        return []
    told = [
        {
            "position": position, "exercise_id": one.exercise_id, "reps": one.reps, "weight_kg": one.weight_kg,
            "rpe": one.effort, "rir": one.rir, "superset": one.superset, "note": one.note,
            "assistance_kg": one.assistance_kg, "distance_m": one.distance_m, "duration_seconds": one.duration_seconds,
        }
        for position, one in enumerate(sets, 1)
    ]  # fmt: skip
    stored = _STORED.all(session, {"workout_id": workout_id, "sets": orjson.dumps(told).decode()})
    return sorted(map(StoredSet._make, stored))  # by position, of which there is one each


def names_of(session: Session, log: Log) -> dict[int, str]:
    known = measured(session, [one.exercise_id for one in log.sets])
    demand_measures(log.sets, known)
    return {id_: one.name for id_, one in known.items()}


_TOLD_BY = ("exercise_id", "reps", "weight_kg", "assistance_kg", "distance_m", "duration_seconds")
"""What makes a set another one."""


def _is_told(session: Session, detail: WorkoutDetail, log: Log) -> bool:
    """Whether a logged workout has these sets, or had them before it was corrected."""
    asked = _told_of([one._asdict() for one in log.sets])
    if asked == _told_of([{name: getattr(one, name) for name in _TOLD_BY} for one in detail.sets]):
        return True
    return any(asked == _told_of(one.said["sets"]) for one in revisions_of(session, detail.workout))


def _told_of(sets: Iterable[Mapping[str, Any]]) -> list[tuple[float, ...]]:
    """Sets as numbers to compare: the database keeps weights in single precision; none and nothing are one."""
    return [tuple(round(float(one.get(name) or 0), 2) for name in _TOLD_BY) for one in sets]


def amounts_of(sets: Sequence[SetDone]) -> list[tuple[int, Amount]]:
    return [
        (one.exercise_id,
         Amount(one.weight_kg, one.reps, one.assistance_kg, one.distance_m, one.duration_seconds))
        for one in sets
    ]  # fmt: skip


def facts_of(workout: Workout, sets: Sequence[SetDone]) -> dict[str, object]:
    volume = sum([(one.weight_kg or 0) * one.reps for one in sets])
    return {
        "workout_id": workout.id,
        "customer_id": workout.customer_id,
        "set_count": len(sets),
        "volume_kg": round(volume, 2),
    }
