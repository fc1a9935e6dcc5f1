"""Turns a template and its context into subject, text, HTML and attachments. Sends nothing, looks nothing up.

Each message is one Jinja file, rendered three times: with `layout.txt` and `ui.txt` as text, with `layout.html` and
`ui.html` as HTML (escaped), with `layout.short` as what fits a phone's lock screen; and with `layout.app` and `ui.app`
as the app's inbox shows it. A language other than English has a
folder of its own; what is not in it is said in English. Links start at the public address, times are shown in the
reader's zone, money in its currency. Previews show what this makes, and so do all channels.
"""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from operational_api.web.filters import money, which_of_two
from operational_api.web.language import speaking


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as it will leave. `short`: one line; `attachments`: (file name, MIME type, content)."""

    subject: str
    text: str
    html: str
    short: str = ""
    attachments: list[tuple[str, str, str]] = field(default_factory=list)


_FRAME = {
    "en": {
        "why": "You get this because you have a Plyo account.", "unsubscribe": "Unsubscribe",
        "preferences": "Choose what you get", "at_studio": "At studio",
    },
    "vi": {
        "why": "Bạn nhận được thư này vì bạn có tài khoản Plyo.", "unsubscribe": "Hủy đăng ký",
        "preferences": "Chọn những gì bạn nhận", "at_studio": "Giờ phòng",
    },
}  # fmt: skip
_DAYS_VI = ("Thứ Hai", "Thứ Ba", "Thứ Tư", "Thứ Năm", "Thứ Sáu", "Thứ Bảy", "Chủ Nhật")


def local_time(value: str, time_zone: str, language: str = "en") -> str:
    """`Tuesday 3 March, 18:00 (Berlin time)` of an ISO 8601 instant; of a time that clocks show twice, which."""
    at = datetime.fromisoformat(value).astimezone(ZoneInfo(time_zone))
    city = time_zone.rsplit("/", 1)[-1].replace("_", " ")
    clock = f"{at:%H:%M}{which_of_two(at)}"
    if language == "vi":
        return f"{_DAYS_VI[at.weekday()]} {at.day}/{at.month}/{at.year}, {clock} (giờ {city})"
    return f"{at:%A} {at.day} {at:%B}, {clock} ({city} time)"


def local_day(value: str, time_zone: str, language: str = "en") -> str:
    """`Tuesday 3 March 2026`: the day of an ISO 8601 instant on that clock."""
    at = datetime.fromisoformat(value).astimezone(ZoneInfo(time_zone))
    if language == "vi":
        return f"{_DAYS_VI[at.weekday()]} {at.day}/{at.month}/{at.year}"
    return f"{at:%A} {at.day} {at:%B} {at.year}"


@pass_context
def at_studio(context: Context, value: str) -> list[tuple[str, str]]:
    """A row of facts with the clock of the studio at an ISO 8601 instant; none where the reader's shows the same."""
    studio, language = context.get("studio_zone"), str(context["language"])
    if studio is None:
        return []
    at = datetime.fromisoformat(value)
    if at.astimezone(ZoneInfo(studio)).utcoffset() == at.astimezone(ZoneInfo(context["time_zone"])).utcoffset():
        return []
    return [(_FRAME[language]["at_studio"], local_time(value, studio, language))]


def _money(amount_minor: int, currency: str, language: str) -> str:
    with speaking(language):
        return money(amount_minor, currency)


@cache
def _environment(kind: str, language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("operational_api.engagement", "templates/emails"),
        autoescape=kind in ("html", "app"),  # noqa: S701 - the other kinds are plain text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    ui = f"ui.{kind}" if kind in ("html", "app") else "ui.txt"
    environment.globals |= {"layout": f"layout.{kind}", "ui": ui, "frame": _FRAME[language], "language": language}
    environment.globals |= {"at_studio": at_studio, "has_files": kind != "app"}
    environment.filters |= {
        "local_time": lambda value, time_zone: local_time(value, time_zone, language),
        "local_day": lambda value, time_zone: local_day(value, time_zone, language),
        "money": lambda amount_minor, currency: _money(amount_minor, currency, language),
    }
    return environment


def render(
    template: str,
    context: dict[str, Any],
    *,
    public_url: str,
    language: str = "en",
    unsubscribe_url: str | None = None,
) -> Rendered:
    """The message `template` with its values, all of one line but a `body`: none ends a header or a calendar's line.
    `name` may be a full name: people are called by the first.

    Args:
        public_url: Base of links, without a trailing slash.
        unsubscribe_url: Shown at the foot; None where the message cannot be switched off.
    """
    context, made = _making(
        template, context, public_url=public_url, language=language, unsubscribe_url=unsubscribe_url
    )
    subject, _, body = made("txt").strip().partition("\n")
    short = " ".join(made("short").split())
    return Rendered(_one_line(subject), _wrapped(body), made("html"), short, _attachments(template, context))


def render_for_app(template: str, context: dict[str, Any], *, language: str = "en") -> tuple[str, str, Markup]:
    """The message as the inbox shows it: its subject, what it says in one line, and all of it as HTML of the app, with
    links that are paths of ours and nothing at the foot."""
    _, made = _making(template, context, public_url="", language=language, unsubscribe_url=None)
    subject = made("txt").strip().partition("\n")[0]
    return _one_line(subject), " ".join(made("short").split()), Markup(made("app").strip())  # noqa: S704 - escaped


def line_of(template: str, context: dict[str, Any], *, language: str = "en") -> dict[str, str]:
    """The message as a list shows it: `title`, and in one line `summary`, what it says."""
    _, made = _making(template, context, public_url="", language=language, unsubscribe_url=None)
    title = made("txt").strip().partition("\n")[0]
    return {"title": _one_line(title), "summary": " ".join(made("short").split())}


def _making(
    template: str, context: dict[str, Any], *, public_url: str, language: str, unsubscribe_url: str | None
) -> tuple[dict[str, Any], Callable[[str], str]]:
    """The context as it is said, and what makes each kind of it."""
    context = {key: _one_line(value) if key != "body" else value for key, value in context.items()}
    values = {**context, "public_url": public_url, "unsubscribe_url": unsubscribe_url}
    if words := str(values.get("name", "")).split():
        values["name"] = words[0]
    names = [f"{template}.jinja"] if language == "en" else [f"{language}/{template}.jinja", f"{template}.jinja"]
    return context, lambda kind: _environment(kind, language).select_template(names).render(values)


def _one_line(value: Any) -> Any:
    return " ".join(value.split()) if isinstance(value, str) else value


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
        return "\\n".join(value.splitlines())

    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Plyo//EN", "METHOD:PUBLISH", "BEGIN:VEVENT",
        f"UID:{context['booking_id']}@plyo", f"DTSTAMP:{stamp(context['starts_at'])}",
        f"DTSTART:{stamp(context['starts_at'])}", f"DTEND:{stamp(context['ends_at'])}",
        f"SUMMARY:{escaped(context['title'])} with {escaped(context['coach'])}",
        f"LOCATION:{escaped(context['location'])}", "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip
    return "\r\n".join(lines)
