"""The HTTP application. Its refusals are Graph's."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4
from zoneinfo import ZoneInfo

from dateutil.rrule import WEEKLY, rrule
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from tests.fakes.oauth import Grants, add_routes

API = "/v1.0"
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass
class Store:
    """One mailbox. `removed`: ids and the revision at which they went."""

    calendar_id: str = "AAMkAD_calendar="
    page_size: int = 2
    revision: int = 1
    oldest: int = 0
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed_at: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    faults: list[tuple[int, str]] = field(default_factory=list)

    def save(self, event: dict[str, Any], id_: str = "") -> dict[str, Any]:
        """Keep an event under a new etag."""
        id_ = id_ or f"AAMk{uuid4().hex}="
        self.revision += 1
        base = {"showAs": "busy", "type": "singleInstance", "isAllDay": False, "isCancelled": False}
        self.events[id_] = base | event | {"id": id_, "@odata.etag": f'W/"{self.revision}"'}
        self.changed_at[id_] = self.revision
        return self.events[id_]

    def recur(self, event: dict[str, Any]) -> dict[str, Any]:
        """Keep a series and its occurrences, each with an id of its own."""
        pattern, span = event["recurrence"]["pattern"], event["recurrence"]["range"]
        assert (pattern["type"], span["type"]) == ("weekly", "numbered")
        zone = ZoneInfo(event["start"]["timeZone"])
        start, end = (datetime.fromisoformat(event[edge]["dateTime"]) for edge in ("start", "end"))
        weekdays = [DAYS.index(one) for one in pattern["daysOfWeek"]]
        rule = rrule(
            WEEKLY, dtstart=start, interval=pattern["interval"], byweekday=weekdays, count=span["numberOfOccurrences"]
        )
        first, last = (one.replace(tzinfo=zone).astimezone(UTC) for one in (start, end))
        series = self.save(event | {"type": "seriesMaster", "start": at(first), "end": at(last)})
        for wall in rule:
            begins, ends = (one.replace(tzinfo=zone).astimezone(UTC) for one in (wall, wall + (end - start)))
            self.save(
                {"type": "occurrence", "seriesMasterId": series["id"], "start": at(begins), "end": at(ends),
                 "originalStart": f"{begins:%Y-%m-%dT%H:%M:%SZ}", "subject": event["subject"]}
            )  # fmt: skip
        return series

    def remove(self, id_: str) -> None:
        """Delete an event, and with a series its occurrences."""
        self.revision += 1
        for one in [id_, *(key for key, event in self.events.items() if event.get("seriesMasterId") == id_)]:
            del self.events[one]
            self.removed[one] = self.revision


def refusal(status: int, code: str, message: str = "", **headers: str) -> JSONResponse:
    """An error as Graph writes it."""
    return JSONResponse({"error": {"code": code, "message": message or code}}, status, headers)


def create_app(store: Store, grants: Grants) -> FastAPI:
    """The local Graph."""
    app = FastAPI()
    add_routes(app, grants)

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Response:
        if request.url.path.startswith(API):
            if store.faults:
                status, wait = store.faults.pop(0)
                return refusal(status, "TooManyRequests", **({"Retry-After": wait} if wait else {}))
            if not grants.lets_in(request):
                return refusal(401, "InvalidAuthenticationToken")
        answer: Response = await call_next(request)
        return answer

    @app.get(f"{API}/me/calendars")
    def calendars() -> Any:
        return {"value": [
            {"id": "AAMkAD_birthdays=", "name": "Birthdays", "canEdit": False, "isDefaultCalendar": False},
            {"id": store.calendar_id, "name": "Calendar", "canEdit": True, "isDefaultCalendar": True},
        ]}  # fmt: skip

    @app.post(API + "/me/calendars/{calendar_id}/events")
    async def create(calendar_id: str, request: Request) -> Any:
        if calendar_id != store.calendar_id:
            return refusal(404, "ErrorItemNotFound")
        body = await request.json()
        transaction = body.get("transactionId", "")
        if transaction in store.spent:
            return refusal(409, "ErrorDuplicateTransactionId", "Your request can't be completed again.")
        store.spent.add(transaction)
        return JSONResponse(store.recur(body) if "recurrence" in body else store.save(body), 201)

    @app.get(API + "/me/calendars/{calendar_id}/events")
    def find(request: Request) -> Any:
        wanted = re.search(r"ep/id eq '(.+?)' and ep/value eq '(.+?)'", request.query_params["$filter"])
        assert wanted
        pair = {"id": wanted[1], "value": wanted[2]}
        return {"value": [
            one for one in store.events.values() if pair in one.get("singleValueExtendedProperties", [])
        ]}  # fmt: skip

    @app.get(API + "/me/calendars/{calendar_id}/calendarView/delta")
    def delta(calendar_id: str, request: Request) -> Any:
        if calendar_id != store.calendar_id:
            return refusal(404, "ErrorItemNotFound")
        asked = dict(request.query_params)
        here = str(request.url).partition("?")[0]
        state = asked.get("$deltatoken") or asked.get("$skiptoken")
        if state is None:
            since, until = asked["startDateTime"], asked["endDateTime"]
            revision, first, now = 0, 0, store.revision
        else:
            revision_told, first_told, now_told, since, until = state.split("_")
            revision, first, now = int(revision_told), int(first_told), int(now_told)
            if revision < store.oldest and "$deltatoken" in asked:
                return refusal(410, "syncStateNotFound", "The sync state generation is not found.")
            if "$deltatoken" in asked:
                now = store.revision
        items = _told(store, revision, since, until)
        page: dict[str, Any] = {"value": items[first : first + store.page_size]}
        if 'outlook.timezone="UTC"' not in request.headers.get("prefer", ""):
            return refusal(400, "ErrorInvalidRequest", "This local server tells UTC only.")
        if first + store.page_size < len(items):
            token = f"{revision}_{first + store.page_size}_{now}_{since}_{until}"
            return page | {"@odata.nextLink": f"{here}?$skiptoken={token}"}
        return page | {"@odata.deltaLink": f"{here}?$deltatoken={now}_0_{now}_{since}_{until}"}

    @app.get(API + "/me/events/{event_id}")
    def read(event_id: str) -> Any:
        return store.events.get(event_id) or refusal(404, "ErrorItemNotFound")

    @app.get(API + "/me/events/{event_id}/instances")
    def instances(event_id: str, request: Request) -> Any:
        if event_id not in store.events:
            return refusal(404, "ErrorItemNotFound")
        since, until = request.query_params["startDateTime"], request.query_params["endDateTime"]
        items = [
            one for one in store.events.values()
            if one.get("seriesMasterId") == event_id
            and one["start"]["dateTime"][:19] < until and one["end"]["dateTime"][:19] > since
        ]  # fmt: skip
        first = int(request.query_params.get("$skip", 0))
        page: dict[str, Any] = {"value": items[first : first + store.page_size]}
        if first + store.page_size < len(items):
            asked = urlencode({"startDateTime": since, "endDateTime": until, "$skip": first + store.page_size})
            page["@odata.nextLink"] = f"{str(request.url).partition('?')[0]}?{asked}"
        return page

    @app.patch(API + "/me/events/{event_id}")
    async def patch(event_id: str, request: Request) -> Any:
        known = store.events.get(event_id)
        if known is None:
            return refusal(404, "ErrorItemNotFound")
        if request.headers.get("if-match", "*") not in (known["@odata.etag"], "*"):
            return refusal(412, "ErrorIrresolvableConflict")
        body = await request.json()
        if known["type"] == "seriesMaster" and body.keys() & {"start", "end", "recurrence"}:
            return refusal(400, "ErrorInvalidRequest", "This local server keeps no exceptions when a series moves.")
        if known["type"] == "occurrence":
            body["type"] = "exception"
        return store.save(known | body, event_id)

    @app.delete(API + "/me/events/{event_id}")
    def delete(event_id: str) -> Any:
        if event_id not in store.events:
            return refusal(404, "ErrorItemNotFound")
        store.remove(event_id)
        return Response(status_code=204)

    return app


def _told(store: Store, revision: int, since: str, until: str) -> list[dict[str, Any]]:
    """Changed events of the view, of an occurrence only what Graph tells of it; then what was removed."""
    found = []
    for id_, event in store.events.items():
        if store.changed_at[id_] <= revision:
            continue
        if event["type"] != "seriesMaster" and not (
            event["start"]["dateTime"][:19] < until and event["end"]["dateTime"][:19] > since
        ):
            if revision:
                found.append({"id": id_, "@removed": {"reason": "changed"}})
            continue
        if event["type"] == "occurrence":
            event = {key: event[key] for key in ("id", "type", "seriesMasterId", "start", "end", "@odata.etag")}
        found.append(event)
    return found + [
        {"id": id_, "@removed": {"reason": "deleted"}} for id_, gone in store.removed.items() if gone > revision > 0
    ]


def at(moment: datetime) -> dict[str, str]:
    """A moment as Graph tells it."""
    return {"dateTime": f"{moment:%Y-%m-%dT%H:%M:%S}.0000000", "timeZone": "UTC"}
