"""Progress as the client's own pages show it, straight from today's rows. Everybody else's numbers: analytics."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Date, case, cast, func, literal, select, true, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from operational_api.training.models import Client, Exercise, Workout, WorkoutSet
from operational_api.training.records import NOTHING, Bests
from operational_api.training.service.clients import local_today
from operational_api.training.service.records import earlier
from operational_api.training.strength import e1rm_column, volume_column


class Best(NamedTuple):
    """What one workout says about one movement, in kg; `previous_kg` is the best before, None the first time."""

    exercise_id: int
    exercise_name: str
    e1rm_kg: float
    previous_kg: float | None

    @property
    def is_record(self) -> bool:
        """Whether it beats everything before; the first time is no record."""
        return self.previous_kg is not None and self.e1rm_kg > self.previous_kg + 0.05


@dataclass(frozen=True, slots=True)
class Series:
    """Best estimated 1RM of a movement per day, oldest first, kg."""

    exercise_id: int
    exercise_name: str
    points: Sequence[tuple[date, float]]


@dataclass(frozen=True, slots=True)
class Week:
    """One week from Monday: volume in kg and number of the workouts done in it; workouts of the programme planned for
    it up to today, and those of them that were done, in whichever week."""

    starts_on: date
    volume_kg: float
    workouts: int
    planned: int
    completed: int


@dataclass(frozen=True, slots=True)
class LastSet:
    """A set of the last time a movement was trained."""

    position: int
    reps: int
    weight_kg: float | None
    rpe: float | None
    performed_at: datetime
    assistance_kg: float | None = None
    distance_m: float | None = None
    duration_seconds: int | None = None


def bests_beside(done: Mapping[int, Bests], before: Mapping[int, Bests], names: Mapping[int, str]) -> list[Best]:
    """`bests_of` from what is known already: the bests of a workout and of all before it, by movement."""
    found = [
        Best(id_, names[id_], bests.e1rm, before.get(id_, NOTHING).e1rm)
        for id_, bests in done.items()
        if bests.e1rm is not None
    ]
    return sorted(found, key=lambda one: one.exercise_name)


def bests_of(session: Session, workout: Workout) -> list[Best]:
    """The best estimate of each movement in a logged workout, beside the best ever before it. None of one not done."""
    if workout.completed_at is None:
        return []
    e1rm = e1rm_column()
    here = (
        select(WorkoutSet.exercise_id, func.max(e1rm).label("best"))
        .where(WorkoutSet.workout_id == workout.id)
        .group_by(WorkoutSet.exercise_id)
        .having(func.max(e1rm).is_not(None))
        .subquery()
    )
    before = (
        select(func.max(e1rm))
        .select_from(WorkoutSet)
        .join(Workout, Workout.id == WorkoutSet.workout_id)
        .where(
            *earlier(workout),
            WorkoutSet.exercise_id == here.c.exercise_id,
        )
        .correlate(here)
        .scalar_subquery()
    )
    rows = session.execute(
        select(here.c.exercise_id, Exercise.name, here.c.best, before)
        .join(Exercise, Exercise.id == here.c.exercise_id)
        .order_by(Exercise.name)
    )
    return [Best(*row) for row in rows]


def strength_series(session: Session, client: Client, *, since: date, exercises: int = 6) -> list[Series]:
    """The movements trained on most days since a date, each with its best estimate per day."""
    day = cast(func.timezone(client.time_zone, Workout.completed_at), Date).label("day")
    rows = session.execute(
        select(WorkoutSet.exercise_id, Exercise.name, day, func.max(e1rm_column()).label("best"))
        .join(Workout, Workout.id == WorkoutSet.workout_id)
        .join(Exercise, Exercise.id == WorkoutSet.exercise_id)
        .where(Workout.customer_id == client.id, Workout.status == "completed", Workout.scheduled_on >= since)
        .group_by(WorkoutSet.exercise_id, Exercise.name, day)
        .having(func.max(e1rm_column()).is_not(None))
        .order_by(Exercise.name, day)
    ).all()
    found: dict[tuple[int, str], list[tuple[date, float]]] = {}
    for row in rows:
        found.setdefault((row.exercise_id, row.name), []).append((row.day, row.best))
    ranked = sorted(found.items(), key=lambda item: (-len(item[1]), item[0][1]))
    return [Series(id_, name, points) for (id_, name), points in ranked[:exercises]]


def weeks_of(session: Session, client: Client, *, now: datetime, weeks: int = 12) -> list[Week]:
    """The last weeks without gaps, oldest first; the running one last."""
    today = local_today(client, now)
    first = today - timedelta(days=today.weekday() + 7 * (weeks - 1))
    done_on = cast(func.timezone(client.time_zone, Workout.completed_at), Date)
    is_done = Workout.status == "completed"
    sums = (
        select(volume_column().label("volume")).where(WorkoutSet.workout_id == Workout.id).correlate(Workout).lateral()
    )
    mine = Workout.customer_id == client.id
    done = (
        select(
            _monday(done_on).label("week"),
            sums.c.volume,
            literal(1).label("done"),
            literal(0).label("planned"),
            literal(0).label("kept"),
        )
        .select_from(Workout)
        .join(sums, onclause=true())
        .where(mine, is_done, done_on >= first, done_on <= today)
    )
    planned = select(
        _monday(Workout.scheduled_on), literal(0.0), literal(0), literal(1), case((is_done, 1), else_=0)
    ).where(mine, Workout.programme_id.is_not(None), Workout.scheduled_on >= first, Workout.scheduled_on <= today)
    each = union_all(done, planned).subquery()
    week, *told = each.c
    rows = session.execute(select(week, *(func.sum(one) for one in told)).group_by(week)).tuples()
    known = {row[0]: Week(*row) for row in rows}
    days = (first + timedelta(days=7 * n) for n in range(weeks))
    return [known.get(day, Week(day, 0.0, 0, 0, 0)) for day in days]


def _monday(day: ColumnElement[date] | InstrumentedAttribute[date]) -> ColumnElement[date]:
    return cast(func.date_trunc("week", day), Date)


def last_sets(session: Session, customer_id: UUID, exercise_ids: Iterable[int]) -> dict[int, list[LastSet]]:
    """What the client did the last time they trained each movement, to start from today."""
    wanted = select(Exercise.id).where(Exercise.id.in_(set(exercise_ids))).subquery()
    latest = (
        select(Workout.id, Workout.completed_at)
        .join(WorkoutSet, WorkoutSet.workout_id == Workout.id)
        .where(
            Workout.customer_id == customer_id,
            Workout.status == "completed",
            WorkoutSet.exercise_id == wanted.c.id,
        )
        .order_by(Workout.completed_at.desc())
        .limit(1)
        .correlate(wanted)
        .lateral()
    )
    rows = session.execute(
        select(WorkoutSet, latest.c.completed_at)
        .select_from(wanted)
        .join(latest, onclause=true())
        .join(
            WorkoutSet,
            (WorkoutSet.workout_id == latest.c.id) & (WorkoutSet.exercise_id == wanted.c.id),
        )
        .order_by(WorkoutSet.exercise_id, WorkoutSet.position)
    ).tuples()
    found: dict[int, list[LastSet]] = {}
    for one, at in rows:
        told = (one.assistance_kg, one.distance_m, one.duration_seconds)
        last = LastSet(one.position, one.reps, one.weight_kg, one.rpe, at, *told)
        found.setdefault(one.exercise_id, []).append(last)
    return found
