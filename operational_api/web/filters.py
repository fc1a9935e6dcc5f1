"""How values look on pages: money, times in the reader's zone, days as people say them. No lookups."""

import re
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from contracts import figures
from contracts.metrics import Unit
from contracts.money import Money

STYLES = {
    "datetime": "%a %-d %b, %H:%M",
    "time": "%H:%M",
    "day": "%a %-d %b",
    "long_day": "%A, %-d %B",
    "date": "%-d %b %Y",
    "iso": "%Y-%m-%dT%H:%M",
}
DAY = timedelta(days=1)


def zone(name: str | None) -> ZoneInfo:
    """The time zone of that name; UTC where the name is unknown, so that a page never fails for it."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of the database, such as America
        return ZoneInfo("UTC")


def money(value: Money | int, currency: str | None = None) -> str:
    """`{{ price|money }}` of a Money, `{{ row.amount_minor|money(row.currency) }}` of a column."""
    return str(value if isinstance(value, Money) else Money(value, currency or ""))


def figure(value: float | None, unit: Unit, currency: str | None = None) -> str:
    """`{{ load.acwr|figure("number") }}`: as the consoles write it, a dash for what is not known."""
    return figures.written(value, unit, currency)


@pass_context
def local(context: Context, value: datetime | None, tz: str | None = None, style: str = "datetime") -> str:
    """A UTC time in the zone `tz`, by default the reader's own. Styles: the keys of `STYLES`. None gives ''."""
    if value is None:
        return ""
    return value.astimezone(zone(tz or context.get("tz"))).strftime(STYLES[style])


@pass_context
def day(context: Context, value: date | datetime | None, tz: str | None = None) -> str:
    """'Today', 'Tomorrow', 'Yesterday', else 'Wed 4 Mar', seen from the reader's own day."""
    if value is None:
        return ""
    here = zone(tz or context.get("tz"))
    on = value.astimezone(here).date() if isinstance(value, datetime) else value
    today = context["now"].astimezone(here).date()
    named = {today: "Today", today + DAY: "Tomorrow", today - DAY: "Yesterday"}
    if on in named:
        return named[on]
    return on.strftime(STYLES["day"] if on.year == today.year else STYLES["date"])


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


@pass_context
def ago(context: Context, value: datetime | None) -> str:
    """How far away a time is: 'just now', '5 minutes ago', 'in 3 hours', '2 days ago'."""
    if value is None:
        return "never"
    seconds = (value - context["now"]).total_seconds()
    size = abs(seconds)
    for limit, length, unit in ((3600, 60, "minute"), (86400, 3600, "hour"), (float("inf"), 86400, "day")):
        if size < limit:
            count = int(size // length)
            if unit == "minute" and count == 0:
                return "just now"
            return f"in {_count(count, unit)}" if seconds > 0 else f"{_count(count, unit)} ago"
    raise AssertionError("unreachable")


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
        "under": under,
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
