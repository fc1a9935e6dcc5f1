"""Refunds: an admin gives money back, or the provider tells that somebody did."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from contracts.events.commerce import PaymentRefunded
from contracts.telemetry import get_logger
from operational_api.commerce import ledger, prices
from operational_api.commerce.billing.service import corrections, credit_notes
from operational_api.commerce.billing.service.credit_notes import Of
from operational_api.commerce.errors import (
    PaymentNotFound,
    PaymentNotRefundable,
    ProviderRefused,
    ProviderUnavailable,
    RefundTooLarge,
)
from operational_api.commerce.models import LOST_MINOR, Dispute, Invoice, Payment, Refund
from operational_api.commerce.providers.port import PaymentProvider, ProviderRefund
from operational_api.commerce.service import captures, journals, packs, wallets
from operational_api.commerce.service.customers import locked_customer
from operational_api.core import audit
from operational_api.core.outbox import publish

log = get_logger(__name__)
OF_CREDIT = "credit-"
"""How a refund's name begins that gives back a credit: days whose worth was taken off the membership before."""
OF_NO_DAYS, OF_DAYS = "line-", "days-"
"""How a refund's name begins that is of a line: of one which charges no days, and of one of days, which bear all."""
NAMED: dict[Of, str] = {"all": "", "days": OF_DAYS, "others": OF_NO_DAYS}
_NOTHING_LEFT = (
    "All of this payment was given back already, was taken back by a bank, or was paid into a wallet and is spent."
)
FIRST_LOOK, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)


def refund_payment(
    session: Session,
    provider: PaymentProvider,
    *,
    payment_id: UUID,
    amount_minor: int | None,
    reason: str,
    actor_id: UUID | None = None,
    asked_as: str | None = None,
    now: datetime,
) -> Refund:
    """Give back some or all of what is left of a captured payment.

    The key sent to the provider says which part of which payment this is: a repeat after a crash gives back nothing
    more. When the provider's answer is lost the refund is `unknown` and counts as given back; `settle` asks later.

    Args:
        amount_minor: None for all that is left.
        actor_id: The admin who decided it, for the audit trail.
        asked_as: Names what this one refund is for, where something does: it is made once, also where the provider
            has told of it before we knew. Otherwise what we know to be given back names it.

    Raises:
        PaymentNotFound: no such payment.
        PaymentNotRefundable: not captured by the provider, disputed, or given back already.
        RefundTooLarge: more than is left.
    """
    customer_id = session.scalar(select(Payment.customer_id).where(Payment.id == payment_id))
    if customer_id is None:
        raise PaymentNotFound
    locked_customer(session, customer_id)
    payment = session.get_one(Payment, payment_id)
    invoice = session.get_one(Invoice, payment.invoice_id)
    if payment.status != "captured" or payment.provider != provider.name or payment.provider_payment_id is None:
        raise PaymentNotRefundable
    if payment.provider in ledger.KEPT and invoice.status == "open":
        raise PaymentNotRefundable("This invoice is being collected: credit what of it is not owed.")
    if session.scalar(select(exists().where(Dispute.payment_id == payment.id, Dispute.status != "won"))):
        raise PaymentNotRefundable("This payment is disputed: the bank decides who gets the money.")
    # Named by what we know before we ask: what a process had begun that died is found by its name.
    before = refunded_minor(session, payment.id)
    key = asked_as or _key(session, payment.id, before, amount_minor or left_minor(session, payment))
    sync_refunds(session, provider, payment=payment, invoice=invoice, now=now)
    row = _begun(session, provider, payment.id, key)
    if row is not None:
        row.reason, row.provider_key = reason, key
    else:
        row = _ask(
            session, provider, payment, invoice, amount_minor=amount_minor, reason=reason, asked_as=asked_as, now=now
        )
    amount = row.amount_minor
    audit.record(
        session, "commerce.create_refund", "Payment", payment.id, actor_id=actor_id, subject_id=payment.customer_id,
        purpose="operations", now=now,
        details={"refund_id": str(row.id), "amount_minor": amount, "currency": row.currency, "reason": reason},
    )  # fmt: skip
    return row


