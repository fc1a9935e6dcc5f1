"""Google Calendar, API v3. Series are expanded by Google; ours are known by a private property and by their id."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

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
from operational_api.scheduling.calendars.rest import MOST_PAGES, TRIES, Conflict, Exists, Missing, RestAccount

_FREE_KINDS = ("workingLocation", "birthday")
_PREFIX = "plo"
"""Of our events' ids, which are base32hex by Google's rule."""


class GoogleCalendar(RestAccount):
    """One person's Google account: `https://www.googleapis.com/calendar/v3`, or a server of the same shape."""

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
        try:
            if entry.series and known:
                self._take_away_copies(events, entry.uid, id_)
            pushed = self._put(events, id_, entry, known.etag if known else "")
            return self._arrange(f"{events}/{id_}/instances", events, pushed, entry) if entry.series else pushed
        except Missing as error:
            raise CalendarGone from error
        except (KeyError, ValueError) as error:
            raise CalendarUnreachable from error

    def _take_away_copies(self, events: str, uid: str, id_: str) -> None:
        """Events that have our mark and are not ours: Google copies it to what somebody splits off a series."""
        query = {"privateExtendedProperty": f"plyo={uid}", "maxResults": "2500"}
        found = (one for page in self._pages(events, query) for one in page.get("items", []))
        homes = {str(one.get("recurringEventId") or one["id"]) for one in found if one.get("status") != "cancelled"}
        for home in sorted(homes - {id_}):
            self._delete(f"{events}/{home}")

    def _put(self, events: str, id_: str, entry: Entry, etag: str) -> Pushed:
        body = _body(entry)
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
        raise CalendarUnreachable

    def _arrange(self, instances: str, events: str, pushed: Pushed, entry: Entry) -> Pushed:
        """Have each occurrence where it belongs, whatever was done to it there."""
        wanted = {one.recurs_at: one for one in entry.series.shown} if entry.series else {}
        ids: dict[str, datetime] = {}
        pages = list(self._pages(instances, {"maxResults": "2500", "showDeleted": "true"}))
        for item in (one for page in pages for one in page.get("items", [])):
            recurs_at = datetime.fromisoformat(item["originalStartTime"]["dateTime"]).astimezone(UTC)
            one, is_gone = wanted.get(recurs_at), item.get("status") == "cancelled"
            if one is not None:
                ids[item["id"]] = recurs_at
                if is_gone or _times(item, "UTC") != (one.starts_at, one.ends_at):
                    body = {"status": "confirmed"} | _span(one.starts_at, one.ends_at, entry.time_zone)
                    self._api.call("PATCH", f"{events}/{item['id']}", json=body)
            elif not is_gone:
                self._delete(f"{events}/{item['id']}")
        return replace(pushed, occurrences=ids)

    def find(self, calendar_id: str, uid: str) -> Pushed | None:
        """The event under the id that is made of its UID; a deleted one can still be read."""
        try:
            item = self._api.call("GET", f"{_events(calendar_id)}/{id_of(uid)}")
            return None if item.get("status") == "cancelled" else _pushed(item)
        except (Missing, CursorTooOld):
            return None
        except KeyError as error:
            raise CalendarUnreachable from error

    def cancel(self, calendar_id: str, known: Pushed) -> None:
        """Delete the event."""
        self._delete(f"{_events(calendar_id)}/{known.external_id}")

    def _delete(self, path: str) -> None:
        try:
            self._api.call("DELETE", path)
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
    body = {
        "summary": entry.title, "location": entry.location, "status": "confirmed",
        "extendedProperties": {"private": {"plyo": entry.uid, "plyoSequence": str(entry.sequence)}},
    }  # fmt: skip
    if entry.series is not None:
        body["recurrence"] = _recurrence(entry)
    return body | _span(entry.starts_at, entry.ends_at, entry.time_zone)


def _recurrence(entry: Entry) -> list[str]:
    assert entry.series is not None  # noqa: S101 - asked of a series only
    rule = [f"RRULE:{entry.series.rule}"]
    if holes := entry.series.holes:
        here = ZoneInfo(entry.time_zone)
        walls = ",".join(f"{one.astimezone(here):%Y%m%dT%H%M%S}" for one in holes)
        rule.append(f"EXDATE;TZID={entry.time_zone}:{walls}")
    return rule


def _span(starts_at: datetime, ends_at: datetime, zone: str) -> dict[str, dict[str, str]]:
    moments = {"start": starts_at, "end": ends_at}
    return {edge: {"dateTime": one.astimezone(UTC).isoformat(), "timeZone": zone} for edge, one in moments.items()}


def _pushed(item: dict[str, Any]) -> Pushed:
    return Pushed(item["id"], str(item.get("etag") or "*"))


def _is_own(item: dict[str, Any]) -> bool:
    marked = item.get("extendedProperties", {}).get("private", {}).get("plyo", "")
    event = item["id"].partition("_")[0]  # an occurrence's id begins with its series'
    return is_ours(marked) or (event.startswith(_PREFIX) and len(event) == len(_PREFIX) + 32)


def _own(item: dict[str, Any]) -> OwnSeen:
    etag, series = str(item.get("etag") or ""), str(item.get("recurringEventId") or "")
    if item.get("status") == "cancelled" or "start" not in item:
        return OwnSeen(item["id"], etag, series_id=series)
    starts_at, ends_at = _times(item, "UTC")
    uid = str(item.get("extendedProperties", {}).get("private", {}).get("plyo", ""))
    return OwnSeen(item["id"], etag, starts_at, ends_at, series_id=series, uid=uid)


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
