"""Files that nobody's calendar program wrote: made up to break the reader, by their grammar and against it.

None crashes us: each is read, or refused with a reason. A few with every test, thousands in `make drill`.
"""

import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operational_api.scheduling.calendars import caldav, ics
from operational_api.scheduling.calendars.errors import CalendarUnreadable
from operational_api.scheduling.calendars.port import OwnSeen, Window
from tests.operational_api.scheduling.calendars.worlds import BERLIN, calendar

YEARS = Window(datetime(2025, 10, 1, tzinfo=UTC), datetime(2029, 10, 1, tzinfo=UTC))
WINDOW = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
THOUSANDS = 2_500

numbers = st.one_of(
    st.integers(-3, 400), st.sampled_from([-1, 0, 366, 9999, 2**31, 2**63, -(2**31), 10**30, 10**5000])
).map(lambda one: f"{one}" if abs(one) < 10**40 else "9" * 5000)  # fmt: skip
moments = st.one_of(
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(  # noqa: DTZ001 a wall time
        lambda one: f"{one.year:04}{one:%m%dT%H%M%S}"
    ),
    st.datetimes(datetime(2026, 9, 1), datetime(2026, 12, 31)).map(lambda one: f"{one:%Y%m%dT%H%M%SZ}"),  # noqa: DTZ001
    st.dates().map(lambda one: f"{one.year:04}{one:%m%d}"),
    st.sampled_from(["", "T", "Z", "00000000", "99999999T999999Z", "20260230", "20261012T080060Z", "20261012T250000",
                     "-20261012", "2026-10-12T08:00:00+02:00", "20261012T080000Z/PT1H", "20261012T080000Z/19990101",
                     "٢٠٢٦١٠١٢"]),
)  # fmt: skip
spans = st.one_of(
    st.sampled_from(["PT1H", "P1D", "-PT1H", "P-1D", "PT", "P", "", "P1Y", "PT0S", "P99999999999D", "PT1H30", "+P1W"]),
    numbers.map(lambda one: f"P{one}D"),
)
zones = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Mars/Olympus", "", "../../../etc/passwd", "/etc/localtime", "Own", "\0",
     "W. Europe Standard Time", "A" * 3000, "UTC+25", "Europe/Berlin;X=1"]
)  # fmt: skip
parts = st.sampled_from(
    ["COUNT", "INTERVAL", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS", "BYHOUR", "BYMINUTE",
     "BYSECOND", "BYEASTER", "WKST", "UNTIL", "RSCALE", "SKIP", "FREQ", "X", ""]
)  # fmt: skip
often = st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY", "NEVER", "", "2"])
values = st.one_of(
    numbers, moments, st.lists(st.integers(-400, 400), max_size=60).map(lambda some: ",".join(map(str, some))),
    st.lists(st.sampled_from(["MO", "-1SU", "53FR", "0TU", "XX", "99999MO"]), max_size=8).map(",".join),
)  # fmt: skip
text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)


@st.composite
def rules(draw: st.DrawFn) -> str:
    """A rule, of parts that may contradict each other, stand twice or never come true."""
    told = [f"FREQ={draw(often)}"] + [f"{draw(parts)}={draw(values)}" for _ in range(draw(st.integers(0, 5)))]
    return draw(st.sampled_from([";", ";", ";;", ","])).join(draw(st.permutations(told)))


@st.composite
def lines(draw: st.DrawFn) -> str:
    """One property, right or not."""
    name = draw(st.sampled_from(
        ["DTSTART", "DTSTART", "DTEND", "DURATION", "RRULE", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "UID",
         "STATUS", "TRANSP", "SEQUENCE", "EXRULE", "SUMMARY", "dtstart", "DTSTART ", "X-MICROSOFT-CDO-BUSYSTATUS", ""]
    ))  # fmt: skip
    given_ = draw(st.sampled_from(["", "", ";VALUE=DATE", ";VALUE=PERIOD", ";VALUE=DATE-TIME", ";VALUE=FLOAT",
                                   ";RANGE=THISANDFUTURE", ";X", ";X=\"", ";=", ";TZID"]))  # fmt: skip
    if given_ == ";TZID":
        given_ += f"={draw(zones)}"
    kind: st.SearchStrategy[str] = {
        "RRULE": rules(), "EXRULE": rules(), "DURATION": spans, "SUMMARY": text, "SEQUENCE": numbers,
        "UID": st.sampled_from(["1", "1", "2", "", "0195@plyo", "\u202e"]),
    }.get(name, st.one_of(moments, moments, st.lists(moments, max_size=30).map(",".join)))  # fmt: skip
    return f"{name}{given_}{draw(st.sampled_from([':', ':', ':', ':', '', '::', ';']))}{draw(kind)}"


