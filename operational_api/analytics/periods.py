"""Periods by name, in somebody's zone, and what each is compared with. Days only: nothing is asked of the lake here."""

import calendar
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from operational_api.analytics.errors import NotAllowed

Unit = Literal["day", "week", "month", "quarter", "year"]
_LAST_DAYS = (7, 14, 28, 30, 90, 180, 365)
_UNITS: tuple[Unit, ...] = ("week", "month", "quarter", "year")
NAMES = (
    "today", "yesterday", *(f"last_{days}_days" for days in _LAST_DAYS),
    *(f"{which}_{unit}" for unit in _UNITS for which in ("this", "last")), "last_12_months",
)  # fmt: skip
COMPARISONS = ("previous_period", "same_period_last_year")


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `since` to `until`, both in it.

    Attributes:
        unit: What it is one of, from its first day on: a running one ends today. None: so many days.
    """

    since: date
    until: date
    unit: Unit | None = None

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1


def zone(name: str) -> ZoneInfo:
    """The IANA zone.

    Raises:
        NotAllowed: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise NotAllowed(f"There is no time zone `{name[:60]}`.", allowed=["UTC", "Europe/Berlin", "…"]) from None


def named(name: str, *, now: datetime, zone: ZoneInfo) -> Period:
    """The period of that name, as somebody in the zone means it at `now`.

    `last_30_days` are the 30 days that end with today; `this_month` ends with today; `last_month` is a whole one;
    `last_12_months` are this month and the eleven before it.

    Raises:
        NotAllowed: there is none of that name.
    """
    today = now.astimezone(zone).date()
    if name in ("today", "yesterday"):
        day = today - timedelta(days=name == "yesterday")
        return Period(day, day, "day")
    if name == "last_12_months":
        return Period(_months(_start(today, "month"), -11), today)
    which, _, rest = name.partition("_")
    if name not in NAMES:
        raise NotAllowed(f"There is no period `{name[:40]}`.", allowed=list(NAMES))
    if rest.endswith("_days"):
        return Period(today - timedelta(days=int(rest.removesuffix("_days")) - 1), today)
    unit: Unit = next(one for one in _UNITS if one == rest)
    if which == "this":
        return Period(_start(today, unit), today, unit)
    last = _start(today, unit) - timedelta(days=1)
    return Period(_start(last, unit), last, unit)


def compared(period: Period, comparison: str, grain: str = "day") -> Period:
    """What a period is compared with.

    `previous_period`: as many days just before; of a month (quarter, year) the one before, as far into it as the
    period is. `same_period_last_year`: the same days of the calendar a year earlier; of weeks, 52 weeks earlier, so
    that weekdays meet.

    Args:
        grain: The finest that the number is known by. What is known by week is compared with as many weeks as the
            period has days in, and what is known by month, of what is no unit of the calendar, with as many months: as
            many days just before may have days in one more.

    Raises:
        NotAllowed: there is no such comparison.
    """
    if comparison not in COMPARISONS:
        raise NotAllowed(f"There is no comparison `{comparison[:40]}`.", allowed=list(COMPARISONS))
    is_last_year = comparison == "same_period_last_year"
    if period.unit in ("month", "quarter", "year") and grain != "week":
        months = 12 if is_last_year else {"month": 1, "quarter": 3, "year": 12}[period.unit]
        return _shifted(period, -months, is_whole=_is_whole(period))
    if grain == "month":
        months = 12 if is_last_year else _month_number(period.until) - _month_number(period.since) + 1
        return _shifted(period, -months, is_whole=period.until == _end(period.until, "month"))
    if is_last_year:
        return _days(period, -364) if "week" in (period.unit, grain) else _shifted(period, -12, is_whole=False)
    if grain == "week":
        return _days(period, -7 - (_start(period.until, "week") - _start(period.since, "week")).days)
    return _days(period, -7 if period.unit == "week" else -period.days)


def widened(period: Period, grain: str, today: date) -> Period:
    """The period as a number of this grain tells it: in whole weeks or months, of which a running one ends today."""
    unit: Unit = "week" if grain == "week" else "month" if grain == "month" else "day"
    last = period.until if unit == "day" else _end(period.until, unit)
    return Period(_start(period.since, unit), max(period.until, min(last, today)), period.unit)


def _end(day: date, unit: Unit) -> date:
    """The last day of the week or month."""
    try:
        return _start(_start(day, unit) + timedelta(days=7 if unit == "week" else 31), unit) - timedelta(days=1)
    except OverflowError:
        return day


def _month_number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _start(day: date, unit: Unit) -> date:
    if unit == "day":
        return day
    if unit == "week":
        return day - timedelta(days=day.weekday())
    month = {"month": day.month, "quarter": day.month - (day.month - 1) % 3, "year": 1}[unit]
    return date(day.year, month, 1)


def _is_whole(period: Period) -> bool:
    return period.unit is not None and _start(period.until + timedelta(days=1), period.unit) > period.until


def _days(period: Period, days: int) -> Period:
    by = timedelta(days=days)
    try:
        return Period(period.since + by, period.until + by, period.unit)
    except OverflowError:
        raise NotAllowed("That period lies before the calendar.", allowed=list(NAMES)) from None


def _shifted(period: Period, months: int, *, is_whole: bool) -> Period:
    until = _months(period.until, months)
    # The last day of a whole month is another's last day, be it the 28th or the 31st.
    return Period(_months(period.since, months), _end(until, "month") if is_whole else until, period.unit)


def _months(day: date, months: int) -> date:
    year, month = divmod(_month_number(day) + months, 12)
    try:
        return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
    except ValueError:
        raise NotAllowed("That period lies before the calendar.", allowed=list(NAMES)) from None
