"""Tables of the schema `training`. Weights in kg, durations in the unit of the name, effort as RPE 0-10."""

from operational_api.training.models.health import (
    CheckIn,
    Goal,
    Habit,
    HabitCheck,
    Injury,
    Screening,
    WearableDay,
)
from operational_api.training.models.media import Media, MediaCaptions, MediaCue, MediaPart, MediaPosition
from operational_api.training.models.people import SCHEMA, Client, CoachAssignment, OnboardingStep
from operational_api.training.models.plans import (
    Exercise,
    ExerciseName,
    PlannedExercise,
    Programme,
    ProgrammePhase,
    ProgrammeTemplate,
    ProgrammeVersion,
)
from operational_api.training.models.workouts import PersonalRecord, Workout, WorkoutRevision, WorkoutSet

__all__ = [
    "SCHEMA",
    "CheckIn",
    "Client",
    "CoachAssignment",
    "Exercise",
    "ExerciseName",
    "Goal",
    "Habit",
    "HabitCheck",
    "Injury",
    "Media",
    "MediaCaptions",
    "MediaCue",
    "MediaPart",
    "MediaPosition",
    "OnboardingStep",
    "PersonalRecord",
    "PlannedExercise",
    "Programme",
    "ProgrammePhase",
    "ProgrammeTemplate",
    "ProgrammeVersion",
    "Screening",
    "WearableDay",
    "Workout",
    "WorkoutRevision",
    "WorkoutSet",
]  # fmt: skip
