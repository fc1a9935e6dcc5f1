"""Google Calendar, API v3. Series are expanded by Google; ours are known by a private property and by their id."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from operational_api.scheduling.calendars.errors import CalendarGone, CalendarUnreachable, CursorTooOld
from operational_api.scheduling.calendars.port import (
    Busy,
    CalendarRef,
    Changes,
    Entry,
    OwnSeen,
    Pushed,
    Window,
    is_ours,
    whole_days,
)
from operational_api.scheduling.calendars.rest import MOST_PAGES, Api, Conflict, Exists, Missing

TRIES = 3
_FREE_KINDS = ("workingLocation", "birthday")
_PREFIX = "plo"
"""Of our events' ids, which are base32hex by Google's rule."""


class GoogleCalendar:
    """One person's Google account.

    Args:
        base_url: `https://www.googleapis.com/calendar/v3`, or a server of the same shape.
    """

    def __init__(self, base_url: str, token: str) -> None:
        self._api = Api(base_url, token)

    def close(self) -> None:
        """Let the connections go."""
        self._api.close()

    def calendars(self) -> list[CalendarRef]:
        """Their calendars, the primary one first."""
        found = [
            CalendarRef(
                item["id"], str(item.get("summaryOverride") or item.get("summary") or item["id"]),
                bool(item.get("primary")), item.get("accessRole") in ("owner", "writer"),
            )
            for page in self._pages("/users/me/calendarList", {"maxResults": "250"})
            for item in page.get("items", [])
        ]  # fmt: skip
        return sorted(found, key=lambda one: not one.is_primary)

    def put(self, calendar_id: str, entry: Entry, known: Pushed | None) -> Pushed:
        """Create the event under an id made of its UID, or change it where it is the version we know."""
        events, id_ = _events(calendar_id), known.external_id if known else id_of(entry.uid)
        etag, body = known.etag if known else "", _body(entry)
        try:
            for _ in range(TRIES):
                if not etag:
                    try:
                        return _pushed(self._api.call("POST", events, json=body | {"id": id_}))
                    except Exists:  # our answer was lost, or it was taken away: its id is spent
                        etag = str(self._api.call("GET", f"{events}/{id_}").get("etag") or "*")
                try:
                    return _pushed(self._api.call("PATCH", f"{events}/{id_}", etag=etag, json=body))
                except Conflict:
                    etag = str(self._api.call("GET", f"{events}/{id_}").get("etag") or "*")
                except (Missing, CursorTooOld):  # a deleted event answers 410
                    etag = ""
        except Missing as error:
            raise CalendarGone from error
        raise CalendarUnreachable

    def cancel(self, calendar_id: str, known: Pushed) -> None:
        """Delete the event."""
        try:
            self._api.call("DELETE", f"{_events(calendar_id)}/{known.external_id}")
        except (Missing, CursorTooOld):
            return

    def changes(self, calendar_id: str, cursor: str | None, window: Window, *, zone: str) -> Changes:
        """Events since a sync token, single ones: Google expands what recurs."""
        query = {"singleEvents": "true", "maxResults": "2500"}
        if cursor is None:
            query |= {"timeMin": window.since.isoformat(), "timeMax": window.until.isoformat()}
        else:
            query["syncToken"] = cursor
        busy: list[Busy] = []
        own: list[OwnSeen] = []
        touched: set[str] = set()
        token = ""
        try:
            for page in self._pages(_events(calendar_id), query):
                token = page.get("nextSyncToken", "")
                here = str(page.get("timeZone") or zone)
                for item in page.get("items", []):
                    touched.add(item["id"])
                    if _is_own(item):
                        own.append(_own(item))
                    elif (found := _busy(item, here)) and window.overlaps(found.starts_at, found.ends_at):
                        busy.append(found)
        except Missing as error:
            raise CalendarGone from error
        except (KeyError, TypeError, ValueError) as error:
            raise CalendarUnreachable from error
        if not token:
            raise CalendarUnreachable
        return Changes(busy, frozenset(touched), own, token, cursor is None)

    def _pages(self, path: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        more: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            page = self._api.call("GET", path, params=query | more)
            yield page
            if not (token := page.get("nextPageToken")):
                return
            more = {"pageToken": token}
        raise CalendarUnreachable


def id_of(uid: str) -> str:
    """The event's id at Google, so that creating it twice is refused."""
    return _PREFIX + uid.partition("@")[0].replace("-", "").lower()


def _events(calendar_id: str) -> str:
    return f"/calendars/{quote(calendar_id, safe='')}/events"


def _body(entry: Entry) -> dict[str, Any]:
    def at(moment: datetime) -> dict[str, str]:
        return {"dateTime": moment.astimezone(UTC).isoformat(), "timeZone": entry.time_zone}

    return {
        "summary": entry.title, "location": entry.location, "status": "confirmed",
        "start": at(entry.starts_at), "end": at(entry.ends_at),
        "extendedProperties": {"private": {"plyo": entry.uid, "plyoSequence": str(entry.sequence)}},
    }  # fmt: skip


def _pushed(item: dict[str, Any]) -> Pushed:
    return Pushed(item["id"], str(item.get("etag") or "*"))


def _is_own(item: dict[str, Any]) -> bool:
    marked = item.get("extendedProperties", {}).get("private", {}).get("plyo", "")
    return is_ours(marked) or (item["id"].startswith(_PREFIX) and len(item["id"]) == len(_PREFIX) + 32)


def _own(item: dict[str, Any]) -> OwnSeen:
    etag = str(item.get("etag") or "")
    if item.get("status") == "cancelled" or "start" not in item:
        return OwnSeen(item["id"], etag)
    starts_at, ends_at = _times(item, "UTC")
    return OwnSeen(item["id"], etag, starts_at, ends_at)


def _busy(item: dict[str, Any], zone: str) -> Busy | None:
    declined = any(one.get("self") and one.get("responseStatus") == "declined" for one in item.get("attendees", []))
    is_free = item.get("transparency") == "transparent" or item.get("eventType") in _FREE_KINDS
    if item.get("status") == "cancelled" or is_free or declined:
        return None
    starts_at, ends_at = _times(item, zone)
    return Busy(item["id"], starts_at, ends_at, str(item.get("recurringEventId") or ""))


def _times(item: dict[str, Any], zone: str) -> tuple[datetime, datetime]:
    if "date" in item["start"]:
        return whole_days(date.fromisoformat(item["start"]["date"]), date.fromisoformat(item["end"]["date"]), zone)
    starts_at, ends_at = (datetime.fromisoformat(item[edge]["dateTime"]) for edge in ("start", "end"))
    return starts_at.astimezone(UTC), ends_at.astimezone(UTC)
