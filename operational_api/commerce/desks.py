"""Refunds as the page of requests shows and decides them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from fastapi import Request
from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from contracts.money import Money
from operational_api.commerce.billing.models import InvoiceLine
from operational_api.commerce.models import Invoice, Payment, RefundRequest
from operational_api.commerce.providers.dependencies import payment_providers
from operational_api.commerce.service import approvals
from operational_api.core.desks import Desk, Facts, Words
from operational_api.core.principal import Principal


def _words(row: RefundRequest) -> Words:
    amount = Money(row.amount_minor, row.currency)
    facts = [] if row.fee_booking_id is None else [("With it", "The late cancellation is waived")]
    return Words(f"Give back {amount}", row.customer_id, facts)


def _of_what(session: Session, rows: Sequence[RefundRequest]) -> Mapping[UUID, Facts]:
    """What was paid, and where a line of it is given back, that line."""
    query = (
        select(RefundRequest.id, Payment.amount_minor, Payment.currency, Invoice.number, InvoiceLine.description)
        .join(Payment, Payment.id == RefundRequest.payment_id)
        .join(Invoice, Invoice.id == Payment.invoice_id)
        .outerjoin(
            InvoiceLine,
            and_(InvoiceLine.invoice_id == Invoice.id, InvoiceLine.position == RefundRequest.line_position),
        )
        .where(RefundRequest.id.in_([one.id for one in rows]))
    )
    found = dict[UUID, Facts]()
    for id_, amount_minor, currency, number, line in session.execute(query):
        paid = ("Of invoice", f"{number}, {Money(amount_minor, currency)} paid")
        found[id_] = [paid] if line is None else [paid, ("Its line", line)]
    return found


def _approve(request: Request, session: Session, id_: UUID, principal: Principal, reason: str, now: datetime) -> object:
    provider = approvals.provider_for(session, payment_providers(request), request_id=id_)
    return approvals.approve(session, provider, request_id=id_, principal=principal, reason=reason, now=now)


REFUND_DESK = Desk("refunds", "Refund", "commerce.read_refund_requests", approvals.REFUNDS, _words, _approve, _of_what)
