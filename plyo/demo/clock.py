"""The simulation's calendar: weeks that start on Monday, and local hours of three cities turned into UTC at once."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from plyo.demo.columns import Ints, Times

HORIZON_WEEKS = 3
"""Weeks after the current one for which slots are on offer; bookings reach `BOOKED_DAYS` ahead."""
BOOKED_DAYS = 14
HOUR = np.timedelta64(3600, "s").astype("timedelta64[us]")
DAY = np.timedelta64(86400, "s").astype("timedelta64[us]")
MINUTE = np.timedelta64(60, "s").astype("timedelta64[us]")


@dataclass(frozen=True)
class Clock:
    """Weeks 0..current, then `HORIZON_WEEKS` more.

    Attributes:
        until: The simulated now, UTC.
        monday: First day of week 0.
        current: The week that holds `until`.
        offsets: Minutes from UTC, shape (zones, days since `monday`).
    """

    until: np.datetime64
    monday: np.datetime64
    current: int
    offsets: NDArray[np.int32]

    @classmethod
    def make(cls, until: datetime, months: int, zones: list[str]) -> "Clock":
        """The calendar of `months` months that end at `until`.

        Raises:
            ValueError: `until` has no time zone.
        """
        if until.tzinfo is None:
            raise ValueError("until needs a time zone")
        until = until.astimezone(UTC)
        first = until.date() - timedelta(days=round(months * 30.4375))
        monday = first - timedelta(days=first.weekday())
        current = (until.date() - monday).days // 7
        days = [monday + timedelta(days=day) for day in range((current + HORIZON_WEEKS + 3) * 7)]
        offsets = [[_offset_minutes(day, zone) for day in days] for zone in map(ZoneInfo, zones)]
        return cls(
            until=np.datetime64(until.replace(tzinfo=None), "us"),
            monday=np.datetime64(monday, "D"),
            current=current,
            offsets=np.array(offsets, np.int32),
        )

    @property
    def weeks(self) -> int:
        """All weeks, those ahead included."""
        return self.current + 1 + HORIZON_WEEKS

    @property
    def start(self) -> np.datetime64:
        first: np.datetime64 = self.monday.astype("datetime64[us]")
        return first

    def day(self, week: Ints, weekday: Ints) -> Times:
        """The date of a weekday (0 is Monday) of a week."""
        days: Times = self.monday + (week.astype(np.int64) * 7 + weekday).astype("timedelta64[D]")
        return days

    def utc(self, zone: Ints, day: Times, minute: Ints) -> Times:
        """Local minutes after midnight of a date, as UTC."""
        index = np.clip((day - self.monday).astype(np.int64), 0, self.offsets.shape[1] - 1)
        minutes = minute.astype(np.int64) - self.offsets[zone, index]
        at: Times = day.astype("datetime64[us]") + minutes.astype("timedelta64[m]")
        return at

    def local_day(self, zone: Ints, at: Times) -> Times:
        """The local date of instants."""
        index = np.clip((at.astype("datetime64[D]") - self.monday).astype(np.int64), 0, self.offsets.shape[1] - 1)
        day: Times = (at + self.offsets[zone, index].astype("timedelta64[m]")).astype("datetime64[D]")
        return day

    def week_of(self, at: Times) -> Ints:
        """The week that holds each instant (UTC days)."""
        week: Ints = (at.astype("datetime64[D]") - self.monday).astype(np.int64) // 7
        return week


def _offset_minutes(day: date, zone: ZoneInfo) -> int:
    # Noon tells a day's offset: clocks change at night, and nobody trains then.
    offset = datetime(day.year, day.month, day.day, 12, tzinfo=zone).utcoffset()
    return int(offset.total_seconds()) // 60 if offset else 0


def add_months(at: Times, months: Ints) -> Times:
    """The same day and time so many calendar months later; the month's last day where it has no such day."""
    month = at.astype("datetime64[M]")
    day = (at.astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64)
    target = month + months.astype("timedelta64[M]")
    length = ((target + 1).astype("datetime64[D]") - target.astype("datetime64[D]")).astype(np.int64)
    date = target.astype("datetime64[D]") + np.minimum(day, length - 1).astype("timedelta64[D]")
    moved: Times = date.astype("datetime64[us]") + (at - at.astype("datetime64[D]").astype("datetime64[us]"))
    return moved


def periods_between(start: Times, at: Times) -> Ints:
    """Whole monthly periods from `start` that have begun by `at`, less one: the index of the period that holds it."""
    guess = (at.astype("datetime64[M]") - start.astype("datetime64[M]")).astype(np.int64)
    index: Ints = np.where(add_months(start, guess) > at, guess - 1, guess)
    return index
