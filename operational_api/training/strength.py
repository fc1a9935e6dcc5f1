"""The SQL over sets that says what `training.metrics` says: estimated one-repetition maximum and volume."""

from sqlalchemy import ColumnElement, Float, case, cast, func

from operational_api.training.metrics import MAX_REPS
from operational_api.training.models import WorkoutSet


def e1rm_column() -> ColumnElement[float]:
    """`metrics.epley_1rm_kg` over `WorkoutSet` rows; null where it cannot be told."""
    weight = cast(WorkoutSet.weight_kg, Float)
    return case(
        (WorkoutSet.reps == 1, func.nullif(weight, 0)),
        (WorkoutSet.reps.between(2, MAX_REPS), func.nullif(weight, 0) * (1 + WorkoutSet.reps / 30.0)),
    )


def volume_column() -> ColumnElement[float]:
    """`metrics.volume_load_kg` over `WorkoutSet` rows."""
    return func.coalesce(func.sum(cast(WorkoutSet.weight_kg, Float) * WorkoutSet.reps), 0.0)
