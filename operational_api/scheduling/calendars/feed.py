"""Bookings as iCalendar files (RFC 5545): one for a phone, a feed that apps subscribe to, one event for CalDAV.

The same entries make the same bytes: a feed's ETag says whether anything changed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vRecur

from operational_api.scheduling.calendars.port import Entry

MEDIA_TYPE = "text/calendar"
PRODUCT = "-//Plyo//Bookings//EN"
REFRESHED_EVERY = timedelta(hours=1)
OURS = (
    "UID", "DTSTAMP", "SEQUENCE", "SUMMARY", "LOCATION", "DTSTART", "DTEND", "DURATION", "STATUS", "LAST-MODIFIED",
    "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID",
)  # fmt: skip
"""Properties of an event that we say, or leave out; whatever else it has is its owner's."""


def render(entries: Sequence[Entry], *, name: str = "", is_published: bool = True) -> bytes:
    """A file of these entries with the time zones that they are told in.

    Args:
        name: Of a feed, as apps show it.
        is_published: Says METHOD:PUBLISH, which belongs in files and feeds and not in what lies on a CalDAV server.
    """
    calendar = Calendar()
    calendar.add("PRODID", PRODUCT)
    calendar.add("VERSION", "2.0")
    if is_published:
        calendar.add("METHOD", "PUBLISH")
    if name:
        calendar.add("NAME", name)
        calendar.add("X-WR-CALNAME", name)
        calendar.add("REFRESH-INTERVAL", REFRESHED_EVERY, parameters={"VALUE": "DURATION"})
        calendar.add("X-PUBLISHED-TTL", REFRESHED_EVERY)
    for entry in entries:
        for event in events_of(entry):
            calendar.add_component(event)
    if entries:
        calendar.add_missing_timezones(
            first_date=min(one.starts_at for one in entries).date() - timedelta(days=366),
            last_date=max(_last(one) for one in entries).date() + timedelta(days=366),
        )
    text: bytes = calendar.to_ical()
    return text


def events_of(entry: Entry) -> list[Event]:
    """The entry's VEVENTs: of a series the rule with its holes first, then each occurrence that is elsewhere."""
    event = _event(entry)
    series = entry.series
    if series is None:
        return [event]
    here = ZoneInfo(entry.time_zone)
    event.add("RRULE", vRecur.from_ical(series.rule))
    if series.shown and series.holes:
        event.add("EXDATE", [one.astimezone(here) for one in series.holes])
    found = [event]
    for one in series.moved(entry.ends_at - entry.starts_at):
        elsewhere = _event(replace(entry, starts_at=one.starts_at, ends_at=one.ends_at))
        elsewhere.add("RECURRENCE-ID", one.recurs_at.astimezone(here))
        found.append(elsewhere)
    return found


def _last(entry: Entry) -> datetime:
    if entry.series is None:
        return entry.ends_at
    return max([entry.ends_at, *entry.series.every, *(one.ends_at for one in entry.series.shown)])


def _event(entry: Entry) -> Event:
    """One VEVENT, its times on the studio's clock; in UTC where one is the second of two that this clock shows alike:
    RFC 5545 takes the first. A series keeps the clock, by which it recurs."""
    event, here = Event(), ZoneInfo(entry.time_zone)
    if entry.series is None and any(one.astimezone(here).fold for one in (entry.starts_at, entry.ends_at)):
        here = ZoneInfo("UTC")
    event.add("UID", entry.uid)
    event.add("DTSTAMP", entry.changed_at.astimezone(UTC))
    event.add("LAST-MODIFIED", entry.changed_at.astimezone(UTC))
    event.add("SEQUENCE", entry.sequence)
    event.add("DTSTART", entry.starts_at.astimezone(here))
    event.add("DTEND", entry.ends_at.astimezone(here))
    event.add("SUMMARY", entry.title)
    event.add("LOCATION", entry.location)
    event.add("STATUS", "CANCELLED" if entry.is_cancelled else "CONFIRMED")
    return event


def etag_of(text: bytes) -> str:
    """The strong ETag of a file."""
    return f'"{hashlib.sha256(text).hexdigest()[:32]}"'
