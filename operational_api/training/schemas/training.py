"""What crosses HTTP: shapes and ranges. Weights in kg, RPE 0-10, days on the client's own calendar."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from operational_api.training.models import Injury, PersonalRecord
from operational_api.training.service.clients import ClientSummary
from operational_api.training.service.progress import Best, Series, Week
from operational_api.training.service.workouts import Log, SetDone, WorkoutDetail, WorkoutSummary

Reps = Annotated[int, Field(ge=0, le=200)]
WeightKg = Annotated[float, Field(ge=0, le=700, allow_inf_nan=False)]
Rpe = Annotated[float, Field(ge=0, le=10, multiple_of=0.5)]
AssistanceKg = Annotated[float, Field(ge=0, le=300, allow_inf_nan=False)]
DistanceM = Annotated[float, Field(ge=1, le=500_000, allow_inf_nan=False)]
Seconds = Annotated[int, Field(ge=1, le=86_400)]
Letter = Annotated[str, Field(pattern=r"^[A-Z]$")]
Text = Annotated[str, Field(min_length=1, max_length=120, pattern=r"\S")]


class Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ClientRead(Read):
    """A client as the coach's list shows them."""

    id: UUID
    display_name: str
    coach_id: UUID | None
    goal: str
    level: str
    time_zone: str
    joined_at: datetime
    last_workout_at: datetime | None = None
    programme_name: str | None = None

    @classmethod
    def of(cls, summary: ClientSummary, shows_training: bool) -> "ClientRead":
        """From a row of the list."""
        read, last = cls.model_validate(summary.client), summary.last_workout_at if shows_training else None
        return read.model_copy(update={"last_workout_at": last, "programme_name": summary.programme_name})


class ExerciseRead(Read):
    id: int
    slug: str
    name: str
    pattern: str
    primary_muscle: str
    equipment: str
    is_loaded: bool
    measure: str = "load"
    level: str | None = None


class ExerciseDetail(ExerciseRead):
    """A movement as its own page shows it, with where it comes from."""

    secondary_muscles: list[str]
    mechanic: str | None
    force: str | None
    category: str | None
    instructions: list[str]
    source: str | None
    licence: str | None


class SetIn(BaseModel):
    """One set: repetitions with a weight or with help, or a distance, a time or both (then without repetitions)."""

    exercise_id: int = Field(ge=1, le=2_147_483_647)
    reps: Reps | None = None
    weight_kg: WeightKg | None = None
    rpe: Rpe | None = None
    rir: int | None = Field(None, ge=0, le=10, description="Repetitions in reserve; tells the RPE where none is given")
    superset: Letter | None = None
    note: str | None = Field(None, max_length=200)
    assistance_kg: AssistanceKg | None = Field(None, description="Of movements measured by help: less is better")
    distance_m: DistanceM | None = Field(None, description="Of movements measured by distance")
    duration_seconds: Seconds | None = Field(None, description="Of movements measured by distance or time")

    @model_validator(mode="after")
    def _says_how_much(self) -> Self:
        is_stretch = self.distance_m is not None or self.duration_seconds is not None
        if self.reps if is_stretch else self.reps is None:
            raise ValueError("A set has repetitions, or else a distance or a time.")
        return self


class WorkoutIn(BaseModel):
    """What was done. Sets are stored in the order given, counted from 1."""

    sets: list[SetIn] = Field(min_length=1, max_length=100)
    title: Text | None = None
    completed_at: AwareDatetime | None = None
    duration_minutes: int | None = Field(None, ge=1, le=600)
    session_rpe: Rpe | None = None
    note: str | None = Field(None, max_length=2000)
    booking_id: UUID | None = None

    def log(self) -> Log:
        """The same for the service."""
        sets = [
            SetDone(
                one.exercise_id, one.reps or 0, one.weight_kg, one.rpe, one.rir, one.superset, one.note,
                one.assistance_kg, one.distance_m, one.duration_seconds,
            )
            for one in self.sets
        ]  # fmt: skip
        return Log(
            sets, self.title, self.completed_at, self.duration_minutes, self.session_rpe, self.note, self.booking_id
        )


class WorkoutCreate(WorkoutIn):
    """`id`: of the planned workout, or a UUID made by the caller; sending it again stores nothing twice."""

    id: UUID
    customer_id: UUID | None = None


class WorkoutChange(WorkoutIn):
    """What was done, in place of what is logged."""

    revision: int | None = Field(
        None,
        ge=0,
        description="Of the workout as it was seen: it is refused where it was changed since. None: not asked",
    )


class SetRead(Read):
    position: int
    exercise_id: int
    exercise_name: str
    reps: int
    weight_kg: float | None
    rpe: float | None
    rir: int | None = None
    superset: str | None = None
    note: str | None = None
    assistance_kg: float | None = None
    distance_m: float | None = None
    duration_seconds: int | None = None


