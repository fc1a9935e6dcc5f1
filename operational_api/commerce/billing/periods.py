"""Days and months of a customer's calendar. Pure: no clock, no tables.

A membership is paid for whole local days. A period is from the first moment of its first day until the first moment of
the day after its last, so that daylight saving time makes periods of 23 or 25 hours more or less and never of a day.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `starts_on` until the day before `ends_on`."""

    starts_on: date
    ends_on: date

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.ends_on - self.starts_on).days

    def used(self, on: date) -> tuple[int, int]:
        """Days before `on`, and days left with it; `on` outside counts as its nearest end."""
        cut = min(max(on, self.starts_on), self.ends_on)
        return (cut - self.starts_on).days, (self.ends_on - cut).days


def add_months(day: date, months: int) -> date:
    """The same day so many months later, or the last of a month that has no such day: 31 January + 1 is 28 February."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def period_at(anchor_on: date, interval_months: int, day: date) -> Period:
    """The period that has `day` in it, of those that begin on the day of the month of `anchor_on`.

    Boundaries are counted from the anchor and not from each other: after 31 January and 28 February comes 31 March.
    """
    months = (day.year - anchor_on.year) * 12 + day.month - anchor_on.month
    number = months // interval_months
    if add_months(anchor_on, number * interval_months) > day:  # later in the same month
        number -= 1
    return Period(
        add_months(anchor_on, number * interval_months), add_months(anchor_on, (number + 1) * interval_months)
    )


def anchor_of(period: Period, interval_months: int) -> date:
    """From which day a period is counted that somebody else counted: its first, or its last where its first is the end
    of a shorter month, as from 28 February to 31 March. By moments it may end a day later than by days, where it began
    late on its first day and clocks were put forward since."""
    for end in (period.ends_on, days_after(period.ends_on, -1)):
        from_end = period_at(end, interval_months, period.starts_on)
        if from_end == Period(period.starts_on, end) and end.day > period.starts_on.day:
            return end
    return period.starts_on


def first_moment(day: date, zone: str) -> datetime:
    """When a day begins in a time zone, in UTC: where clocks skip midnight, the first moment after the gap."""
    return datetime.combine(day, time.min, ZoneInfo(zone)).astimezone(UTC)


def day_of(moment: datetime, zone: str) -> date:
    """The local day that a moment is in."""
    return moment.astimezone(ZoneInfo(zone)).date()


def same_hour(moment: datetime, day: date, zone: str) -> datetime:
    """A moment's local time on another day, in UTC: where clocks skip it, as much later as they skip."""
    return datetime.combine(day, moment.astimezone(ZoneInfo(zone)).timetz()).astimezone(UTC)


def days_after(day: date, days: int) -> date:
    """A day so many days later."""
    return day + timedelta(days=days)
