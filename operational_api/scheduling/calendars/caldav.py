"""Calendars of any CalDAV server (RFC 4791): iCloud, Nextcloud, Fastmail, a studio's own."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import caldav
import requests
from caldav.lib import error as dav
from lxml.etree import LxmlError

from operational_api.scheduling.calendars import feed, ics
from operational_api.scheduling.calendars.addresses import SECONDS, Guard, PinnedAdapter
from operational_api.scheduling.calendars.errors import (
    CalendarGone,
    CalendarRefused,
    CalendarThrottled,
    CalendarUnreachable,
    CalendarUnreadable,
    CursorTooOld,
)
from operational_api.scheduling.calendars.port import (
    Busy,
    CalendarRef,
    Changes,
    Entry,
    OwnSeen,
    Pushed,
    Window,
    is_ours,
)
from operational_api.scheduling.calendars.rest import retry_after

TRIES = 3
LARGEST_ANSWER = 20 * 1024 * 1024
AT_A_TIME = 100
"""Events asked for in one request."""
_AROUND = timedelta(days=366)
"""How far from its series an occurrence is looked for that somebody moved."""
_BROKEN = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError)
"""What the library raises at events that people broke; the last of them at a time before the first year of all."""


class CaldavCalendar:
    """One account on one server.

    Args:
        url: Of the server, or of the account on it; https unless the guard allows its network.
        password: An app password, where the server has such.
    """

    def __init__(self, url: str, username: str, password: str, guard: Guard) -> None:
        self._client = caldav.DAVClient(
            url, username=username, password=password, auth_type="basic", timeout=SECONDS, headers={}
        )
        self._client.session.trust_env = False
        for scheme in ("https://", "http://"):
            self._client.session.mount(scheme, PinnedAdapter(guard, largest=LARGEST_ANSWER))

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def calendars(self) -> list[CalendarRef]:
        """Their calendars that hold events, in the server's order."""
        with _translated():
            found = self._client.principal().calendars()  # type: ignore[no-untyped-call]
            return [
                CalendarRef(str(one.url), str(one.get_display_name() or "Calendar"), number == 0, True)
                for number, one in enumerate(found)
                if "VEVENT" in one.get_supported_components()
            ]

    def put(self, calendar_id: str, entry: Entry, known: Pushed | None) -> Pushed:
        """Write the event at an address made of its UID; only over the version that we know, or over none."""
        url = known.external_id if known else _address(calendar_id, entry.uid)
        text, etag = feed.render([entry], is_published=False), known.etag if known else ""
        with _translated():
            for _ in range(TRIES):
                condition = {"If-Match": etag} if etag else {"If-None-Match": "*"}
                headers = {"Content-Type": "text/calendar; charset=utf-8"} | condition
                answer = self._request(url, "PUT", text.decode(), headers, allow=(404, 409, 412))
                if answer.status < 300:
                    return Pushed(url, answer.headers.get("ETag") or self._read(url)[1])
                if answer.status in (404, 409) and not etag:
                    raise CalendarGone
                current, etag = self._read(url)
                text = _merged(current, entry) if current else feed.render([entry], is_published=False)
        raise CalendarUnreachable

    def find(self, calendar_id: str, uid: str) -> Pushed | None:
        """The file at the address that is made of its UID."""
        with _translated():
            found, etag = self._read(_address(calendar_id, uid))
        return None if found is None else Pushed(_address(calendar_id, uid), etag)

    def cancel(self, calendar_id: str, known: Pushed) -> None:  # noqa: ARG002
        """Delete the event, whatever was done to it there."""
        with _translated():
            self._request(known.external_id, "DELETE", allow=(404, 410))

    def changes(self, calendar_id: str, cursor: str | None, window: Window, *, zone: str) -> Changes:
        """What a sync report names since its token (RFC 6578), each event read and expanded here."""
        busy: list[Busy] = []
        own: list[OwnSeen] = []
        touched: set[str] = set()
        with _translated(has_cursor=cursor is not None):
            calendar = self._client.calendar(url=calendar_id)  # type: ignore[no-untyped-call]
            named = calendar.objects_by_sync_token(cursor or None)
            if not named.sync_token:
                raise CalendarUnreachable("That server cannot say what changed in a calendar.")
            urls = [self._whole(calendar_id, str(one.url)) for one in named if not str(one.url).endswith("/")]
            touched.update(urls)
            for url, data, etag in self._multiget(calendar_id, urls):
                if seen := _own(url, etag, data, window):
                    own.append(seen)
                    continue
                found = ics.busy_times(data, window, zone=zone)
                busy += [Busy(url, one.starts_at, one.ends_at) for one in found]
        return Changes(busy, frozenset(touched), own, str(named.sync_token), cursor is None)

    def _multiget(self, calendar_id: str, urls: list[str]) -> Iterator[tuple[str, bytes, str]]:
        for first in range(0, len(urls), AT_A_TIME):
            hrefs = "".join(
                f"<d:href>{_escaped(urlsplit(one).path)}</d:href>" for one in urls[first : first + AT_A_TIME]
            )
            body = (
                '<?xml version="1.0" encoding="utf-8"?>'
                '<c:calendar-multiget xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav">'
                f"<d:prop><d:getetag/><c:calendar-data/></d:prop>{hrefs}</c:calendar-multiget>"
            )
            answer = self._client.report(calendar_id, body, 1)
            if answer.status >= 300:
                raise _problem(answer)
            for href, properties in answer.find_objects_and_props().items():
                data = properties.get("{urn:ietf:params:xml:ns:caldav}calendar-data")
                etag = properties.get("{DAV:}getetag")
                if data is not None and data.text:
                    told = etag.text if etag is not None else ""
                    yield self._whole(calendar_id, href), data.text.encode(), str(told or "")

    def _read(self, url: str) -> tuple[bytes | None, str]:
        answer = self._request(url, "GET", allow=(404, 410))
        return (None, "") if answer.status >= 300 else (answer.raw.encode(), str(answer.headers.get("ETag", "*")))

    def _request(
        self, url: str, method: str, body: str = "", headers: dict[str, str] | None = None, *, allow: tuple[int, ...]
    ) -> Any:
        answer = self._client.request(url, method, body, headers or {})
        if answer.status >= 300 and answer.status not in allow:
            raise _problem(answer)
        return answer

    def _whole(self, calendar_id: str, href: str) -> str:
        parts = urlsplit(calendar_id)
        return f"{parts.scheme}://{parts.netloc}{quote(unquote(urlsplit(href).path))}"