@st.composite
def zone_rules(draw: st.DrawFn) -> list[str]:
    """A time zone of the file's own."""
    offsets = st.sampled_from(["+0100", "-1200", "+9999", "+2400", "", "0", "+01", "-000001", "x"])
    told = ["BEGIN:VTIMEZONE", f"TZID:{draw(zones)}"]
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["STANDARD", "DAYLIGHT", "VEVENT"]))
        told += [f"BEGIN:{kind}", f"DTSTART:{draw(moments)}", f"TZOFFSETFROM:{draw(offsets)}",
                 f"TZOFFSETTO:{draw(offsets)}", f"RRULE:{draw(rules())}", f"END:{kind}"]  # fmt: skip
    return [*told, "END:VTIMEZONE"]


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A file: calendars of events, most of them nearly right, then perhaps cut, glued, recoded or damaged."""
    told: list[str] = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 0, 2]))):
        told.append("BEGIN:VCALENDAR")
        if draw(st.booleans()):
            told += draw(zone_rules())
        for _ in range(draw(st.integers(0, 4))):
            kind = draw(st.sampled_from(["VEVENT"] * 12 + ["VTODO", "VALARM", "VCALENDAR", "vevent", ""]))
            start = draw(st.sampled_from(["DTSTART:20261012T080000Z", "DTSTART;TZID=Own:20261012T080000", ""]))
            told += [f"BEGIN:{kind}", start, *draw(st.lists(lines(), max_size=7)), f"END:{kind}"]
        told.append("END:VCALENDAR")
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        at = draw(st.integers(0, max(len(told) - 1, 0)))
        if told and draw(st.booleans()):
            del told[at]
        else:
            told.insert(
                at, draw(st.one_of(text, st.sampled_from(["BEGIN:VEVENT", "END:VEVENT", " folded", "\t", ":"])))
            )
    ends = draw(st.sampled_from(["\r\n", "\r\n", "\n", "\r", "\r\r\n"]))
    data = (ends.join(told) + ends).encode(draw(st.sampled_from(["utf-8"] * 14 + ["utf-8-sig", "utf-16", "utf-7"])))
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=12)) + data[at + draw(st.integers(0, 12)) :]
    return data


def outcome(data: bytes) -> list[str]:
    """The refusals' words, empty where the file was read. Whatever else comes up is a crash, and fails the test."""
    refused = []
    try:
        found = ics.busy_times(data, WINDOW, zone=BERLIN)
    except CalendarUnreadable as refusal:
        refused.append(refusal.detail)
    else:
        assert all(one.starts_at <= one.ends_at and one.starts_at.tzinfo for one in found)
        assert len(found) <= ics.MOST_TIMES
    try:
        ics.occurrences(data, YEARS)
    except CalendarUnreadable as refusal:
        refused.append(refusal.detail)
    return refused


@pytest.mark.parametrize("examples", [60, pytest.param(THOUSANDS, marks=pytest.mark.drill)])
def test_no_file_crashes_the_reader(examples: int) -> None:
    """Among so many are files that are read, and refusals of several kinds: else the generator would show nothing."""
    read, reasons = 0, set()

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(data=files())
    def try_to_read(data: bytes) -> None:
        nonlocal read
        refused = outcome(data)
        for reason in refused:
            assert reason.endswith(".")
            assert len(reason) < 400
        reasons.update(refused)
        read += not refused

    try_to_read()
    assert read > examples // 30
    assert len(reasons) > 5


