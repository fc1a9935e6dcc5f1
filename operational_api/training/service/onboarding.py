"""Setting up, step by step: where somebody is, that a step was entered and left, and where people drop off.

Buying a plan and booking a session happen in other contexts: their events leave those steps (`handlers`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events.training import OnboardingStepEntered, OnboardingStepLeft
from operational_api.core.outbox import publish
from operational_api.training.models import Client, OnboardingStep

STEPS = ("goal", "screening", "consents", "plan", "booking")
"""In the order in which they are asked."""
NEW_FOR = timedelta(days=30)
"""For so long after they joined people are asked to set up who have not begun."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far somebody is: `left` says how (done or skipped), `current` is the first step not left, None at the end."""

    left: dict[str, str]
    entered: frozenset[str]

    @property
    def current(self) -> str | None:
        """The step to go on with."""
        return next((step for step in STEPS if step not in self.left), None)

    @property
    def is_over(self) -> bool:
        """Whether every step was left."""
        return self.current is None


KNOWN_AFTER = timedelta(days=7)
"""Who has not left a step by then has dropped off there; before, nobody knows. The warehouse waits as long."""


@dataclass(frozen=True, slots=True)
class StepFigures:
    """One step of the funnel: people who entered it, did it, skipped it, and who stopped there.

    `median_seconds` is the time between entering and leaving of those who left; None where nobody did.
    """

    step: str
    entered: int
    done: int
    skipped: int
    dropped: int
    median_seconds: float | None


def progress_of(session: Session, customer_id: UUID) -> Progress:
    """How far a client is, in one query."""
    rows = session.execute(
        select(OnboardingStep.step, OnboardingStep.outcome).where(OnboardingStep.customer_id == customer_id)
    ).all()
    left = {step: outcome for step, outcome in rows if outcome is not None}
    return Progress(left, frozenset(step for step, _ in rows))


def is_asked(client: Client, progress: Progress, now: datetime) -> bool:
    """Whether the app asks a client to go on: they began and are not through, or they are new."""
    return not progress.is_over and (bool(progress.entered) or client.joined_at > now - NEW_FOR)


def enter_step(session: Session, *, client: Client, step: str, now: datetime) -> None:
    """Note that a step was opened, and announce the first time."""
    made = session.scalar(
        insert(OnboardingStep)
        .values(customer_id=client.id, step=step, entered_at=now)
        .on_conflict_do_nothing()
        .returning(OnboardingStep.step)
    )
    if made is not None:
        publish(session, OnboardingStepEntered(occurred_at=now, customer_id=client.id, step=step))


def leave_step(session: Session, *, client: Client, step: str, outcome: str, now: datetime) -> None:
    """Note that a step was done or skipped, and announce it. Done stays done; what was skipped may still be done."""
    enter_step(session, client=client, step=step, now=now)
    changed = session.scalar(
        update(OnboardingStep)
        .where(
            OnboardingStep.customer_id == client.id,
            OnboardingStep.step == step,
            OnboardingStep.outcome.is_(None) | ((OnboardingStep.outcome == "skipped") & (outcome == "done")),
        )
        .values(left_at=now, outcome=outcome)
        .returning(OnboardingStep.step)
    )
    if changed is not None:
        publish(session, OnboardingStepLeft(occurred_at=now, customer_id=client.id, step=step, outcome=outcome))


def leave_if_begun(session: Session, *, customer_id: UUID, step: str, now: datetime) -> None:
    """What happened elsewhere does a step, for whoever has begun to set up. Others are not asked and not counted."""
    client = session.get(Client, customer_id)
    if client is not None and progress_of(session, customer_id).entered:
        leave_step(session, client=client, step=step, outcome="done", now=now)


def funnel(session: Session, *, since: datetime, until: datetime) -> Sequence[StepFigures]:
    """How people who entered their first step in this time had fared at its end, step by step, in one query.

    Who entered a step and had not left it a week later dropped off there, whatever they did besides: as the metric
    `onboarding_drop_off` has it (`marts.engagement.fct_onboarding_steps`).
    """
    begun = (
        select(OnboardingStep.customer_id)
        .group_by(OnboardingStep.customer_id)
        .having(func.min(OnboardingStep.entered_at) >= since, func.min(OnboardingStep.entered_at) < until)
    )
    spent = func.extract("epoch", OnboardingStep.left_at - OnboardingStep.entered_at)
    rows = session.execute(
        select(
            OnboardingStep.step,
            func.count(),
            func.count().filter(OnboardingStep.outcome == "done"),
            func.count().filter(OnboardingStep.outcome == "skipped"),
            func.count().filter(OnboardingStep.left_at.is_(None), OnboardingStep.entered_at <= until - KNOWN_AFTER),
            func.percentile_cont(0.5).within_group(spent),
        )
        .where(OnboardingStep.customer_id.in_(begun))
        .group_by(OnboardingStep.step)
    ).tuples()
    found = {row[0]: StepFigures(*row) for row in rows}
    return [found.get(step, StepFigures(step, 0, 0, 0, 0, None)) for step in STEPS]
