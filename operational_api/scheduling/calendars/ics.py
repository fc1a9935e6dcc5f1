"""iCalendar files of others (RFC 5545), of whatever origin: read with care, expanded within a window, never trusted.

Before the library sees a file it is reduced, line by line, to what says when somebody is busy. Titles, places, guests
and alarms are dropped unread: neither a flood of them nor what they say gets any further.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from types import FrameType
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

from operational_api.scheduling.calendars.errors import CalendarUnreadable
from operational_api.scheduling.calendars.port import Busy, Occurrence, Window, is_ours, whole_days

LARGEST_BYTES = 5 * 1024 * 1024
LONGEST_LINE = 64 * 1024
"""Octets of a line after unfolding; a photo in a line is longer, a rule never is."""
MOST_EVENTS = 10_000
MOST_TIMES = 20_000
"""Busy times within the window."""
DEEPEST = 4
CALLS_OF_A_FILE, CALLS_OF_AN_EVENT = 150_000, 4_000
"""Function calls that reading may take: whatever a rule asks for, an end is in sight, on any machine the same."""
_KEPT = frozenset(
    ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "UID", "STATUS", "TRANSP", "SEQUENCE",
     "X-MICROSOFT-CDO-BUSYSTATUS")
)  # fmt: skip
_LINE = re.compile(r"[^\r\n]+")
_ZONES = Lock()
Read = TypeVar("Read")
_TOO_OFTEN = ("FREQ=SECONDLY", "FREQ=MINUTELY")


class _TooMuchWork(BaseException):
    """The budget of calls is used up. No `Exception`: the libraries swallow those, and go on without a budget."""


def busy_times(data: bytes, window: Window, *, zone: str) -> list[Busy]:
    """When the events of a file keep their owner busy, within the window, by start. Ours and free ones do not.

    Args:
        data: One VCALENDAR, or several one after the other.
        zone: Whose clock counts for whole days and for times that name no zone.

    Raises:
        CalendarUnreadable: with the reason; nothing of a file that is broken in part is believed.
    """
    found = _carefully(data, lambda calendar: _expand(calendar, window, zone))
    return sorted(found, key=lambda one: (one.starts_at, one.external_id))


def parsed(data: str | bytes) -> list[icalendar.Calendar]:
    """The calendars of a file, with the time zones that it defines itself and nobody else's.

    The library keeps a zone that a file defines for all later files of the process, whoever's they are.
    """
    with _ZONES:
        icalendar.use_zoneinfo()  # type: ignore[no-untyped-call]  # forgets them
        calendars: list[icalendar.Calendar] = icalendar.Calendar.from_ical(data, multiple=True)
    return calendars


def _carefully(data: bytes, read: Callable[[icalendar.Component], Iterable[Read]]) -> list[Read]:
    """What `read` finds in the calendars of a file, reduced before and on a budget."""
    reduced = _reduce(data)
    events = reduced.count("BEGIN:VEVENT")
    try:
        with _budget(CALLS_OF_A_FILE + CALLS_OF_AN_EVENT * events):
            return [one for calendar in parsed(reduced) for one in read(calendar)]
    except CalendarUnreadable:
        raise
    except _TooMuchWork as error:
        raise CalendarUnreadable("Its repeating events are more work to read than a calendar should be.") from error
    except RecursionError as error:
        raise CalendarUnreadable("It is nested too deeply.") from error
    except Exception as error:  # the libraries raise what they like at what they were not made for
        raise CalendarUnreadable(f"It does not keep to the iCalendar standard: {_reason(error)}") from error


def occurrences(data: bytes, window: Window) -> list[Occurrence]:
    """What a series of ours has in somebody's calendar, within the window.

    Raises:
        CalendarUnreadable: whatever it is by now.
    """

    def expand(calendar: icalendar.Component) -> Iterator[Occurrence]:
        spoken = set()
        for event in recurring_ical_events.of(calendar).between(window.since, window.until):
            starts_at, ends_at = span(event, "UTC")
            told = event.get("RECURRENCE-ID")
            recurs_at = _utc(told.dt, "UTC") if told else starts_at
            if recurs_at in spoken:  # an exception for all that follow has the name of its first
                recurs_at = starts_at
            spoken.add(recurs_at)
            yield Occurrence(recurs_at, starts_at, ends_at)

    return _carefully(data, expand)


def _expand(calendar: icalendar.Component, window: Window, zone: str) -> Iterator[Busy]:
    query = recurring_ical_events.of(calendar)
    # Floating times and whole days are somewhere within a day of the window in UTC.
    since, until = window.since - timedelta(days=1), window.until + timedelta(days=1)
    for number, event in enumerate(query.between(since, until)):
        if number >= MOST_TIMES:
            raise CalendarUnreadable(f"It has more than {MOST_TIMES} appointments in the coming weeks.")
        if _keeps_busy(event):
            starts_at, ends_at = span(event, zone)
            if window.overlaps(starts_at, ends_at):
                yield Busy(str(event.get("UID", "")), starts_at, ends_at)


def _keeps_busy(event: Any) -> bool:
    if is_ours(str(event.get("UID", ""))) or str(event.get("STATUS", "")).upper() == "CANCELLED":
        return False
    told = str(event.get("X-MICROSOFT-CDO-BUSYSTATUS", "")).upper()
    return str(event.get("TRANSP", "")).upper() != "TRANSPARENT" and told not in ("FREE", "WORKINGELSEWHERE")


def span(event: Any, zone: str) -> tuple[datetime, datetime]:
    """From when to when an event with a start and an end lasts, in UTC.

    Raises:
        KeyError, AttributeError: it lacks one of them.
    """
    start, end = event["DTSTART"].dt, event["DTEND"].dt
    if not isinstance(start, datetime):
        return whole_days(start, end if not isinstance(end, datetime) else end.date(), zone)
    return _utc(start, zone), _utc(end, zone)


def _utc(moment: date, zone: str) -> datetime:
    if not isinstance(moment, datetime):
        return whole_days(moment, moment, zone)[0]
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def _reduce(data: bytes) -> str:
    """Only the calendars, time zones and events of a file, and of events only what `_KEPT` names."""
    if len(data) > LARGEST_BYTES:
        raise CalendarUnreadable(f"It is larger than {LARGEST_BYTES // 1024 // 1024} MB.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CalendarUnreadable("It is not written in UTF-8.") from error
    kept: list[str] = []
    open_: list[str] = []
    dropping = events = 0
    for line in _unfolded(text):
        name, _, value = line.partition(":")
        name, value = name.strip().upper(), value.strip().upper()
        if name == "BEGIN":
            _check_place(value, open_)
            open_.append(value)
            dropping += not _is_wanted(open_)
            events += value == "VEVENT"
            if events > MOST_EVENTS:
                raise CalendarUnreadable(f"It has more than {MOST_EVENTS} events.")
            if not dropping:
                kept.append(f"BEGIN:{value}")
        elif name == "END":
            if not open_ or open_[-1] != value:
                raise CalendarUnreadable(f"An end of {value[:20]} has no beginning.")
            if not dropping:
                kept.append(f"END:{value}")
            dropping -= not _is_wanted(open_)
            open_.pop()
        elif not open_:
            raise CalendarUnreadable("It does not begin with BEGIN:VCALENDAR.")
        elif not dropping and (open_[-1] != "VEVENT" or line.partition(":")[0].partition(";")[0].upper() in _KEPT):
            kept.append(_checked(line))
    if open_ or not kept:
        raise CalendarUnreadable("It ends in the middle." if open_ else "It is empty.")
    return "\r\n".join([*kept, ""])


def _check_place(name: str, open_: list[str]) -> None:
    if (name == "VCALENDAR") != (not open_):
        raise CalendarUnreadable("It does not begin with BEGIN:VCALENDAR." if not open_ else "It is nested.")
    if len(open_) >= DEEPEST or (name in ("VEVENT", "VTIMEZONE") and open_ != ["VCALENDAR"]):
        raise CalendarUnreadable("It is nested too deeply.")


def _is_wanted(open_: list[str]) -> bool:
    inner = open_[-1]
    if inner in ("STANDARD", "DAYLIGHT"):
        return open_[-2:-1] == ["VTIMEZONE"]
    return inner in ("VCALENDAR", "VEVENT", "VTIMEZONE")


def _checked(line: str) -> str:
    upper = line.upper()
    if upper.startswith("RRULE") and any(often in upper for often in _TOO_OFTEN):
        raise CalendarUnreadable("An event repeats every minute or second, which nobody's appointments do.")
    if "\0" in line:
        raise CalendarUnreadable("It has bytes that no text has.")
    return line


def _unfolded(text: str) -> Iterator[str]:
    parts: list[str] = []
    size = 0
    for found in _LINE.finditer(text):  # one at a time: a list of a million small ones is many times the file
        line = found[0]
        is_more = line[:1] in (" ", "\t")
        if not is_more:
            if parts and (whole := "".join(parts)).strip():
                yield whole
            parts, size = [], 0
        parts.append(line[1:] if is_more else line)
        size += len(line)
        if size > LONGEST_LINE:
            raise CalendarUnreadable(f"A line is longer than {LONGEST_LINE // 1024} KB.")
    if parts and (whole := "".join(parts)).strip():
        yield whole


def _reason(error: Exception) -> str:
    if isinstance(error, AttributeError | KeyError | TypeError):  # in words about the libraries' own insides
        return "a property is missing, stands twice or is of the wrong kind."
    told = " ".join(str(error).split())
    return f"{told[:150]}." if told else f"{type(error).__name__}."


@dataclass
class _budget:
    """Ends what runs inside it after so many function calls of this thread.

    Rules exist that never come true, and the library looks for them until the year 9999; a clock would refuse the same
    file on a busy machine and take it on an idle one.
    """

    left: int

    def __enter__(self) -> None:
        """Begin to count."""
        self._before = sys.gettrace()
        sys.settrace(self._count)

    def __exit__(self, *_: object) -> None:
        """Count no more."""
        sys.settrace(self._before)

    def _count(self, _frame: FrameType, _event: str, _argument: object) -> None:
        self.left -= 1
        if self.left < 0:
            raise _TooMuchWork
