"""Google's own client under our adapter: where its token goes, what it writes down, and answers that are not Google's.

What the adapter does is `test_contract`'s.
"""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from operational_api.scheduling.calendars.errors import (
    CalendarGone,
    CalendarRefused,
    CalendarThrottled,
    CalendarUnreachable,
)
from operational_api.scheduling.calendars.google import GoogleCalendar
from operational_api.scheduling.calendars.port import Window

TOKEN = "ya29.of-one-person"
WINDOW = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
FOREIGN = [
    b"", b"\xff\xfe", b"<html>", b"[]", b"[[]]", b"7", b"null", b'{"error": 5}', b'{"error": []}', b'{"error": "no"}',
    b'{"error": {"errors": [5], "message": 5}}', b'{"error": {"errors": {"reason": 1}}}',
]  # fmt: skip


@pytest.fixture
def answers(files: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A server in Google's place, of which each test says what it answers."""
    files[1].update(content=b'{"items": []}', headers={"Content-Type": "application/json"}, faults=[], asked=[])
    return files[1]


@pytest.fixture
def ours(files: tuple[str, dict[str, Any]]) -> Iterator[GoogleCalendar]:
    with closing(GoogleCalendar(f"{files[0]}/calendar/v3", TOKEN)) as adapter:
        yield adapter


def test_googles_library_is_what_speaks_and_writes_no_token_down(
    answers: dict[str, Any], ours: GoogleCalendar, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert ours.calendars() == []
    answers["faults"].append((403, {}, b"ya29 is no JSON"))
    with pytest.raises(CalendarRefused):
        ours.calendars()
    [asked, _] = answers["asked"]
    assert asked["x-goog-api-client"].startswith("gdcl/")
    assert (asked[":path"], asked["authorization"]) == ("/calendar/v3/users/me/calendarList", f"Bearer {TOKEN}")
    assert [one for one in caplog.messages if "ya29" in one or "calendarList" in one] == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_token_follows_no_redirect(answers: dict[str, Any], ours: GoogleCalendar, status: int) -> None:
    answers["faults"].append((status, {"Location": "/elsewhere"}))
    with pytest.raises(CalendarUnreachable):
        ours.calendars()
    assert [one[":path"] for one in answers["asked"]] == ["/calendar/v3/users/me/calendarList"]


def test_a_token_that_counts_no_more_is_a_refusal_and_not_renewed(
    answers: dict[str, Any], ours: GoogleCalendar
) -> None:
    answers["faults"].append((401, {}, b"{}"))
    with pytest.raises(CalendarRefused):
        ours.calendars()
    assert len(answers["asked"]) == 1


def test_being_throttled_by_403_says_how_long(answers: dict[str, Any], ours: GoogleCalendar) -> None:
    told = {"error": {"code": 403, "errors": [{"reason": "userRateLimitExceeded"}], "message": "Rate Limit Exceeded"}}
    answers["faults"].append((403, {"Retry-After": "9"}, json.dumps(told).encode()))
    with pytest.raises(CalendarThrottled) as refused:
        ours.calendars()
    assert (refused.value.retry_after, len(answers["asked"])) == (9, 1)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 500])
def test_an_answer_that_is_not_googles_is_no_crash(answers: dict[str, Any], ours: GoogleCalendar, status: int) -> None:
    for body in FOREIGN:
        answers["faults"].append((status, {}, body))
        with pytest.raises((CalendarUnreachable, CalendarRefused, CalendarGone)):
            ours.changes("ana@plyo.test", None, WINDOW, zone="Europe/Berlin")


def test_the_library_is_not_loaded_before_there_is_an_account() -> None:
    told = "import sys, operational_api.scheduling.calendars.google; sys.exit('googleapiclient' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], check=False).returncode == 0
