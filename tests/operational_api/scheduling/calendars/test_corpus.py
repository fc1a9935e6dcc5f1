"""Files as they are in the world: those that the installed libraries carry, whole and mutilated, and our own read back.

None crashes us: each is read, or refused with a reason.
"""

from datetime import UTC, datetime, timedelta
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import icalendar
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.ids import new_id
from operational_api.scheduling.calendars import feed, ics
from operational_api.scheduling.calendars.errors import CalendarUnreadable
from operational_api.scheduling.calendars.port import Entry, Occurrence, Series, Window, uid_of
from operational_api.scheduling.recurrence import starts_of
from tests.operational_api.scheduling.calendars.worlds import BERLIN, HOUR, drawn

CARRIERS = ("icalendar", "recurring-ical-events")
WINDOW = Window(datetime(2019, 1, 1, tzinfo=UTC), datetime(2019, 5, 1, tzinfo=UTC))
SMALL = 4_000


def carried() -> list[Path]:
    """The .ics files of the packages that are installed here."""
    return sorted(
        Path(str(one.locate_file(file)))
        for one in distributions()
        if one.metadata["Name"] in CARRIERS
        for file in one.files or ()
        if file.suffix == ".ics"
    )


FILES = carried()
needs_files = pytest.mark.skipif(not FILES, reason="the calendar libraries installed here carry no files")


def read(data: bytes) -> bool:
    """Whether a file was read; else it was refused, with a reason for people."""
    reason, found = "", []
    try:
        found = ics.busy_times(data, WINDOW, zone=BERLIN)
    except CalendarUnreadable as refused:
        reason = refused.detail
    if reason:
        assert reason.endswith(".")
        assert len(reason) < 400
        return False
    assert all(one.starts_at <= one.ends_at and one.starts_at.tzinfo for one in found)
    return True


@needs_files
@pytest.mark.parametrize("each", [5, pytest.param(1, marks=pytest.mark.drill)])
def test_every_file_is_read_or_refused_with_a_reason(each: int) -> None:
    """One in five with every test, all of them in `make drill`."""
    was_read = [read(one.read_bytes()) for one in FILES[::each]]
    assert len(was_read) >= 200 // each
    assert sum(was_read) >= 0.6 * len(was_read)  # most are fine; some were made to be broken


@needs_files
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_file_that_was_mutilated_is_read_or_refused_too(data: st.DataObject) -> None:
    small = [one for one in FILES if one.stat().st_size < SMALL]
    lines = data.draw(st.sampled_from(small)).read_bytes().splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1)) if lines else 0
        how = data.draw(st.sampled_from(["drop", "twice", "swap", "cut", "noise", "other"]))
        if not lines or how == "noise":
            lines.insert(at, data.draw(st.binary(max_size=40)))
        elif how == "drop":
            del lines[at]
        elif how == "twice":
            lines.insert(at, lines[at])
        elif how == "swap":
            lines[at], lines[-at - 1] = lines[-at - 1], lines[at]
        elif how == "cut":
            lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
        else:
            strange = [b"RRULE:FREQ=YEARLY;BYMONTH=13\r\n", b"DTSTART:99999999T999999Z\r\n", b"DURATION:P-1D\r\n"]
            lines[at] = data.draw(st.sampled_from(strange))
    read(b"".join(lines))


moments = st.integers(0, 730 * 24).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + hours * HOUR)
zones = st.sampled_from([BERLIN, "America/New_York", "Asia/Ho_Chi_Minh", "Australia/Lord_Howe"])
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=120)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Anything that a feed may show."""
    starts_at, zone, series = draw(moments), draw(zones), None
    if draw(st.booleans()):
        rule = f"FREQ=WEEKLY;COUNT={draw(st.integers(2, 12))}"
        starts_at = starts_at.replace(hour=12)  # no wall time that a clock skips
        every = starts_of(rule, starts_at.date(), starts_at.time(), zone)
        starts_at, shown = every[0], []
        for one in every:
            to = one + draw(st.sampled_from([0, 0, 0, 1, 50])) * HOUR
            if draw(st.integers(0, 3)):
                shown.append(Occurrence(one, to, to + HOUR))
        series = Series(rule, every, shown)
    return Entry(
        uid=uid_of(new_id()), sequence=draw(st.integers(0, 99)), title=draw(words), location=draw(words),
        starts_at=starts_at, ends_at=starts_at + HOUR, time_zone=zone, changed_at=draw(moments),
        is_cancelled=series is not None and not series.shown, series=series,
    )  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(shown=st.lists(entries(), min_size=1, max_size=4))
def test_our_feed_is_read_back_as_it_was_meant(shown: list[Entry]) -> None:
    text = feed.render(shown, name="Plyo")
    assert feed.render(shown, name="Plyo") == text
    assert all(len(line) <= 75 for line in text.split(b"\r\n"))
    calendar = icalendar.Calendar.from_ical(text)
    assert not calendar.errors
    assert calendar["METHOD"] == "PUBLISH"
    assert {str(one["TZID"]) for one in calendar.walk("VTIMEZONE")} >= {one.time_zone for one in shown}
    events: dict[str, list[Any]] = {}
    for event in calendar.walk("VEVENT"):
        assert not event.errors
        assert {"DTSTAMP", "DTSTART", "DTEND", "SUMMARY"} <= event.keys()
        events.setdefault(str(event["UID"]), []).append(event)
    for one in shown:
        assert {int(event["SEQUENCE"]) for event in events[one.uid]} == {one.sequence}
        if one.series is None:
            assert [event["DTSTART"].dt.astimezone(UTC) for event in events[one.uid]] == [one.starts_at]
        elif one.series.shown:
            expected = {each.recurs_at: each.starts_at for each in one.series.shown}
            assert drawn(feed.render([one]).decode()) == expected
    assert ics.busy_times(text, Window(datetime(2026, 1, 1, tzinfo=UTC), shown[0].ends_at + timedelta(days=9)),
                          zone=BERLIN) == []  # fmt: skip
