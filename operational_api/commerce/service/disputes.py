"""Disputes: a cardholder contests a payment at the bank; the money leaves at once and may come back."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from contracts.events.commerce import DisputeClosed, DisputeOpened
from contracts.telemetry import get_logger
from operational_api.commerce import ledger
from operational_api.commerce.billing.service import (
    agreements,
    corrections,
    credit_notes,
    ended_items,
    memberships,
    plan_changes,
)
from operational_api.commerce.models import Dispute, Invoice, LedgerJournal, LedgerLine, Payment
from operational_api.commerce.providers.port import BillingProvider, ProviderDispute
from operational_api.commerce.service import journals, packs, refunds, wallets
from operational_api.commerce.service.customers import locked_customer
from operational_api.commerce.service.invoices import captured_payment
from operational_api.core import paging
from operational_api.core.outbox import publish

log = get_logger(__name__)


def sync_dispute(session: Session, provider: BillingProvider, *, provider_id: str, now: datetime) -> Dispute | None:
    """Bring a dispute and its money up to the provider's state of this moment.

    Returns:
        None when the payment is not ours, and of a bank's inquiry, for which no money has left: such a payment may
        still be given back, which ends the inquiry.
    """
    found = captured_payment(session, provider, provider_payment_id=provider.dispute(provider_id).payment_id, now=now)
    if found is None:
        log.warning("foreign_dispute_ignored", provider_id=provider_id)
        return None
    payment, invoice = found
    locked_customer(session, payment.customer_id)
    seen = provider.dispute(provider_id)  # again, under the lock
    row = session.scalar(select(Dispute).where(Dispute.provider_dispute_id == provider_id))
    if row is None:
        if not seen.is_taken:
            log.info("dispute_inquiry_seen", provider_id=provider_id, payment_id=str(payment.id))
            return None
        row = _open(session, payment, seen)
    row.evidence_due_at, row.has_evidence = seen.evidence_due_at, seen.has_evidence
    if row.status == seen.status == "won":
        _win_more(session, row, payment, invoice, seen)
    elif seen.status != row.status and row.status != "won" and seen.status != "needs_response":
        _close(session, row, payment, invoice, seen, now)
    session.flush()
    return row


def page(session: Session, *, limit: int, cursor: str | None = None) -> tuple[list[Dispute], str | None]:
    """Disputes, the newest first, and the cursor of the next page."""
    query = select(Dispute)
    if cursor:
        query = query.where(tuple_(Dispute.opened_at, Dispute.id) < paging.after(cursor, datetime, UUID))
    rows = session.scalars(query.order_by(Dispute.opened_at.desc(), Dispute.id.desc()).limit(limit + 1)).all()
    return paging.cut(rows, limit, lambda row: (row.opened_at, row.id))


def unanswered(session: Session, *, now: datetime) -> tuple[int, datetime | None]:
    """How many the bank would hear us about and has not, and until when it hears us about the first of them."""
    row = session.execute(
        select(func.count(), func.min(Dispute.evidence_due_at)).where(
            Dispute.status == "needs_response", ~Dispute.has_evidence, Dispute.evidence_due_at > now
        )
    ).one()
    return row[0], row[1]


def _open(session: Session, payment: Payment, seen: ProviderDispute) -> Dispute:
    row = Dispute(
        payment_id=payment.id,
        customer_id=payment.customer_id,
        amount_minor=seen.amount_minor,
        currency=seen.currency,
        reason=seen.reason,
        status="needs_response",
        provider_dispute_id=seen.id,
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
    return row


def _close(
    session: Session, row: Dispute, payment: Payment, invoice: Invoice, seen: ProviderDispute, now: datetime
) -> None:
    """Won: the money that came back is in the books. Lost: what it paid for ends: the sessions of a pack that it pays
    no more, or the membership. Won in part: a pack loses the sessions of the part that was lost, a membership goes on.
    Days whose payment is lost are worth nothing where they were given back, or would be.
    When a bank thinks better of it, what is ended stays so: a membership, and a pack's sessions. What the customer lost
    with it of their money, days given back and what was paid into a wallet, is theirs again."""
    is_won, was_lost = seen.status == "won", row.status == "lost"
    at = seen.returned_at if is_won and seen.returned_at else now
    row.status, row.closed_at = seen.status, at
    row.returned_minor = seen.returned_minor if is_won else None
    lost_minor = row.amount_minor - (row.returned_minor or 0)
    gone_minor = credit_notes.lost_minor(session, invoice) + refunds.gone_minor(session, invoice)
    if was_lost:
        _bring_back(session, row, invoice, before_minor=row.amount_minor, at=at)
    elif lost_minor > 0:
        agreements.forgive(session, invoice, lost_minor, so_far_minor=gone_minor)
        ended_items.lose(session, invoice, lost_minor, so_far_minor=gone_minor, now=now)
    if is_won:
        lines = ledger.dispute_won(amount_minor=seen.returned_minor, fee_minor=seen.fee_back_minor)
        _post(session, row, payment, "dispute_won", lines, at)
    elif invoice.subscription_id:
        plan_changes.end_with(session, invoice.subscription_id, now=now)
        memberships.end_unpaid(session, invoice.subscription_id, reason="payment_disputed", now=now)
    if lost_minor > 0 and not was_lost:
        packs.reduce(session, invoice, back_minor=gone_minor, source=row.id, at=at)
        wallets.take_disputed(session, invoice=invoice, lost_minor=lost_minor, dispute_id=row.id, at=at)
    session.flush()
    corrections.correct(session, invoice, source=("dispute", row.id), at=at)
    _announce(session, row, seen, at)


def _bring_back(session: Session, row: Dispute, invoice: Invoice, *, before_minor: int, at: datetime) -> None:
    """Less is lost than was: what had been taken off with it is there again."""
    lost_minor = row.amount_minor - (row.returned_minor or 0)
    if lost_minor >= before_minor:
        return
    agreements.unforgive(session, invoice, before_minor - lost_minor)
    ended_items.bring_back(session, invoice, before_minor=before_minor, lost_minor=lost_minor, now=at)
    wallets.reinstate(session, invoice=invoice, before_minor=before_minor, lost_minor=lost_minor, at=at)


def _win_more(session: Session, row: Dispute, payment: Payment, invoice: Invoice, seen: ProviderDispute) -> None:
    """Another part of what was won came back: what the books have not yet goes into them, under a name of its own. Of
    a dispute that was won before parts were noted all is in the books."""
    if row.returned_minor is None or seen.returned_at is None:
        return
    fees, parts = session.execute(
        select(
            func.coalesce(-func.sum(LedgerLine.amount_minor).filter(LedgerLine.account == ledger.PAYMENT_FEES), 0),
            func.count(LedgerJournal.id.distinct()),
        )
        .join(LedgerJournal, LedgerJournal.id == LedgerLine.journal_id)
        .where(LedgerJournal.source_type == "dispute", LedgerJournal.source_id == row.id)
        .where(LedgerJournal.kind.startswith("dispute_won"))
    ).one()
    more, fee = max(seen.returned_minor - row.returned_minor, 0), max(seen.fee_back_minor - int(fees), 0)
    if not more and not fee:
        return
    at = seen.returned_at
    lines = ledger.dispute_won(amount_minor=more, fee_minor=fee)
    _post(session, row, payment, f"dispute_won_{parts + 1}", lines, at)
    before_minor = row.amount_minor - row.returned_minor
    row.returned_minor += more
    _bring_back(session, row, invoice, before_minor=before_minor, at=at)
    session.flush()
    corrections.correct(session, invoice, source=("dispute", row.id), at=at)
    _announce(session, row, seen, at)


def _announce(session: Session, row: Dispute, seen: ProviderDispute, at: datetime) -> None:
    publish(
        session,
        DisputeClosed(
            occurred_at=at,
            payment_id=row.payment_id,
            dispute_id=row.id,
            customer_id=row.customer_id,
            outcome=seen.status,
            amount_minor=row.amount_minor,
            reinstated_minor=seen.returned_minor + seen.fee_back_minor if seen.status == "won" else 0,
            currency=row.currency,
        ),
    )


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
