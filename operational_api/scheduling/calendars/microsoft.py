"""Microsoft Graph. A window is read by a delta link, in which Graph has expanded series; ours have a transaction id."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from operational_api.scheduling.calendars.errors import CalendarGone, CalendarUnreachable
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
from operational_api.scheduling.calendars.rest import MOST_PAGES, TRIES, Api, Conflict, Exists, Missing
from operational_api.scheduling.recurrence import parse

PROPERTY = "String {6c1f5d4e-52a3-4a9d-9d6e-0f5a3c7be1b2} Name PlyoUid"
_PREFER = 'outlook.timezone="UTC", IdType="ImmutableId", odata.maxpagesize=200'
_FREE = ("free", "workingElsewhere")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_AROUND = timedelta(days=400)
"""How far from its series an occurrence is looked for that somebody moved."""


class MicrosoftCalendar:
    """One person's Microsoft account: `https://graph.microsoft.com/v1.0`, or a server of the same shape."""

    def __init__(self, base_url: str, token: str) -> None:
        self._api = Api(base_url, token, headers={"Prefer": _PREFER})

    def close(self) -> None:
        """Let the connections go."""
        self._api.close()

    def calendars(self) -> list[CalendarRef]:
        """Their calendars, the default one first."""
        found = [
            CalendarRef(
                item["id"], str(item.get("name") or "Calendar"), bool(item.get("isDefaultCalendar")),
                bool(item.get("canEdit")),
            )
            for page in self._pages("/me/calendars", {})
            for item in page.get("value", [])
        ]  # fmt: skip
        return sorted(found, key=lambda one: not one.is_primary)

    def put(self, calendar_id: str, entry: Entry, known: Pushed | None) -> Pushed:
        """Create the event under a transaction id, or change it where it is the version we know."""
        try:
            for number in range(TRIES):
                pushed = self._put(calendar_id, entry, known, number)
                if entry.series is None:
                    return pushed
                if (arranged := self._arrange(pushed, entry)) is not None:
                    return arranged
                self.cancel(calendar_id, pushed)  # an occurrence that was taken away never comes back to its series
                known = None
        except Missing as error:
            raise CalendarGone from error
        except (KeyError, ValueError) as error:
            raise CalendarUnreachable from error
        raise CalendarUnreachable

    def _put(self, calendar_id: str, entry: Entry, known: Pushed | None, number: int) -> Pushed:
        for _ in range(TRIES):
            if known is None:
                # A deleted event's id is spent, also that of a series which is made anew.
                new = _body(entry) | _times(entry) | {"transactionId": f"{number}.{entry.sequence}:{entry.uid}"}
                try:
                    return _pushed(self._api.call("POST", f"{_calendar(calendar_id)}/events", json=new))
                except Exists:
                    known = self._find(calendar_id, entry.uid)
                    if known is None:
                        raise CalendarUnreachable from None
            path = f"/me/events/{quote(known.external_id, safe='')}"
            # Graph forgets a series' exceptions when its times are written: those of occurrences are arranged instead.
            body = _body(entry) | ({} if entry.series else _times(entry))
            try:
                return _pushed(self._api.call("PATCH", path, etag=known.etag, json=body))
            except Conflict:
                known = Pushed(known.external_id, str(self._api.call("GET", path).get("@odata.etag") or "*"))
            except Missing:
                known = None
        raise CalendarUnreachable

    def _arrange(self, pushed: Pushed, entry: Entry) -> Pushed | None:
        """Have each occurrence where it belongs; None where one that belongs there is not there any more."""
        assert entry.series is not None  # noqa: S101 - asked of a series only
        wanted = {one.recurs_at: one for one in entry.series.shown}
        edges = [*entry.series.every, *(one.starts_at for one in entry.series.shown)]
        query = {"startDateTime": _utc(min(edges) - _AROUND), "endDateTime": _utc(max(edges) + _AROUND)}
        ids: dict[str, datetime] = {}
        pages = list(self._pages(f"/me/events/{quote(pushed.external_id, safe='')}/instances", query))
        for item in (one for page in pages for one in page.get("value", [])):
            told = item.get("originalStart")
            recurs_at = datetime.fromisoformat(told).astimezone(UTC) if told else _moment(item["start"])
            one = wanted.get(recurs_at)
            if one is None:
                self.cancel("", Pushed(item["id"], ""))
                continue
            ids[item["id"]] = recurs_at
            if (_moment(item["start"]), _moment(item["end"])) != (one.starts_at, one.ends_at):
                path = f"/me/events/{quote(item['id'], safe='')}"
                self._api.call("PATCH", path, json=_span(one.starts_at, one.ends_at))
        return replace(pushed, occurrences=ids) if set(ids.values()) == wanted.keys() else None

    def find(self, calendar_id: str, uid: str) -> Pushed | None:
        """The event that says our UID."""
        try:
            return self._find(calendar_id, uid)
        except Missing as error:
            raise CalendarGone from error
        except KeyError as error:
            raise CalendarUnreachable from error

    def cancel(self, calendar_id: str, known: Pushed) -> None:  # noqa: ARG002
        """Delete the event."""
        try:
            self._api.call("DELETE", f"/me/events/{quote(known.external_id, safe='')}")
        except Missing:
            return

    def changes(self, calendar_id: str, cursor: str | None, window: Window, *, zone: str) -> Changes:
        """The calendar's view of the window since a delta link."""
        first = f"{_calendar(calendar_id)}/calendarView/delta"
        query = {"startDateTime": _utc(window.since), "endDateTime": _utc(window.until)} if cursor is None else {}
        items: list[dict[str, Any]] = []
        link = ""
        try:
            for page in self._pages(cursor or first, query):
                link = page.get("@odata.deltaLink", "")
                items += page.get("value", [])
            # Graph tells most of an occurrence only with the series it is of.
            series = {item["id"]: item for item in items if item.get("type") == "seriesMaster"}
            whole = [series.get(item.get("seriesMasterId", ""), {}) | item for item in items]
            own = [_own(item) for item in whole if is_ours(str(item.get("transactionId") or ""))]
            ours = {one.external_id for one in own}
            busy = [found for item in whole if item["id"] not in ours and (found := _busy(item, zone)) is not None]
        except Missing as error:
            raise CalendarGone from error
        except (KeyError, TypeError, ValueError) as error:
            raise CalendarUnreachable from error
        if not link:
            raise CalendarUnreachable
        inside = [one for one in busy if window.overlaps(one.starts_at, one.ends_at)]
        # A series is told along with one occurrence that changed: that touches none of the others.
        touched = frozenset(item["id"] for item in items if item.get("type") != "seriesMaster")
        return Changes(inside, touched, own, link, cursor is None)

    def _find(self, calendar_id: str, uid: str) -> Pushed | None:
        wanted = f"singleValueExtendedProperties/Any(ep: ep/id eq '{PROPERTY}' and ep/value eq '{uid}')"
        page = self._api.call("GET", f"{_calendar(calendar_id)}/events", params={"$filter": wanted})
        return next((_pushed(item) for item in page.get("value", [])), None)

    def _pages(self, path: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        for _ in range(MOST_PAGES):
            page = self._api.call("GET", path, params=query or None)
            yield page
            if not (path := page.get("@odata.nextLink", "")):
                return
            query = {}
        raise CalendarUnreachable


def _calendar(calendar_id: str) -> str:
    return f"/me/calendars/{quote(calendar_id, safe='')}"


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _body(entry: Entry) -> dict[str, Any]:
    return {
        "subject": entry.title, "location": {"displayName": entry.location}, "showAs": "busy",
        "singleValueExtendedProperties": [{"id": PROPERTY, "value": entry.uid}],
    }  # fmt: skip


def _times(entry: Entry) -> dict[str, Any]:
    """When it is. A series recurs on the clock of the zone that its times are told in."""
    if entry.series is None:
        return _span(entry.starts_at, entry.ends_at)
    here, rule = ZoneInfo(entry.time_zone), parse(entry.series.rule)
    first = entry.starts_at.astimezone(here)
    pattern = {
        "type": "weekly", "interval": rule.interval, "firstDayOfWeek": "monday",
        "daysOfWeek": [_DAYS[one] for one in rule.weekdays or (first.weekday(),)],
    }  # fmt: skip
    ends = {
        "type": "numbered", "startDate": f"{first:%Y-%m-%d}", "numberOfOccurrences": len(entry.series.every),
        "recurrenceTimeZone": entry.time_zone,
    }  # fmt: skip
    walls = {"start": first, "end": entry.ends_at.astimezone(here)}
    told = {edge: {"dateTime": f"{one:%Y-%m-%dT%H:%M:%S}", "timeZone": entry.time_zone} for edge, one in walls.items()}
    return told | {"recurrence": {"pattern": pattern, "range": ends}}


def _span(starts_at: datetime, ends_at: datetime) -> dict[str, dict[str, str]]:
    return {edge: {"dateTime": _utc(one), "timeZone": "UTC"} for edge, one in (("start", starts_at), ("end", ends_at))}


def _pushed(item: dict[str, Any]) -> Pushed:
    return Pushed(item["id"], str(item.get("@odata.etag") or "*"))


def _own(item: dict[str, Any]) -> OwnSeen:
    series, etag = str(item.get("seriesMasterId") or ""), str(item.get("@odata.etag") or "")
    return OwnSeen(item["id"], etag, _moment(item["start"]), _moment(item["end"]), series_id=series)


def _busy(item: dict[str, Any], zone: str) -> Busy | None:
    if "@removed" in item or item.get("type") == "seriesMaster" or item.get("isCancelled"):
        return None
    if item.get("showAs") in _FREE or (item.get("responseStatus") or {}).get("response") == "declined":
        return None
    starts_at, ends_at = _moment(item["start"]), _moment(item["end"])
    if item.get("isAllDay"):  # midnights of no zone, whichever one is named beside them
        starts_at, ends_at = whole_days(starts_at.date(), ends_at.date(), zone)
    return Busy(item["id"], starts_at, ends_at, str(item.get("seriesMasterId") or ""))


def _moment(told: dict[str, str]) -> datetime:
    if told.get("timeZone", "UTC") != "UTC":  # we asked for UTC
        raise ValueError(told["timeZone"])
    return datetime.fromisoformat(told["dateTime"][:26]).replace(tzinfo=UTC)
