"""A booked session as an iCalendar file (RFC 5545), for the calendar on a customer's phone."""

import re
from datetime import UTC, datetime

from operational_api.scheduling.public import SessionFacts

MEDIA_TYPE = "text/calendar"
_FOLD = 73
"""Octets of a line before it is folded; the standard allows 75 with the line break's own."""


def render(facts: SessionFacts, *, now: datetime) -> str:
    """The file. Times are UTC, so that every calendar shows them where its owner is."""
    status = "CONFIRMED" if facts.status == "booked" else "CANCELLED"
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Plyo//Bookings//EN", "METHOD:PUBLISH", "BEGIN:VEVENT",
        f"UID:{facts.booking_id}@plyo", f"DTSTAMP:{_time(now)}", f"DTSTART:{_time(facts.starts_at)}",
        f"DTEND:{_time(facts.ends_at)}", f"SUMMARY:{_text(f'{facts.title} with {facts.coach_name}')}",
        f"LOCATION:{_text(facts.location_name)}", f"STATUS:{status}", "END:VEVENT", "END:VCALENDAR",
    ]  # fmt: skip
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(value: str) -> str:
    escaped = re.sub(r"([\\;,])", r"\\\1", value)
    return re.sub(r"[\r\n]+", r"\\n", escaped)


def _folded(line: str) -> str:
    parts, part = [], ""
    for character in line:
        if len((part + character).encode()) > _FOLD:
            parts.append(part)
            part = ""
        part += character
    return "\r\n ".join([*parts, part])
