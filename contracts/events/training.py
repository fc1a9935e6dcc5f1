"""Facts about training."""

from typing import ClassVar
from uuid import UUID

from contracts.events.envelope import Event


class WorkoutLogged(Event):
    type: ClassVar[str] = "training.workout_logged"
    aggregate: ClassVar[str] = "workout_id"
    workout_id: UUID
    customer_id: UUID
    set_count: int
    volume_kg: float


class WorkoutCorrected(Event):
    """What was logged was changed on the same day; the numbers replace those of `WorkoutLogged`."""

    type: ClassVar[str] = "training.workout_corrected"
    aggregate: ClassVar[str] = "workout_id"
    workout_id: UUID
    customer_id: UUID
    set_count: int
    volume_kg: float


class CoachAssigned(Event):
    type: ClassVar[str] = "training.coach_assigned"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    coach_id: UUID
    previous_coach_id: UUID | None = None


class ProgrammeAssigned(Event):
    type: ClassVar[str] = "training.programme_assigned"
    aggregate: ClassVar[str] = "programme_id"
    programme_id: UUID
    customer_id: UUID
    coach_id: UUID


class InjuryReported(Event):
    type: ClassVar[str] = "training.injury_reported"
    aggregate: ClassVar[str] = "customer_id"
    injury_id: UUID
    customer_id: UUID
