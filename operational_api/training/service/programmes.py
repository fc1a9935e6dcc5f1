"""Programmes: weeks of training written for one client, and the workouts they put into the calendar.

A change makes a new version: what is to come follows it, what was logged keeps pointing at the one it was done by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from contracts.events.training import PlanUpdated, ProgrammeArchived, ProgrammeAssigned
from contracts.ids import new_id
from operational_api.core.outbox import publish
from operational_api.training.errors import (
    InvalidDates,
    PlanChanged,
    ProgrammeNotFound,
    ProgrammeOver,
    TrainingOnHold,
)
from operational_api.training.models import Client, Programme, ProgrammePhase, ProgrammeVersion, Workout
from operational_api.training.service import plans
from operational_api.training.service.clients import local_today, lock
from operational_api.training.service.plans import Line, Lines, Plan

__all__ = ["WEEKDAYS", "Line", "Plan", "ProgrammeDetail", "archive_programme", "assign_programme", "change_programme",
           "detail_of", "get_programme", "programmes_of", "versions_of"]  # fmt: skip

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
class ProgrammeDetail:
    """A programme with the lines and phases of its newest version in order, each line with its movement."""

    programme: Programme
    lines: Lines
    phases: Sequence[ProgrammePhase] = ()


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
    plan: Plan,
    now: datetime,
    template_id: UUID | None = None,
) -> Programme:
    """Give a client a programme and put its workouts into their calendar; an active one ends today, and announce it.

    Raises:
        TrainingOnHold: an answer of the health questionnaire waits for the coach.
        InvalidDates: it would start in the past, or a line is for a day the week does not have.
        InvalidPlan, UnknownExercise: the plan does not fit together.
    """
    client = lock(session, client)  # of two programmes given at once one is active, and none comes past a new hold
    if client.on_hold_since is not None:
        raise TrainingOnHold
    today = local_today(client, now)
    if starts_on < today:
        raise InvalidDates("A programme starts today or later.")
    plans.check(session, plan, weeks=weeks, sessions_per_week=sessions_per_week)
    active = select(Programme.id).where(Programme.customer_id == client.id, Programme.status == "active")
    _clear_calendar(session, list(session.scalars(active)), today)
    session.execute(
        update(Programme)
        .where(Programme.customer_id == client.id, Programme.status == "active")
        .values(status="completed")
    )
    programme = Programme(
        id=new_id(), customer_id=client.id, coach_id=coach_id, name=name, goal=goal, starts_on=starts_on, weeks=weeks,
        sessions_per_week=sessions_per_week, version=1, template_id=template_id,
    )  # fmt: skip
    session.add(programme)
    session.flush()
    plans.store(session, programme.id, 1, plan)
    session.add(ProgrammeVersion(programme_id=programme.id, version=1, made_by=coach_id, made_at=now))
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


def change_programme(
    session: Session,
    *,
    programme_id: UUID,
    plan: Plan,
    changed_by: UUID,
    now: datetime,
    reason: str | None = None,
    expected_version: int | None = None,
) -> Programme:
    """Make a new version of a programme and announce it. The plan as it is already changes nothing.

    Args:
        expected_version: The one that whoever changes it has seen.

    Raises:
        ProgrammeNotFound: there is none.
        ProgrammeOver: it was archived.
        PlanChanged: there is a newer version than expected.
        InvalidDates, InvalidPlan, UnknownExercise: the plan does not fit.
    """
    programme = get_programme(session, programme_id, lock=True)
    if programme.status == "archived":
        raise ProgrammeOver
    if expected_version is not None and expected_version != programme.version:
        raise PlanChanged
    plans.check(session, plan, weeks=programme.weeks, sessions_per_week=programme.sessions_per_week)
    if _same(plans.plan_of(session, programme_id, programme.version), plan):
        return programme
    programme.version += 1
    session.add(
        ProgrammeVersion(
            programme_id=programme_id, version=programme.version, made_by=changed_by, made_at=now, reason=reason
        )
    )
    session.flush()
    plans.store(session, programme_id, programme.version, plan)
    publish(
        session,
        PlanUpdated(
            occurred_at=now, programme_id=programme_id, customer_id=programme.customer_id, coach_id=changed_by,
            plan_version=programme.version,
        ),
    )  # fmt: skip
    return programme


def archive_programme(session: Session, *, programme_id: UUID, client: Client, now: datetime) -> Programme:
    """End a programme: workouts still to come leave the calendar, logged ones stay. Again changes nothing.

    Raises:
        ProgrammeNotFound: there is none.
    """
    programme = get_programme(session, programme_id, lock=True)
    if programme.status == "archived":
        return programme
    _clear_calendar(session, [programme_id], local_today(client, now))
    programme.status = "archived"
    session.flush()
    publish(session, ProgrammeArchived(occurred_at=now, programme_id=programme_id, customer_id=client.id))
    return programme


def get_programme(session: Session, programme_id: UUID, *, lock: bool = False) -> Programme:
    """The programme.

    Raises:
        ProgrammeNotFound: there is none.
    """
    query = select(Programme).where(Programme.id == programme_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    programme = session.scalar(query)
    if programme is None:
        raise ProgrammeNotFound
    return programme


def programmes_of(session: Session, customer_id: UUID) -> list[ProgrammeDetail]:
    """A client's programmes, the newest first, with what they say now: three queries however many there are."""
    programmes = session.scalars(
        select(Programme).where(Programme.customer_id == customer_id).order_by(Programme.starts_on.desc(), Programme.id)
    ).all()
    return _details(session, programmes)


def detail_of(session: Session, programme: Programme) -> ProgrammeDetail:
    """The programme with what it says now."""
    return _details(session, [programme])[0]


def versions_of(session: Session, programme: Programme) -> list[ProgrammeVersion]:
    """Every version, the newest first: when, by whom, why."""
    query = select(ProgrammeVersion).where(ProgrammeVersion.programme_id == programme.id)
    return list(session.scalars(query.order_by(ProgrammeVersion.version.desc())))


def _details(session: Session, programmes: Sequence[Programme]) -> list[ProgrammeDetail]:
    keys = [(programme.id, programme.version) for programme in programmes]
    if not keys:
        return []
    lines, phases = plans.lines_of(session, keys), plans.phases_of(session, keys)
    return [
        ProgrammeDetail(programme, lines.get(key, []), phases.get(key, []))
        for programme, key in zip(programmes, keys, strict=True)
    ]


def _clear_calendar(session: Session, programme_ids: Sequence[UUID], today: date) -> None:
    session.execute(
        delete(Workout).where(
            Workout.programme_id.in_(programme_ids), Workout.status == "planned", Workout.scheduled_on >= today
        )
    )


def _same(one: Plan, other: Plan) -> bool:
    def told(plan: Plan) -> tuple[list[Line], list[plans.PhasePlan]]:
        # Positions count within a day: days may come in any order.
        return sorted(plan.lines, key=lambda line: line.day), list(plan.phases)

    return told(one) == told(other)
