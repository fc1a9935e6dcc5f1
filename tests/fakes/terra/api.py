"""The endpoints below /v2: authentication, users, and data, which is answered at once or sent as events later."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from tests.fakes.terra.problems import Problem, bad_request, too_many_requests, unauthorized
from tests.fakes.terra.store import Item, Store, stamp
from tests.fakes.terra.webhooks import Deliverer, Event

VERSION = "2022-03-16"
LARGE_DAYS = 28
WIDGET_SECONDS = 900


def admitted(request: Request) -> None:
    """The developer's two headers, then whatever fault a test ordered.

    Raises:
        Problem: 401, 429 or another status.
    """
    settings, store = request.app.state.settings, request.app.state.store
    dev_id, key = request.headers.get("dev-id"), request.headers.get("x-api-key")
    if not dev_id or not key:
        raise unauthorized("dev-id or x-api-key headers are missing")
    if (dev_id, key) != (settings.dev_id, settings.api_key):
        raise unauthorized("dev-id or x-api-key is invalid")
    with store.lock:
        store.requests.append((request.url.path, dict(request.query_params)))
        status, retry_after = store.faults.pop(0) if store.faults else (200, 0.0)
    if status == 429:
        raise too_many_requests(retry_after)
    if status != 200:
        raise Problem(status, "internal server error", "try again later")


router = APIRouter(prefix="/v2", dependencies=[Depends(admitted)])


class WidgetOrder(BaseModel):
    """What the widget is to show and where it leads back."""

    providers: str | None = None
    language: str = "en"
    reference_id: str | None = None
    auth_success_redirect_url: str | None = None
    auth_failure_redirect_url: str | None = None


@router.post("/auth/generateWidgetSession")
def generate_widget_session(request: Request, order: WidgetOrder) -> Item:
    """A page in which a person connects a device."""
    store: Store = request.app.state.store
    session_id = str(uuid4())
    expires = datetime.now(UTC) + timedelta(seconds=WIDGET_SECONDS)
    with store.lock:
        store.sessions[session_id] = order.model_dump() | {"expires_at": expires}
    url = f"{request.app.state.settings.public_url}/widget/{session_id}"
    return {"session_id": session_id, "url": url, "status": "success", "expires_in": WIDGET_SECONDS}


@router.delete("/auth/deauthenticateUser")
def deauthenticate_user(request: Request, user_id: str = "") -> Item:
    """Forget a person; an event says so."""
    gone = request.app.state.store.forget(user_id)
    event = {"type": "deauth", "status": "success", "message": "User has deauthenticated", "user": brief(gone)}
    request.app.state.deliverer.send(Event.of(event))
    return {"status": "success"}


@router.get("/userInfo")
def user_info(request: Request, user_id: str | None = None, reference_id: str | None = None) -> Any:
    """One connection by its id, or all of a person."""
    store: Store = request.app.state.store
    if user_id:
        user = store.user(user_id)
        polled = {"last_polled_at": user["last_webhook_update"], "most_recent_data_at": user["last_webhook_update"]}
        return {"user": user | polled, "status": "success", "is_authenticated": user["active"]}
    if not reference_id:
        raise bad_request("user_id or reference_id is required")
    with store.lock:
        return [one for one in store.users.values() if one["reference_id"] == reference_id]


@router.get("/subscriptions")
def subscriptions(request: Request, page: int | None = None, per_page: int = 500) -> Item:
    """Every connection; in pages if asked."""
    store: Store = request.app.state.store
    with store.lock:
        users = list(store.users.values())
    if page is None:
        return {"users": users}
    last = max(0, (len(users) - 1) // per_page)
    results = users[page * per_page : (page + 1) * per_page]
    return {"data": {"next": page + 1 if page < last else None, "max_page": last, "results": results}}


def _data(kind: str) -> None:
    @router.get(f"/{kind}", name=kind)
    def read(
        request: Request, user_id: str = "", start_date: str = "", end_date: str | None = None, to_webhook: str = "true"
    ) -> Item:
        store: Store = request.app.state.store
        user = store.user(user_id)
        start, end = _date(start_date, "start_date"), _date(end_date or start_date, "end_date")
        items = store.between(user_id, kind, start, end)
        is_large = (end - start).days > LARGE_DAYS
        if not is_large and to_webhook.lower() == "false":
            return {"type": kind, "user": brief(user), "data": items, "version": VERSION}
        return _answer_later(request, kind, user, items, is_large=is_large)


for _kind in ("activity", "body", "daily", "sleep", "menstruation", "nutrition"):
    _data(_kind)


def _answer_later(request: Request, kind: str, user: Item, items: list[Item], *, is_large: bool) -> Item:
    deliverer: Deliverer = request.app.state.deliverer
    reference = str(uuid4())
    accepted: Item = {"status": "success", "type": kind, "reference": reference, "trace_id": reference}
    accepted["user"] = brief(user)
    if not is_large:
        deliverer.send(Event.of(document(kind, user, items), reference=reference))
        return accepted
    size = request.app.state.settings.chunk_items
    chunks = [items[place : place + size] for place in range(0, len(items), size)]
    common = {"reference": reference, "user": brief(user)}
    processing = {"type": "large_request_processing", "status": "processing", "message": "Large request is processed"}
    sending = {"type": "large_request_sending", "message": "Large request payloads are being sent"}
    deliverer.send(Event.of(processing | common, reference=reference))
    deliverer.send(Event.of(sending | common | {"expected_payloads": len(chunks)}, reference=reference))
    for chunk in chunks:
        deliverer.send(Event.of(document(kind, user, chunk), reference=reference))
    message = "Large request submitted. The data is being processed and will be sent to your destination in chunks"
    return accepted | {"message": message}


def document(kind: str, user: Item, items: list[Item]) -> Item:
    """An event with data."""
    user["last_webhook_update"] = stamp()
    return {"type": kind, "version": VERSION, "user": brief(user), "data": items}


def brief(user: Item) -> Item:
    """A connection as events carry it."""
    names = ("user_id", "provider", "last_webhook_update", "scopes", "reference_id", "active")
    return {name: user[name] for name in names}


def _date(text: str, name: str) -> date:
    try:
        if text.isdigit() and len(text) == 10:
            return datetime.fromtimestamp(int(text), UTC).date()
        return date.fromisoformat(text)
    except ValueError:
        raise bad_request(f"invalid {name}") from None
