"""From working hours to the sessions that can be offered: one pure function, no database, no clock.

Hours are on the studio's clock, what comes out is UTC. Of a time that autumn repeats the first is meant, as series and
calendars mean it (RFC 5545); one that spring skips does not exist: no session begins at it, and hours that end at it
end as the clock jumps.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from operational_api.scheduling.terms import Terms

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Span:
    """From `starts_at` up to, not including, `ends_at`."""

    starts_at: datetime
    ends_at: datetime

    def widened(self, before: timedelta, after: timedelta) -> "Span":
        """With its buffers."""
        return Span(self.starts_at - before, self.ends_at + after)

    def overlaps(self, other: "Span") -> bool:
        """Whether some moment is in both."""
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Open from `opens` to `closes` on each `weekday` (0 is Monday) from `valid_from` to `valid_to`, both included."""

    weekday: int
    opens: time
    closes: time
    valid_from: date
    valid_to: date | None = None

    def is_on(self, day: date) -> bool:
        """Whether these hours are kept on a day."""
        return (
            day.weekday() == self.weekday
            and self.valid_from <= day
            and (self.valid_to is None or day <= self.valid_to)
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """When a coach works. Days are the studio's.

    Attributes:
        exceptions: Hours of single days instead of the weekly ones; an empty sequence closes the day.
        holidays: Days on which the studio is closed, unless there is an exception.
        away: First and last day of each absence; nothing opens those.
    """

    weekly: Sequence[WeeklyHours]
    exceptions: Mapping[date, Sequence[tuple[time, time]]]
    holidays: frozenset[date] = frozenset()
    away: Sequence[tuple[date, date]] = ()

    def hours_on(self, day: date) -> list[tuple[time, time]]:
        """Opening hours of one day, the earliest first: absence over exception over holiday over the week."""
        if any(first <= day <= last for first, last in self.away):
            return []
        if day in self.exceptions:
            return sorted(self.exceptions[day])
        if day in self.holidays:
            return []
        return sorted((one.opens, one.closes) for one in self.weekly if one.is_on(day))

    def have(self, span: Span, zone: ZoneInfo) -> bool:
        """Whether a session lies within the hours of its day, wherever in their row."""
        wall = span.starts_at.astimezone(zone).replace(tzinfo=None)
        return any(
            datetime.combine(wall, opens) <= wall and span.ends_at <= _end(datetime.combine(wall, closes), zone)
            for opens, closes in self.hours_on(wall.date())
        )


def openings(
    rules: Rules, busy: Sequence[Span], *, zone: ZoneInfo, length: timedelta, terms: Terms, since: datetime,
    until: datetime,
) -> list[Span]:  # fmt: skip
    """Sessions that can be offered, by start, none touching another's buffers.

    Sessions stand in a fixed row from each opening on: one that something busy hits is left out, the others stay. The
    buffers need not lie within the hours, but nothing busy may lie in them.

    Args:
        busy: Any order, may overlap. Other sessions of Plyo come widened by their own buffers, outside calendars as
            they are.
        since: Only sessions that start after it.
        until: Only sessions that start at or before it.
    """
    taken = _merged(busy)
    begins = [one.starts_at for one in taken]
    found: list[Span] = []
    free_from = datetime.min.replace(tzinfo=UTC)
    for start, closes in _starts(rules, zone, length, terms, since, until):
        one = Span(start, start + length)
        wide = one.widened(terms.before, terms.after)
        if one.ends_at > closes or wide.starts_at < free_from or not since < start <= until:
            continue
        last = bisect_left(begins, wide.ends_at) - 1
        if last >= 0 and taken[last].ends_at > wide.starts_at:
            continue
        found.append(one)
        free_from = wide.ends_at
    return found


def _starts(
    rules: Rules, zone: ZoneInfo, length: timedelta, terms: Terms, since: datetime, until: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Each start in the row, in UTC, and when the hours it stands in end."""
    step = terms.before + length + terms.after
    day, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    while day <= last:
        for opens, closes in rules.hours_on(day):
            wall, end = datetime.combine(day, opens), datetime.combine(day, closes)
            while wall + length <= end:
                if (start := moment(wall, zone)) is not None:
                    yield start, _end(end, zone)
                wall += step
        day += DAY


def moment(wall: datetime, zone: ZoneInfo) -> datetime | None:
    """A wall time in UTC: of two the first, and None of one that the clock skips."""
    at = wall.replace(tzinfo=zone).astimezone(UTC)
    return at if at.astimezone(zone).replace(tzinfo=None) == wall else None


def _end(wall: datetime, zone: ZoneInfo) -> datetime:
    """When hours end, in UTC."""
    return moment(wall, zone) or _jump(wall, zone)


def _jump(skipped: datetime, zone: ZoneInfo) -> datetime:
    """When the clock skips a wall time, to the minute, in UTC."""
    at = skipped.replace(tzinfo=zone).astimezone(UTC)  # by the offset before: as much too late as it lies in the gap
    while (at - MINUTE).astimezone(zone).replace(tzinfo=None) > skipped:
        at -= MINUTE
    return at


def _merged(busy: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for one in sorted(busy, key=lambda span: (span.starts_at, span.ends_at)):
        if merged and one.starts_at <= merged[-1].ends_at:
            if one.ends_at > merged[-1].ends_at:
                merged[-1] = Span(merged[-1].starts_at, one.ends_at)
        elif one.ends_at > one.starts_at:
            merged.append(one)
    return merged
