"""Fetching from addresses that people type: a server of theirs on the internet, never one of ours behind the gateway.

Each connection, also after a redirect, goes to an address that was looked up once, judged, and is the one connected to:
a name that answers differently the second time leads nowhere.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from operational_api.core import egress
from operational_api.scheduling.calendars.errors import (
    AddressNotAllowed,
    CalendarGone,
    CalendarRefused,
    CalendarThrottled,
    CalendarUnreachable,
    CalendarUnreadable,
)
from operational_api.scheduling.calendars.rest import retry_after

SECONDS = 10
LONGEST_SECONDS = 30
"""For a whole file, however slowly it drips."""
MOST_REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class Guard:
    """Which addresses may be fetched from.

    Args:
        allowed: Networks that may be although they are not on the internet, e.g. `10.2.0.0/16`; http is allowed there.
    """

    allowed: Sequence[egress.Network] = ()

    @classmethod
    def of(cls, setting: str) -> "Guard":
        """From a setting: networks, comma separated."""
        return cls(egress.networks_of(setting))

    def resolve(self, url: str) -> str:
        """The one IP address to connect to for a URL.

        Raises:
            AddressNotAllowed: another scheme, or its host is, or is among others, not on the internet.
            CalendarUnreachable: there is no such host.
        """
        try:
            return egress.resolve(url, self.allowed)
        except egress.NotOutside as error:
            raise AddressNotAllowed from error
        except egress.NoSuchHost as error:
            raise CalendarUnreachable("There is no server of that name.") from error


class PinnedAdapter(HTTPAdapter):
    """The same for requests, which the CalDAV library speaks through; it ends answers that are too large."""

    def __init__(self, guard: Guard, *, largest: int) -> None:
        self._guard, self._largest = guard, largest
        super().__init__()

    def send(self, request: PreparedRequest, *args: object, **options: object) -> Response:
        """One request."""
        url = str(request.url)
        parts = urlsplit(url)
        address = self._guard.resolve(url)
        told = f"[{address}]" if ":" in address else address
        request.headers["Host"] = parts.netloc
        if parts.scheme == "https":
            self.poolmanager.connection_pool_kw |= {
                "server_hostname": parts.hostname,
                "assert_hostname": parts.hostname,
            }
        request.url = parts._replace(netloc=f"{told}:{parts.port}" if parts.port else told).geturl()
        options["stream"] = True
        try:
            answer: Response = super().send(request, *args, **options)  # type: ignore[arg-type]
        finally:
            request.url = url
        answer.url = url
        body = bytearray()
        until = time.monotonic() + LONGEST_SECONDS
        for chunk in answer.iter_content(64 * 1024):
            body += chunk
            if len(body) > self._largest or time.monotonic() > until:
                answer.close()
                raise CalendarUnreadable("That calendar's server sends more than we read.")
        answer._content = bytes(body)
        return answer


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file, or None where it is the one we have; `etag` is what to ask with next time."""

    content: bytes | None
    etag: str


def fetch(url: str, guard: Guard, *, largest: int, etag: str = "") -> Fetched:
    """Read a file from an address that somebody typed.

    Raises:
        AddressNotAllowed, CalendarRefused, CalendarGone, CalendarUnreachable.
        CalendarUnreadable: it is too large, too slow, or compressed although we asked for it plain.
    """
    headers = {"Accept": "text/calendar, */*;q=0.1", "Accept-Encoding": "identity", "User-Agent": "Plyo calendars"}
    if etag:
        headers["If-None-Match"] = etag
    until = time.monotonic() + LONGEST_SECONDS
    if not url.lower().startswith(("https://", "http://")):
        raise AddressNotAllowed
    try:
        with httpx.Client(transport=egress.PinnedTransport(guard.resolve), timeout=SECONDS, trust_env=False) as client:
            for _ in range(MOST_REDIRECTS + 1):
                with client.stream("GET", url, headers=headers) as answer:
                    if not answer.has_redirect_location:
                        return _read(answer, largest, until, etag)
                    url = str(httpx.URL(url).join(answer.headers["Location"]))
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise CalendarUnreachable from error
    raise CalendarUnreachable("That address leads from one to the next without an end.")


def _read(answer: httpx.Response, largest: int, until: float, etag: str) -> Fetched:
    status = answer.status_code
    if status == 304:
        return Fetched(None, etag)
    if status in (401, 403):
        raise CalendarRefused("That calendar's address does not open it any more. Copy it anew from there.")
    if status in (404, 410):
        raise CalendarGone
    if status == 429:
        raise CalendarThrottled(retry_after(answer.headers.get("Retry-After")))
    if status != 200:
        raise CalendarUnreachable
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise CalendarUnreadable("That calendar's server compresses what we asked for plain.")
    body = bytearray()
    for chunk in answer.iter_raw(64 * 1024):
        body += chunk
        if len(body) > largest:
            raise CalendarUnreadable(f"It is larger than {largest // 1024 // 1024} MB.")
        if time.monotonic() > until:
            raise CalendarUnreadable("It comes too slowly.")
    return Fetched(bytes(body), answer.headers.get("ETag", ""))