@pytest.mark.parametrize(
    "body",
    [
        "RECURRENCE-ID;VALUE=PERIOD:20261012T080000Z/PT1H\r\nDTSTART:20261012T080000Z\r\nDTEND:20261012T090000Z\r\n",
        "DTSTART;TZID=Asia/Tokyo:00010101T000000\r\nDTEND:20261012T090000Z\r\nRRULE:FREQ=WEEKLY\r\n",
        "DTSTART:20261012T080000Z\r\nDTEND;TZID=America/New_York:99991231T235900\r\nRRULE:FREQ=WEEKLY\r\n",
    ],
)
def test_an_event_of_ours_that_somebody_broke_is_ours_without_times(body: str) -> None:
    data = calendar(f"UID:1@plyo\r\nDTSTAMP:20260101T000000Z\r\n{body}").encode()
    assert caldav._own("/1.ics", "e", data, WINDOW) == OwnSeen("/1.ics", "e")
    outcome(data)


HOURS = "UID:1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20261005T080000Z\r\nDTEND:20261005T090000Z\r\n"
DAYS = ",".join(f"{datetime(2026, 10, 1) + timedelta(minutes=n):%Y%m%dT%H%M%SZ}" for n in range(3_000))  # noqa: DTZ001
ZONE = (
    "BEGIN:VTIMEZONE\r\nTZID:{}\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\n"
    "TZOFFSETTO:+0100\r\nRRULE:FREQ=DAILY\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
)
WORK, LINE = "more work to read than a calendar should be", "A line is longer than 64 KB"
FLOODS = {
    "every second": (HOURS + "RRULE:FREQ=SECONDLY\r\n", "every minute or second"),
    "every second of a day": (
        HOURS + "RRULE:FREQ=DAILY;BYHOUR={0};BYMINUTE={1};BYSECOND={1}\r\n".format(
            ",".join(map(str, range(24))), ",".join(map(str, range(60)))
        ), WORK,
    ),
    "every hour, a thousand million times": (HOURS + "RRULE:FREQ=HOURLY;COUNT=999999999\r\n", WORK),
    "every day for centuries": (HOURS.replace("2026", "1800") + "RRULE:FREQ=DAILY\r\n", WORK),
    "dates": (HOURS + f"RDATE:{DAYS}\r\n" * 90, WORK),
    "dates that are none": (HOURS + "RRULE:FREQ=DAILY\r\n" + f"EXDATE:{DAYS}\r\n" * 90, WORK),
    "zones": ("END:VEVENT\r\n" + "".join(ZONE.format(n) for n in range(5_000)) + "BEGIN:VEVENT\r\n" + HOURS, WORK),
    "a line": (HOURS + "DESCRIPTION:" + "x" * 4_900_000 + "\r\n", LINE),
    "a line of many": (HOURS + "DESCRIPTION:x" + "\r\n x" * 1_200_000 + "\r\n", LINE),
    "parameters": (HOURS + "RDATE;" + ";".join(f"X{n}=1" for n in range(9_000)) + ":20261005T080000Z\r\n", LINE),
    "no text at all": ("\0" * 4_900_000, LINE),
    "too many bytes": (HOURS + "X-A:b\r\n" * 800_000, "larger than 5 MB"),
    "bytes that no text has": (HOURS.replace("T080000Z", "T0800\0Z"), "bytes that no text has"),
}  # fmt: skip
"""What a small file can ask for, and what it is told."""


@pytest.mark.parametrize("body", FLOODS)
def test_what_asks_for_too_much_is_refused_in_little_memory(body: str) -> None:
    """The work is bounded by a count of calls (`CALLS_OF_A_FILE`), so that only memory is left to look at."""
    told, reason = FLOODS[body]
    data = calendar(told).encode()
    tracemalloc.start()
    try:
        with pytest.raises(CalendarUnreadable, match=reason):
            ics.busy_times(data, WINDOW, zone=BERLIN)
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [
        HOURS + "RRULE:FREQ=DAILY;COUNT=999999999\r\n",
        HOURS.replace("DTSTART:20261005T080000Z", "DTSTART;TZID=Mars/Olympus:20261005T080000"),
        HOURS.replace("20261005T090000Z", "20261004T090000Z"),  # ends before it starts
    ],
)
def test_what_can_be_understood_is_read_and_ends_after_it_starts(body: str) -> None:
    found = ics.busy_times(calendar(body).encode(), WINDOW, zone=BERLIN)
    assert found
    assert all(one.starts_at < one.ends_at for one in found)
    assert len(found) <= (WINDOW.until - WINDOW.since).days
