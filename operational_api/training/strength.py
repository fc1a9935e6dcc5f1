"""Numbers out of sets: estimated one-repetition maximum and volume. Pure arithmetic and the SQL that says the same."""

from sqlalchemy import ColumnElement, Float, case, cast, func

from operational_api.training.models import WorkoutSet

MAX_REPS = 10
"""Above ten repetitions no formula is worth showing."""


def estimated_1rm_kg(weight_kg: float | None, reps: int) -> float | None:
    """What could be lifted once, by Epley: kg x (1 + reps / 30); a single is its own weight.

    Returns:
        None without a weight, and outside 1 to 10 repetitions.
    Source: Epley (1985) as compared by Jovanović; at one repetition the formula reads 3.3 % high, hence the exception.
    """
    if weight_kg is None or weight_kg <= 0 or not 1 <= reps <= MAX_REPS:
        return None
    return weight_kg if reps == 1 else weight_kg * (1 + reps / 30)


def e1rm_column() -> ColumnElement[float]:
    """The same over `WorkoutSet` rows; null where it cannot be told."""
    weight = cast(WorkoutSet.weight_kg, Float)
    return case(
        (WorkoutSet.reps == 1, func.nullif(weight, 0)),
        (WorkoutSet.reps.between(2, MAX_REPS), func.nullif(weight, 0) * (1 + WorkoutSet.reps / 30.0)),
    )


def volume_column() -> ColumnElement[float]:
    """Sum of weight x repetitions over `WorkoutSet` rows; sets without a weight add nothing."""
    return func.coalesce(func.sum(cast(WorkoutSet.weight_kg, Float) * WorkoutSet.reps), 0.0)
