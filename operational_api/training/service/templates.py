"""Templates: programmes without a client, kept by the coach who wrote them, given to a client from a day on."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.policy import Resource
from operational_api.training.errors import TemplateNotFound
from operational_api.training.models import Client, Programme, ProgrammeTemplate
from operational_api.training.service import plans
from operational_api.training.service.plans import Line, PhasePlan, Plan
from operational_api.training.service.programmes import assign_programme


def make_template(
    session: Session, *, coach_id: UUID, name: str, goal: str, weeks: int, sessions_per_week: int, plan: Plan
) -> ProgrammeTemplate:
    """Keep a plan for later.

    Raises:
        InvalidDates, InvalidPlan, UnknownExercise: it does not fit together.
    """
    plans.check(session, plan, weeks=weeks, sessions_per_week=sessions_per_week)
    template = ProgrammeTemplate(
        id=new_id(), coach_id=coach_id, name=name, goal=goal, weeks=weeks, sessions_per_week=sessions_per_week,
        plan=stored(plan),
    )  # fmt: skip
    session.add(template)
    session.flush()
    session.refresh(template)
    return template


def change_template(
    session: Session, *, template: ProgrammeTemplate, name: str, goal: str, weeks: int, sessions_per_week: int,
    plan: Plan,
) -> ProgrammeTemplate:  # fmt: skip
    """Say it anew; programmes made from it stay as they are. The same again changes nothing.

    Raises:
        TemplateNotFound: it was archived.
        InvalidDates, InvalidPlan, UnknownExercise: it does not fit together.
    """
    session.refresh(template, with_for_update=True)
    if template.archived_at is not None:
        raise TemplateNotFound
    plans.check(session, plan, weeks=weeks, sessions_per_week=sessions_per_week)
    said = {
        "name": name, "goal": goal, "weeks": weeks, "sessions_per_week": sessions_per_week, "plan": stored(plan),
    }  # fmt: skip
    if any(getattr(template, field) != value for field, value in said.items()):
        for field, value in said.items():
            setattr(template, field, value)
        template.version += 1
        session.flush()
    return template


def archive_template(session: Session, *, template: ProgrammeTemplate, now: datetime) -> ProgrammeTemplate:
    """Take it out of the list. Again keeps the first time."""
    template.archived_at = template.archived_at or now
    session.flush()
    return template


def restore_template(session: Session, *, template: ProgrammeTemplate) -> ProgrammeTemplate:
    """Take it back into the list. Again changes nothing."""
    template.archived_at = None
    session.flush()
    return template


def assign_template(
    session: Session, *, template: ProgrammeTemplate, client: Client, coach_id: UUID, starts_on: date, now: datetime
) -> Programme:
    """Make a client's programme of it.

    Raises:
        TemplateNotFound: it was archived.
        TrainingOnHold, InvalidDates: as for every programme.
    """
    if template.archived_at is not None:
        raise TemplateNotFound
    return assign_programme(
        session, client=client, coach_id=coach_id, name=template.name, goal=template.goal, starts_on=starts_on,
        weeks=template.weeks, sessions_per_week=template.sessions_per_week, plan=plan_in(template), now=now,
        template_id=template.id,
    )  # fmt: skip


def get_template(session: Session, template_id: UUID) -> ProgrammeTemplate:
    """The template, archived or not.

    Raises:
        TemplateNotFound: there is none.
    """
    template = session.get(ProgrammeTemplate, template_id)
    if template is None:
        raise TemplateNotFound
    return template


def templates_of(session: Session, coach_id: UUID | None) -> Sequence[ProgrammeTemplate]:
    """A coach's templates by name, or everybody's; archived ones are left out."""
    query = select(ProgrammeTemplate).where(ProgrammeTemplate.archived_at.is_(None))
    if coach_id is not None:
        query = query.where(ProgrammeTemplate.coach_id == coach_id)
    return session.scalars(query.order_by(ProgrammeTemplate.name, ProgrammeTemplate.id)).all()


def resource_of(template: ProgrammeTemplate) -> Resource:
    """As the policy sees it: the coach's own work."""
    return Resource("ProgrammeTemplate", template.id, coach_id=template.coach_id)


def plan_in(template: ProgrammeTemplate) -> Plan:
    """What it says."""
    lines = [
        Line(**line | {"weight_kg": None if line["weight_kg"] is None else Decimal(line["weight_kg"])})
        for line in template.plan["lines"]
    ]
    return Plan(lines, [PhasePlan(**phase) for phase in template.plan["phases"]])


def stored(plan: Plan) -> dict[str, Any]:
    """A plan as templates keep it."""

    def told(line: Line) -> dict[str, Any]:
        fields = {name: getattr(line, name) for name in Line.__slots__}
        return fields | {"weight_kg": None if line.weight_kg is None else f"{line.weight_kg:.2f}"}

    phases = [{name: getattr(phase, name) for name in PhasePlan.__slots__} for phase in plan.phases]
    return {"lines": [told(line) for line in plan.lines], "phases": phases}
