"""What people are told is the minute at which it is done: on pages, in e-mails and in calendar files, wherever.

The oracle reads what was told as somebody with a clock on the wall would: of all minutes around, those at which their
clock shows just that. There has to be one, and it has to be the one that the rules go by.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar
from jinja2.runtime import Context

from operational_api.engagement.channels.rendering import local_time
from operational_api.scheduling.calendars import feed
from operational_api.scheduling.calendars.port import Entry
from operational_api.scheduling.errors import HoldExpired, SessionNotStarted
from operational_api.scheduling.lifecycle import BookingLife, is_bookable
from operational_api.scheduling.terms import Terms
from operational_api.web.filters import local, which_of_two

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ZONES = (
    "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Auckland",
    "Pacific/Chatham", "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kolkata", "Asia/Kathmandu",
    "Asia/Ho_Chi_Minh", "Africa/Casablanca", "America/Santiago", "UTC",
)  # fmt: skip


def changes_of(zone: ZoneInfo) -> list[datetime]:
    """When this zone's clocks are put forward and back in 2026, to the minute."""
    found, at = [], datetime(2026, 1, 1, tzinfo=UTC)
    while at.year == 2026:
        if at.astimezone(zone).utcoffset() != (at + HOUR).astimezone(zone).utcoffset():
            found.append(next(one for one in (at + n * MINUTE for n in range(1, 61))
                              if one.astimezone(zone).utcoffset() != at.astimezone(zone).utcoffset()))  # fmt: skip
        at += HOUR
    return found


CHANGES = {name: changes_of(ZoneInfo(name)) for name in ZONES}
EVERY_CHANGE = sorted({one for found in CHANGES.values() for one in found})


def of_page(at: datetime, zone: str) -> str:
    return local(cast(Context, {"tz": zone}), at)


def on_the_wall(at: datetime, zone: ZoneInfo, pattern: str) -> str:
    """What somebody says whose clock shows this, and who knows which of two it is where they are alike."""
    here = at.astimezone(zone)
    if (at - 2 * HOUR).astimezone(zone).utcoffset() == (at + 2 * HOUR).astimezone(zone).utcoffset():
        return here.strftime(pattern)
    alike = [one for one in (at + n * timedelta(minutes=30) for n in range(-4, 5))
             if one != at and f"{one.astimezone(zone):%m%d%H%M}" == f"{here:%m%d%H%M}"]  # fmt: skip
    offset = f"{here:%z}"
    which = f" UTC{offset[0]}{int(offset[1:3])}" + (f":{offset[3:5]}" if offset[3:5] != "00" else "") if alike else ""
    return here.strftime(pattern) + which


def read(told: str, zone: str, pattern: str, *, around: datetime) -> datetime:
    """The one minute that is meant."""
    here, start = ZoneInfo(zone), around.replace(second=0, microsecond=0) - 4 * HOUR
    found = [one for one in (start + n * MINUTE for n in range(8 * 60)) if on_the_wall(one, here, pattern) == told]
    assert len(found) == 1, (told, found)
    return found[0]


places = st.sampled_from(ZONES)
moments = st.builds(
    lambda change, minutes: change + minutes * MINUTE, st.sampled_from(EVERY_CHANGE), st.integers(-200, 200)
)


@pytest.mark.parametrize("name", ["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia"])
def test_the_two_changes_of_a_year_are_looked_at(name: str) -> None:
    assert len(CHANGES[name]) == (0 if name == "Pacific/Apia" else 2)


@settings(max_examples=40, deadline=None)
@given(at=moments, zone=places)
def test_a_page_names_one_minute_and_that_one(at: datetime, zone: str) -> None:
    assert read(of_page(at, zone), zone, "%a %-d %b, %H:%M", around=at) == at


@settings(max_examples=40, deadline=None)
@given(at=moments, zone=places)
def test_an_e_mail_names_one_minute_and_that_one(at: datetime, zone: str) -> None:
    told, _, city = local_time(at.isoformat(), zone).partition(" (")
    assert read(told, zone, "%A %-d %B, %H:%M", around=at) == at
    assert city == f"{zone.rpartition('/')[2].replace('_', ' ')} time)"
    assert which_of_two(at.astimezone(ZoneInfo(zone))) in local_time(at.isoformat(), zone, "vi")


