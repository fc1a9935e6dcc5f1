"""The HTTP application. Its refusals are Google's."""

from datetime import UTC, date, datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from tests.fakes.google_calendar.store import Store
from tests.fakes.oauth import Grants, add_routes

API = "/calendar/v3"


def refusal(status: int, reason: str, message: str, **headers: str) -> JSONResponse:
    """An error as Google writes it."""
    body = {"error": {"code": status, "message": message, "errors": [{"domain": "global", "reason": reason}]}}
    return JSONResponse(body, status, headers)


def create_app(store: Store, grants: Grants) -> FastAPI:
    """The local Google Calendar."""
    app = FastAPI()
    add_routes(app, grants)

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Response:
        if request.url.path.startswith(API):
            if store.faults:
                status, wait = store.faults.pop(0)
                reason = "rateLimitExceeded" if status in (403, 429) else "backendError"
                return refusal(status, reason, "Rate Limit Exceeded", **({"Retry-After": wait} if wait else {}))
            if not grants.lets_in(request):
                return refusal(401, "authError", "Invalid Credentials")
        answer: Response = await call_next(request)
        return answer

    @app.get(f"{API}/users/me/calendarList")
    def calendar_list() -> Any:
        return {"items": [
            {"id": "family@group.v.calendar.google.com", "summary": "Family", "accessRole": "reader"},
            {"id": store.calendar_id, "summary": "Ana", "primary": True, "accessRole": "owner"},
        ]}  # fmt: skip

    @app.get(API + "/calendars/{calendar_id}/events")
    def list_events(calendar_id: str, request: Request) -> Any:
        asked = dict(request.query_params)
        if calendar_id != store.calendar_id:
            return refusal(404, "notFound", "Not Found")
        token = asked.get("syncToken")
        if token is not None and asked.keys() & {"timeMin", "timeMax", "q", "orderBy", "updatedMin"}:
            return refusal(400, "badRequest", "Sync token cannot be used with query restrictions.")
        if token is not None and int(token.removeprefix("t")) < store.oldest:
            return refusal(410, "fullSyncRequired", "Sync token is no longer valid, a full sync is required.")
        if marked := asked.get("privateExtendedProperty"):
            return {"items": store.marked(*marked.split("=", 1))}
        if asked.get("singleEvents") != "true":
            return refusal(400, "badRequest", "This local server tells single events only.")
        if token is None:
            since, until = datetime.fromisoformat(asked["timeMin"]), datetime.fromisoformat(asked["timeMax"])
            items = [one for one in store.instances() if _lies_in(one, since, until)]
        else:
            items = store.changed_since(int(token.removeprefix("t")))
        first = int(asked.get("pageToken", 0))
        page: dict[str, Any] = {"timeZone": store.time_zone, "items": items[first : first + store.page_size]}
        if first + store.page_size < len(items):
            return page | {"nextPageToken": str(first + store.page_size)}
        return page | {"nextSyncToken": f"t{store.revision}"}

    @app.post(API + "/calendars/{calendar_id}/events")
    async def insert(calendar_id: str, request: Request) -> Any:
        if calendar_id != store.calendar_id:
            return refusal(404, "notFound", "Not Found")
        body = await request.json()
        id_ = body.get("id") or store.new_id()
        if not all(character in "0123456789abcdefghijklmnopqrstuv" for character in id_) or len(id_) < 5:
            return refusal(400, "invalid", "Invalid resource id value.")
        if id_ in store.events:
            return refusal(409, "duplicate", "The requested identifier already exists.")
        return store.save(id_, {"status": "confirmed", "iCalUID": f"{id_}@google.com"} | body)

    @app.get(API + "/calendars/{calendar_id}/events/{event_id}")
    def read(calendar_id: str, event_id: str) -> Any:
        return store.find(event_id) or refusal(404, "notFound", "Not Found")

    @app.get(API + "/calendars/{calendar_id}/events/{event_id}/instances")
    def instances(calendar_id: str, event_id: str, request: Request) -> Any:
        known = store.events.get(event_id)
        if known is None or "recurrence" not in known:
            return refusal(404, "notFound", "Not Found")
        shows_deleted = request.query_params.get("showDeleted") == "true"
        items = [one for one in store.expand(known) if shows_deleted or one["status"] != "cancelled"]
        first = int(request.query_params.get("pageToken", 0))
        more = {"nextPageToken": str(first + store.page_size)} if first + store.page_size < len(items) else {}
        return {"items": items[first : first + store.page_size]} | more

    @app.patch(API + "/calendars/{calendar_id}/events/{event_id}")
    async def patch(calendar_id: str, event_id: str, request: Request) -> Any:
        known = store.find(event_id)
        if known is None:
            return refusal(404, "notFound", "Not Found")
        if request.headers.get("if-match", known["etag"]) not in (known["etag"], "*"):
            return refusal(412, "conditionNotMet", "Precondition Failed")
        return store.save(event_id, known | await request.json())

    @app.delete(API + "/calendars/{calendar_id}/events/{event_id}")
    def delete(calendar_id: str, event_id: str) -> Any:
        known = store.find(event_id)
        if known is None:
            return refusal(404, "notFound", "Not Found")
        if known["status"] == "cancelled":
            return refusal(410, "deleted", "Resource has been deleted")
        for one in [known, *store.exceptions(event_id)]:
            store.save(one["id"], one | {"status": "cancelled"})
        return Response(status_code=204)

    return app


def _lies_in(item: dict[str, Any], since: datetime, until: datetime) -> bool:
    if item["status"] == "cancelled":
        return False
    return _moment(item["start"]) < until and _moment(item["end"]) > since


def _moment(told: dict[str, str]) -> datetime:
    if "date" in told:
        return datetime.combine(date.fromisoformat(told["date"]), datetime.min.time(), tzinfo=UTC)
    return datetime.fromisoformat(told["dateTime"])
