"""Refunds as the page of requests shows and decides them."""

from datetime import datetime
from uuid import UUID

from fastapi import Request
from sqlalchemy.orm import Session

from contracts.money import Money
from operational_api.commerce.models import RefundRequest
from operational_api.commerce.providers.dependencies import payment_providers
from operational_api.commerce.service import approvals
from operational_api.core.desks import Desk, Words
from operational_api.core.principal import Principal


def _words(row: RefundRequest) -> Words:
    amount = Money(row.amount_minor, row.currency)
    facts = [("Payment", f"…{str(row.payment_id)[-12:]}")]
    if row.line_position is not None:
        facts.append(("Of its invoice", f"line {row.line_position}"))
    if row.fee_booking_id is not None:
        facts.append(("With it", "The late cancellation is waived"))
    return Words(f"Give back {amount}", row.customer_id, facts)


def _approve(request: Request, session: Session, id_: UUID, principal: Principal, reason: str, now: datetime) -> object:
    provider = approvals.provider_for(session, payment_providers(request), request_id=id_)
    return approvals.approve(session, provider, request_id=id_, principal=principal, reason=reason, now=now)


REFUND_DESK = Desk("refunds", "Refund", "commerce.read_refund_requests", approvals.REFUNDS, _words, _approve)
