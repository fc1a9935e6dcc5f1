"""/staff/exceptions: what of billing waits for a person, and deciding it; what was settled, and taking that back."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.orm import Session

from operational_api.commerce import public as commerce
from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError, Invalid
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed, may_principal
from operational_api.core.principal import CurrentPrincipal
from operational_api.identity import public as identity
from operational_api.web.rendering import redirect, render

HOME = "/staff/exceptions"
router = APIRouter(prefix=HOME, route_class=IdempotentRoute)
Reason = Annotated[str, Form(max_length=500, pattern="^[^\\x00]*$")]
DONE = {
    "paid_outside": "Noted as paid back by other means.", "written_off": "Written off: it is not given back.",
    "waived": "Waived: it is not charged.", "undo": "It waits again.",
}  # fmt: skip


class ReasonNeeded(Invalid):
    """Say why, in a few words."""


@router.get("", dependencies=[Allowed("commerce.settle_waiting")])
def page(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Charges and credits, invoices and customers that wait, the oldest first; and what was settled."""
    found = commerce.billing_exceptions(session, datetime.now(UTC))
    return render(
        request, "staff/exceptions.html", found=found, people=identity.people(session, found.people),
        looks_up=may_principal(principal, "identity.look_up_person"),
        decides=may_principal(principal, "commerce.decide_parked"),
    )  # fmt: skip


@router.post("/items/{item_id}", dependencies=[Allowed("commerce.settle_waiting")])
def settle(
    request: Request,
    item_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    decision: Annotated[Literal["again", "paid_outside", "written_off", "waived", "undo"], Form()],
    reason: Reason = "",
) -> Response:
    """Try the card again, settle it, or take back what was settled."""
    now = datetime.now(UTC)

    def act() -> tuple[str, str]:
        if decision == "again":
            given = commerce.try_item_again(request, session, item_id, principal=principal, now=now)
            return (
                ("It goes back to the card.", "good")
                if given
                else ("The card did not take it: it still waits.", "warn")
            )
        if decision == "undo":
            commerce.undo_settlement(session, item_id, principal=principal, now=now)
        else:
            commerce.settle_item(session, item_id, how=decision, reason=_why(reason), principal=principal, now=now)
        return DONE[decision], "good"

    return _answered(request, session, act)


@router.post("/invoices/{parked_id}", dependencies=[Allowed("commerce.decide_parked")])
def decide(
    request: Request,
    parked_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    decision: Annotated[Literal["approve", "void"], Form()],
    total_minor: Annotated[int, Form(ge=-(10**15), le=10**15)] = 0,
    reason: Reason = "",
) -> Response:
    """Make an invoice that was stopped, of as much as was seen, or let it go."""
    approves = decision == "approve"

    def act() -> tuple[str, str]:
        commerce.decide_parked_invoice(
            session, parked_id, approves=approves, total_minor=total_minor, reason=_why(reason),
            principal=principal, now=datetime.now(UTC),
        )  # fmt: skip
        return ("The invoice is made." if approves else "Voided: nothing of it is charged."), "good"

    return _answered(request, session, act)


@router.post("/customers/{customer_id}", dependencies=[Allowed("commerce.decide_parked")])
def release(
    request: Request, customer_id: UUID, principal: CurrentPrincipal, session: DbSession, reason: Reason = ""
) -> Response:
    """Let billing of a customer go on."""

    def act() -> tuple[str, str]:
        commerce.release_customer(session, customer_id, reason=_why(reason), principal=principal, now=datetime.now(UTC))
        return "Billing goes on.", "good"

    return _answered(request, session, act)


def _answered(request: Request, session: Session, act: Callable[[], tuple[str, str]]) -> Response:
    """Back to the page with what an act says of itself and its tone; or why it was refused, with nothing done."""
    try:
        with session.begin_nested():
            said, tone = act()
    except DomainError as refusal:
        said, tone = refusal.detail, "warn"
    return redirect(request, HOME, flash=said, tone=tone)


def _why(reason: str) -> str:
    if not reason.strip():
        raise ReasonNeeded
    return reason.strip()
