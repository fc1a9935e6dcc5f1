"""When a workout is a personal record: one pure rule for everybody who asks.

A record beats the best of all workouts done before. The first time a movement is trained it has nothing to beat.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from operational_api.training.metrics import epley_1rm_kg, volume_load_kg

SMALLEST_GAIN = {"e1rm": 0.05, "weight": 0.01, "volume": 0.05, "reps": 0.5}
"""By how much a best is beaten: less is rounding. Kinds in the order people care for them."""


@dataclass(frozen=True, slots=True)
class Bests:
    """The best of one movement, over a workout or over all before it; None where it cannot be told.

    Attributes:
        e1rm: kg, by Epley.
        weight: kg of the heaviest set with a repetition.
        volume: kg x repetitions over one workout.
        reps: Most repetitions in a set without a weight.
    """

    e1rm: float | None = None
    weight: float | None = None
    volume: float | None = None
    reps: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A best that beat `previous`."""

    kind: str
    value: float
    previous: float


def bests_of_sets(sets: Sequence[tuple[float | None, int]]) -> Bests:
    """The bests of one movement's sets as (kg, repetitions). A set without repetitions was tried, not done."""
    done = [(weight, reps) for weight, reps in sets if reps > 0]
    loaded = [(weight, reps) for weight, reps in done if weight]
    return Bests(
        e1rm=max([one for each in loaded if (one := epley_1rm_kg(*each)) is not None], default=None),
        weight=max([weight for weight, _ in loaded], default=None),
        volume=volume_load_kg(loaded) if loaded else None,
        reps=max([float(reps) for weight, reps in done if not weight], default=None),
    )


def records(now: Bests, before: Bests) -> list[Record]:
    """What of a workout is a record over everything before it."""
    found = []
    for kind, gain in SMALLEST_GAIN.items():
        value, previous = getattr(now, kind), getattr(before, kind)
        if value is not None and previous is not None and value >= previous + gain:
            found.append(Record(kind, value, previous))
    return found
