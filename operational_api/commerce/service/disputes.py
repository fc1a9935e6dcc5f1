"""Disputes: a cardholder contests a payment at the bank; the money leaves at once and may come back."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.commerce import DisputeOpened
from contracts.telemetry import get_logger
from operational_api.commerce import ledger
from operational_api.commerce.models import Dispute, Payment
from operational_api.commerce.providers.port import BillingProvider
from operational_api.commerce.service import journals, packs, refunds
from operational_api.commerce.service.customers import locked_customer
from operational_api.commerce.service.invoices import captured_payment
from operational_api.core.outbox import publish

log = get_logger(__name__)


def sync_dispute(session: Session, provider: BillingProvider, *, provider_id: str, now: datetime) -> Dispute | None:
    """Bring a dispute and its money up to the provider's state of this moment; None when the payment is not ours."""
    found = captured_payment(session, provider, provider_payment_id=provider.dispute(provider_id).payment_id, now=now)
    if found is None:
        log.warning("foreign_dispute_ignored", provider_id=provider_id)
        return None
    payment, invoice = found
    locked_customer(session, payment.customer_id)
    seen = provider.dispute(provider_id)  # again, under the lock
    row = session.scalar(select(Dispute).where(Dispute.provider_dispute_id == provider_id))
    if row is None:
        row = Dispute(
            payment_id=payment.id,
            customer_id=payment.customer_id,
            amount_minor=seen.amount_minor,
            currency=seen.currency,
            reason=seen.reason,
            status="needs_response",
            provider_dispute_id=provider_id,
            opened_at=seen.opened_at,
        )
        session.add(row)
        session.flush()
        lines = ledger.dispute_opened(amount_minor=seen.amount_minor, fee_minor=seen.fee_minor)
        _post(session, row, payment, "dispute_opened", lines, seen.opened_at)
        publish(
            session,
            DisputeOpened(
                occurred_at=seen.opened_at,
                payment_id=payment.id,
                dispute_id=row.id,
                customer_id=payment.customer_id,
                amount_minor=seen.amount_minor,
                currency=seen.currency,
            ),
        )
    if row.status == "needs_response" and seen.status != "needs_response":
        row.status, row.closed_at = seen.status, now
        if seen.status == "won":
            _post(session, row, payment, "dispute_won", ledger.dispute_won(amount_minor=row.amount_minor), now)
        elif seen.status == "lost":
            back = row.amount_minor + refunds.refunded_minor(session, payment.id)
            packs.reduce(session, invoice, back_minor=back, source=row.id, at=now)
    session.flush()
    return row


def _post(session: Session, row: Dispute, payment: Payment, kind: str, lines: list[ledger.Line], at: datetime) -> None:
    journals.post(
        session,
        kind=kind,
        source_type="dispute",
        source_id=row.id,
        customer_id=payment.customer_id,
        currency=row.currency,
        lines=lines,
        posted_at=at,
    )