def _address(calendar_id: str, uid: str) -> str:
    return f"{calendar_id.rstrip('/')}/{quote(uid, safe='')}.ics"


def _merged(current: bytes, entry: Entry) -> bytes:
    """The event as it is there, with ours in what we say: a reminder that its owner set stays."""
    try:
        [calendar] = ics.parsed(current)
        known = {_recurs_at(one): one for one in calendar.walk("VEVENT") if str(one.get("UID")) == entry.uid}
        calendar.subcomponents = [one for one in calendar.subcomponents if one not in known.values()]
        for mine in feed.events_of(entry):
            theirs = known.get(_recurs_at(mine)) or known.get(None)
            if theirs is not None:
                for name, value in theirs.items():
                    if name.upper() not in feed.OURS:
                        mine[name] = value
                mine.subcomponents = theirs.subcomponents
            calendar.add_component(mine)
        calendar.add_missing_timezones()
        text: bytes = calendar.to_ical()
    except _BROKEN:  # whatever it is now, it is our event
        return feed.render([entry], is_published=False)
    return text


def _recurs_at(event: Any) -> datetime | None:
    """Which occurrence an exception is of; None of what is none."""
    told = event.get("RECURRENCE-ID")
    return told.dt.astimezone(UTC) if told is not None else None


def _own(url: str, etag: str, data: bytes, window: Window) -> OwnSeen | None:
    """An event of ours as it lies there; None of somebody else's. A series is told from its first session to beyond
    all that can be booked by now: what is not told of it counts as taken away."""
    if b"@plyo" not in data:
        return None
    try:
        events = [one for calendar in ics.parsed(data) for one in calendar.walk("VEVENT")]
        ours = [one for one in events if is_ours(str(one.get("UID", "")))]
        if not ours:
            return None
        starts_at, ends_at = ics.span(ours[0], "UTC")
        if not any("RRULE" in one or "RECURRENCE-ID" in one for one in ours):
            return OwnSeen(url, etag, starts_at, ends_at)
        whole = Window(starts_at - _AROUND, max(starts_at, window.until) + 3 * _AROUND)
        return OwnSeen(url, etag, starts_at, ends_at, ics.occurrences(data, whole))
    except (*_BROKEN, CalendarUnreadable):  # broken meanwhile, and ours
        return OwnSeen(url, etag)


def _problem(answer: Any) -> Exception:
    if answer.status in (404, 410):
        return CalendarGone()
    if answer.status in (429, 503) and answer.headers.get("Retry-After"):
        return CalendarThrottled(retry_after(answer.headers["Retry-After"]))
    return CalendarUnreachable()


def _escaped(path: str) -> str:
    return path.replace("&", "&amp;").replace("<", "&lt;")


@contextlib.contextmanager
def _translated(*, has_cursor: bool = False) -> Iterator[None]:
    """The library's errors as ours.

    Args:
        has_cursor: A sync token was sent; then a refusal is of the token, unless the password is wrong.
    """
    try:
        yield
    except dav.AuthorizationError as error:
        if has_cursor and "Unauthorized" not in str(error.reason):  # 403: the token's precondition failed
            raise CursorTooOld from error
        raise CalendarRefused from error
    except (dav.ReportError, dav.ResponseError) as error:
        raise (CursorTooOld if has_cursor else CalendarUnreachable) from error
    except dav.NotFoundError as error:
        raise CalendarGone from error
    except (requests.RequestException, LxmlError, dav.DAVError) as error:
        raise CalendarUnreachable from error
    except (AttributeError, KeyError, IndexError, AssertionError) as error:  # what no CalDAV server says
        raise CalendarUnreadable("That is not a CalDAV server.") from error
