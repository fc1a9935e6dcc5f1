"""When a workout is a personal record: one pure rule for everybody who asks.

A record beats the best of all workouts done before. The first time a movement is trained it has nothing to beat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from operational_api.training.metrics import epley_1rm_kg, volume_load_kg

SMALLEST_GAIN = {"e1rm": 0.05, "weight": 0.01, "volume": 0.05, "reps": 0.5}
"""By how much a best is beaten: less is rounding. Kinds in the order people care for them."""
LESS_IS_BETTER = ("assistance", "time")
"""Kinds of which the least is the best."""


class Bests(NamedTuple):
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


NOTHING = Bests()
"""Of a movement that was not done."""


class Amount(NamedTuple):
    """How much one set was: kg x repetitions, repetitions with kg of help, or metres and seconds with kg carried."""

    weight_kg: float | None
    reps: int
    assistance_kg: float | None = None
    distance_m: float | None = None
    duration_seconds: int | None = None

    @property
    def is_lifted(self) -> bool:
        """Whether it is measured by weight and repetitions alone."""
        return self.assistance_kg is None and self.distance_m is None and self.duration_seconds is None


@dataclass(frozen=True, slots=True)
class Record:
    """A best that beat `previous`; a time is over `over_m` metres."""

    kind: str
    value: float
    previous: float
    over_m: int = 0


def bests_of_sets(sets: Sequence[tuple[float | None, int]]) -> Bests:
    """The bests of one movement's sets as (kg, repetitions). A set without repetitions was tried, not done."""
    once = heaviest = most = None
    loaded: list[tuple[float, int]] = []
    for weight, reps in sets:
        if reps > 0 and weight:
            loaded.append((weight, reps))
            estimate = epley_1rm_kg(weight, reps)
            if estimate is not None and (once is None or estimate > once):
                once = estimate
            if heaviest is None or weight > heaviest:
                heaviest = weight
        elif reps > 0 and (most is None or reps > most):
            most = float(reps)
    return Bests(once, heaviest, volume_load_kg(loaded) if loaded else None, most)


def records(now: Bests, before: Bests) -> list[Record]:
    """What of a workout is a record over everything before it."""
    found = []
    for kind, gain in SMALLEST_GAIN.items():
        value, previous = getattr(now, kind), getattr(before, kind)
        if value is not None and previous is not None and value >= previous + gain:
            found.append(Record(kind, value, previous))
    return found


OVER_M = (
    10, 20, 25, 30, 40, 50, 60, 80, 100, 200, 400, 500, 800, 1000, 1609, 2000, 3000, 5000, 10_000, 15_000, 21_097,
    42_195,
)  # fmt: skip
"""Distances that times are compared over."""
LONGER = 1.05
"""What is longer by less than this is still over the distance: nobody stops on the metre."""
HELP_GAIN, DISTANCE_GAIN, TIME_GAIN = 0.05, 1.0, 1.0


def measured_records(now: Sequence[Amount], before: Sequence[Amount]) -> list[Record]:
    """Records of what is measured otherwise than by repetitions with a weight.

    assistance: the least help with a set. weight: the most that was carried or held. distance, hold and time: beside
    what was done with at least the same weight, for a longer way with less on the back beats nothing. A time is over a
    distance of `OVER_M`, as told: no pace is worked out. A hold is a time without a distance, of which more is better.
    """
    found = []
    helped, helped_before = _helped(now), _helped(before)
    if helped and helped_before and _gain(least := min(helped), was := min(helped_before)) >= HELP_GAIN:
        found.append(Record("assistance", least, was))
    carried, carried_before = _carried(now), _carried(before)
    if carried and carried_before and _gain(max(carried_before), max(carried)) >= SMALLEST_GAIN["weight"]:
        found.append(Record("weight", max(carried), max(carried_before)))
    ways = [one for one in (_further(each, before) for each in now) if one]
    if ways:
        found.append(max(ways, key=lambda one: (one.value, -one.previous)))
    holds = [one for one in (_longer(each, before) for each in now) if one]
    if holds:
        found.append(max(holds, key=lambda one: (one.value, -one.previous)))
    for metres in OVER_M:
        times = [one for one in (_faster(each, before, metres) for each in now) if one]
        if times:
            found.append(min(times, key=lambda one: (one.value, -one.previous)))
    return found


def _gain(less: float, more: float) -> float:
    return round(more - less, 6)


def _helped(sets: Sequence[Amount]) -> list[float]:
    return [one.assistance_kg for one in sets if one.assistance_kg is not None and one.reps > 0]


def _carried(sets: Sequence[Amount]) -> list[float]:
    return [one.weight_kg for one in sets if one.weight_kg and (one.distance_m or one.duration_seconds)]


def _as_heavy(one: Amount, before: Sequence[Amount]) -> list[Amount]:
    return [each for each in before if (each.weight_kg or 0) >= (one.weight_kg or 0)]


def _further(one: Amount, before: Sequence[Amount]) -> Record | None:
    was = max([each.distance_m for each in _as_heavy(one, before) if each.distance_m is not None], default=None)
    if one.distance_m is None or was is None or _gain(was, one.distance_m) < DISTANCE_GAIN:
        return None
    return Record("distance", one.distance_m, was)


def _longer(one: Amount, before: Sequence[Amount]) -> Record | None:
    seconds = _held(one)
    was = max([held for each in _as_heavy(one, before) if (held := _held(each)) is not None], default=None)
    if seconds is None or was is None or _gain(was, seconds) < TIME_GAIN:
        return None
    return Record("hold", float(seconds), float(was))


def _held(one: Amount) -> int | None:
    return one.duration_seconds if one.distance_m is None else None


def _faster(one: Amount, before: Sequence[Amount], metres: int) -> Record | None:
    seconds = _seconds_over(one, metres)
    times = [each for each in (_seconds_over(earlier, metres) for earlier in _as_heavy(one, before)) if each]
    if seconds is None or not times or _gain(seconds, min(times)) < TIME_GAIN:
        return None
    return Record("time", float(seconds), float(min(times)), over_m=metres)


def _seconds_over(one: Amount, metres: int) -> int | None:
    is_over = one.distance_m is not None and metres <= one.distance_m < metres * LONGER
    return one.duration_seconds if is_over else None
