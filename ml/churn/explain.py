"""Reasons in words a coach would use: from each feature's share of the score to "No session in 19 days"."""

import json
import math
from collections.abc import Callable

import numpy as np

from ml.churn.features import NAMES, Matrix

TOP = 5
LEAST = 0.02
"""Contributions smaller than this (in log-odds) are noise, not reasons."""


def _days(count: float) -> str:
    return "today" if count < 1 else f"{count:.0f} day{'s' if round(count) != 1 else ''}"


def _times(count: float, one: str, many: str, none: str) -> str:
    return none if count < 0.5 else f"{count:.0f} {one if round(count) == 1 else many}"


def _trend(ratio: float, what: str) -> str:
    """Of a ratio to the time before: 1 is as usual."""
    if abs(ratio - 1) < 0.05:
        return f"{what} as usual"
    return f"{what} {'up' if ratio > 1 else 'down'} {abs(ratio - 1) * 100:.0f} %"


def _tenure(days: float) -> str:
    if days < 60:
        return f"Member for {_days(days)}" if days >= 1 else "Joined today"
    return f"Member for {days / 30.44:.0f} months" if days < 730 else f"Member for {days / 365.25:.0f} years"


# Feature: what its value says, and what is said where the value is unknown.
_WORDS: dict[str, tuple[Callable[[float], str], str]] = {
    "tenure_days": (_tenure, "Start of membership unknown"),
    "interval_months": (lambda v: "Pays monthly" if v <= 1 else f"Pays every {v:.0f} months", "No fixed term"),
    "sessions_booked_28d": (
        lambda v: _times(v, "session", "sessions", "No session") + " booked in 4 weeks", "Bookings unknown",
    ),
    "sessions_attended_28d": (
        lambda v: _times(v, "session", "sessions", "No session") + " attended in 4 weeks", "Attendance unknown",
    ),
    "sessions_attended_90d": (
        lambda v: _times(v, "session", "sessions", "No session") + " attended in 3 months", "Attendance unknown",
    ),
    "attendance_trend": (lambda v: _trend(v, "Attendance"), "No sessions two months ago to compare with"),
    "no_shows_90d": (
        lambda v: _times(v, "missed session", "missed sessions", "No missed session") + " in 3 months", "No bookings",
    ),
    "late_cancels_90d": (
        lambda v: _times(v, "late cancellation", "late cancellations", "No late cancellation") + " in 3 months",
        "No bookings",
    ),
    "days_since_last_session": (
        lambda v: f"No session in {_days(v)}" if v >= 7
        else ("Trained today" if v < 1 else f"Last session {_days(v)} ago"),
        "No session yet",
    ),
    "has_next_booking": (lambda v: "Next session is booked" if v else "No session booked", "No session booked"),
    "adherence_28d": (lambda v: f"{v * 100:.0f} % of planned workouts done in 4 weeks", "No planned workouts"),
    "adherence_drop": (
        lambda v: "Follows the plan as before" if abs(v) < 0.05
        else f"Follows the plan {abs(v) * 100:.0f} points {'less' if v > 0 else 'more'} than before",
        "No planned workouts before",
    ),
    "workouts_28d": (
        lambda v: _times(v, "workout", "workouts", "No workout") + " logged in 4 weeks", "No workouts logged",
    ),
    "days_since_last_workout": (
        lambda v: f"No workout logged in {_days(v)}" if v >= 7
        else ("Logged a workout today" if v < 1 else f"Last workout {_days(v)} ago"),
        "No workout logged yet",
    ),
    "volume_trend": (lambda v: _trend(v, "Training volume"), "No workouts two months ago to compare with"),
    "session_rpe_28d": (lambda v: f"Sessions felt like {v:.1f} out of 10", "No effort ratings"),
    "coach_changes_90d": (
        lambda v: "Coach changed in the last 3 months" if v >= 1 else "Same coach for 3 months or more", "No coach",
    ),
    "price_increase_90d": (
        lambda v: f"Price rose by {v * 100:.0f} % in the last 3 months" if v > 0.001 else "No price rise lately",
        "Price history unknown",
    ),
    "failed_payments_90d": (
        lambda v: _times(v, "failed payment", "failed payments", "No failed payment") + " in 3 months", "No payments",
    ),
    "messages_sent_28d": (
        lambda v: _times(v, "message", "messages", "No message") + " from the client in 4 weeks", "No messages",
    ),
    "days_since_last_message": (
        lambda v: f"No message in {_days(v)}" if v >= 7 else "In touch this week", "Never exchanged a message",
    ),
    "has_open_injury": (lambda v: "Has an open injury" if v else "No open injury", "No injury known"),
    "home_distance_km": (
        lambda v: f"Lives {v:.0f} km away" if v >= 1 else "Lives around the corner", "Address unknown",
    ),
    "sleep_trend": (lambda v: _trend(v, "Sleep this week"), "No sleep data"),
    "hrv_trend": (lambda v: _trend(v, "Heart-rate variability this week"), "No heart-rate data"),
}  # fmt: skip


def label(feature: str, value: float | None) -> str:
    """What a feature's value says, e.g. "No session in 19 days".

    Raises:
        KeyError: no model looks at a feature of that name.
    """
    say, unknown = _WORDS[feature]
    return unknown if value is None or math.isnan(value) else say(value)


def reasons(x: Matrix, contributions: Matrix) -> list[str]:
    """Per row, as JSON: the features that raise the risk most, as {feature, label, value, contribution}, largest first.

    A row that nothing raises gets what lowers it most, so that a low score has reasons too. `contribution` is in
    log-odds; `value` null where unknown.
    """
    order = np.argsort(-contributions, axis=1, kind="stable")
    told = []
    for values, parts, best in zip(x, contributions, order, strict=True):
        chosen = [one for one in best[:TOP] if parts[one] >= LEAST] or [
            one for one in best[::-1][:3] if parts[one] <= -LEAST
        ]
        told.append(json.dumps([_reason(NAMES[one], float(values[one]), float(parts[one])) for one in chosen]))
    return told


def named(values: Matrix) -> list[str]:
    """Per row, as JSON: every feature with its value; null for NaN."""
    return [
        json.dumps({name: None if math.isnan(value) else value for name, value in zip(NAMES, row, strict=True)})
        for row in values.tolist()
    ]


def _reason(feature: str, value: float, contribution: float) -> dict[str, object]:
    known = None if math.isnan(value) else value
    return {"feature": feature, "label": label(feature, known), "value": known, "contribution": contribution}