class RecordRead(Read):
    """What a workout beat. `kind`: e1rm, weight, volume (kg), reps, assistance (kg, less is better), distance (m), hold
    (s) or time (s, over `over_m`).
    """

    exercise_id: int
    exercise_name: str
    kind: str
    value: float
    previous: float
    over_m: int = 0
    workout_id: UUID
    achieved_at: datetime

    @classmethod
    def of(cls, record: PersonalRecord, exercise_name: str) -> "RecordRead":
        """From a record and what its movement is called."""
        told = {name: getattr(record, name) for name in cls.model_fields if name != "exercise_name"}
        told |= {"value": round(record.value, 2), "previous": round(record.previous, 2)}
        return cls(exercise_name=exercise_name, **told)


class RevisionRead(Read):
    """What a workout said before it was corrected."""

    revision: int
    logged_by: UUID | None
    replaced_at: datetime
    replaced_by: UUID
    said: dict[str, Any]


class BestRead(Read):
    """Best estimated 1RM (Epley, up to ten repetitions) of a movement in this workout."""

    exercise_id: int
    exercise_name: str
    e1rm_kg: float
    previous_kg: float | None
    is_record: bool


class WorkoutSummaryRead(Read):
    id: UUID
    customer_id: UUID
    programme_id: UUID | None
    programme_day: int | None
    booking_id: UUID | None
    title: str
    scheduled_on: date
    status: str
    completed_at: datetime | None
    duration_minutes: int | None
    session_rpe: float | None
    set_count: int = 0
    volume_kg: float = 0

    @classmethod
    def of(cls, summary: WorkoutSummary) -> "WorkoutSummaryRead":
        """From a row of the list."""
        read = cls.model_validate(summary.workout)
        return read.model_copy(
            update={"title": summary.title, "set_count": summary.set_count, "volume_kg": round(summary.volume_kg, 2)}
        )


class WorkoutRead(WorkoutSummaryRead):
    note: str | None
    sets: list[SetRead] = []
    bests: list[BestRead] = []
    records: list[RecordRead] = []
    programme_version: int | None = None
    revision: int = Field(0, description="How many versions came before what it says now")

    @classmethod
    def from_detail(cls, detail: WorkoutDetail, bests: Sequence[Best]) -> "WorkoutRead":
        """From the workout with its sets."""
        told: dict[str, Any] = {name: getattr(detail.workout, name) for name in _OF_WORKOUT}
        told["sets"] = [
            {
                "position": one.position, "exercise_id": one.exercise_id, "reps": one.reps, "weight_kg": one.weight_kg,
                "exercise_name": detail.names[one.exercise_id], "rpe": one.rpe, "rir": one.rir,
                "superset": one.superset, "note": one.note, "assistance_kg": one.assistance_kg,
                "distance_m": one.distance_m, "duration_seconds": one.duration_seconds,
            }
            for one in detail.sets
        ]  # fmt: skip
        told["set_count"] = len(detail.sets)
        told["volume_kg"] = round(sum([(one.weight_kg or 0) * one.reps for one in detail.sets]), 2)
        told["bests"] = bests
        told |= {"revision": detail.revision, "title": detail.title}
        told["records"] = [RecordRead.of(one, detail.names[one.exercise_id]) for one in detail.records]
        return cls.model_validate(told)


_OF_WORKOUT = WorkoutRead.model_fields.keys() - {
    "sets", "set_count", "volume_kg", "bests", "records", "revision",
}  # fmt: skip
"""What a workout says of itself, by the names of `Workout`."""


class InjuryCreate(BaseModel):
    body_part: str = Field(min_length=1, max_length=30, pattern=r"\S")
    severity: int = Field(ge=1, le=3, description="1 noticeable, 2 limits training, 3 stops it")
    occurred_on: date


class InjuryRead(Read):
    id: UUID
    customer_id: UUID
    body_part: str
    severity: int
    occurred_on: date
    resolved_on: date | None

    @classmethod
    def all_of(cls, rows: "list[Injury]") -> "list[InjuryRead]":
        """From rows."""
        return [cls.model_validate(row) for row in rows]


class SeriesRead(BaseModel):
    exercise_id: int
    exercise_name: str
    points: list[tuple[date, float]]


class WeekRead(Read):
    starts_on: date
    volume_kg: float
    workouts: int
    planned: int
    completed: int


class ProgressRead(BaseModel):
    """Estimated 1RM per movement and day, volume and adherence per week."""

    strength: list[SeriesRead]
    weeks: list[WeekRead]

    @classmethod
    def of(cls, strength: list[Series], weeks: list[Week]) -> "ProgressRead":
        """From the service's answers."""
        return cls(
            strength=[
                SeriesRead(
                    exercise_id=one.exercise_id,
                    exercise_name=one.exercise_name,
                    points=[(day, round(kg, 2)) for day, kg in one.points],
                )
                for one in strength
            ],
            weeks=[WeekRead.model_validate(week) for week in weeks],
        )
