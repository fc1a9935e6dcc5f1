"""iCalendar texts as people's calendars hold them, and what a calendar app draws of one."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

from tests.operational_api.scheduling.calendars.worlds.world import BERLIN, HOUR, weeks_later


def event(starts_at: datetime, *, is_free: bool = False, uid: str = "", more: str = "") -> str:
    """A calendar of one hour."""
    return calendar(
        f"UID:{uid or uuid4()}\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:Dentist\r\n"
        f"DTSTART:{starts_at:%Y%m%dT%H%M%SZ}\r\nDTEND:{starts_at + HOUR:%Y%m%dT%H%M%SZ}\r\n"
        f"TRANSP:{'TRANSPARENT' if is_free else 'OPAQUE'}\r\n{more}"
    )


def day_event(first: date, days: int) -> str:
    """A calendar of whole days."""
    last = first + timedelta(days=days)
    return calendar(
        f"UID:{uuid4()}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;VALUE=DATE:{first:%Y%m%d}\r\n"
        f"DTEND;VALUE=DATE:{last:%Y%m%d}\r\n"
    )


def series(starts_at: datetime) -> str:
    """A calendar of a weekly hour with an exception and a hole; `starts_at` is told on Berlin's clock."""
    uid, here = uuid4(), ZoneInfo(BERLIN)

    def local(moment: datetime) -> str:
        return f";TZID={BERLIN}:{moment.astimezone(here):%Y%m%dT%H%M%S}"

    third = weeks_later(starts_at, 2)
    return calendar(
        f"UID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART{local(starts_at)}\r\nDTEND{local(starts_at + HOUR)}\r\n"
        f"RRULE:FREQ=WEEKLY;COUNT=4\r\nEXDATE{local(weeks_later(starts_at, 1))}\r\n",
        f"UID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID{local(third)}\r\n"
        f"DTSTART{local(third + 2 * HOUR)}\r\nDTEND{local(third + 3 * HOUR)}\r\n",
    )


def calendar(*events: str) -> str:
    """A file of these events."""
    inner = "".join(f"BEGIN:VEVENT\r\n{one}END:VEVENT\r\n" for one in events)
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{inner}END:VCALENDAR\r\n"


def drawn(text: str) -> dict[datetime, datetime]:
    """A file's occurrences as a calendar app draws them: by when the rule has each, when it is."""
    found = recurring_ical_events.of(icalendar.Calendar.from_ical(text)).between((2026, 1, 1), (2029, 1, 1))
    return {one["RECURRENCE-ID"].dt.astimezone(UTC): one["DTSTART"].dt.astimezone(UTC) for one in found}
