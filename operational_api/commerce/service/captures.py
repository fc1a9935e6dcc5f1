"""What a finished attempt to collect means: one journal and one event for money that came, one event for a no.

The provider's webhook and our own collection both end here, so that the event, the ledger and the row say the same.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from contracts.events.commerce import PaymentCaptured, PaymentFailed
from operational_api.commerce import ledger
from operational_api.commerce.billing.models import Collection
from operational_api.commerce.models import Invoice, Payment
from operational_api.commerce.service import journals, wallets
from operational_api.core.outbox import publish


def payer_of(session: Session, invoice: Invoice) -> UUID | None:
    """Who else than its customer pays an invoice; None also where that account was closed and left it to them."""
    row = session.get(Collection, invoice.id)
    return None if row is not None and row.payer_id == row.customer_id else invoice.payer_id


def announce(session: Session, payment: Payment, *, at: datetime) -> None:
    """Post and tell what came of an attempt; one that is pending or unknown says nothing yet."""
    facts: dict[str, Any] = {
        "occurred_at": at, "payment_id": payment.id, "customer_id": payment.customer_id,
        "amount_minor": payment.amount_minor, "currency": payment.currency,
        "payer_id": payer_of(session, session.get_one(Invoice, payment.invoice_id)),
    }  # fmt: skip
    if payment.status == "failed":
        publish(session, PaymentFailed(**facts, failure_code=payment.failure_code))
    elif payment.status == "captured":
        journals.post(
            session, kind="payment_captured", source_type="payment", source_id=payment.id,
            customer_id=payment.customer_id, currency=payment.currency,
            lines=_lines(session, payment), posted_at=at,
        )  # fmt: skip
        publish(
            session,
            PaymentCaptured(
                **facts, invoice_id=payment.invoice_id, provider=payment.provider,
                provider_payment_id=payment.provider_payment_id, fee_minor=payment.fee_minor,
            ),
        )  # fmt: skip


def _lines(session: Session, payment: Payment) -> list[ledger.Line]:
    if payment.provider in ledger.KEPT:
        owner_id = wallets.owner_of(session, payment.id)
        return ledger.paid_from_wallet(amount_minor=payment.amount_minor, owner_id=owner_id)
    return ledger.payment_captured(
        amount_minor=payment.amount_minor, fee_minor=payment.fee_minor, balance=ledger.balance_at(payment.provider)
    )
