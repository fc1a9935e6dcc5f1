"""Numbers a coach steers by, as pure arithmetic: no table, no clock. The warehouse says the same in SQL (tested).

Which formula is meant where sources differ is in docs/metrics.md; a ratio of loads shows a spike, it predicts nothing.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MAX_REPS = 10
"""Above ten repetitions no formula is worth showing."""
ACUTE_DAYS, CHRONIC_DAYS = 7, 28


def epley_1rm_kg(weight_kg: float | None, reps: int) -> float | None:
    """What could be lifted once, by Epley: kg x (1 + reps / 30); a single is its own weight.

    Returns:
        None without a weight, and outside 1 to 10 repetitions.
    Source: Epley (1985) as compared by Jovanović; at one repetition the formula reads 3.3 % high, hence the exception.
    """
    if weight_kg is None or weight_kg <= 0 or not 1 <= reps <= MAX_REPS:
        return None
    return weight_kg if reps == 1 else weight_kg * (1 + reps / 30)


def brzycki_1rm_kg(weight_kg: float | None, reps: int) -> float | None:
    """The same by Brzycki: kg x 36 / (37 - reps). Both agree at ten repetitions."""
    if weight_kg is None or weight_kg <= 0 or not 1 <= reps <= MAX_REPS:
        return None
    return weight_kg * 36 / (37 - reps)


def volume_load_kg(sets: Sequence[tuple[float | None, int]]) -> float:
    """Sum of weight x repetitions over (kg, repetitions); a set without a weight adds nothing."""
    return sum([(weight or 0) * reps for weight, reps in sets])


def adherence_percent(completed: int, planned: int) -> float | None:
    """Planned workouts that were done, of those planned up to today; None where none were planned."""
    return 100 * completed / planned if planned else None


def session_load(session_rpe: float | None, minutes: int | None) -> float | None:
    """Foster's load of one session: effort 0-10 x minutes; None where either was not told."""
    return session_rpe * minutes if session_rpe is not None and minutes is not None else None


@dataclass(frozen=True, slots=True)
class Acwr:
    """Acute load over chronic load, three ways. None where there is no chronic load to compare with."""

    coupled: float | None
    uncoupled: float | None
    ewma: float | None


def acwr(daily_loads: Sequence[float]) -> Acwr | None:
    """The last 7 days' load against the last 28.

    Args:
        daily_loads: One value a day without gaps, oldest first, the last one today; a day of rest is 0.

    Returns:
        None with fewer than 28 days. Coupled: means of 7 and of 28 days. Uncoupled: the chronic mean is of the 21 days
        before the acute ones. EWMA: exponential means with lambda 2 / (N + 1), over all days, begun with the first.
    """
    if len(daily_loads) < CHRONIC_DAYS:
        return None
    acute = statistics.fmean(daily_loads[-ACUTE_DAYS:])
    return Acwr(
        coupled=_ratio(acute, statistics.fmean(daily_loads[-CHRONIC_DAYS:])),
        uncoupled=_ratio(acute, statistics.fmean(daily_loads[-CHRONIC_DAYS:-ACUTE_DAYS])),
        ewma=_ratio(_ewma(daily_loads, ACUTE_DAYS), _ewma(daily_loads, CHRONIC_DAYS)),
    )


def monotony(week_loads: Sequence[float]) -> float | None:
    """Mean daily load over its standard deviation (sample) in one week of seven days; None where no two days differ.

    Raises:
        ValueError: it is not a week.
    """
    if len(week_loads) != ACUTE_DAYS:
        raise ValueError("a week has seven days")
    return _ratio(statistics.fmean(week_loads), statistics.stdev(week_loads))


def strain(week_loads: Sequence[float]) -> float | None:
    """The week's load x its monotony; None where there is none."""
    evenness = monotony(week_loads)
    return sum(week_loads) * evenness if evenness is not None else None


def _ewma(loads: Sequence[float], days: int) -> float:
    weight = 2 / (days + 1)
    mean = loads[0]
    for load in loads[1:]:
        mean = weight * load + (1 - weight) * mean
    return mean


def _ratio(above: float, below: float) -> float | None:
    return above / below if below > 1e-9 else None
