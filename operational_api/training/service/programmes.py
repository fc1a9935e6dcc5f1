"""Programmes: weeks of training written for one client, and the workouts they put into the calendar.

Planned lines and logged sets are different rows: a changed programme changes what is to come, never what was done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from contracts.events.training import ProgrammeAssigned
from contracts.ids import new_id
from operational_api.core.outbox import publish
from operational_api.training.errors import InvalidDates, ProgrammeNotFound
from operational_api.training.models import Client, Exercise, PlannedExercise, Programme, Workout
from operational_api.training.service.clients import local_today
from operational_api.training.service.exercises import known_exercises

WEEKDAYS = {
    1: (0,),
    2: (0, 3),
    3: (0, 2, 4),
    4: (0, 1, 3, 4),
    5: (0, 1, 2, 3, 4),
    6: (0, 1, 2, 3, 4, 5),
    7: tuple(range(7)),
}
"""Days after the first of each week on which so many sessions a week fall."""


@dataclass(frozen=True, slots=True)
class Line:
    """On training day `day` (1-based), this movement for so many sets."""

    day: int
    exercise_id: int
    sets: int
    reps: int
    weight_kg: Decimal | None = None
    target_rpe: float | None = None


@dataclass(frozen=True, slots=True)
class ProgrammeDetail:
    """A programme with its lines in order, each with its movement."""

    programme: Programme
    lines: Sequence[tuple[PlannedExercise, Exercise]]


def assign_programme(
    session: Session,
    *,
    client: Client,
    coach_id: UUID,
    name: str,
    goal: str,
    starts_on: date,
    weeks: int,
    sessions_per_week: int,
    lines: Sequence[Line],
    now: datetime,
) -> Programme:
    """Give a client a programme and put its workouts into their calendar; an active one ends today, and announce it.

    Raises:
        InvalidDates: it would start in the past, or a line is for a day the week does not have.
        UnknownExercise: a movement is not in the catalogue.
    """
    today = local_today(client, now)
    if starts_on < today:
        raise InvalidDates("A programme starts today or later.")
    _check(session, lines, sessions_per_week)
    old = select(Programme.id).where(Programme.customer_id == client.id, Programme.status == "active")
    session.execute(
        delete(Workout).where(Workout.programme_id.in_(old), Workout.status == "planned", Workout.scheduled_on >= today)
    )
    session.execute(
        update(Programme)
        .where(Programme.customer_id == client.id, Programme.status == "active")
        .values(status="completed")
    )
    programme = Programme(
        id=new_id(), customer_id=client.id, coach_id=coach_id, name=name, goal=goal, starts_on=starts_on, weeks=weeks,
        sessions_per_week=sessions_per_week,
    )  # fmt: skip
    session.add(programme)
    session.flush()
    _store_lines(session, programme.id, lines)
    session.execute(
        insert(Workout),
        [
            {
                "id": new_id(), "customer_id": client.id, "programme_id": programme.id, "title": f"{name}, day {day}",
                "programme_day": day, "scheduled_on": starts_on + timedelta(days=7 * week + offset),
            }
            for week in range(weeks)
            for day, offset in enumerate(WEEKDAYS[sessions_per_week], start=1)
        ],
    )  # fmt: skip
    publish(
        session,
        ProgrammeAssigned(occurred_at=now, programme_id=programme.id, customer_id=client.id, coach_id=coach_id),
    )
    return programme


def change_programme(session: Session, *, programme_id: UUID, lines: Sequence[Line]) -> Programme:
    """Replace the lines of a programme: workouts still to come follow it, logged ones stay as they are.

    Raises:
        ProgrammeNotFound: there is none.
        InvalidDates, UnknownExercise: the lines do not fit.
    """
    programme = get_programme(session, programme_id)
    _check(session, lines, programme.sessions_per_week)
    session.execute(delete(PlannedExercise).where(PlannedExercise.programme_id == programme_id))
    _store_lines(session, programme_id, lines)
    return programme


def get_programme(session: Session, programme_id: UUID) -> Programme:
    """The programme.

    Raises:
        ProgrammeNotFound: there is none.
    """
    programme = session.get(Programme, programme_id)
    if programme is None:
        raise ProgrammeNotFound
    return programme


def programmes_of(session: Session, customer_id: UUID) -> list[ProgrammeDetail]:
    """A client's programmes, the newest first, with their lines: two queries however many there are."""
    programmes = session.scalars(
        select(Programme).where(Programme.customer_id == customer_id).order_by(Programme.starts_on.desc(), Programme.id)
    ).all()
    lines = _lines(session, [programme.id for programme in programmes])
    return [ProgrammeDetail(programme, lines.get(programme.id, [])) for programme in programmes]


def detail_of(session: Session, programme: Programme) -> ProgrammeDetail:
    """The programme with its lines."""
    return ProgrammeDetail(programme, _lines(session, [programme.id]).get(programme.id, []))


def planned_lines(session: Session, workout: Workout) -> list[tuple[PlannedExercise, Exercise]]:
    """What a workout of a programme asks for today; empty for a workout without one."""
    if workout.programme_id is None:
        return []
    lines = _lines(session, [workout.programme_id]).get(workout.programme_id, [])
    return [line for line in lines if line[0].day == workout.programme_day]


def _lines(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[tuple[PlannedExercise, Exercise]]]:
    rows = session.execute(
        select(PlannedExercise, Exercise)
        .join(Exercise, Exercise.id == PlannedExercise.exercise_id)
        .where(PlannedExercise.programme_id.in_(ids))
        .order_by(PlannedExercise.programme_id, PlannedExercise.day, PlannedExercise.position)
    ).tuples()
    found: dict[UUID, list[tuple[PlannedExercise, Exercise]]] = {}
    for line, exercise in rows:
        found.setdefault(line.programme_id, []).append((line, exercise))
    return found


def _check(session: Session, lines: Sequence[Line], sessions_per_week: int) -> None:
    known_exercises(session, (line.exercise_id for line in lines))
    if any(not 1 <= line.day <= sessions_per_week for line in lines):
        raise InvalidDates(f"Training days go from 1 to {sessions_per_week}.")


def _store_lines(session: Session, programme_id: UUID, lines: Sequence[Line]) -> None:
    counts: dict[int, int] = {}
    rows = []
    for line in lines:
        counts[line.day] = counts.get(line.day, 0) + 1
        rows.append(
            {
                "id": new_id(), "programme_id": programme_id, "day": line.day, "position": counts[line.day],
                "exercise_id": line.exercise_id, "sets": line.sets, "reps": line.reps, "weight_kg": line.weight_kg,
                "target_rpe": line.target_rpe,
            }
        )  # fmt: skip
    if rows:
        session.execute(insert(PlannedExercise), rows)
