"""What only the local Terra can do, under /_fake: measure, swap and revoke users, repeat or hold events, fail."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from tests.fakes.terra.api import brief, document
from tests.fakes.terra.store import Item, Store
from tests.fakes.terra.webhooks import Event

router = APIRouter(prefix="/_fake")


class Connection(BaseModel):
    """A person who connects without a browser."""

    provider: str = "GARMIN"
    reference_id: str | None = None


class Measured(BaseModel):
    """What a device measured, and whether Terra tells at once."""

    user_id: str
    kind: str
    items: list[Item]
    is_announced: bool = True
    copies: int = Field(1, ge=1, le=100)


class Announcement(BaseModel):
    """Any event, as it is."""

    body: Item
    copies: int = Field(1, ge=1, le=100)
    ordering_ms: int | None = None


class Release(BaseModel):
    """In which order held events leave."""

    order: Literal["sent", "reversed", "shuffled"] = "sent"
    seed: int = 0


class Faults(BaseModel):
    """HTTP statuses that the next API requests get instead of an answer."""

    statuses: list[int]
    retry_after: float = 0


@router.post("/users")
def connect(request: Request, body: Connection) -> Item:
    """Connect a person; an `auth` event says so."""
    user: Item = request.app.state.store.connect(body.provider, body.reference_id)
    success = {"type": "auth", "status": "success", "message": "User has successfully authenticated"}
    request.app.state.deliverer.send(Event.of(success | {"user": brief(user)}))
    return user


@router.post("/users/{user_id}/reauth")
def reauth(request: Request, user_id: str) -> Item:
    """Connect a person anew: another user id takes the place of the old one, with its data."""
    store: Store = request.app.state.store
    with store.lock:
        old = store.user(user_id)
        new = store.connect(old["provider"], old["reference_id"])
        for (owner, kind), items in list(store.items.items()):
            if owner == user_id:
                store.add(new["user_id"], kind, *items)
        gone = store.forget(user_id)
    told = {"type": "user_reauth", "status": "warning", "old_user": brief(gone), "new_user": brief(new)}
    message = "User has reauthenticated and old ID has been deleted"
    request.app.state.deliverer.send(Event.of(told | {"message": message}))
    return new


@router.post("/users/{user_id}/revoke")
def revoke(request: Request, user_id: str) -> Item:
    """A person takes Terra's access away at the device maker."""
    gone: Item = request.app.state.store.forget(user_id)
    told = {"type": "access_revoked", "status": "warning", "message": "User revoked access", "user": brief(gone)}
    request.app.state.deliverer.send(Event.of(told))
    return gone


@router.post("/data")
def measure(request: Request, body: Measured) -> Item:
    """Have a device measure something."""
    store: Store = request.app.state.store
    store.add(body.user_id, body.kind, *body.items)
    if body.is_announced:
        event = Event.of(document(body.kind, store.user(body.user_id), body.items))
        request.app.state.deliverer.send(event, copies=body.copies)
    return {"items": len(body.items)}


@router.post("/webhooks")
def announce(request: Request, body: Announcement) -> Item:
    """Send any event."""
    event = Event.of(body.body, ordering_ms=body.ordering_ms)
    request.app.state.deliverer.send(event, copies=body.copies)
    return {"trace_id": event.trace_id}


@router.post("/webhooks/hold")
def hold(request: Request) -> Item:
    """Keep events back."""
    request.app.state.deliverer.hold()
    return {"held": True}


@router.post("/webhooks/release")
def release(request: Request, body: Release) -> Item:
    """Let held events go."""
    return {"released": request.app.state.deliverer.release(body.order, body.seed)}


@router.get("/deliveries")
def deliveries(request: Request) -> list[dict[str, Any]]:
    """The last thousand attempts to deliver an event."""
    return list(request.app.state.deliverer.log)


@router.post("/faults")
def set_faults(request: Request, body: Faults) -> Item:
    """Fail the next requests with these statuses."""
    store: Store = request.app.state.store
    with store.lock:
        store.faults[:] = [(status, body.retry_after) for status in body.statuses]
    return {"faults": len(body.statuses)}
