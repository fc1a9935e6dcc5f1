"""The stage a person is in, as a pure fold over what happened: lead, trial, active, paused, at risk, churned, won back.

The order in which facts are heard does not matter, only when they happened; telling one twice changes nothing. So the
stored stage can always be made anew from the facts, and is (tested).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Stage = Literal["lead", "trial", "active", "paused", "at_risk", "churned", "won_back"]
Kind = Literal[
    "lead_captured", "trial_started", "membership_started", "membership_paused", "membership_resumed",
    "membership_ended", "became_at_risk", "recovered",
]  # fmt: skip
MEMBERS: frozenset[Stage] = frozenset({"trial", "active", "paused", "at_risk", "won_back"})
_SAME_INSTANT: dict[Kind, int] = {
    "lead_captured": 0, "membership_ended": 1, "trial_started": 2, "membership_started": 3, "membership_paused": 4,
    "membership_resumed": 5, "became_at_risk": 6, "recovered": 7,
}  # fmt: skip
"""Facts of one instant are read in this order: an end before the start that follows it."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened, once by its id."""

    id: UUID
    kind: Kind
    at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """A stage, and since when."""

    stage: Stage
    since: datetime


def fold(facts: Iterable[Fact]) -> list[Standing]:
    """Every stage a person went through, in order; the last is today's. Empty: nothing ever happened."""
    ordered = sorted({fact.id: fact for fact in facts}.values(), key=lambda one: (one.at, _order(one), one.id))
    stages: list[Standing] = []
    has_churned, before_risk = False, "active"
    is_paused_trial = False
    for fact in ordered:
        now = stages[-1].stage if stages else None
        after = _after(now, fact.kind, has_churned=has_churned, before_risk=before_risk)
        if fact.kind == "membership_resumed" and after is not None and is_paused_trial:
            after = "trial"
        if after is None or after == now:
            continue
        if after == "at_risk":
            before_risk = now or "active"
        if after == "paused":
            is_paused_trial = now == "trial" or (now == "at_risk" and before_risk == "trial")
        has_churned = has_churned or after == "churned"
        stages.append(Standing(after, fact.at))
    return stages


def _after(now: Stage | None, kind: Kind, *, has_churned: bool, before_risk: str) -> Stage | None:
    """The stage after a fact; None where it says nothing to somebody who is where they are."""
    match kind:
        case "lead_captured":
            return "lead" if now is None else None
        case "trial_started":
            return "trial" if now in (None, "lead", "churned") else None
        case "membership_started":
            return "won_back" if has_churned else "active"
        case "membership_ended":
            return "churned" if now in MEMBERS else None
        case "membership_paused":
            return "paused" if now in ("active", "at_risk", "won_back", "trial") else None
        case "membership_resumed":
            return ("won_back" if has_churned else "active") if now == "paused" else None
        case "became_at_risk":
            return "at_risk" if now in ("active", "won_back", "trial") else None
        case "recovered":
            return before_risk if now == "at_risk" else None  # type: ignore[return-value]


def _order(fact: Fact) -> int:
    return _SAME_INSTANT[fact.kind]
