"""What every calendar outside can do, and the values that cross. One suite of tests holds every adapter to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

DOMAIN = "plyo"


def uid_of(booking_id: UUID) -> str:
    """The UID that a booking's event has wherever it is shown, for as long as it exists."""
    return f"{booking_id}@{DOMAIN}"


def is_ours(uid: str) -> bool:
    """Whether an event has a UID of ours: our own echo, which never makes anybody busy."""
    return uid.endswith(f"@{DOMAIN}")


@dataclass(frozen=True, slots=True)
class CalendarRef:
    """One calendar of an account. `id` is the provider's own name for it."""

    id: str
    name: str
    is_primary: bool
    is_writable: bool


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One session of a series. `recurs_at` is when the rule has it, its name for good; the others, when it is."""

    recurs_at: datetime
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Series:
    """How an entry recurs.

    Args:
        rule: RRULE without that word, weekly and with an end, on the clock of the entry's zone.
        every: Each start that the rule has, in UTC.
        shown: Those that take place, by `recurs_at`. What the rule has and this has not is a hole.
    """

    rule: str
    every: Sequence[datetime]
    shown: Sequence[Occurrence]

    @property
    def holes(self) -> list[datetime]:
        """Starts that the rule has and that do not take place."""
        known = {one.recurs_at for one in self.shown}
        return [one for one in self.every if one not in known]

    def moved(self, length: timedelta) -> list[Occurrence]:
        """Those that are not when the rule has them, or not as long."""
        return [one for one in self.shown if (one.starts_at, one.ends_at) != (one.recurs_at, one.recurs_at + length)]

    def without(self, away: Mapping[datetime, datetime]) -> "Series":
        """Without those that somebody took away, as long as they are when they were.

        Args:
            away: `recurs_at` and the start that it had then.
        """
        return Series(self.rule, self.every, [one for one in self.shown if away.get(one.recurs_at) != one.starts_at])


@dataclass(frozen=True, slots=True)
class Entry:
    """A booking as a calendar shows it, or with `series` bookings that recur: then the times are of the rule's first.

    Args:
        sequence: Grows with every change that people should notice (RFC 5545).
        time_zone: The studio's, in which the times are told.
        is_cancelled: Only feeds and files show that; from calendars that are written to a cancelled entry is removed.
    """

    uid: str
    sequence: int
    title: str
    location: str
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    changed_at: datetime
    is_cancelled: bool = False
    series: Series | None = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """Where an entry lies there, and the version that we know of.

    Args:
        occurrences: Of a series whose occurrences have ids of their own there: each id's `recurs_at`.
    """

    external_id: str
    etag: str
    occurrences: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Window:
    """The span of time that is read. Series without an end are read as far as this."""

    since: datetime
    until: datetime

    def overlaps(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether something lies in it at least in part."""
        return starts_at < self.until and ends_at > self.since


@dataclass(frozen=True, slots=True)
class Busy:
    """A time at which somebody else's appointment keeps a person busy; UTC. `series_id` is the event it recurs from."""

    external_id: str
    starts_at: datetime
    ends_at: datetime
    series_id: str = ""


@dataclass(frozen=True, slots=True)
class OwnSeen:
    """An event of ours, or an occurrence that has an id of its own, as it was found there. No times: it was removed.

    Args:
        occurrences: Of a series that is told as a whole, all that it has there.
        series_id: The event it recurs from, of an occurrence that is told by itself.
        uid: Ours, where the event still says it: a copy that somebody made there says so too.
    """

    external_id: str
    etag: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    occurrences: Sequence[Occurrence] | None = None
    series_id: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since a cursor.

    Args:
        busy: Times that count from now on.
        touched: Ids, of events or of series, whose earlier times count no more; `busy` has the new ones.
        own: Our own events that somebody or something touched, us included.
        cursor: Where to go on.
        is_full: Everything was read: whatever is not in `busy` is gone.
    """

    busy: Sequence[Busy]
    touched: frozenset[str]
    own: Sequence[OwnSeen]
    cursor: str
    is_full: bool


class Readable(Protocol):
    """A calendar that can be read."""

    def close(self) -> None:
        """Let its connections go."""
        ...

    def changes(self, calendar_id: str, cursor: str | None, window: Window, *, zone: str) -> Changes:
        """What changed since the cursor; everything without one.

        Args:
            zone: Where its owner lives: whole days, and times without a zone, are told on their clock.

        Raises:
            CursorTooOld: the cursor is not known there any more.
            CalendarRefused, CalendarGone, CalendarUnreachable, CalendarUnreadable.
        """
        ...


class Calendar(Readable, Protocol):
    """A calendar that our bookings are written to as well."""

    def calendars(self) -> list[CalendarRef]:
        """The account's calendars, the primary one first.

        Raises:
            CalendarRefused, CalendarUnreachable.
        """
        ...

    def put(self, calendar_id: str, entry: Entry, known: Pushed | None) -> Pushed:
        """Have the calendar show the entry; doing it twice is doing it once, also where the first answer was lost.

        A series is one event there, with its holes and with those occurrences elsewhere that are.

        What was split off a series there ("this and following") and says that it is ours is taken away: the series has
        all of it again. Where somebody changed the event there meanwhile, ours wins in what we say (title, place,
        times), and what they added (a reminder, a note, a colour) stays.

        Raises:
            CalendarRefused, CalendarGone, CalendarUnreachable.
        """
        ...

    def find(self, calendar_id: str, uid: str) -> Pushed | None:
        """Our event by its UID, for who wrote it and never heard the answer; None where there is none.

        Raises:
            CalendarRefused, CalendarGone, CalendarUnreachable.
        """
        ...

    def cancel(self, calendar_id: str, known: Pushed) -> None:
        """Take the entry away; one that is gone already is gone.

        Raises:
            CalendarRefused, CalendarUnreachable.
        """
        ...


def whole_days(first: date, after_last: date, zone: str) -> tuple[datetime, datetime]:
    """The span of whole days on the clock of a zone, in UTC."""
    here = ZoneInfo(zone)
    last = max(after_last, first + timedelta(days=1))
    begins, ends = (datetime.combine(day, time(), tzinfo=here).astimezone(ZoneInfo("UTC")) for day in (first, last))
    return begins, ends
