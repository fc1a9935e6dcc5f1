"""Changing and taking back what was logged, on the day it was done. What it said before is kept, each version a row.

A phone may send a change long after it was made, and more than once. It says which version it saw: the same change of
that version again changes nothing, and another one is refused with what the workout says now, so that neither is lost.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from contracts.events.training import WorkoutCorrected, WorkoutDeleted
from operational_api.core.outbox import publish
from operational_api.training.errors import WorkoutChanged, WorkoutClosed
from operational_api.training.models import Client, Workout, WorkoutRevision, WorkoutSet
from operational_api.training.service.clients import local_today
from operational_api.training.service.records import settle_records
from operational_api.training.service.workouts import (
    LATEST_LOG,
    Log,
    StoredSet,
    amounts_of,
    describe,
    facts_of,
    get_workout,
    names_of,
    revisions_of,
    store_sets,
)

Said = Mapping[str, Any]
"""A version of a workout in plain values, ready for JSON. One that was deleted was done at no time."""
_SAID = ("title", "duration_minutes", "session_rpe", "note", "programme_version")
_OF_A_SET = tuple(name for name in StoredSet._fields if name != "position")


def correct_workout(
    session: Session,
    *,
    workout_id: UUID,
    client: Client,
    log: Log,
    logged_by: UUID,
    now: datetime,
    revision: int | None = None,
    made_at: datetime | None = None,
) -> Workout:
    """Replace what was logged, on the same day of the client's calendar, and announce it. What it said is kept.

    Args:
        revision: How many versions came before the one that was seen when it was changed; None changes whatever it
            says now. Whoever saw that it was deleted logs it again.
        made_at: When it was changed, where that is sent later. None is now.

    Raises:
        WorkoutNotFound: there is none.
        WorkoutChanged: it says something else than what was seen.
        WorkoutClosed: it is not logged, or was not changed on its day.
        UnknownExercise: a movement is not in the catalogue.
        MeasuredOtherwise: a set tells what its movement is not measured by.
    """
    workout = get_workout(session, workout_id, lock=True)
    versions = _versions(session, workout)
    if _is_made_already(versions, revision, _told(log)):
        return workout
    done_at = workout.completed_at if revision is None else _done_at(versions)
    if done_at is None or not _is_on_its_day(client, done_at, made_at or now, now):
        raise WorkoutClosed
    names_of(session, log)
    _keep(session, workout, versions, replaced_by=logged_by, now=now)
    if workout.completed_at is None:
        workout.status, workout.completed_at = "completed", done_at
        workout.programme_version = versions[-2]["programme_version"]
    if log.title:
        workout.title = log.title
    describe(workout, log, logged_by=logged_by)
    session.execute(delete(WorkoutSet).where(WorkoutSet.workout_id == workout_id))
    store_sets(session, workout_id, log.sets)
    publish(session, WorkoutCorrected(occurred_at=now, **facts_of(workout, log.sets)))
    settle_records(session, workout, amounts_of(log.sets), now=now)
    return workout


def delete_workout(
    session: Session,
    *,
    workout_id: UUID,
    client: Client,
    deleted_by: UUID,
    now: datetime,
    revision: int | None = None,
    made_at: datetime | None = None,
) -> Workout:
    """Take back what was logged, on its day, with the records it was, and announce it. Again changes nothing.

    The row stays, as a workout that was not done, so that a log that a phone sends once more is known for one. What it
    said is its last version.

    Args:
        revision, made_at: As of `correct_workout`.

    Raises:
        WorkoutNotFound, WorkoutChanged, WorkoutClosed: as of `correct_workout`.
    """
    workout = get_workout(session, workout_id, lock=True)
    versions = _versions(session, workout)
    is_gone = workout.completed_at is None and len(versions) > 1
    if is_gone or _is_made_already(versions, revision, None):
        return workout
    done_at = workout.completed_at
    if done_at is None or not _is_on_its_day(client, done_at, made_at or now, now):
        raise WorkoutClosed
    _keep(session, workout, versions, replaced_by=deleted_by, now=now)
    session.execute(delete(WorkoutSet).where(WorkoutSet.workout_id == workout_id))
    settle_records(session, workout, [], now=now)
    workout.status = "skipped"
    for name in ("started_at", "completed_at", "duration_minutes", "session_rpe", "note", "programme_version"):
        setattr(workout, name, None)
    session.flush()
    publish(session, WorkoutDeleted(occurred_at=now, workout_id=workout.id, customer_id=workout.customer_id))
    return workout


def is_correctable(workout: Workout, client: Client, now: datetime) -> bool:
    """Whether a logged workout may still be changed: until midnight where the client lives."""
    return workout.completed_at is not None and _is_on_its_day(client, workout.completed_at, now, now)


def may_change(session: Session, workout: Workout, client: Client, *, made_at: datetime | None, now: datetime) -> bool:
    """Whether what was done to a workout, logged or deleted since, is of its day."""
    done_at = _done_at(_versions(session, workout))
    return done_at is not None and _is_on_its_day(client, done_at, made_at or now, now)


def _done_at(versions: Sequence[Said]) -> datetime | None:
    """When it was done as it last said, also of one that was deleted."""
    told = next((said["completed_at"] for said in reversed(versions) if said.get("completed_at")), None)
    return datetime.fromisoformat(told) if told else None


def _is_on_its_day(client: Client, done_at: datetime, made_at: datetime, now: datetime) -> bool:
    is_heard = now - LATEST_LOG <= made_at  # as long as a log itself is waited for
    return is_heard and local_today(client, done_at) == local_today(client, min(made_at, now))


def _versions(session: Session, workout: Workout) -> list[Said]:
    """All that a workout said and, last, what it says now."""
    columns = (getattr(WorkoutSet, name) for name in _OF_A_SET)
    sets = session.execute(
        select(*columns).where(WorkoutSet.workout_id == workout.id).order_by(WorkoutSet.position)
    ).mappings()
    done_at = workout.completed_at
    now = {name: getattr(workout, name) for name in _SAID}
    now |= {"completed_at": done_at.isoformat() if done_at else None, "sets": [dict(one) for one in sets]}
    return [*(one.said for one in reversed(revisions_of(session, workout))), now]


def _keep(session: Session, workout: Workout, versions: Sequence[Said], *, replaced_by: UUID, now: datetime) -> None:
    session.add(
        WorkoutRevision(
            workout_id=workout.id, revision=len(versions), customer_id=workout.customer_id,
            logged_by=workout.logged_by, replaced_at=now, replaced_by=replaced_by, said=versions[-1],
        )
    )  # fmt: skip
    session.flush()
    workout.logged_by = replaced_by


def _is_made_already(versions: Sequence[Said], revision: int | None, asked: Said | None) -> bool:
    """Whether a change of a version was made before, asked for with None to delete.

    Raises:
        WorkoutChanged: another one was.
    """
    last = len(versions) - 1
    if revision is None or revision == last:
        return False
    if revision < last and _compared(versions[revision + 1]) == _compared(asked):
        return True
    raise WorkoutChanged(revision=last, says=versions[-1])


def _told(log: Log) -> Said:
    """What a log would have a workout say."""
    sets = [one._asdict() | {"rpe": one.effort} for one in log.sets]
    return {name: getattr(log, name) for name in ("duration_minutes", "session_rpe", "note")} | {"sets": sets}


def _compared(said: Said | None) -> tuple[object, ...] | None:
    """A version to compare with another: the database keeps numbers in single precision; none and nothing are one."""
    if said is None or ("completed_at" in said and said["completed_at"] is None):
        return None
    plain = [said[name] for name in ("duration_minutes", "session_rpe", "note")]
    plain += [one.get(name) for one in said["sets"] for name in _OF_A_SET]
    return tuple(round(one, 2) if isinstance(one, int | float) and one else one or None for one in plain)
