"""Words for the suggested message: a template filled with a first name and the top reason, said as a coach would.

A client must never read a model's feature in it: reasons that are not theirs to hear (price, distance, payments) become
a neutral clause.
"""

import string
from collections.abc import Mapping, Sequence
from typing import Any

from operational_api.automation.errors import InvalidRule

PLACEHOLDERS = frozenset({"first_name", "reason"})
NEUTRAL = "I was just thinking about your training"

_CLAUSES = {
    "sessions_attended_7d": "you've been in less often lately",
    "sessions_attended_28d": "you've been in less often lately",
    "sessions_attended_90d": "you've been in less often lately",
    "attendance_trend": "you've been in less often lately",
    "sessions_booked_7d": "there's no session of yours in my calendar",
    "sessions_booked_28d": "there's no session of yours in my calendar",
    "has_next_booking": "there's no session of yours in my calendar yet",
    "adherence_28d": "the plan seems hard to fit in at the moment",
    "adherence_drop": "the plan seems hard to fit in at the moment",
    "workouts_28d": "training has been quieter lately",
    "days_since_last_workout": "training has been quieter lately",
    "volume_trend": "training has been quieter lately",
    "volume_28d_kg": "training has been quieter lately",
    "session_rpe_28d": "the last sessions felt like hard work",
    "no_shows_90d": "we missed each other a couple of times",
    "late_cancels_90d": "your week seems to be a busy one",
    "coach_changes_90d": "we're still getting to know each other",
    "has_open_injury": "we can work around whatever hurts",
    "messages_sent_28d": "we haven't talked for a while",
    "messages_received_28d": "we haven't talked for a while",
    "days_since_last_message": "we haven't talked for a while",
}


def _since_last_session(days: float) -> str:
    if days < 14:
        return "I haven't seen you for a few days"
    return f"it's been {days / 7:.0f} weeks since we trained" if days < 60 else "it's been a while since we trained"


def clause(reasons: Sequence[Mapping[str, Any]]) -> str:
    """The first reason that raises the risk and that a client may hear, as a clause without a full stop."""
    for reason in reasons:
        if reason.get("contribution", 0) <= 0:
            continue
        feature, value = reason.get("feature"), reason.get("value")
        if value is None:  # what is not known of somebody is nothing to say to them: no plan is not a plan left undone
            continue
        if feature == "days_since_last_session" and isinstance(value, int | float):
            return _since_last_session(float(value))
        if feature in _CLAUSES:
            return _CLAUSES[feature]
    return NEUTRAL


class _Blanks(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def fill(template: str, *, name: str, reasons: Sequence[Mapping[str, Any]]) -> str:
    """The suggested message for one customer."""
    first_name = name.split()[0] if name.split() else "there"
    told = clause(reasons)
    start = template.find("{reason}")
    if start == 0 or template[:start].rstrip().endswith((".", "!", "?", "\n")):
        told = told[0].upper() + told[1:]
    return string.Formatter().vformat(template, (), _Blanks(first_name=first_name, reason=told)).strip()


def check_template(template: str) -> None:
    """Refuse a template that could not be filled.

    Raises:
        InvalidRule: empty, too long, or with a placeholder other than {first_name} and {reason}.
    """
    if not template.strip() or len(template) > 1000:
        raise InvalidRule("A message needs 1 to 1000 characters.")
    try:
        fields = [(name, kind, how) for _, name, kind, how in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise InvalidRule(f"The message has an unpaired brace: {error}.") from error
    for name, kind, how in fields:
        if name not in PLACEHOLDERS or kind or how:
            raise InvalidRule(f"The message knows {{first_name}} and {{reason}}, not {{{name}}}.")
