"""The health questionnaire, goals, habits, check-ins, setting up and the coach's metrics as they cross HTTP."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from operational_api.training import screening as questionnaire
from operational_api.training.models import Screening
from operational_api.training.schemas.training import Read, Text
from operational_api.training.service.coaching import ClientMetrics
from operational_api.training.service.onboarding import StepFigures
from operational_api.training.service.wellbeing import Wellbeing

Note = Annotated[str, Field(min_length=3, max_length=1000, pattern=r"\S")]


class ScreeningAnswer(BaseModel):
    """`answers`: yes or no to each question of `version`."""

    version: str = Field(questionnaire.VERSION, max_length=10)
    answers: dict[str, bool] = Field(max_length=20)


class ScreeningClear(BaseModel):
    note: Note


class ScreeningRead(Read):
    id: UUID
    customer_id: UUID
    version: str
    answers: dict[str, bool]
    is_red: bool
    answered_at: datetime
    cleared_at: datetime | None
    cleared_by: UUID | None
    clearance_note: str | None


class ScreeningsRead(BaseModel):
    """Today's questions by key, and what was answered, the newest first."""

    version: str
    questions: dict[str, str]
    is_due: bool
    on_hold_since: datetime | None
    screenings: list[ScreeningRead]

    @classmethod
    def of(cls, rows: "list[Screening]", *, is_due: bool, on_hold_since: datetime | None) -> "ScreeningsRead":
        """From rows."""
        asked = questionnaire.QUESTIONS[questionnaire.VERSION]
        return cls(
            version=questionnaire.VERSION, questions={one.key: one.text for one in asked}, is_due=is_due,
            on_hold_since=on_hold_since, screenings=[ScreeningRead.model_validate(row) for row in rows],
        )  # fmt: skip


class GoalIn(BaseModel):
    text: Text
    target_on: date | None = None


class GoalClose(BaseModel):
    outcome: Literal["reached", "dropped"]


class GoalRead(Read):
    id: UUID
    text: str
    target_on: date | None
    status: str
    set_at: datetime
    closed_at: datetime | None


class HabitIn(BaseModel):
    name: Text
    times_per_week: int = Field(7, ge=1, le=7)


class HabitCheckIn(BaseModel):
    is_kept: bool


class HabitRead(Read):
    id: UUID
    name: str
    times_per_week: int
    archived_at: datetime | None
    kept_on: list[date] = []


class CheckInIn(BaseModel):
    """How the week went; `mood` 1 (bad) to 5 (good)."""

    mood: int = Field(ge=1, le=5)
    weight_kg: float | None = Field(None, ge=20, le=400, allow_inf_nan=False)
    sleep_hours: float | None = Field(None, ge=0, le=16, allow_inf_nan=False)
    note: str | None = Field(None, max_length=2000)


class CheckInAnswer(BaseModel):
    answer: Note


class CheckInRead(Read):
    id: UUID
    customer_id: UUID
    due_on: date
    submitted_at: datetime
    weight_kg: float | None
    sleep_hours: float | None
    mood: int
    note: str | None
    answer: str | None
    answered_by: UUID | None
    answered_at: datetime | None


class WellbeingRead(BaseModel):
    """Goals, running habits with the last eight days on which they were kept, check-ins; the latest first."""

    goals: list[GoalRead]
    habits: list[HabitRead]
    check_ins: list[CheckInRead]
    due_on: date
    is_check_in_due: bool

    @classmethod
    def of(cls, found: Wellbeing) -> "WellbeingRead":
        """From the service's answer."""
        habits = [
            HabitRead.model_validate(one.habit).model_copy(update={"kept_on": sorted(one.kept_on)})
            for one in found.habits
        ]
        return cls(
            goals=[GoalRead.model_validate(one) for one in found.goals], habits=habits,
            check_ins=[CheckInRead.model_validate(one) for one in found.check_ins], due_on=found.due_on,
            is_check_in_due=found.is_check_in_due,
        )  # fmt: skip


class MetricsRead(BaseModel):
    """A coach's numbers about one client: docs/metrics.md says what each means; null cannot be told."""

    as_of: date
    adherence_7d_percent: float | None
    adherence_30d_percent: float | None
    adherence_90d_percent: float | None
    load_7d: float
    volume_7d_kg: float
    acwr_coupled: float | None
    acwr_uncoupled: float | None
    acwr_ewma: float | None
    monotony: float | None
    strain: float | None

    @classmethod
    def of(cls, found: ClientMetrics) -> "MetricsRead":
        """From the service's answer."""
        told = {f"adherence_{days}d_percent": value for days, value in found.adherence_percent.items()}
        ratios = {
            f"acwr_{name}": getattr(found.acwr, name) if found.acwr else None
            for name in ("coupled", "uncoupled", "ewma")
        }
        return cls(
            as_of=found.as_of, load_7d=found.load_7d, volume_7d_kg=found.volume_7d_kg, monotony=found.monotony,
            strain=found.strain, **told, **ratios,
        )  # fmt: skip


class OnboardingRead(BaseModel):
    """How far somebody is in setting up: steps in order, how each was left, the one to go on with."""

    steps: list[str]
    left: dict[str, str]
    current: str | None


class StepRead(Read):
    """One step of the funnel; `dropped` had not left it a week after they entered it."""

    step: str
    entered: int
    done: int
    skipped: int
    dropped: int
    median_seconds: float | None

    @classmethod
    def of(cls, found: StepFigures) -> "StepRead":
        """From the service's answer."""
        return cls.model_validate(found)
