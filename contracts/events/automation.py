"""Facts about rules, scores and what was done about them."""

from typing import ClassVar
from uuid import UUID

from contracts.events.envelope import Event


class ChurnScored(Event):
    """Analytics told operations a changed churn probability."""

    type: ClassVar[str] = "automation.churn_scored"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    probability: float
    model_id: str


class RunStarted(Event):
    """A rule matched a customer. `arm` is treatment or holdout, drawn at random."""

    type: ClassVar[str] = "automation.run_started"
    aggregate: ClassVar[str] = "run_id"
    run_id: UUID
    rule_id: UUID
    customer_id: UUID
    arm: str


class RunActed(Event):
    """A coach (or the rule itself) acted on a run."""

    type: ClassVar[str] = "automation.run_acted"
    aggregate: ClassVar[str] = "run_id"
    run_id: UUID
    customer_id: UUID
    message_id: UUID | None = None


class RunDismissed(Event):
    type: ClassVar[str] = "automation.run_dismissed"
    aggregate: ClassVar[str] = "run_id"
    run_id: UUID
    customer_id: UUID
    reason: str | None = None


class RunReopened(Event):
    """A dismissal was taken back within its minute of grace."""

    type: ClassVar[str] = "automation.run_reopened"
    aggregate: ClassVar[str] = "run_id"
    run_id: UUID
    customer_id: UUID


class RunExpired(Event):
    """Nobody acted on a run while it was worth acting on."""

    type: ClassVar[str] = "automation.run_expired"
    aggregate: ClassVar[str] = "run_id"
    run_id: UUID
    customer_id: UUID
