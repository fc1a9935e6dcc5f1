"""How a figure is written for people, in the unit its definition names: the one place for consoles, pages and mail.

Figures are words here, never charts, and nothing is worked out but the rounding. Amounts are `contracts.money`'s.
"""

from collections.abc import Callable

from contracts.metrics.definition import Unit
from contracts.money import Money

UNKNOWN = "–"
"""What stands where nothing is known: there was nothing to divide by, or nothing happened yet."""


def written(value: float | None, unit: Unit, currency: str | None = None) -> str:
    """A value of a metric.

    Args:
        value: In the metric's unit: money in minor units, a ratio as 0-1. None is told as a dash.
        unit: Of the metric.
        currency: ISO 4217, for money.

    Raises:
        ValueError: money without a currency.
        UnknownCurrency: nobody knows how many decimals it has.
    """
    if value is None:
        return UNKNOWN
    if unit != "money":
        return _WORDS[unit](value)
    if not currency:
        raise ValueError("an amount without its currency")
    return str(Money(round(value), currency))


def difference(
    change: float | None, relative: float | None, unit: Unit, currency: str | None = None
) -> tuple[str, str]:  # fmt: skip
    """How much a value differs from another, in its own unit and in per cent, both with their sign.

    Args:
        change: Value less the other, in the unit. A ratio's is told in points.
        relative: Change over the other's size; None where that is nothing.

    Returns:
        `("+€120.00", "+4.2 %")`; a dash for what is not known.
    """
    if change is None:
        return UNKNOWN, UNKNOWN
    told = f"{_rounded(change * 100, 1)} points" if unit == "ratio" else written(change, unit, currency)
    share = UNKNOWN if relative is None else f"{_rounded(relative * 100, 1)} %"
    return _signed(told), _signed(share)


def percent(value: float | None, digits: int = 0) -> str:
    """A ratio as a percentage; a dash when it is unknown, and little where it would round to nothing."""
    if value is None:
        return UNKNOWN
    shown = _rounded(value * 100, digits)
    return f"under {10**-digits:g} %" if value > 0 and not any(one in "123456789" for one in shown) else f"{shown} %"


def amount(value: float) -> str:
    """A number with as many decimals as it is told by: 1.43, 61.5, 12,400."""
    size = abs(value)
    return _rounded(value, 2 if size < 10 else 1 if size < 1000 else 0)


def _rounded(value: float, digits: int) -> str:
    shown = f"{value:,.{digits}f}"
    is_nothing = not any(one in "123456789" for one in shown)
    return shown.removeprefix("-") if is_nothing else shown


def _signed(shown: str) -> str:
    return shown if shown[0] == "-" or shown == UNKNOWN or not any(one in "123456789" for one in shown) else f"+{shown}"


_WORDS: dict[Unit, Callable[[float], str]] = {
    "count": lambda value: _rounded(value, 0),
    "ratio": lambda value: percent(value, 1),
    "number": amount,
    "days": lambda value: f"{_rounded(value, 1)} days",
    "months": lambda value: f"{_rounded(value, 1)} months",
    "hours": lambda value: f"{_rounded(value, 1)} h",
    "kg": lambda value: f"{amount(value)} kg",
}
