"""Amounts, shares, numbers and days as people type them into forms."""

from datetime import date
from decimal import Decimal, InvalidOperation

from operational_api.core.errors import Invalid


class NoSuchAmount(Invalid):
    """Write amounts as 25 or 25.50, shares as 40 or 12.5, and days as 2026-03-02."""


class NoSuchNumber(Invalid):
    """Write days, sessions and months as whole numbers above nothing, and leave a field empty where there are none."""


def units(text: str, places: int, *, least: int = 0) -> int:
    """Whole minor units: with two places "25.50" is 2550.

    Raises:
        NoSuchAmount: no number, below `least`, or of more places than there are.
    """
    try:
        found = Decimal(text.strip()).scaleb(places)
    except InvalidOperation as error:
        raise NoSuchAmount from error
    if not found.is_finite() or found != found.to_integral_value() or not least <= found < 10**12:
        raise NoSuchAmount
    return int(found)


def share(text: str) -> int:
    """Basis points of a percentage, 100 at most: "12.5" is 1250; nothing is 0.

    Raises:
        NoSuchAmount: no such share.
    """
    found = units(text or "0", 2)
    if found > 10_000:
        raise NoSuchAmount
    return found


def whole(text: str, most: int) -> int | None:
    """A whole number; nothing typed, or 0, is none.

    Raises:
        NoSuchAmount: no whole number.
        NoSuchNumber: above the most that there can be.
    """
    if not text.strip():
        return None
    found = units(text, 0)
    if found > most:
        raise NoSuchNumber
    return found or None


def day(text: str) -> date:
    """A day as browsers send it.

    Raises:
        NoSuchAmount: no such day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise NoSuchAmount from error
