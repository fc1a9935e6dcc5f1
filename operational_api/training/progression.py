"""Progression rules: what a movement asks for next, from the plan, the week and what was done. Pure functions.

A rule that has nothing to go by keeps to the plan as it was written. Weights are rounded to what can be loaded.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

MISSES_UNTIL_RESET = 3
RESET = 0.9
"""After three workouts in a row that fell short, a linear progression begins again at nine tenths."""
FURTHEST_STEP = 0.1
"""Autoregulation never moves a weight by more than a tenth at once."""

Step = Annotated[float, Field(gt=0, le=50)]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    increment_kg: float = Field(2.5, gt=0, le=25, description="The smallest step that can be loaded.")


class Linear(_Rule):
    """A step more each time all planned sets had their repetitions; after three misses nine tenths."""

    kind: Literal["linear"]
    step_kg: Step


class Double(_Rule):
    """A repetition more each time until `max_reps` in all sets, then a step more and the planned repetitions again."""

    kind: Literal["double"]
    max_reps: int = Field(ge=1, le=50)
    step_kg: Step


class Percent(_Rule):
    """A share of the estimated one-repetition maximum, growing week by week."""

    kind: Literal["percent"]
    percent: float = Field(ge=20, le=110)
    step_percent: float = Field(0, ge=-10, le=10)


class Effort(_Rule):
    """The weight follows the effort told: below the target RPE more, above it less."""

    kind: Literal["effort"]
    percent_per_point: float = Field(4, gt=0, le=10)


Rule = Annotated[Linear | Double | Percent | Effort, Field(discriminator="kind")]
RULE: TypeAdapter[Linear | Double | Percent | Effort] = TypeAdapter(Rule)


@dataclass(frozen=True, slots=True)
class Prescription:
    """What to do: `weight_kg` None is whatever the person chooses."""

    sets: int
    reps: int
    weight_kg: float | None
    target_rpe: float | None = None
    assistance_kg: float | None = None
    distance_m: float | None = None
    duration_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Performance:
    """What was done of one movement in one workout: sets as (kg, repetitions, RPE).

    `load_percent` and `extra_sets` are those of the phase it was done in: the lighter weights and fewer sets of a
    deload are what was asked for, and nothing missed.
    """

    sets: Sequence[tuple[float | None, int, float | None]]
    load_percent: int = 100
    extra_sets: int = 0

    @property
    def weight_kg(self) -> float | None:
        """The heaviest weight, as it would have been without the phase."""
        heaviest = max((weight for weight, reps, _ in self.sets if weight and reps > 0), default=None)
        return None if heaviest is None else heaviest * 100 / self.load_percent

    def reached(self, sets: int, reps: int) -> bool:
        """Whether as many of the sets that a plan has had at least these repetitions as were asked for then."""
        return sum(done >= reps for _, done, _ in self.sets) >= self.asked(sets)

    def asked(self, sets: int) -> int:
        """How many sets were asked for, of a plan that has so many."""
        return max(1, sets + self.extra_sets)

    @property
    def rpe(self) -> float | None:
        """The mean of the efforts told."""
        told = [rpe for _, _, rpe in self.sets if rpe is not None]
        return sum(told) / len(told) if told else None


@dataclass(frozen=True, slots=True)
class Phase:
    """How one phase changes what its lines ask for."""

    load_percent: int = 100
    extra_sets: int = 0


def prescribe(
    rule: Linear | Double | Percent | Effort | None,
    plan: Prescription,
    *,
    week: int,
    history: Sequence[Performance] = (),
    e1rm_kg: float | None = None,
    phase: Phase = Phase(),
) -> Prescription:
    """What a line asks for in the given week (from 1).

    Args:
        history: Of this movement in this programme, oldest first.
        e1rm_kg: The best estimate of late, for shares of it.
    """
    asked = _by_rule(rule, plan, week, history, e1rm_kg)
    increment = rule.increment_kg if rule else 0.0
    weight = asked.weight_kg
    if weight is not None:
        scaled = weight * phase.load_percent / 100
        weight = rounded(scaled, increment) if rule or phase.load_percent != 100 else weight
    return replace(asked, weight_kg=weight, sets=max(1, asked.sets + phase.extra_sets))


def rounded(weight_kg: float, increment_kg: float) -> float:
    """The nearest weight that can be loaded; half way is the lighter one. At least one increment."""
    step = increment_kg or 2.5
    steps = math.ceil(round(weight_kg / step, 6) - 0.5)
    return max(steps, 1) * step


def _by_rule(
    rule: Linear | Double | Percent | Effort | None,
    plan: Prescription,
    week: int,
    history: Sequence[Performance],
    e1rm_kg: float | None,
) -> Prescription:
    if isinstance(rule, Percent):
        if e1rm_kg is None:
            return plan
        return replace(plan, weight_kg=e1rm_kg * (rule.percent + rule.step_percent * (week - 1)) / 100)
    done = [one for one in history if one.weight_kg is not None]
    if rule is None or not done:
        return plan
    last = done[-1].weight_kg or 0.0
    if isinstance(rule, Linear):
        return replace(plan, weight_kg=_linear(rule, plan, done, last))
    if isinstance(rule, Double):
        return _double(rule, plan, done[-1], last)
    if plan.target_rpe is None or done[-1].rpe is None:
        return replace(plan, weight_kg=last)
    change = (plan.target_rpe - done[-1].rpe) * rule.percent_per_point / 100
    return replace(plan, weight_kg=last * (1 + max(-FURTHEST_STEP, min(FURTHEST_STEP, change))))


def _linear(rule: Linear, plan: Prescription, done: Sequence[Performance], last: float) -> float:
    if done[-1].reached(plan.sets, plan.reps):
        return last + rule.step_kg
    late = done[-MISSES_UNTIL_RESET:]
    has_failed = len(late) == MISSES_UNTIL_RESET and not any(one.reached(plan.sets, plan.reps) for one in late)
    # Three misses at one weight; a lighter one after the reset has its own three.
    is_same = all(abs((one.weight_kg or 0) - last) < rule.increment_kg for one in late)
    return last * RESET if has_failed and is_same else last


def _double(rule: Double, plan: Prescription, last: Performance, weight: float) -> Prescription:
    if last.reached(plan.sets, rule.max_reps):
        return replace(plan, weight_kg=weight + rule.step_kg)
    asked = last.asked(plan.sets)
    fewest = min(sorted((done for _, done, _ in last.sets), reverse=True)[:asked], default=plan.reps)
    is_whole = len(last.sets) >= asked
    reps = min(max(fewest + 1, plan.reps), rule.max_reps) if is_whole else plan.reps
    return replace(plan, reps=reps, weight_kg=weight)
