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


def compared(period: Period, comparison: str) -> Period:
    """What a period is compared with.

    `previous_period`: as many days just before; of a month (quarter, year) the one before, as far into it as the
    period is. `same_period_last_year`: the same days of the calendar a year earlier; of weeks, 52 weeks earlier, so
    that weekdays meet.

    Raises:
        NotAllowed: there is no such comparison.
    """
    if comparison not in COMPARISONS:
        raise NotAllowed(f"There is no comparison `{comparison[:40]}`.", allowed=list(COMPARISONS))
    is_calendar = period.unit in ("month", "quarter", "year")
    if comparison == "same_period_last_year":
        if period.unit == "week":
            return _days(period, -364)
        return _shifted(period, -12, is_whole=is_calendar and _is_whole(period))
    if period.unit is None or not is_calendar:
        return _days(period, -7 if period.unit == "week" else -period.days)
    months = {"month": 1, "quarter": 3, "year": 12}[period.unit]
    return _shifted(period, -months, is_whole=_is_whole(period))


def widened(period: Period, grain: str) -> Period:
    """The period from the first day of the grain's period on: a number known by month is not told of half a one."""
    return Period(_start(period.since, "week" if grain == "week" else "month" if grain == "month" else "day"),
                  period.until, period.unit)  # fmt: skip


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
    since = _months(period.since, months)
    # The last day of a whole month is another's last day, be it the 28th or the 31st.
    until = _months(period.until + timedelta(days=1), months) - timedelta(days=1) if is_whole else None
    return Period(since, until or _months(period.until, months), period.unit)


def _months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    try:
        return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
    except ValueError:
        raise NotAllowed("That period lies before the calendar.", allowed=list(NAMES)) from None
