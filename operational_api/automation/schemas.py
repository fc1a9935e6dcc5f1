"""What crosses HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from operational_api.automation.models import Rule
from operational_api.automation.service.rules import RuleWithCounts

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
NO_NUL = r"^[^\x00]*$"
"""PostgreSQL keeps every character but this one."""
Number = Annotated[float, Field(allow_inf_nan=False)]


class Reason(BaseModel):
    """Why a score is what it is. `contribution` is in log-odds, positive where it raises the risk."""

    feature: str = Field(max_length=80, pattern=NO_NUL)
    label: str = Field(max_length=200, pattern=NO_NUL)
    value: Number | bool | Annotated[str, Field(max_length=200, pattern=NO_NUL)] | None = None
    contribution: Number


class Score(BaseModel):
    """One customer's probability to leave within 30 days."""

    customer_id: UUID
    coach_id: UUID | None = None
    probability: Probability
    reasons: list[Reason] = Field(default=[], max_length=20)


class ScoresCreate(BaseModel):
    """A batch of the scores of one model at one time."""

    model_config = ConfigDict(protected_namespaces=())
    model_id: str = Field(min_length=1, max_length=200, pattern=NO_NUL)
    scored_at: AwareDatetime
    scores: list[Score] = Field(max_length=20_000)


class ScoresReceipt(BaseModel):
    """What came of a batch: scores received, probabilities changed, runs started in each arm."""

    received: int
    changed: int
    treatment: int
    holdout: int


class SuggestionRead(BaseModel):
    """One entry of a coach's queue."""

    model_config = ConfigDict(from_attributes=True)
    run_id: UUID
    rule_id: UUID
    rule_name: str
    customer_id: UUID
    customer_name: str
    probability: float
    scored_at: datetime
    reasons: list[dict[str, Any]]
    suggested_message: str
    why_now: str
    started_at: datetime
    expires_at: datetime
    refusal: str | None


class NudgeSend(BaseModel):
    body: str = Field(min_length=1, max_length=4000)


class RunDismiss(BaseModel):
    reason: str = Field(min_length=1, max_length=200, pattern=NO_NUL)


class RunRead(BaseModel):
    """A run as it stands."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    rule_id: UUID
    customer_id: UUID
    customer_name: str | None = None
    coach_id: UUID | None
    arm: str
    status: str
    suggested_message: str | None
    message_id: UUID | None
    started_at: datetime
    decided_at: datetime | None
    decided_by: UUID | None
    dismiss_reason: str | None


Threshold = Annotated[float, Field(gt=0, lt=1)]
Holdout = Annotated[int, Field(ge=0, le=90)]
Days = Annotated[int, Field(ge=1, le=365)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)]
Template = Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL)]


class RuleCreate(BaseModel):
    """A new rule on the churn score. `message_template` may use {first_name} and {reason}."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(pattern=r"^[a-z][a-z0-9_-]{2,40}$")
    name: Name
    probability_at_least: Threshold
    message_template: Template
    holdout_percent: Holdout = 20
    cooldown_days: Days = 30
    outcome_days: Days = 14
    is_active: bool = True


class RuleChange(BaseModel):
    """What may change in a rule; absent means unchanged."""

    model_config = ConfigDict(extra="forbid")
    name: Name | None = None
    probability_at_least: Threshold | None = None
    message_template: Template | None = None
    holdout_percent: Holdout | None = None
    cooldown_days: Days | None = None
    outcome_days: Days | None = None
    is_active: bool | None = None

    def changes(self) -> dict[str, Any]:
        """The fields that were given a value."""
        return self.model_dump(exclude_unset=True, exclude_none=True)


class RuleRead(BaseModel):
    """A rule. `counts`: runs by arm (treatment, holdout) and by status."""

    id: UUID
    code: str
    name: str
    trigger: str
    action: str
    probability_at_least: float
    message_template: str
    holdout_percent: int
    cooldown_days: int
    outcome_days: int
    is_active: bool
    created_at: datetime
    counts: dict[str, int] = {}

    @classmethod
    def of(cls, rule: Rule, counts: dict[str, int] | None = None) -> "RuleRead":
        """From the row."""
        values = {name: getattr(rule, name) for name in cls.model_fields if hasattr(rule, name)}
        threshold = float(rule.condition["probability_at_least"])
        return cls(**values, probability_at_least=threshold, counts=counts or {})

    @classmethod
    def counted(cls, found: RuleWithCounts) -> "RuleRead":
        """From the row and its counts."""
        return cls.of(found.rule, found.counts)


RunStatus = Literal["open", "acted", "dismissed", "expired", "held_out"]
RunArm = Literal["treatment", "holdout"]
