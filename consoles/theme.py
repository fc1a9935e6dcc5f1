"""One design for the app and both consoles: the app's design tokens, read from their one file, as Python values.

Belongs here: colours, fonts, how dates are written. Does not: figures (`contracts.figures`), charts, words of a page.
"""

import re
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

TOKENS_FILE = Path(__file__).resolve().parent.parent / "operational_api" / "web" / "static" / "tokens.css"
_TOKEN = re.compile(r"--([a-z0-9-]+):\s*(?:light-dark\(([^,]+),\s*([^)]+)\)|([^;]+));")


@cache
def tokens() -> dict[str, str]:
    """Every design token by name, light values."""
    found = _TOKEN.findall(TOKENS_FILE.read_text())
    return {name: (light or plain).strip() for name, light, _dark, plain in found}


def colour(name: str) -> str:
    """A colour by its token's name without `color-`, or `chart-1` to `chart-6`."""
    known = tokens()
    return known.get(f"color-{name}") or known[name]


SERIES = tuple(f"chart-{number}" for number in range(1, 7))
"""Tokens of the series' colours in the order in which they are drawn."""

RISK_BANDS = ((0.15, "high", "bad"), (0.07, "medium", "warn"), (0.0, "low", "good"))
"""Churn probability within 30 days from which a band begins, the word for it, and the colour token.

A studio loses about 4 % of its members in 30 days: medium is about twice that, high about four times.
"""


def risk_band(probability: float | None) -> tuple[str, str]:
    """The word and the colour token for a churn probability; unknown is its own band."""
    if probability is None:
        return "unknown", "ink-soft"
    return next((word, token) for floor, word, token in RISK_BANDS if probability >= floor)


def when(value: datetime | None, zone: str) -> str:
    """An instant in a zone, as `Tue 3 Mar, 18:00`."""
    if value is None:
        return "–"
    local = (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b}, {local:%H:%M}"


def ago(value: datetime | date | None, now: datetime) -> str:
    """How long ago in words a person uses: `today`, `3 days ago`, `in 2 days`."""
    if value is None:
        return "never"
    day = value.date() if isinstance(value, datetime) else value
    days = (now.date() - day).days
    if days == 0:
        return "today"
    if abs(days) == 1:
        return "yesterday" if days > 0 else "tomorrow"
    if abs(days) < 60:
        return f"{days} days ago" if days > 0 else f"in {-days} days"
    return f"{abs(days) // 30} months ago" if days > 0 else f"in {-days // 30} months"
