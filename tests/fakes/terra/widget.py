"""The hosted page in which a person chooses a device maker and agrees, or does not."""

from datetime import UTC, datetime
from html import escape
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from tests.fakes.terra.api import brief
from tests.fakes.terra.problems import Problem
from tests.fakes.terra.store import Item, Store
from tests.fakes.terra.webhooks import Event

router = APIRouter(prefix="/widget")
_PROVIDERS = "APPLE,FITBIT,GARMIN,OURA,POLAR,WHOOP,WITHINGS"


@router.get("/{session_id}", response_class=HTMLResponse)
def show(request: Request, session_id: str) -> str:
    """The choice of device makers."""
    session = _session(request, session_id)
    buttons = "".join(
        f'<button name="provider" value="{escape(name)}">{escape(name.title())}</button> '
        for name in (session["providers"] or _PROVIDERS).split(",")
    )
    return (
        '<!doctype html><html lang="en"><title>Connect a device</title><h1>Connect a device</h1>'
        f'<form method="post">{buttons}<button name="provider" value="">Cancel</button></form></html>'
    )


@router.post("/{session_id}")
def choose(request: Request, session_id: str, provider: Annotated[str, Form()] = "") -> RedirectResponse:
    """A person agrees (a maker) or cancels (none); an event says so, and the browser goes back."""
    session = _session(request, session_id)
    store: Store = request.app.state.store
    with store.lock:
        del store.sessions[session_id]
    reference = session["reference_id"]
    if not provider:
        cancelled = {"type": "auth_cancelled", "status": "error", "flow_id": session_id, "reason": "access_denied"}
        request.app.state.deliverer.send(Event.of(cancelled | {"reference_id": reference}))
        return _back(session["auth_failure_redirect_url"], {"reference_id": reference, "reason": "access_denied"})
    user = store.connect(provider, reference)
    success = {"type": "auth", "status": "success", "message": "User has successfully authenticated"}
    request.app.state.deliverer.send(Event.of(success | {"widget_session_id": session_id, "user": brief(user)}))
    told = {"user_id": user["user_id"], "reference_id": reference, "resource": provider}
    return _back(session["auth_success_redirect_url"], told)


def _session(request: Request, session_id: str) -> Item:
    store: Store = request.app.state.store
    with store.lock:
        session = store.sessions.get(session_id)
    if session is None or session["expires_at"] < datetime.now(UTC):
        raise Problem(404, "not found", "session not found")
    return session


def _back(url: str | None, told: dict[str, str | None]) -> RedirectResponse:
    query = urlencode({name: value for name, value in told.items() if value})
    target = url or "https://tryterra.co"
    return RedirectResponse(f"{target}{'&' if '?' in target else '?'}{query}", 303)
