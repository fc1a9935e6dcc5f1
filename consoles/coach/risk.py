"""What a coach is told of a client's churn score, and when there is none to tell.

A score without reasons is the business's base rate: as long as too few have left to learn from, everybody gets the same
number, which says nothing about the one client. Shown as theirs, it calls somebody who fades "low risk".
"""

import json
from collections.abc import Mapping
from typing import Any

from consoles.coach.style import badge
from consoles.theme import risk_band
from contracts.figures import percent


def reasons(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The reasons of a row of coach_clients, largest first."""
    found = row.get("reasons") or []
    told: list[dict[str, Any]] = json.loads(found) if isinstance(found, str) else found
    return told


def probability(row: Mapping[str, Any]) -> float | None:
    """The client's own probability of leaving within 30 days; None without a score, or with the base rate only."""
    return row.get("probability") if reasons(row) else None


def pill(probability: float | None) -> str:
    """The band and the probability, as HTML."""
    word, token = risk_band(probability)
    return badge(f"{word} risk · {percent(probability)}" if probability is not None else "risk not known yet", token)
