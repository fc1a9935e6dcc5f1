"""How values look on pages: money, times in the reader's zone, days as people say them. No lookups."""

import math
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_currency, get_decimal_symbol, get_group_symbol
from jinja2 import Environment, pass_context
from jinja2.filters import do_format
from jinja2.runtime import Context
from markupsafe import Markup, escape

from contracts import figures
from contracts.metrics import Unit
from contracts.money import Money
from operational_api.web.language import SOURCE, retold, say, spoken, word

PATTERNS_VI = {
    "datetime": "EEE d/M, HH:mm", "time": "HH:mm", "day": "EEE d/M", "long_day": "EEEE, d MMMM", "date": "d/M/yyyy",
    "short": "d/M", "month": "LLLL",
}  # fmt: skip
"""The same for Vietnamese, in the letters of CLDR; `iso` is for programs."""
STYLES = {
    "datetime": "%a %-d %b, %H:%M",
    "time": "%H:%M",
    "day": "%a %-d %b",
    "long_day": "%A, %-d %B",
    "date": "%-d %b %Y",
    "short": "%-d %b",
    "month": "%B",
    "iso": "%Y-%m-%dT%H:%M",
}
DAY = timedelta(days=1)
_UNITS: tuple[tuple[Literal["day", "hour", "minute"], int], ...] = (("day", 86400), ("hour", 3600), ("minute", 60))


def zone(name: str | None) -> ZoneInfo:
    """The time zone of that name; UTC where the name is unknown, so that a page never fails for it."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of the database, such as America
        return ZoneInfo("UTC")


def money(value: Money | int, currency: str | None = None) -> str:
    """`{{ price|money }}` of a Money, `{{ row.amount_minor|money(row.currency) }}` of a column."""
    amount = value if isinstance(value, Money) else Money(value, currency or "")
    return str(amount) if spoken() == SOURCE else format_currency(amount.major, amount.currency, locale=spoken())


def _shown(at: date | datetime, style: str) -> str:
    which = which_of_two(at) if isinstance(at, datetime) and style in ("datetime", "time") else ""
    if spoken() == SOURCE or style not in PATTERNS_VI:
        return at.strftime(STYLES[style]) + which
    shown = format_datetime if isinstance(at, datetime) else format_date
    return shown(at, PATTERNS_VI[style], locale=spoken()) + which


def which_of_two(at: datetime) -> str:
    """' UTC+2' of a time that clocks show twice that night, because they are put back; '' of every other time.

    Args:
        at: In the zone in which it is told.
    """
    offset, other = at.utcoffset(), at.replace(fold=1 - at.fold).utcoffset()
    if offset is None or offset == other:
        return ""
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    return f" UTC{'-' if offset < timedelta() else '+'}{hours}" + (f":{minutes:02}" if minutes else "")


def figure(value: float | None, unit: Unit, currency: str | None = None) -> str:
    """`{{ load.acwr|figure("number") }}`: as the consoles write it, a dash for what is not known."""
    return digits(figures.written(value, unit, currency))


_NUMBER = re.compile(r"(?<![\w.,])(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+)(?![\d.,]*\d)")


def digits(text: str) -> str:
    """`{{ "62.5 kg"|digits }}`: numbers of English, as the language spoken now writes them (CLDR): `62,5 kg`."""
    if spoken() == SOURCE:
        return text
    signs = {",": get_group_symbol(spoken()), ".": get_decimal_symbol(spoken())}
    return _NUMBER.sub(lambda found: "".join(signs.get(one, one) for one in found[0]), text)


def percents(parts: Sequence[int]) -> list[int]:
    """`{{ given|percents }}`: each of its sum in whole percents that add up to 100 (largest remainder; of equals the
    first); nothing of nothing."""
    whole = sum(parts)
    found = [100 * part // whole if whole else 0 for part in parts]
    behind = sorted(range(len(parts)), key=lambda one: 100 * parts[one] % whole if whole else 0, reverse=True)
    for one in behind[: 100 - sum(found) if whole else 0]:
        found[one] += 1
    return found


def format_in_words(value: str, *given: Any, **named: Any) -> str:
    """Jinja's own `"%.1f"|format(x)`, with the digits of the language."""
    return digits(do_format(value, *given, **named))


