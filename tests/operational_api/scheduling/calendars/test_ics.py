"""Files of others: what is right is read right, and what is broken or hostile is refused with a reason."""

import sys
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operational_api.scheduling.calendars import ics
from operational_api.scheduling.calendars.errors import CalendarUnreadable
from operational_api.scheduling.calendars.port import Busy, Window
from tests.operational_api.scheduling.calendars.worlds import BERLIN, HOUR, calendar, event, series

MONDAY = datetime(2026, 10, 12, 8, tzinfo=UTC)
WINDOW = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
HEAD = "UID:1\r\nDTSTART:20261012T080000Z\r\nDURATION:PT1H\r\n"
GOOD = (event(MONDAY) + series(MONDAY)).encode()


def read(data: bytes | str, zone: str = BERLIN) -> list[Busy]:
    return ics.busy_times(data.encode() if isinstance(data, str) else data, WINDOW, zone=zone)


def starts(data: bytes | str) -> list[datetime]:
    return [one.starts_at for one in read(data)]


class TestWhatIsRight:
    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            (HEAD, MONDAY),
            ("UID:1\r\nDTSTART:20261012T100000\r\nDURATION:PT1H\r\n", MONDAY),  # floating: where the person lives
            ("UID:1\r\nDTSTART;TZID=Asia/Ho_Chi_Minh:20261012T150000\r\nDURATION:PT1H\r\n", MONDAY),
            ("UID:1\r\nDTSTART;TZID=W. Europe Standard Time:20261012T100000\r\nDURATION:PT1H\r\n", MONDAY),
            ("UID:1\r\nDTSTART;TZID=Mars/Olympus:20261012T100000\r\nDURATION:PT1H\r\n", MONDAY),  # no such zone
            ("UID:1\r\nDTSTART;VALUE=DATE:20261012\r\n", MONDAY - 10 * HOUR),
            ("DTSTART:20261012T080000Z\r\nDURATION:PT1H\r\n", MONDAY),  # no UID
        ],
    )
    def test_whichever_way_a_time_is_told(self, lines: str, expected: datetime) -> None:
        assert starts(calendar(lines)) == [expected]

    @pytest.mark.parametrize(
        "more", ["TRANSP:TRANSPARENT\r\n", "STATUS:CANCELLED\r\n", "X-MICROSOFT-CDO-BUSYSTATUS:FREE\r\n"]
    )
    def test_what_keeps_nobody_busy(self, more: str) -> None:
        assert starts(calendar(HEAD + more)) == []

    def test_ours_is_no_appointment_of_theirs(self) -> None:
        assert starts(event(MONDAY, uid="0195@plyo")) == []

    def test_a_zone_of_the_files_own_counts_and_nobody_elses(self) -> None:
        """Also where the library has read a file before that means another zone by the same name."""
        file = calendar("UID:1\r\nDTSTART;TZID=Here:20261012T130000\r\nDURATION:PT1H\r\n")
        for hours, expected in ((5, MONDAY), (3, MONDAY + 2 * HOUR), (None, MONDAY + 3 * HOUR)):
            zone = (
                f"BEGIN:VTIMEZONE\r\nTZID:Here\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
                f"TZOFFSETFROM:+0{hours}00\r\nTZOFFSETTO:+0{hours}00\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
            )
            own = zone if hours else ""
            assert starts(file.replace("BEGIN:VEVENT", own + "BEGIN:VEVENT", 1)) == [expected]

    def test_a_daily_hour_since_1970_is_read_in_the_window_only(self) -> None:
        found = starts(calendar(HEAD.replace("20261012", "19700101") + "RRULE:FREQ=DAILY\r\n"))
        assert len(found) == 61

    def test_alarms_and_photos_are_not_even_looked_at(self) -> None:
        alarm = "BEGIN:VALARM\r\nTRIGGER:nonsense\r\nACTION:\r\nEND:VALARM\r\n"
        photo = "ATTACH;ENCODING=BASE64:" + "A" * 40_000 + "\r\n"
        assert starts(calendar(HEAD + photo + alarm * 2_000)) == [MONDAY]