def refund_or_note(
    session: Session, provider: PaymentProvider, *, payment_id: UUID, amount_minor: int, reason: str, asked_as: str,
    now: datetime,
) -> Refund:  # fmt: skip
    """Give back so much of a payment, as nobody asked for; a refusal of this payment is a refund that failed, so that
    it is seen and not asked for all the time.

    Raises:
        ProviderRefused: not of this payment: our key is wrong, or we are.
    """
    try:
        with session.begin_nested():
            return refund_payment(
                session, provider, payment_id=payment_id, amount_minor=amount_minor, reason=reason, asked_as=asked_as,
                now=now,
            )  # fmt: skip
    except ProviderRefused as refusal:
        if not refusal.extra.get("provider_code"):
            raise
    payment = session.get_one(Payment, payment_id)
    row = Refund(
        payment_id=payment_id, customer_id=payment.customer_id, amount_minor=amount_minor, currency=payment.currency,
        reason=reason, status="failed", provider_key=asked_as, refunded_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def _begun(session: Session, provider: PaymentProvider, payment_id: UUID, key: str) -> Refund | None:
    is_it = Refund.provider_key == key
    if told := provider.refund_id(key):
        is_it |= Refund.provider_refund_id == told
    return session.scalar(select(Refund).where(Refund.payment_id == payment_id, Refund.status != "failed", is_it))


def _ask(
    session: Session, provider: PaymentProvider, payment: Payment, invoice: Invoice, *, amount_minor: int | None,
    reason: str, asked_as: str | None, now: datetime,
) -> Refund:  # fmt: skip
    before = refunded_minor(session, payment.id)
    left = left_minor(session, payment, locks=True)
    amount = left if amount_minor is None else amount_minor
    if left == 0:
        raise PaymentNotRefundable(_NOTHING_LEFT)
    if amount > left:
        raise RefundTooLarge(left_minor=left, currency=payment.currency)
    key = asked_as or _key(session, payment.id, before, amount)
    try:
        seen = provider.refund(str(payment.provider_payment_id), amount_minor=amount, reason=reason, key=key)
    except ProviderUnavailable:
        return _unknown(session, provider, payment, amount_minor=amount, reason=reason, key=key, now=now)
    if payment.provider in ledger.KEPT:
        seen = replace(seen, currency=payment.currency, refunded_at=now)
    return _store(session, replace(seen, key=key), payment, invoice, now=now)


def return_to_wallet(
    session: Session, provider: PaymentProvider, *, payment: Payment, invoice: Invoice, reason: str, now: datetime,
    amount_minor: int | None = None, asked_as: str | None = None,
) -> None:  # fmt: skip
    """What a wallet paid of an invoice that is not owed any more is in it again, all that is left or so much; the
    customer's row is locked."""
    _ask(session, provider, payment, invoice, amount_minor=amount_minor, reason=reason, asked_as=asked_as, now=now)


def _key(session: Session, payment_id: UUID, before_minor: int, amount_minor: int) -> str:
    """Names one part of one payment. A part whose refund failed is asked for anew."""
    failed = session.scalar(
        select(func.count()).select_from(Refund).where(Refund.payment_id == payment_id, Refund.status == "failed")
    )
    return f"refund-{payment_id}-{before_minor}-{amount_minor}{f'-{failed}' if failed else ''}"


def _unknown(
    session: Session, provider: PaymentProvider, payment: Payment, *, amount_minor: int, reason: str, key: str,
    now: datetime,
) -> Refund:  # fmt: skip
    row = Refund(
        payment_id=payment.id,
        customer_id=payment.customer_id,
        amount_minor=amount_minor,
        currency=payment.currency,
        reason=reason,
        status="unknown",
        provider_refund_id=provider.refund_id(key),
        provider_key=key,
        refunded_at=now,
        next_look_at=now + FIRST_LOOK,
    )
    session.add(row)
    session.flush()
    log.warning("refund_unknown", refund_id=str(row.id), payment_id=str(payment.id))
    return row


def settle(session: Session, provider: PaymentProvider, row: Refund, *, now: datetime) -> bool:
    """Find out what came of a refund that is pending or unknown; the customer's row is locked.

    One that the provider does not know was never begun, and is asked for again with its key. A provider that refuses
    it for good makes it failed.

    Returns:
        Whether it answered.
    """
    payment = session.get_one(Payment, row.payment_id)
    row.looks += 1
    row.next_look_at = now + min(LONGEST_WAIT, FIRST_LOOK * 2 ** min(row.looks, 7))
    if payment.provider_payment_id is None:
        return True
    try:
        sync_refunds(session, provider, payment=payment, invoice=session.get_one(Invoice, payment.invoice_id), now=now)
        if row.status == "unknown" and row.provider_key is not None:
            seen = provider.refund(
                payment.provider_payment_id, amount_minor=row.amount_minor, reason=row.reason, key=row.provider_key
            )
            invoice = session.get_one(Invoice, payment.invoice_id)
            _store(session, replace(seen, key=row.provider_key), payment, invoice, now=now)
    except ProviderUnavailable:
        session.flush()
        return False
    except ProviderRefused:
        if row.status == "unknown":
            row.status, row.next_look_at = "failed", None
        session.flush()
    return True


def provider_of(session: Session, *, payment_id: UUID) -> str | None:
    """The name of the provider that a payment was made with, None when there is no such payment."""
    return session.scalar(select(Payment.provider).where(Payment.id == payment_id))


def sync_refunds(
    session: Session, provider: PaymentProvider, *, payment: Payment, invoice: Invoice, now: datetime | None = None
) -> None:
    """Bring the refunds of a payment up to the provider's; the customer's row is locked."""
    if payment.provider_payment_id is None:
        return
    for seen in provider.refunds_of(payment.provider_payment_id):
        _store(session, seen, payment, invoice, now=now)


def left_minor(session: Session, payment: Payment, *, locks: bool = False) -> int:
    """How much of a payment can be given back: not what a bank took back for good; of one into a wallet, what is not
    spent.

    Args:
        locks: Whether it is to stay so until the transaction ends.
    """
    left = max(payment.amount_minor - int(session.scalar(select(taken_of(payment.id))) or 0), 0)
    unused = wallets.refundable_minor(session, payment.invoice_id, locks=locks)
    return left if unused is None else min(left, unused)


def taken_of(payment_id: UUID | InstrumentedAttribute[UUID]) -> ColumnElement[int]:
    """In SQL: how much of a payment was given back, is on its way, or was taken back by a bank for good."""
    back = select(func.coalesce(func.sum(Refund.amount_minor), 0))
    lost = select(func.coalesce(func.sum(LOST_MINOR), 0)).where(Dispute.payment_id == payment_id)
    back = back.where(Refund.payment_id == payment_id, Refund.status != "failed")
    return back.scalar_subquery() + lost.scalar_subquery()


def refunded_minor(session: Session, payment_id: UUID) -> int:
    """How much of a payment was given back or is on its way."""
    total = session.scalar(
        select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(
            Refund.payment_id == payment_id, Refund.status != "failed"
        )
    )
    return int(total or 0)


def gone_minor(session: Session, invoice: Invoice) -> int:
    """How much of an invoice is not asked for any more, was given back or is on its way; not what banks took."""
    asked = (
        select(func.coalesce(func.sum(Refund.amount_minor), 0))
        .join(Payment, Payment.id == Refund.payment_id)
        .where(Payment.invoice_id == invoice.id, Refund.status != "failed")
    )
    return credit_notes.not_asked_for(session, invoice) + int(session.scalar(asked) or 0)


def _store(
    session: Session, seen: ProviderRefund, payment: Payment, invoice: Invoice, *, now: datetime | None = None
) -> Refund:
    is_it = Refund.provider_refund_id == seen.id
    row = session.scalar(select(Refund).where(is_it | (Refund.provider_key == seen.key) if seen.key else is_it))
    if row is None:
        row = Refund(
            payment_id=payment.id,
            customer_id=payment.customer_id,
            amount_minor=seen.amount_minor,
            currency=seen.currency,
            reason=seen.reason,
            status="pending",
            provider_refund_id=seen.id,
            provider_key=seen.key,
            refunded_at=seen.refunded_at,
            next_look_at=now + FIRST_LOOK if now and seen.status == "pending" else None,
        )
        session.add(row)
    row.provider_refund_id = seen.id
    if row.status == "unknown":
        row.status, row.refunded_at = "pending", seen.refunded_at
    if row.status == "pending" and seen.status != "pending":
        row.status, row.next_look_at = seen.status, None
        session.flush()
        if seen.status == "succeeded":
            _succeed(session, row, payment, invoice)
    session.flush()
    return row


def _succeed(session: Session, row: Refund, payment: Payment, invoice: Invoice) -> None:
    before = session.scalar(
        select(func.coalesce(func.sum(Refund.amount_minor), 0))
        .join(Payment, Payment.id == Refund.payment_id)
        .where(Payment.invoice_id == invoice.id, Refund.status == "succeeded", Refund.id != row.id)
    )
    not_asked_for = credit_notes.not_asked_for(session, invoice)
    tax = prices.tax_part(
        row.amount_minor,
        before_minor=not_asked_for + int(before or 0),
        total_minor=invoice.total_minor,
        tax_minor=invoice.tax_minor,
    )
    posted_at: datetime = row.refunded_at
    journals.post(
        session,
        kind="refund_paid",
        source_type="refund",
        source_id=row.id,
        customer_id=row.customer_id,
        currency=row.currency,
        lines=_lines(session, row, payment, invoice, tax),
        posted_at=posted_at,
    )
    credit_notes.document_refund(session, refund=row, invoice=invoice, tax_minor=tax, of=_of(row))
    back = not_asked_for + int(before or 0) + row.amount_minor + credit_notes.lost_minor(session, invoice)
    packs.reduce(session, invoice, back_minor=back, source=row.id, at=posted_at)
    corrections.correct(session, invoice, source=("refund", row.id), at=posted_at)
    publish(
        session,
        PaymentRefunded(
            occurred_at=posted_at,
            payment_id=row.payment_id,
            refund_id=row.id,
            customer_id=row.customer_id,
            amount_minor=row.amount_minor,
            currency=row.currency,
            payer_id=captures.payer_of(session, invoice),
            provider=payment.provider,
        ),
    )


def _of(row: Refund) -> Of:
    name = row.provider_key or ""
    if name.startswith(OF_DAYS):
        return "days"
    return "others" if name.startswith((OF_CREDIT, OF_NO_DAYS)) else "all"


def _lines(session: Session, row: Refund, payment: Payment, invoice: Invoice, tax_minor: int) -> list[ledger.Line]:
    if payment.provider in ledger.KEPT:
        owner_id = wallets.put_back(session, payment=payment, refund=row, at=row.refunded_at)
        return ledger.wallet_returned(amount_minor=row.amount_minor, tax_minor=tax_minor, owner_id=owner_id)
    balance = ledger.balance_at(payment.provider)
    taken = wallets.take_refunded(session, invoice=invoice, refund=row, at=row.refunded_at)
    if taken is not None:
        return ledger.top_up_refunded(amount_minor=row.amount_minor, from_wallet_minor=taken, balance=balance)
    return ledger.refund_paid(amount_minor=row.amount_minor, tax_minor=tax_minor, balance=balance)
