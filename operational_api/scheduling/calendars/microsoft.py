"""Microsoft Graph, by Microsoft's own client (`microsoft_client`). A window is read by a delta link, in which Graph has
expanded series; ours have a transaction id."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from operational_api.scheduling.calendars.errors import CalendarUnreachable
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
from operational_api.scheduling.recurrence import LONGEST, parse

PROPERTY = "String {6c1f5d4e-52a3-4a9d-9d6e-0f5a3c7be1b2} Name PlyoUid"
_PREFER = 'outlook.timezone="UTC", IdType="ImmutableId", odata.maxpagesize=200'
_CALENDAR, _EVENT = "/me/calendars/{calendar}", "/me/events/{event}"
_FREE = ("free", "workingElsewhere")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_AROUND = timedelta(days=400)
"""How far from its series an occurrence is looked for that somebody moved."""


class MicrosoftCalendar:
    """One person's Microsoft account: `https://graph.microsoft.com/v1.0`, or a server of the same shape."""

    def __init__(self, base_url: str, token: str) -> None:
        from operational_api.scheduling.calendars.microsoft_client import GraphClient  # only where there is an account

        self._graph = GraphClient(base_url, token, prefer=_PREFER)

    def close(self) -> None:
        """Let the connections go."""
        self._graph.close()

    @reading()
    def calendars(self) -> list[CalendarRef]:
        """Their calendars, the default one first."""
        found = [
            CalendarRef(
                item["id"], str(item.get("name") or "Calendar"), bool(item.get("isDefaultCalendar")),
                bool(item.get("canEdit")),
            )
            for page in self._graph.pages("/me/calendars")
            for item in page.get("value", [])
        ]  # fmt: skip
        return sorted(found, key=lambda one: not one.is_primary)

    @reading()
    def put(self, calendar_id: str, entry: Entry, known: Pushed | None) -> Pushed:
        """Create the event under a transaction id, or change it where it is the version we know."""
        for number in range(TRIES):
            pushed = self._put(calendar_id, entry, known, number)
            if entry.series is None:
                return pushed
            if (arranged := self._arrange(pushed, entry)) is not None:
                return arranged
            self.cancel(calendar_id, pushed)  # an occurrence that was taken away never comes back to its series
            known = None
        raise CalendarUnreachable

    def _put(self, calendar_id: str, entry: Entry, known: Pushed | None, number: int) -> Pushed:
        for _ in range(TRIES):
            if known is None:
                # A deleted event's id is spent, also that of a series which is made anew.
                new = _body(entry) | _times(entry) | {"transactionId": f"{number}.{entry.sequence}:{entry.uid}"}
                try:
                    return _pushed(self._graph.call("POST", f"{_CALENDAR}/events", {"calendar": calendar_id}, body=new))
                except Exists:
                    known = self.find(calendar_id, entry.uid)
                    if known is None:
                        raise CalendarUnreachable from None
            names = {"event": known.external_id}
            # Graph forgets a series' exceptions when its times are written: those of occurrences are arranged instead.
            body = _body(entry) | ({} if entry.series else _times(entry))
            try:
                return _pushed(self._graph.call("PATCH", _EVENT, names, body=body, etag=known.etag))
            except Conflict:
                now = self._graph.call("GET", _EVENT, names)
                known = Pushed(known.external_id, str(now.get("@odata.etag") or "*"))
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
        pages = list(self._graph.pages(f"{_EVENT}/instances", {"event": pushed.external_id}, query=query))
        for item in (one for page in pages for one in page.get("value", [])):
            told = item.get("originalStart")
            recurs_at = datetime.fromisoformat(told).astimezone(UTC) if told else _moment(item["start"])
            one = wanted.get(recurs_at)
            if one is None:
                self.cancel("", Pushed(item["id"], ""))
                continue
            ids[item["id"]] = recurs_at
            if (_moment(item["start"]), _moment(item["end"])) != (one.starts_at, one.ends_at):
                self._graph.call("PATCH", _EVENT, {"event": item["id"]}, body=_span(one.starts_at, one.ends_at))
        return replace(pushed, occurrences=ids) if set(ids.values()) == wanted.keys() else None

    @reading()
    def find(self, calendar_id: str, uid: str) -> Pushed | None:
        """The event that says our UID."""
        wanted = f"singleValueExtendedProperties/Any(ep: ep/id eq '{PROPERTY}' and ep/value eq '{uid}')"
        page = self._graph.call("GET", f"{_CALENDAR}/events", {"calendar": calendar_id}, query={"$filter": wanted})
        return next((_pushed(item) for item in page.get("value", [])), None)

    def cancel(self, calendar_id: str, known: Pushed) -> None:  # noqa: ARG002
        """Delete the event."""
        try:
            self._graph.call("DELETE", _EVENT, {"event": known.external_id})
        except Missing:
            return

    @reading()
    def changes(self, calendar_id: str, cursor: str | None, window: Window, *, zone: str) -> Changes:
        """The calendar's view of the window since a delta link."""
        span = {"startDateTime": _utc(window.since), "endDateTime": _utc(window.until)}
        first = self._graph.pages(f"{_CALENDAR}/calendarView/delta", {"calendar": calendar_id}, query=span)
        items: list[dict[str, Any]] = []
        link = ""
        for page in first if cursor is None else self._graph.pages(cursor):
            link = str(page.get("@odata.deltaLink") or "")
            items += page.get("value", [])
        if not link:
            raise CalendarUnreachable
        # Graph tells most of an occurrence only with the series it is of.
        series = {item["id"]: item for item in items if item.get("type") == "seriesMaster"}
        whole = [series.get(item.get("seriesMasterId", ""), {}) | item for item in items]
        own = [_own(item) for item in whole if is_ours(str(item.get("transactionId") or ""))]
        ours = {one.external_id for one in own}
        busy = [found for item in whole if item["id"] not in ours and (found := _busy(item, zone)) is not None]
        inside = [one for one in busy if window.overlaps(one.starts_at, one.ends_at)]
        # A series is told along with one occurrence that changed: that touches none of the others.
        touched = frozenset(item["id"] for item in items if item.get("type") != "seriesMaster")
        return Changes(inside, touched, own, link, cursor is None)


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
    here, rule = ZoneInfo(entry.time_zone), parse(entry.series.rule, most=LONGEST)
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
