"""Programmes and templates as they cross HTTP."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from operational_api.training.models import Client, Exercise, PlannedExercise, ProgrammeTemplate
from operational_api.training.progression import Rule
from operational_api.training.schemas.training import (
    AssistanceKg,
    ClientRead,
    DistanceM,
    Letter,
    Read,
    Rpe,
    Seconds,
    Text,
)
from operational_api.training.service.plans import Line, PhasePlan, Plan
from operational_api.training.service.programmes import ProgrammeDetail

Goal = Literal["strength", "muscle", "fat_loss", "endurance", "mobility", "general_fitness", "rehab"]


class LineIn(BaseModel):
    """`phase` counts from 1, null is all phases; lines of a day with one `superset` letter are done in turn."""

    day: int = Field(ge=1, le=7)
    exercise_id: int = Field(ge=1, le=2_147_483_647)
    sets: int = Field(ge=1, le=20)
    reps: int = Field(1, ge=1, le=100, description="Of a distance or a time: 1")
    weight_kg: Decimal | None = Field(None, ge=0, le=700, max_digits=6, decimal_places=2)
    target_rpe: Rpe | None = None
    phase: int | None = Field(None, ge=1, le=26)
    superset: Letter | None = None
    note: str | None = Field(None, max_length=200)
    progression: Rule | None = None
    assistance_kg: AssistanceKg | None = None
    distance_m: DistanceM | None = None
    duration_seconds: Seconds | None = None

    def line(self) -> Line:
        """The same for the service."""
        return Line(**self.model_dump())


class PhaseIn(BaseModel):
    name: Text
    weeks: int = Field(ge=1, le=26)
    load_percent: int = Field(100, ge=30, le=130)
    extra_sets: int = Field(0, ge=-5, le=5)


class PlanIn(BaseModel):
    """What a version says. Without phases it is the same all weeks."""

    lines: Annotated[list[LineIn], Field(min_length=1, max_length=100)]
    phases: Annotated[list[PhaseIn], Field(max_length=26)] = []

    def plan(self) -> Plan:
        """The same for the service."""
        return Plan([one.line() for one in self.lines], [PhasePlan(**one.model_dump()) for one in self.phases])


class TemplateIn(PlanIn):
    name: Text
    goal: Goal
    weeks: int = Field(ge=1, le=26)
    sessions_per_week: int = Field(ge=1, le=7)

    def said(self) -> dict[str, Any]:
        """All of it but the plan's parts, and the plan."""
        fields = self.model_dump(include={"name", "goal", "weeks", "sessions_per_week"})
        return fields | {"plan": self.plan()}


class ProgrammeCreate(TemplateIn):
    customer_id: UUID
    starts_on: date


class LinesReplace(PlanIn):
    """`version`: the one that was looked at; a newer one refuses the change."""

    version: int | None = Field(None, ge=1)
    reason: str | None = Field(None, max_length=200)


class TemplateAssign(BaseModel):
    customer_id: UUID
    starts_on: date


class LineRead(Read):
    day: int
    position: int
    exercise_id: int
    exercise_name: str
    sets: int
    reps: int
    weight_kg: float | None
    target_rpe: float | None
    phase: int | None = None
    superset: str | None = None
    note: str | None = None
    progression: dict[str, Any] | None = None
    assistance_kg: float | None = None
    distance_m: float | None = None
    duration_seconds: int | None = None

    @classmethod
    def of(cls, line: PlannedExercise, exercise: Exercise) -> Self:
        """From a planned line and its movement."""
        told = {name: getattr(line, name) for name in cls.model_fields if name != "exercise_name"}
        told["weight_kg"] = float(line.weight_kg) if line.weight_kg is not None else None
        return cls(exercise_name=exercise.name, **told)


class PhaseRead(Read):
    position: int
    name: str
    weeks: int
    load_percent: int
    extra_sets: int


class ProgrammeRead(Read):
    id: UUID
    customer_id: UUID
    coach_id: UUID
    name: str
    goal: str
    starts_on: date
    weeks: int
    sessions_per_week: int
    status: str
    version: int
    template_id: UUID | None = None
    is_on_hold: bool = False
    phases: list[PhaseRead] = []
    lines: list[LineRead] = []

    @classmethod
    def of(cls, detail: ProgrammeDetail, *, is_on_hold: bool = False) -> "ProgrammeRead":
        """From the programme with what it says now; of one that nobody may follow for now, that there is one."""
        if is_on_hold:
            return cls.model_validate(detail.programme).model_copy(update={"is_on_hold": True})
        return cls.model_validate(detail.programme).model_copy(
            update={
                "lines": [LineRead.of(line, exercise) for line, exercise in detail.lines],
                "phases": [PhaseRead.model_validate(phase) for phase in detail.phases],
            }
        )


class VersionRead(Read):
    """That a programme was changed."""

    version: int
    made_by: UUID
    made_at: datetime
    reason: str | None


class TemplateRead(Read):
    id: UUID
    coach_id: UUID
    name: str
    goal: str
    weeks: int
    sessions_per_week: int
    version: int
    archived_at: datetime | None
    plan: dict[str, Any]

    @classmethod
    def of(cls, template: ProgrammeTemplate) -> "TemplateRead":
        """From the template."""
        return cls.model_validate(template)


class ClientDetail(ClientRead):
    """A client with what is planned. Injuries have an address of their own: not everybody may see them."""

    programme: ProgrammeRead | None = None

    @classmethod
    def from_client(
        cls, client: Client, programme: ProgrammeDetail | None, *, is_on_hold: bool = False
    ) -> "ClientDetail":
        """From the client and their active programme."""
        read = ProgrammeRead.of(programme, is_on_hold=is_on_hold) if programme else None
        return cls.model_validate(client).model_copy(
            update={"programme": read, "programme_name": read.name if read else None}
        )
