"""What crosses HTTP: shapes and ranges. Weights in kg, RPE 0-10, days on the client's own calendar."""

from operational_api.training.schemas.plans import (
    ClientDetail,
    LinesReplace,
    PlanIn,
    ProgrammeCreate,
    ProgrammeRead,
    TemplateAssign,
    TemplateIn,
    TemplateRead,
    VersionRead,
)
from operational_api.training.schemas.training import (
    BestRead,
    ClientRead,
    ExerciseDetail,
    ExerciseRead,
    InjuryCreate,
    InjuryRead,
    ProgressRead,
    RecordRead,
    RevisionRead,
    SetIn,
    WorkoutChange,
    WorkoutCreate,
    WorkoutIn,
    WorkoutRead,
    WorkoutSummaryRead,
)

__all__ = [
    "BestRead", "ClientDetail", "ClientRead", "ExerciseDetail", "ExerciseRead", "InjuryCreate", "InjuryRead",
    "LinesReplace", "PlanIn", "ProgrammeCreate", "ProgrammeRead", "ProgressRead", "RecordRead", "RevisionRead",
    "SetIn", "TemplateAssign", "TemplateIn", "TemplateRead", "VersionRead", "WorkoutChange", "WorkoutCreate",
    "WorkoutIn", "WorkoutRead", "WorkoutSummaryRead",
]  # fmt: skip
