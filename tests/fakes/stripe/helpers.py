"""What only the local Stripe can do, under /_fake: move the clock, open disputes, repeat or hold webhooks, fail."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from tests.fakes.stripe import checkout, refunds, subscriptions
from tests.fakes.stripe.store import Object, Store

router = APIRouter(prefix="/_fake")


class Advance(BaseModel):
    """How far the clock is moved forward."""

    seconds: int = Field(gt=0)


class DisputeOrder(BaseModel):
    """Which charge a cardholder contests, or how much of it; `is_inquiry`: the bank only asks."""

    charge: str
    reason: str = "fraudulent"
    amount: int | None = None
    is_inquiry: bool = False


class Redelivery(BaseModel):
    """How often an event is sent again."""

    copies: int = Field(1, ge=1, le=100)


class Release(BaseModel):
    """In which order held webhooks leave."""

    order: Literal["sent", "reversed", "shuffled"] = "sent"
    seed: int = 0


class Faults(BaseModel):
    """HTTP statuses that the next API requests get instead of an answer, and how long a 429 asks to wait (seconds)."""

    statuses: list[int]
    retry_after: float | None = None


def do_all_due(store: Store) -> None:
    """Renew, retry, end and expire whatever is due by the store's clock."""
    with store.transaction():
        subscriptions.advance(store)
        checkout.expire_due(store)


@router.post("/clock/advance")
def advance_clock(request: Request, body: Advance) -> dict[str, int]:
    """Move the clock in steps of a day, so that retries and renewals happen in their order."""
    store: Store = request.app.state.store
    left = body.seconds
    while left:
        step = min(left, 86_400)
        with store.transaction():
            store.clock_offset += step
            do_all_due(store)
        left -= step
    return {"now": store.now()}


@router.post("/disputes")
def open_dispute(request: Request, body: DisputeOrder) -> Object:
    """A cardholder contests a charge."""
    store: Store = request.app.state.store
    with store.transaction():
        return dict(
            refunds.open_dispute(store, store.find("charge", body.charge), **body.model_dump(exclude={"charge"}))
        )


@router.post("/events/{event_id}/redeliver")
def redeliver(request: Request, event_id: str, body: Redelivery) -> dict[str, int]:
    """Send an event's webhook again."""
    request.app.state.deliverer.redeliver(event_id, body.copies)
    return {"copies": body.copies}


@router.post("/webhooks/hold")
def hold(request: Request) -> dict[str, bool]:
    """Keep webhooks back."""
    request.app.state.deliverer.hold()
    return {"held": True}


@router.post("/webhooks/release")
def release(request: Request, body: Release) -> dict[str, int]:
    """Let held webhooks go."""
    return {"released": request.app.state.deliverer.release(body.order, body.seed)}


@router.get("/deliveries")
def deliveries(request: Request) -> list[dict[str, Any]]:
    """The last thousand attempts to deliver a webhook."""
    return list(request.app.state.deliverer.log)


@router.post("/faults")
def set_faults(request: Request, body: Faults) -> dict[str, int]:
    """Fail the next requests with these statuses."""
    request.app.state.api.faults[:] = body.statuses
    request.app.state.api.retry_after = body.retry_after
    return {"faults": len(body.statuses)}
