"""The providers' own clients under our adapters: where a token goes, what is written down, how often they ask, and
answers that are not the provider's.

What the adapters do is `test_contract`'s.
"""

import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import httpx
import psutil
import pytest

from contracts.ids import new_id
from operational_api.scheduling.calendars.errors import (
    CalendarGone,
    CalendarRefused,
    CalendarThrottled,
    CalendarUnreachable,
)
from operational_api.scheduling.calendars.google import GoogleCalendar
from operational_api.scheduling.calendars.microsoft import MicrosoftCalendar
from operational_api.scheduling.calendars.port import Window, uid_of

TOKEN = "ya29.of-one-person"
WINDOW = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
FOREIGN = [
    b"", b"\xff\xfe", b"<html>", b"[]", b"[[]]", b"7", b"null", b'{"error": 5}', b'{"error": []}', b'{"error": "no"}',
    b'{"error": {"errors": [5], "message": 5}}', b'{"error": {"errors": {"reason": 1}}}', b"[" * 100_000,
    b'{"items": 5, "value": 5}', b'{"items": [5], "value": [5], "@odata.deltaLink": "x"}',
    b'{"items": [{}], "value": [{}], "@odata.deltaLink": "x"}', b'{"items": [], "@odata.nextLink": 5}',
]  # fmt: skip
LISTED = {"google": "/v1/users/me/calendarList", "microsoft": "/v1/me/calendars"}
Account = GoogleCalendar | MicrosoftCalendar
ADAPTERS: dict[str, Callable[[str, str], Account]] = {"google": GoogleCalendar, "microsoft": MicrosoftCalendar}


@pytest.fixture
def answers(files: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A server in the provider's place, of which each test says what it answers."""
    content = b'{"items": [], "value": []}'
    files[1].update(content=content, headers={"Content-Type": "application/json"}, faults=[], asked=[])
    return files[1]


@pytest.fixture(params=ADAPTERS)
def provider(request: pytest.FixtureRequest) -> str:
    """Each of them."""
    return str(request.param)


@pytest.fixture
def ours(provider: str, files: tuple[str, dict[str, Any]]) -> Iterator[Account]:
    with closing(ADAPTERS[provider](f"{files[0]}/v1", TOKEN)) as adapter:
        yield adapter


def paths(answers: dict[str, Any]) -> list[str]:
    """What the server was asked for."""
    return [one[":path"] for one in answers["asked"]]


def test_the_providers_library_is_what_speaks_and_writes_no_token_down(
    provider: str, answers: dict[str, Any], ours: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert ours.calendars() == []
    answers["faults"].append((403, {}, b"ya29 is no JSON"))
    with pytest.raises(CalendarRefused):
        ours.calendars()
    [asked, _] = answers["asked"]
    if provider == "google":
        assert asked["x-goog-api-client"].startswith("gdcl/")
        assert [one for one in caplog.messages if "calendarList" in one] == []
    else:
        assert "kiota-python/" in asked["user-agent"]
    assert (asked[":path"], asked["authorization"]) == (LISTED[provider], f"Bearer {TOKEN}")
    assert [one for one in caplog.messages if "ya29" in one] == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_token_follows_no_redirect(provider: str, answers: dict[str, Any], ours: Account, status: int) -> None:
    answers["faults"].append((status, {"Location": "/elsewhere"}))
    with pytest.raises(CalendarUnreachable):
        ours.calendars()
    assert paths(answers) == [LISTED[provider]]


@pytest.mark.parametrize("provider", ["microsoft"])
@pytest.mark.parametrize("link", ["{}/v1x/me", "{}/me", "http://localhost/v1/me", "//v1/me", "v1/me", "{}:x\0/v1"])
def test_a_token_follows_no_link_out_of_its_api(
    answers: dict[str, Any], ours: Account, files: tuple[str, dict[str, Any]], provider: str, link: str
) -> None:
    answers["content"] = json.dumps({"value": [], "@odata.nextLink": link.format(files[0])}).encode()
    with pytest.raises((CalendarUnreachable, CalendarGone)):
        ours.calendars()
    assert {one for one in paths(answers) if not one.startswith("/v1/")} == set()
    with pytest.raises(CalendarUnreachable):
        ours.changes("ana", link.format(files[0]), WINDOW, zone="UTC")


CHALLENGE = 'Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="'


@pytest.mark.parametrize("headers", [{}, {"WWW-Authenticate": CHALLENGE}])
def test_a_token_that_counts_no_more_is_a_refusal_and_not_renewed(
    answers: dict[str, Any], ours: Account, headers: dict[str, str]
) -> None:
    answers["faults"].append((401, headers, b"{}"))
    with pytest.raises(CalendarRefused):
        ours.calendars()
    assert len(answers["asked"]) == 1


RATE = {"error": {"code": 403, "errors": [{"reason": "userRateLimitExceeded"}], "message": "Rate Limit Exceeded"}}


@pytest.mark.parametrize("status", [403, 429, 503])
def test_being_throttled_says_how_long_and_is_not_waited_for(
    answers: dict[str, Any], ours: Account, status: int
) -> None:
    """A library that asks again by itself would sleep for the 9 seconds, and be heard out the second time."""
    answers["faults"].append((status, {"Retry-After": "9"}, json.dumps(RATE).encode()))
    with pytest.raises(CalendarThrottled) as refused:
        ours.find("ana@plyo.test", uid_of(new_id()))
    assert (refused.value.retry_after, len(answers["asked"])) == (9, 1)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 500, 504])
def test_an_answer_that_is_not_theirs_is_no_crash(answers: dict[str, Any], ours: Account, status: int) -> None:
    refusals = (CalendarUnreachable, CalendarRefused, CalendarGone)
    for body in FOREIGN:
        answers["faults"].append((status, {}, body))
        with pytest.raises(refusals):
            ours.changes("ana@plyo.test", None, WINDOW, zone="Europe/Berlin")
        answers["faults"].append((status, {}, body))
        try:
            ours.calendars()
        except refusals:
            continue
        assert status == 200


def sockets(url: str) -> tuple[int, int]:
    """Of this process: connections to a server, and ends of what wakes event loops."""
    port, found = httpx.URL(url).port, psutil.Process().net_connections("all")
    ours = [one for one in found if one.raddr and one.family != socket.AF_UNIX and one.raddr.port == port]
    return len(ours), len([one for one in found if one.family == socket.AF_UNIX])


def test_accounts_in_threads_side_by_side_leave_nothing_open(
    provider: str, files: tuple[str, dict[str, Any]], answers: dict[str, Any]
) -> None:
    """An account at Microsoft has an event loop, and Graph's transport does not close what it stands before."""
    before, met = sockets(files[0]), threading.Barrier(2)
    during, listed = [], []

    def ask() -> None:
        with closing(ADAPTERS[provider](f"{files[0]}/v1", TOKEN)) as adapter:
            met.wait(20)
            listed.extend([adapter.calendars(), adapter.calendars()])
            met.wait(20)
            during.append(sockets(files[0]))
            met.wait(20)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert listed == [[]] * 4
    assert during[0][0] > before[0]
    assert all(now <= then for now, then in zip(sockets(files[0]), before, strict=True))


@pytest.mark.parametrize("library", ["google:googleapiclient", "microsoft:msgraph_core"])
def test_the_library_is_not_loaded_before_there_is_an_account(library: str) -> None:
    adapter, module = library.split(":")
    told = f"import sys, operational_api.scheduling.calendars.{adapter}; sys.exit('{module}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], check=False).returncode == 0