BROKEN: dict[str, tuple[bytes | str, str]] = {
    "nothing": (b"", "It is empty."),
    "a web page": ("<html><body>Sign in</body></html>", "BEGIN:VCALENDAR"),
    "cut in the middle": (GOOD[: len(GOOD) // 2], "ends in the middle"),
    "utf-16": (GOOD.decode().encode("utf-16"), "UTF-8"),
    "latin-1": (event(MONDAY).replace("Dentist", "Zähne").encode("latin-1"), "UTF-8"),
    "too large": (b"x" * (ics.LARGEST_BYTES + 1), "larger than"),
    "a line of 10 MB": (b"BEGIN:VCALENDAR\r\nX:" + b"a" * (4 * 1024 * 1024), "line is longer"),
    "a folded line of 10 MB": ("BEGIN:VCALENDAR\r\nX:" + "\r\n aaaa" * 200_000, "line is longer"),
    "nested a thousand deep": ("BEGIN:VCALENDAR\r\n" + "BEGIN:VALARM\r\n" * 1000, "nested"),
    "a calendar in a calendar": ("BEGIN:VCALENDAR\r\nBEGIN:VCALENDAR\r\n", "nested"),
    "an event in an event": ("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nBEGIN:VEVENT\r\n", "nested"),
    "ends that were never begun": ("BEGIN:VCALENDAR\r\nEND:VEVENT\r\n", "no beginning"),
    "every second": (calendar(HEAD + "RRULE:FREQ=SECONDLY\r\n"), "every minute or second"),
    "every minute": (calendar(HEAD + "rrule:freq=minutely\r\n"), "every minute or second"),
    "never, until the year 9999": (
        calendar(HEAD + "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30\r\n"), "more work",
    ),
    "every step of nothing": (calendar(HEAD + "RRULE:FREQ=DAILY;INTERVAL=0\r\n"), ""),
    "twenty thousand extra dates": (
        calendar(HEAD + "".join(f"RDATE:2026101{n % 9}T0900{n % 60:02}Z\r\n" for n in range(20_000))), "more work",
    ),
    "too many events": (
        "BEGIN:VCALENDAR\r\n" + f"BEGIN:VEVENT\r\n{HEAD}END:VEVENT\r\n" * (ics.MOST_EVENTS + 1), "more than",
    ),
    "no start": (calendar("UID:1\r\nDURATION:PT1H\r\n"), "standard"),
    "a start that is no time": (calendar("UID:1\r\nDTSTART:soon\r\n"), "standard"),
    "a month of thirteen": (calendar("UID:1\r\nDTSTART:20261312T080000Z\r\n"), "standard"),
    "a rule that is none": (calendar(HEAD + "RRULE:FREQ=SOMETIMES\r\n"), "standard"),
    "a duration that is none": (calendar("UID:1\r\nDTSTART:20261012T080000Z\r\nDURATION:long\r\n"), "standard"),
    "a byte that no text has": (calendar("UID:1\0\r\nDTSTART:20261012T080000Z\r\n"), "bytes"),
}  # fmt: skip


class TestWhatIsBroken:
    @pytest.mark.parametrize("name", BROKEN)
    def test_is_refused_with_a_reason(self, name: str) -> None:
        data, reason = BROKEN[name]
        with pytest.raises(CalendarUnreadable) as refused:
            read(data)
        assert reason in refused.value.detail
        assert len(refused.value.detail) < 300

    def test_cut_anywhere_it_is_read_or_refused(self) -> None:
        for length in range(0, len(GOOD), 7):
            try:
                read(GOOD[:length])
            except CalendarUnreadable:
                continue
            else:
                assert GOOD[:length].endswith((b"END:VCALENDAR", b"END:VCALENDAR\r", b"END:VCALENDAR\r\n"))

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
    @given(
        st.lists(
            st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.sampled_from(["set", "cut", "twice"])),
            min_size=1, max_size=12,
        )
    )  # fmt: skip
    def test_whatever_is_done_to_its_bytes(self, changes: list[tuple[int, int, str]]) -> None:
        data = bytearray(GOOD)
        for place, value, how in changes:
            at = place % max(1, len(data))
            if how == "set":
                data[at : at + 1] = bytes([value])
            elif how == "cut":
                del data[at : at + value]
            else:
                data[at:at] = data[at : at + value]
        try:
            found = read(bytes(data))
        except CalendarUnreadable:
            return
        else:
            assert all(WINDOW.overlaps(one.starts_at, one.ends_at) for one in found)

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(
        st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY", "HOURLY"]),
        st.integers(-1, 400),
        st.dictionaries(
            st.sampled_from(["BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS", "BYYEARDAY", "BYWEEKNO", "COUNT", "UNTIL"]),
            st.sampled_from(["1", "-1", "31", "MO", "5MO", "366", "20261101T000000Z", "0", "x"]),
            max_size=3,
        ),
    )
    def test_whatever_a_rule_says(self, frequency: str, interval: int, parts: dict[str, str]) -> None:
        rule = ";".join([f"FREQ={frequency}", f"INTERVAL={interval}", *(f"{k}={v}" for k, v in parts.items())])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ics, "CALLS_OF_A_FILE", 15_000)  # a rule that never comes true is given up sooner
            self.judge(calendar(HEAD + f"RRULE:{rule}\r\n"))

    def judge(self, data: str) -> None:
        try:
            found = read(data)
        except CalendarUnreadable:
            return
        else:
            assert len(found) <= ics.MOST_TIMES


def test_the_budget_leaves_no_trace_behind() -> None:

    before = sys.gettrace()
    read(GOOD)
    with pytest.raises(CalendarUnreadable):
        read(calendar(HEAD + "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30\r\n"))
    assert sys.gettrace() is before