@settings(max_examples=40, deadline=None)
@given(at=moments, zone=places, minutes=st.sampled_from([30, 45, 60, 90]))
def test_a_calendar_file_has_the_session_when_it_is(at: datetime, zone: str, minutes: int) -> None:
    entry = Entry("1@plyo", 0, "Training", "Studio", at, at + minutes * MINUTE, zone, at - DAY)
    (event,) = Calendar.from_ical(feed.render([entry])).walk("VEVENT")
    assert (event.start.astimezone(UTC), event.end.astimezone(UTC)) == (entry.starts_at, entry.ends_at)
    assert (str(event["DTSTART"].params.get("TZID", "UTC")) == "UTC") is (
        zone == "UTC" or any(one.astimezone(ZoneInfo(zone)).fold for one in (entry.starts_at, entry.ends_at))
    )


def _can_confirm(life: BookingLife, at: datetime) -> bool:
    try:
        life.confirm(at, needs_confirmation=False)
    except HoldExpired:
        return False
    return True


def _is_no_show(life: BookingLife, at: datetime) -> bool:
    try:
        life.mark("no_show", at)
    except SessionNotStarted:
        return False
    return True


Rule = tuple[
    Callable[[Terms, datetime, datetime], datetime], Callable[[Terms, datetime, datetime, datetime], bool], int
]
RULES: dict[str, Rule] = {
    # the minute that is told, whether something can be done at a time, and the minutes from the told one to the last
    "cancelled for nothing": (
        lambda terms, starts_at, _: terms.free_until(starts_at),
        lambda terms, starts_at, _, at: (
            BookingLife("booked", starts_at, terms.free_until(starts_at)).cancel(at) == "cancelled"
        ),
        0,
    ),
    "booked with notice enough": (
        lambda terms, starts_at, _: starts_at - terms.notice,
        lambda terms, starts_at, _, at: is_bookable(starts_at, at, terms.notice),
        0,
    ),
    "kept while they pay": (
        lambda terms, starts_at, now: terms.hold_ends(starts_at, now),
        lambda terms, starts_at, now, at: _can_confirm(
            BookingLife("held", starts_at, held_until=terms.hold_ends(starts_at, now)), at
        ),
        -1,
    ),
    "kept for who waited": (
        lambda terms, starts_at, now: terms.offer_ends(starts_at, now),
        lambda terms, starts_at, now, at: (
            not BookingLife("held", starts_at, held_until=terms.offer_ends(starts_at, now)).has_lapsed(at)
        ),
        -1,
    ),
    "not missed before it starts": (
        lambda _terms, starts_at, _: starts_at,
        lambda _terms, starts_at, _, at: not _is_no_show(BookingLife("booked", starts_at), at),
        -1,
    ),
}


@pytest.mark.parametrize("what", sorted(RULES))
@settings(max_examples=15, deadline=None)
@given(told_at=moments, studio=places, customer=places, coach=places, data=st.data())
def test_what_ends_ends_at_the_minute_that_each_is_told(
    what: str, told_at: datetime, studio: str, customer: str, coach: str, data: st.DataObject
) -> None:
    """The end lies around a change of somebody's clocks; the page of each and the mail tell it in their zones."""
    ends, can, last = RULES[what]
    length = data.draw(st.sampled_from([15, 90, 720, 1440]))
    terms = Terms(
        minimum_notice_minutes=length, free_cancellation_minutes=length, hold_minutes=length, offer_minutes=length
    )
    before = {"cancelled for nothing": length, "booked with notice enough": length, "not missed before it starts": 0}
    starts_at = told_at + (before[what] * MINUTE if what in before else 3 * DAY)
    now = told_at - length * MINUTE
    assert ends(terms, starts_at, now) == told_at
    for zone in (studio, customer, coach):
        heard = read(of_page(ends(terms, starts_at, now), zone), zone, "%a %-d %b, %H:%M", around=told_at)
        assert can(terms, starts_at, now, heard + last * MINUTE)
        assert not can(terms, starts_at, now, heard + (last + 1) * MINUTE)


@settings(max_examples=25, deadline=None)
@given(opens_at=moments, days=st.sampled_from([1, 7, 60]))
def test_the_booking_window_opens_to_the_minute_whatever_the_clocks_do(opens_at: datetime, days: int) -> None:
    terms, starts_at = Terms(booking_window_days=days), opens_at + timedelta(days=days)
    assert terms.is_in_window(starts_at, opens_at)
    assert not terms.is_in_window(starts_at, opens_at - MINUTE)
