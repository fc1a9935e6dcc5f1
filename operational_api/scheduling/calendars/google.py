"""Google Calendar, API v3, by Google's own client (`google_client`). Series are expanded by Google; ours are known by a
private property and by their id."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from operational_api.scheduling.calendars.errors import CalendarUnreachable, CursorTooOld
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
from operational_api.scheduling.calendars.rest import TRIES, Conflict, Exists, Missing, reading

_FREE_KINDS = ("workingLocation", "birthday")
_PREFIX = "plo"
"""Of our events' ids, which are base32hex by Google's rule."""


class GoogleCalendar:
    """One person's Google account: `https://www.googleapis.com/calendar/v3`, or a server of the same shape."""

    def __init__(self, base_url: str, token: str) -> None:
        from operational_api.scheduling.calendars.google_client import GoogleClient  # only where there is an account

        self._google = GoogleClient(base_url, token)
        self._events = self._google.events

    def close(self) -> None:
        """Let the connections go."""
        self._google.close()

    @reading()
    def calendars(self) -> list[CalendarRef]:
        """Their calendars, the primary one first."""
        listed = self._google.calendar_list
        found = [
            CalendarRef(
                item["id"], str(item.get("summaryOverride") or item.get("summary") or item["id"]),
                bool(item.get("primary")), item.get("accessRole") in ("owner", "writer"),
            )
            for page in self._google.pages(listed.list(maxResults=250), listed.list_next)
            for item in page.get("items", [])
        ]  # fmt: skip
        return sorted(found, key=lambda one: not one.is_primary)

    @reading()
    def put(self, calendar_id: str, entry: Entry, known: Pushed | None) -> Pushed:
        """Create the event under an id made of its UID, or change it where it is the version we know."""
        id_ = known.external_id if known else id_of(entry.uid)
        if entry.series and known:
            self._take_away_copies(calendar_id, entry.uid, id_)
        pushed = self._put(calendar_id, id_, entry, known.etag if known else "")
        return self._arrange(calendar_id, id_, pushed, entry) if entry.series else pushed

    def _take_away_copies(self, calendar_id: str, uid: str, id_: str) -> None:
        """Events that have our mark and are not ours: Google copies it to what somebody splits off a series."""
        marked = self._events.list(calendarId=calendar_id, privateExtendedProperty=f"plyo={uid}", maxResults=2500)
        pages = self._google.pages(marked, self._events.list_next)
        found = (one for page in pages for one in page.get("items", []))
        homes = {str(one.get("recurringEventId") or one["id"]) for one in found if one.get("status") != "cancelled"}
        for home in sorted(homes - {id_}):
            self._delete(calendar_id, home)

    def _put(self, calendar_id: str, id_: str, entry: Entry, etag: str) -> Pushed:
        body = _body(entry)
        for _ in range(TRIES):
            if not etag:
                try:
                    made = self._events.insert(calendarId=calendar_id, body=body | {"id": id_})
                    return _pushed(self._google.call(made))
                except Exists:  # our answer was lost, or it was taken away: its id is spent
                    etag = self._etag(calendar_id, id_)
            try:
                return _pushed(self._patch(calendar_id, id_, body, etag))
            except Conflict:
                etag = self._etag(calendar_id, id_)
            except (Missing, CursorTooOld):  # a deleted event answers 410
                etag = ""
        raise CalendarUnreachable

    def _patch(self, calendar_id: str, id_: str, body: dict[str, Any], etag: str = "") -> dict[str, Any]:
        return self._google.call(self._events.patch(calendarId=calendar_id, eventId=id_, body=body), etag=etag)

    def _etag(self, calendar_id: str, id_: str) -> str:
        return str(self._read(calendar_id, id_).get("etag") or "*")

    def _read(self, calendar_id: str, id_: str) -> dict[str, Any]:
        return self._google.call(self._events.get(calendarId=calendar_id, eventId=id_))

    def _arrange(self, calendar_id: str, id_: str, pushed: Pushed, entry: Entry) -> Pushed:
        """Have each occurrence where it belongs, whatever was done to it there."""
        wanted = {one.recurs_at: one for one in entry.series.shown} if entry.series else {}
        ids: dict[str, datetime] = {}
        asked = self._events.instances(calendarId=calendar_id, eventId=id_, maxResults=2500, showDeleted=True)
        pages = list(self._google.pages(asked, self._events.instances_next))
        for item in (one for page in pages for one in page.get("items", [])):
            recurs_at = datetime.fromisoformat(item["originalStartTime"]["dateTime"]).astimezone(UTC)
            one, is_gone = wanted.get(recurs_at), item.get("status") == "cancelled"
            if one is not None:
                ids[item["id"]] = recurs_at
                if is_gone or _times(item, "UTC") != (one.starts_at, one.ends_at):
                    body = {"status": "confirmed"} | _span(one.starts_at, one.ends_at, entry.time_zone)
                    self._patch(calendar_id, item["id"], body)
            elif not is_gone:
                self._delete(calendar_id, item["id"])
        return replace(pushed, occurrences=ids)

    @reading()
    def find(self, calendar_id: str, uid: str) -> Pushed | None:
        """The event under the id that is made of its UID; a deleted one can still be read."""
        try:
            item = self._read(calendar_id, id_of(uid))
            return None if item.get("status") == "cancelled" else _pushed(item)
        except (Missing, CursorTooOld):
            return None

    def cancel(self, calendar_id: str, known: Pushed) -> None:
        """Delete the event."""
        self._delete(calendar_id, known.external_id)

    def _delete(self, calendar_id: str, id_: str) -> None:
        try:
            self._google.call(self._events.delete(calendarId=calendar_id, eventId=id_))
        except (Missing, CursorTooOld):
            return

    @reading()
    def changes(self, calendar_id: str, cursor: str | None, window: Window, *, zone: str) -> Changes:
        """Events since a sync token, single ones: Google expands what recurs."""
        asked = {"timeMin": window.since.isoformat(), "timeMax": window.until.isoformat()}
        if cursor is not None:
            asked = {"syncToken": cursor}
        request = self._events.list(calendarId=calendar_id, singleEvents=True, maxResults=2500, **asked)
        busy: list[Busy] = []
        own: list[OwnSeen] = []
        touched: set[str] = set()
        token = ""
        for page in self._google.pages(request, self._events.list_next):
            token = str(page.get("nextSyncToken") or "")
            here = str(page.get("timeZone") or zone)
            for item in page.get("items", []):
                touched.add(item["id"])
                if _is_own(item):
                    own.append(_own(item))
                elif (found := _busy(item, here)) and window.overlaps(found.starts_at, found.ends_at):
                    busy.append(found)
        if not token:
            raise CalendarUnreachable
        return Changes(busy, frozenset(touched), own, token, cursor is None)


def id_of(uid: str) -> str:
    """The event's id at Google, so that creating it twice is refused."""
    return _PREFIX + uid.partition("@")[0].replace("-", "").lower()


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
