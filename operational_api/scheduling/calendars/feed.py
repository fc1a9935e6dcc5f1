"""Bookings as iCalendar files (RFC 5545): one for a phone, a feed that apps subscribe to, one event for CalDAV.

The same entries make the same bytes: a feed's ETag says whether anything changed.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event

from operational_api.scheduling.calendars.port import Entry

MEDIA_TYPE = "text/calendar"
PRODUCT = "-//Plyo//Bookings//EN"
REFRESHED_EVERY = timedelta(hours=1)
OURS = ("UID", "DTSTAMP", "SEQUENCE", "SUMMARY", "LOCATION", "DTSTART", "DTEND", "STATUS", "LAST-MODIFIED")
"""Properties of an event that we say; whatever else it has is its owner's."""


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
        calendar.add_component(event_of(entry))
    if entries:
        calendar.add_missing_timezones(
            first_date=min(one.starts_at for one in entries).date() - timedelta(days=366),
            last_date=max(one.ends_at for one in entries).date() + timedelta(days=366),
        )
    text: bytes = calendar.to_ical()
    return text


def event_of(entry: Entry) -> Event:
    """One VEVENT, its times on the studio's clock."""
    event, here = Event(), ZoneInfo(entry.time_zone)
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