def country(code: str, english: str) -> str:
    """What a country is called (CLDR): `{{ "DE"|country("Germany") }}`."""
    return english if spoken() == SOURCE else Locale.parse(spoken()).territories.get(code, english)


@pass_context
def local(context: Context, value: datetime | date | None, tz: str | None = None, style: str = "datetime") -> str:
    """A UTC time in the zone `tz`, by default the reader's own. Styles: the keys of `STYLES`. A date is shown as it
    is, None gives ''."""
    if value is None:
        return ""
    if not isinstance(value, datetime):
        return _shown(value, style)
    return _shown(value.astimezone(zone(tz or context.get("tz"))), style)


@pass_context
def day(context: Context, value: date | datetime | None, tz: str | None = None) -> str:
    """'Today', 'Tomorrow', 'Yesterday', else 'Wed 4 Mar', seen from the reader's own day."""
    if value is None:
        return ""
    here = zone(tz or context.get("tz"))
    on = value.astimezone(here).date() if isinstance(value, datetime) else value
    today = context["now"].astimezone(here).date()
    named = {today: word("Today"), today + DAY: word("Tomorrow"), today - DAY: word("Yesterday")}
    if on in named:
        return say(named[on])
    return _shown(on, "day" if on.year == today.year else "date")


@pass_context
def is_today(context: Context, value: date) -> bool:
    """Whether a date is the reader's own day."""
    return bool(value == context["now"].astimezone(zone(context.get("tz"))).date())


@pass_context
def ago(context: Context, value: datetime | None) -> str:
    """How far away a time is: 'just now', '5 minutes ago', 'in 3 hours', '2 days ago'."""
    if value is None:
        return say(word("never"))
    away = value - context["now"]
    if abs(away) < timedelta(minutes=1):
        return say(word("just now"))
    seconds = away.total_seconds()
    unit, length = next(one for one in _UNITS if abs(seconds) >= one[1])
    whole = timedelta(seconds=math.copysign(abs(seconds) // length * length, seconds))
    return format_timedelta(whole, granularity=unit, threshold=1e9, add_direction=True, locale=spoken())


def initials(name: str) -> str:
    """Up to two letters for an avatar."""
    words = [word for word in name.split() if word[0].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)).upper() or "?"


_CELL = re.compile(r"<(tr|td)\b")


def under(rows: Markup, headings: list[str]) -> Markup:
    """A table's rows, each cell with its column's heading in `data-under`, for where rows are stacked."""
    column = 0

    def mark(found: re.Match[str]) -> str:
        nonlocal column
        if found[1] == "tr":
            column = 0
            return found[0]
        heading, column = headings[column].removesuffix(">"), column + 1
        return f'<td data-under="{escape(heading)}"'

    return Markup(_CELL.sub(mark, rows))  # noqa: S704 - the rows were escaped where they were made


def install(environment: Environment) -> None:
    """Register the filters, and `spark_points` for the sparkline component."""
    environment.filters |= {
        "money": money, "figure": figure, "local": local, "day": day, "ago": ago, "initials": initials,
        "is_today": is_today, "under": under, "retold": retold, "digits": digits, "format": format_in_words,
        "country": country, "percents": percents,
    }  # fmt: skip
    environment.globals["spark_points"] = spark_points


def spark_points(values: list[float], width: float = 240, height: float = 52) -> list[tuple[float, float]]:
    """Where the values of a sparkline lie in a box of that size; the lowest value at the bottom.

    Args:
        values: Evenly spaced in time, at least one.
    """
    low, high = min(values), max(values)
    step: Any = width / max(len(values) - 1, 1)
    span = (high - low) or 1
    return [(round(i * step, 1), round(height - (value - low) / span * height, 1)) for i, value in enumerate(values)]
