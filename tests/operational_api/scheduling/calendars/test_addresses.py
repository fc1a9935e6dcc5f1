"""What may be fetched from, and what comes back of it."""

import gzip
import socket
from typing import Any

import pytest

from operational_api.scheduling.calendars.addresses import Guard, fetch
from operational_api.scheduling.calendars.caldav import CaldavCalendar
from operational_api.scheduling.calendars.errors import (
    AddressNotAllowed,
    CalendarGone,
    CalendarRefused,
    CalendarThrottled,
    CalendarUnreachable,
    CalendarUnreadable,
)
from tests.operational_api.scheduling.calendars.worlds import LOCAL

OUTSIDE = Guard()


class TestGuard:
    @pytest.mark.asvs("1.3.6")
    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1/x", "https://127.0.0.1/x", "https://localhost/x", "https://[::1]/x", "https://0.0.0.0/",
            "https://10.0.0.1/", "https://192.168.1.1/", "https://172.16.0.9/", "https://169.254.169.254/latest/",
            "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
            "https://[::127.0.0.1]/", "https://[64:ff9b:1::a00:1]/", "https://[fec0::1]/", "https://192.0.0.8/",
            "https://[fe80::1]/", "https://224.0.0.1/", "https://2130706433/", "https://0x7f.1/", "http://1.1.1.1/",
            "ftp://1.1.1.1/x", "file:///etc/passwd", "gopher://1.1.1.1/", "//1.1.1.1/x", "x", "", "https://",
            "https://ana:secret@1.1.1.1/", "https://1.1.1.1:99999/", "https://[1.1.1.1/",
        ],
    )  # fmt: skip
    def test_nothing_behind_the_gateway_and_nothing_unencrypted(self, url: str) -> None:
        with pytest.raises((AddressNotAllowed, CalendarUnreachable)):
            OUTSIDE.resolve(url)

    def test_the_internet_by_https(self) -> None:
        assert OUTSIDE.resolve("https://1.1.1.1/calendar.ics") == "1.1.1.1"

    def test_a_name_with_one_address_inside_is_inside(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def both(*_: object, **__: object) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in ("1.1.1.1", "10.0.0.1")]

        monkeypatch.setattr(socket, "getaddrinfo", both)
        with pytest.raises(AddressNotAllowed):
            OUTSIDE.resolve("https://rebinding.example/")
        with pytest.raises(AddressNotAllowed):
            Guard.of("10.0.0.0/8").resolve("https://rebinding.example/")

    def test_networks_of_ones_own_may_be_allowed(self) -> None:
        assert LOCAL.resolve("http://127.0.0.1/x") == "127.0.0.1"


def got(files: tuple[str, dict[str, Any]], **given: Any) -> Any:
    return fetch(files[0], given.pop("guard", LOCAL), largest=given.pop("largest", 1000), **given)


@pytest.fixture
def files(files: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    files[1].update(content=b"hello", headers={}, faults=[], asked=[])
    return files


class TestFetch:
    def test_a_file_and_its_etag(self, files: tuple[str, dict[str, Any]]) -> None:
        files[1]["headers"] = {"ETag": '"1"'}
        first = got(files)
        assert (first.content, first.etag) == (b"hello", '"1"')
        assert got(files, etag=first.etag).content is None

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (401, CalendarRefused), (403, CalendarRefused), (404, CalendarGone), (410, CalendarGone),
            (429, CalendarThrottled), (500, CalendarUnreachable), (204, CalendarUnreachable),
        ],
    )  # fmt: skip
    def test_every_refusal_means_something(
        self, files: tuple[str, dict[str, Any]], status: int, error: type[Exception]
    ) -> None:
        files[1]["faults"].append((status, {}))
        with pytest.raises(error):
            got(files)

    def test_no_more_than_is_read(self, files: tuple[str, dict[str, Any]]) -> None:
        files[1]["content"] = b"x" * 5000
        with pytest.raises(CalendarUnreadable, match="larger"):
            got(files)

    def test_no_bomb_is_unpacked(self, files: tuple[str, dict[str, Any]]) -> None:
        files[1].update(content=gzip.compress(b"x" * 5000), headers={"Content-Encoding": "gzip"})
        with pytest.raises(CalendarUnreadable, match="compresses"):
            got(files)

    def test_a_redirect_leads_nowhere_else_either(self, files: tuple[str, dict[str, Any]]) -> None:
        files[1]["faults"].append((302, {"Location": "/other.ics"}))
        assert got(files).content == b"hello"
        files[1]["faults"].append((302, {"Location": "https://169.254.169.254/latest/meta-data"}))
        with pytest.raises(AddressNotAllowed):
            got(files)

    def test_redirects_come_to_an_end(self, files: tuple[str, dict[str, Any]]) -> None:
        files[1]["faults"] += [(302, {"Location": "/again.ics"})] * 9
        with pytest.raises(CalendarUnreachable, match="end"):
            got(files)

    def test_the_host_is_told_its_name(self, files: tuple[str, dict[str, Any]]) -> None:
        port = files[0].rpartition(":")[2]
        assert fetch(f"http://localhost:{port}/x.ics", Guard.of("127.0.0.0/8,::1/128"), largest=99).content == b"hello"
        assert files[1]["asked"][-1]["host"] == f"localhost:{port}"


class TestCaldav:
    @pytest.mark.parametrize("url", ["https://10.0.0.1/dav", "http://127.0.0.1:1/", "ftp://1.1.1.1/"])
    def test_is_kept_outside_like_every_fetch(self, url: str) -> None:
        calendar = CaldavCalendar(url, "ana", "s3cret", OUTSIDE)
        with pytest.raises((AddressNotAllowed, CalendarUnreachable)):
            calendar.calendars()
        calendar.close()

    def test_a_server_of_something_else_is_told_apart(self, files: tuple[str, dict[str, Any]]) -> None:
        files[1]["content"] = b"<html>Welcome</html>"
        calendar = CaldavCalendar(files[0], "ana", "s3cret", LOCAL)
        with pytest.raises((CalendarUnreadable, CalendarUnreachable)):
            calendar.calendars()
        calendar.close()
