"""Turns a template and its context into subject, text, HTML and attachments. Sends nothing, looks nothing up.

Each e-mail is one Jinja file, rendered twice: with `layout.txt` and `ui.txt` as text, with `layout.html` and `ui.html`
as HTML (escaped). Links start at the public address, times are shown in the reader's zone, money in its currency.
"""

import textwrap
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from contracts.money import Money


@dataclass(frozen=True, slots=True)
class Rendered:
    """An e-mail as it will leave. `attachments`: (file name, MIME type, content)."""

    subject: str
    text: str
    html: str
    attachments: list[tuple[str, str, str]] = field(default_factory=list)


def local_time(value: str, time_zone: str) -> str:
    """`Tuesday 3 March, 18:00 (Berlin time)` of an ISO 8601 instant."""
    at = datetime.fromisoformat(value).astimezone(ZoneInfo(time_zone))
    city = time_zone.rsplit("/", 1)[-1].replace("_", " ")
    return f"{at:%A} {at.day} {at:%B}, {at:%H:%M} ({city} time)"


@cache
def _environment(kind: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("operational_api.engagement", "templates/emails"),
        autoescape=kind == "html",  # noqa: S701 - the other kind is plain text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"layout": f"layout.{kind}", "ui": f"ui.{kind}"}
    environment.filters |= {
        "local_time": local_time,
        "money": lambda amount_minor, currency: str(Money(amount_minor, currency)),
    }
    return environment


def render(template: str, context: dict[str, Any], *, public_url: str) -> Rendered:
    """The e-mail `template` with its values. `name` may be a full name: people are called by the first.

    Args:
        public_url: Base of links, without a trailing slash.
    """
    values = {**context, "public_url": public_url}
    if words := str(values.get("name", "")).split():
        values["name"] = words[0]
    text = _environment("txt").get_template(f"{template}.jinja").render(values)
    subject, _, body = text.strip().partition("\n")
    html = _environment("html").get_template(f"{template}.jinja").render(values)
    return Rendered(subject.strip(), _wrapped(body), html, _attachments(template, context))


def _wrapped(text: str) -> str:
    paragraphs = (part.strip() for part in text.split("\n\n"))
    return "\n\n".join(
        part if "http" in part or "\n" in part else textwrap.fill(part, 76) for part in paragraphs if part
    )


def _attachments(template: str, context: dict[str, Any]) -> list[tuple[str, str, str]]:
    if template not in ("booking_confirmed", "waitlist_promoted"):
        return []
    return [("session.ics", "text/calendar", calendar_entry(context))]


def calendar_entry(context: dict[str, Any]) -> str:
    """The booked session as an iCalendar file (RFC 5545), in UTC. The booking is its UID, so a repeat replaces it."""

    def stamp(value: str) -> str:
        return f"{datetime.fromisoformat(value).astimezone(UTC):%Y%m%dT%H%M%SZ}"

    def escaped(value: str) -> str:
        for character in ("\\", ";", ","):
            value = value.replace(character, "\\" + character)
        return value.replace("\n", "\\n")

    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Plyo//EN", "METHOD:PUBLISH", "BEGIN:VEVENT",
        f"UID:{context['booking_id']}@plyo", f"DTSTAMP:{stamp(context['starts_at'])}",
        f"DTSTART:{stamp(context['starts_at'])}", f"DTEND:{stamp(context['ends_at'])}",
        f"SUMMARY:{escaped(context['title'])} with {escaped(context['coach'])}",
        f"LOCATION:{escaped(context['location'])}", "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip
    return "\r\n".join(lines)
