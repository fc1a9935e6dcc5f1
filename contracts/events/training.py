"""Facts about training."""

from datetime import date
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


class WorkoutDeleted(Event):
    """What was logged was taken back on the same day: it was not done."""

    type: ClassVar[str] = "training.workout_deleted"
    aggregate: ClassVar[str] = "workout_id"
    workout_id: UUID
    customer_id: UUID


class PlannedWorkoutSkipped(Event):
    """A planned workout will not be done."""

    type: ClassVar[str] = "training.workout_skipped"
    aggregate: ClassVar[str] = "workout_id"
    workout_id: UUID
    customer_id: UUID


class TrainingWeekMissed(Event):
    """A client did nothing of what a week (Monday to Sunday where they live) had planned, and had said nothing of it.

    Not told of whom training is on hold or who has something that hurts. `week_of` is its Monday.
    """

    type: ClassVar[str] = "training.week_missed"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    week_of: date
    planned: int


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


class InjuryResolved(Event):
    """It does not hurt any more; what it was stays where it is."""

    type: ClassVar[str] = "training.injury_resolved"
    aggregate: ClassVar[str] = "customer_id"
    injury_id: UUID
    customer_id: UUID


class PlanUpdated(Event):
    """A programme has a new version; workouts still to come follow it, logged ones stay with theirs."""

    type: ClassVar[str] = "training.plan_updated"
    aggregate: ClassVar[str] = "programme_id"
    programme_id: UUID
    customer_id: UUID
    coach_id: UUID
    plan_version: int


class ProgrammeArchived(Event):
    type: ClassVar[str] = "training.programme_archived"
    aggregate: ClassVar[str] = "programme_id"
    programme_id: UUID
    customer_id: UUID


class PersonalRecordSet(Event):
    """A workout beat everything before. Once for each record.

    `kind`: e1rm, weight, volume (kg), reps, assistance (kg, less is better), distance (m), hold (s) or time (s, over
    `over_m`).
    """

    type: ClassVar[str] = "training.personal_record_set"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    workout_id: UUID
    exercise_id: int
    kind: str
    value: float
    previous: float
    over_m: int = 0


class PersonalRecordWithdrawn(Event):
    """A workout that was corrected is no longer this record."""

    type: ClassVar[str] = "training.personal_record_withdrawn"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    workout_id: UUID
    exercise_id: int
    kind: str
    over_m: int = 0


class ScreeningAnswered(Event):
    """The health questionnaire was answered; what was answered stays where it is."""

    type: ClassVar[str] = "training.screening_answered"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    screening_id: UUID
    holds_training: bool


class ScreeningCleared(Event):
    type: ClassVar[str] = "training.screening_cleared"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    screening_id: UUID
    coach_id: UUID


class GoalSet(Event):
    type: ClassVar[str] = "training.goal_set"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    goal_id: UUID


class GoalClosed(Event):
    """`outcome`: reached or dropped."""

    type: ClassVar[str] = "training.goal_closed"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    goal_id: UUID
    outcome: str


class HabitBegun(Event):
    type: ClassVar[str] = "training.habit_begun"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    habit_id: UUID


class HabitArchived(Event):
    type: ClassVar[str] = "training.habit_archived"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    habit_id: UUID


class HabitChecked(Event):
    """A habit was kept on a day of the client's calendar, or was not after all."""

    type: ClassVar[str] = "training.habit_checked"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    habit_id: UUID
    day: date
    is_kept: bool


class CheckInSubmitted(Event):
    """A week's check-in, without what it says."""

    type: ClassVar[str] = "training.check_in_submitted"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    check_in_id: UUID
    due_on: date


class CheckInAnswered(Event):
    type: ClassVar[str] = "training.check_in_answered"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    check_in_id: UUID
    coach_id: UUID


class OnboardingStepEntered(Event):
    """Somebody opened a step of setting up for the first time."""

    type: ClassVar[str] = "training.onboarding_step_entered"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    step: str


class OnboardingStepLeft(Event):
    """`outcome`: done or skipped. Skipped and done later is left twice."""

    type: ClassVar[str] = "training.onboarding_step_left"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    step: str
    outcome: str


class MediaUploaded(Event):
    """All of a video has arrived. `kind`: form, guide or catalogue; a customer's own (form) names them."""

    type: ClassVar[str] = "training.media_uploaded"
    aggregate: ClassVar[str] = "media_id"
    media_id: UUID
    kind: str
    uploader_id: UUID
    customer_id: UUID | None = None
    size_bytes: int


class MediaPrepared(Event):
    """A video can be watched."""

    type: ClassVar[str] = "training.media_prepared"
    aggregate: ClassVar[str] = "media_id"
    media_id: UUID
    kind: str
    customer_id: UUID | None = None
    duration_seconds: float


class MediaRefused(Event):
    """A video was not taken; `reason` is the name of the refusal."""

    type: ClassVar[str] = "training.media_refused"
    aggregate: ClassVar[str] = "media_id"
    media_id: UUID
    kind: str
    customer_id: UUID | None = None
    reason: str


class MediaRemoved(Event):
    """A video is gone; its bytes follow."""

    type: ClassVar[str] = "training.media_removed"
    aggregate: ClassVar[str] = "media_id"
    media_id: UUID
    kind: str
    customer_id: UUID | None = None


class CaptionsEdited(Event):
    """The captions of a video in one language were written or changed."""

    type: ClassVar[str] = "training.captions_edited"
    aggregate: ClassVar[str] = "media_id"
    media_id: UUID
    language: str
    cue_count: int
