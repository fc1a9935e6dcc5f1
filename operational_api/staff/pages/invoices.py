"""/staff/invoices: an invoice of which less is owed than it says; and /staff/people/{id}/invoices: all of a person's.

An open one is credited by whoever reads it here; of a paid one they ask for money back, and somebody else decides.
"""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from sqlalchemy.orm import Session

from contracts.money import exponent
from operational_api.commerce import public as commerce
from operational_api.core.approvals import Reason
from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError, NotFound
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor
from operational_api.core.policy import Allowed, may_principal
from operational_api.core.principal import CurrentPrincipal, Principal, account_id_of
from operational_api.identity import public as identity
from operational_api.scheduling import public as scheduling
from operational_api.staff import amounts
from operational_api.web.rendering import redirect, render

router = APIRouter(prefix="/staff", route_class=IdempotentRoute)
SHOWN = 25
CREDIT = "commerce.issue_credit_note"
What = Annotated[str, Query(pattern="^(all|amount|line-[1-9][0-9]{0,2})$")]
"""All that is left, an amount, or a line by where it stands."""
Minor = Annotated[int, Form(gt=0, le=10**12)]


@router.get("/people/{account_id}/invoices", dependencies=[Allowed(CREDIT)])
def of_person(
    request: Request, account_id: UUID, principal: CurrentPrincipal, session: DbSession, cursor: Cursor = None
) -> Response:
    """What was invoiced to a customer or about them: of a parent or an employer for everybody whom they pay for."""
    found, following = commerce.invoices_seen(session, principal, account_id, limit=SHOWN, cursor=cursor)
    paid = commerce.paid_for_by(session, account_id)
    ids = {account_id, *paid} | {id_ for one in found for id_ in (one.customer_id, one.payer_id) if id_}
    people = identity.people(session, ids)
    if account_id not in people:
        raise NotFound
    return render(
        request, "staff/invoices.html", person=people[account_id], invoices=found, following=following, people=people,
        paid_for=[people[one] for one in paid if one in people],
        looks_up=may_principal(principal, "identity.look_up_person"),
    )  # fmt: skip


@router.get("/invoices/{invoice_id}", dependencies=[Allowed(CREDIT)])
def page(
    request: Request,
    invoice_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    what: What | None = None,
    amount: Annotated[str, Query(max_length=20, pattern="^[^\\x00]*$")] = "",
    payment: UUID | None = None,
) -> Response:
    """What of an invoice can be credited or given back; of what is chosen, what it would do."""
    seen = _seen(session, principal, invoice_id, None)
    if what is not None and seen.refusal is None:
        try:
            minor = amounts.units(amount, exponent(seen.invoice.currency), least=1) if what == "amount" else None
        except DomainError as refusal:
            return _back(request, invoice_id, refusal.detail, tone="warn")
        seen = _seen(session, principal, invoice_id, commerce.Asked(_position(what), minor, payment))
    asked = _position(what or "all")
    waived = scheduling.waived_fees(session, [part.booking_id for part in seen.parts if part.booking_id])
    people = identity.people(session, {seen.invoice.customer_id, seen.invoice.payer_id or seen.invoice.customer_id})
    return render(
        request, "staff/credit.html", seen=seen, invoice=seen.invoice, people=people, what=what,
        line=asked, amount=amount, parts=[part for part in seen.parts if part.booking_id not in waived],
        looks_up=may_principal(principal, "identity.look_up_person"),
        is_fee=any(part.booking_id and part.position == asked for part in seen.parts),
    )  # fmt: skip


def _position(what: str) -> int | None:
    return int(what.removeprefix("line-")) if what.startswith("line-") else None


def _seen(session: Session, principal: Principal, id_: UUID, asked: commerce.Asked | None) -> commerce.InvoiceSeen:
    return commerce.invoice_seen(session, principal, id_, asked=asked, now=datetime.now(UTC))


@router.post("/invoices/{invoice_id}/credit-notes", dependencies=[Allowed(CREDIT)])
def credit(
    request: Request,
    invoice_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    amount_minor: Minor,
    reason: Annotated[Reason, Form()],
    line: Annotated[int | None, Form(ge=1, le=1000)] = None,
) -> Response:
    """Ask for as much less of an open invoice as was seen; a fee is waived where it was booked."""
    try:
        with session.begin_nested():
            if line is not None and (booking_id := commerce.fee_at(session, principal, invoice_id, line)):
                return _waive(request, session, principal, invoice_id, booking_id, line, amount_minor, reason)
            note = commerce.credit_invoice(
                session, principal, invoice_id, asked=commerce.Asked(line, amount_minor), reason=reason,
                now=datetime.now(UTC),
            )  # fmt: skip
    except DomainError as refusal:
        return _back(request, invoice_id, refusal.detail, tone="warn")
    return _back(request, invoice_id, f"Credited: {note.number}. They read it with the invoice.")


def _waive(
    request: Request, session: Session, principal: Principal, invoice_id: UUID, booking_id: UUID, line: int,
    amount_minor: int, reason: str,
) -> Response:  # fmt: skip
    would = _seen(session, principal, invoice_id, commerce.Asked(line)).credit
    if would is None or would.amount_minor != amount_minor:
        return _back(request, invoice_id, "What can be credited has changed since you looked. Look again.", tone="warn")
    scheduling.waive_invoiced_fee(
        session, booking_id=booking_id, actor_id=account_id_of(principal), reason=reason, now=datetime.now(UTC)
    )
    return _back(request, invoice_id, "Waived and credited. They see it with the invoice and under their bookings.")


@router.post("/invoices/{invoice_id}/refunds", dependencies=[Allowed("commerce.request_refund")])
def ask_refund(
    request: Request,
    invoice_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    payment_id: Annotated[UUID, Form()],
    amount_minor: Minor,
    reason: Annotated[Reason, Form()],
    line: Annotated[int | None, Form(ge=1, le=1000)] = None,
) -> Response:
    """Ask for as much of what was paid back as was seen; somebody else decides."""
    try:
        with session.begin_nested():
            commerce.request_refund(
                session, payment_id=payment_id, invoice_id=invoice_id, amount_minor=amount_minor, reason=reason,
                line_position=line, principal=principal, now=datetime.now(UTC),
            )  # fmt: skip
    except DomainError as refusal:
        return _back(request, invoice_id, refusal.detail, tone="warn")
    return _back(request, invoice_id, "Asked for. Now somebody else decides.")


def _back(request: Request, invoice_id: UUID, said: str, *, tone: str = "good") -> Response:
    return redirect(request, f"/staff/invoices/{invoice_id}", flash=said, tone=tone)
