"""How classes repeat: the part of RFC 5545's RRULE that studios use, as a value. No database, no clock.

`FREQ=WEEKLY`, every week or every second, on one or more weekdays, up to a day or a number of times. An occurrence is
a wall time of its studio: it stays at six in the evening when the clocks change.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from operational_api.scheduling.errors import InvalidRecurrence

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
MOST = 104
"""Sessions of one series: two years of a weekly class."""
LONGEST = 1040
"""Sessions of a booking that goes on: twenty years of weeks."""
WEEK = timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Every `interval` weeks on `weekdays`, `count` times or up to `until`.

    `weekdays`: 0 is Monday; none stands for that of the first day.
    """

    interval: int = 1
    weekdays: tuple[int, ...] = ()
    count: int | None = None
    until: date | None = None
    most: int = field(default=MOST, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what never ends, ends twice or is not a week's business."""
        if (self.count is None) == (self.until is None):
            raise InvalidRecurrence("Say how often it takes place or until when, one of the two.")
        if self.interval not in (1, 2):
            raise InvalidRecurrence("Classes repeat every week or every second week.")
        if self.count is not None and not 1 <= self.count <= self.most:
            raise InvalidRecurrence(f"A series has 1 to {self.most} classes.")
        if set(self.weekdays) - set(range(7)):
            raise InvalidRecurrence("A weekday is 0, Monday, to 6, Sunday.")

    def days(self, first: date) -> list[date]:
        """The days on which it takes place, from `first` on, which counts only if it is one of the weekdays.

        Raises:
            InvalidRecurrence: there is no such day, or more than anybody plans.
        """
        wanted = sorted(set(self.weekdays) or {first.weekday()})
        found: list[date] = []
        monday = first - timedelta(days=first.weekday())
        while self.until is None or monday <= self.until:
            for weekday in wanted:
                day = monday + timedelta(days=weekday)
                if day < first or (self.until is not None and day > self.until):
                    continue
                found.append(day)
                if len(found) == self.count:
                    return found
            if len(found) > self.most:
                raise InvalidRecurrence(f"A series has at most {self.most} classes: choose an earlier last day.")
            monday += self.interval * WEEK
        if not found:
            raise InvalidRecurrence("No class takes place by that day.")
        return found

    def __str__(self) -> str:
        """As an RRULE."""
        parts = ["FREQ=WEEKLY"]
        if self.interval != 1:
            parts.append(f"INTERVAL={self.interval}")
        if self.weekdays:
            parts.append("BYDAY=" + ",".join(WEEKDAYS[one] for one in sorted(set(self.weekdays))))
        parts.append(f"COUNT={self.count}" if self.count is not None else f"UNTIL={self.until:%Y%m%d}")
        return ";".join(parts)


def parse(rule: str, *, most: int = MOST) -> Recurrence:
    """A rule from its RRULE, with or without that word before it.

    Args:
        most: Sessions that it may have.

    Raises:
        InvalidRecurrence: it is none, or one that studios do not use.
    """
    parts = dict(part.partition("=")[::2] for part in rule.strip().upper().removeprefix("RRULE:").split(";") if part)
    if parts.pop("FREQ", None) != "WEEKLY" or parts.keys() - {"INTERVAL", "BYDAY", "COUNT", "UNTIL"}:
        raise InvalidRecurrence("Classes repeat weekly: FREQ=WEEKLY with INTERVAL, BYDAY, and COUNT or UNTIL.")
    try:
        return Recurrence(
            interval=int(parts.get("INTERVAL", 1)),
            weekdays=tuple(WEEKDAYS.index(one) for one in parts["BYDAY"].split(",")) if "BYDAY" in parts else (),
            count=int(parts["COUNT"]) if "COUNT" in parts else None,
            until=datetime.strptime(parts["UNTIL"][:8], "%Y%m%d").replace(tzinfo=UTC).date()
            if "UNTIL" in parts
            else None,
            most=most,
        )
    except ValueError as error:
        raise InvalidRecurrence(f"{rule[:80]!r} is no rule that can be read.") from error


def starts_of(rule: str, first: date, wall: time, zone: str) -> list[datetime]:
    """Every start of a rule, in UTC."""
    here = ZoneInfo(zone)
    return [at_wall_time(day, wall, here) for day in parse(rule, most=LONGEST).days(first)]


def at_wall_time(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """A class's start in UTC. A time that spring skips is the one an hour later; of two in autumn it is the first."""
    return datetime.combine(day, wall, tzinfo=zone).astimezone(UTC)
