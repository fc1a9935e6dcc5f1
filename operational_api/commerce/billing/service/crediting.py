"""Asking for less of an open invoice, or for nothing more of it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from operational_api.commerce import prices
from operational_api.commerce.billing.errors import CreditTooLarge, InvoiceNotCreditable, InvoiceNotFound
from operational_api.commerce.billing.models import Collection, CreditNote, PlanChange
from operational_api.commerce.billing.service import credit_notes, invoicing, memberships
from operational_api.commerce.billing.service.credit_notes import Of
from operational_api.commerce.models import Invoice, Payment
from operational_api.commerce.providers.kept_money import KEPT_MONEY
from operational_api.commerce.service import refunds
from operational_api.commerce.service.customers import locked_customer
from operational_api.core import audit


def credit_open(
    session: Session, *, invoice_id: UUID, amount_minor: int | None, reason: str, actor_id: UUID | None, now: datetime,
    of: Of = "all",
) -> CreditNote:  # fmt: skip
    """Ask for less of an invoice that is not paid, or for nothing more; then it is void.

    Args:
        amount_minor: Tax included; None for all that is left.
        of: What of it days bear, which are then worth less when they are given back.

    Raises:
        InvoiceNotFound: no such invoice.
        InvoiceNotCreditable: it is not open, an answer about its payment is missing, a change of plan waits for it, or
            no card could be charged what is left.
        CreditTooLarge: more than is left of it.
    """
    invoice = _creditable(session, invoice_id)
    before, _ = credit_notes.credited(session, invoice.id)
    left = credit_notes.left_to_pay(session, invoice)
    amount = left if amount_minor is None else amount_minor
    if amount > left:
        raise CreditTooLarge(left_minor=left, currency=invoice.currency)
    if amount < left and not prices.is_chargeable(left - amount, invoice.currency):
        raise InvoiceNotCreditable("What is left would be too little to charge a card. Credit all of it, or less.")
    if amount == left:
        row = void(session, invoice, reason=reason, now=now, of=of)
        if invoice.subscription_id:
            memberships.set_overdue(session, invoice.subscription_id, is_overdue=False, now=now)
    else:
        row = credit_notes.credit(
            session, invoice, amount_minor=amount, before_minor=before, reason=reason, of=of, now=now
        )
    _note(session, row, actor_id, now)
    return row


def credit_charge(
    session: Session, *, invoice_id: UUID, amount_minor: int, reason: str, actor_id: UUID | None, now: datetime
) -> int:
    """Ask for one charge of an open invoice no more; the others stay owed. What wallets have paid stays with those as
    far as they need it, and the rest is in the wallets again.

    Returns:
        What of the charge credits had paid.

    Raises:
        InvoiceNotFound, InvoiceNotCreditable: as `credit_open`.
    """
    invoice = _creditable(session, invoice_id)
    left, kept = credit_notes.left_to_pay(session, invoice), credit_notes.paid_minor(session, invoice.id)
    beyond = amount_minor - min(left, amount_minor)
    if amount_minor < left or kept <= beyond:  # less is asked for, or nothing of it is owed
        credit_open(
            session, invoice_id=invoice.id, amount_minor=min(left, amount_minor), reason=reason, actor_id=actor_id,
            of="others", now=now,
        )  # fmt: skip
        return beyond - min(kept, beyond)
    before, _ = credit_notes.credited(session, invoice.id)
    row = credit_notes.credit(
        session, invoice, amount_minor=left, before_minor=before, reason=reason, of="others", now=now
    )
    _note(session, row, actor_id, now)
    invoice.status, invoice.paid_at = "paid", now
    invoicing.end_collection(session, session.get_one(Collection, invoice.id, with_for_update=True), "paid", now)
    session.flush()
    if invoice.subscription_id:
        memberships.set_overdue(session, invoice.subscription_id, is_overdue=False, now=now)
    for payment in _kept(session, invoice):
        part = min(beyond, payment.amount_minor)
        if part:
            beyond -= part
            refunds.return_to_wallet(
                session, KEPT_MONEY[payment.provider], payment=payment, invoice=invoice, reason=reason, now=now,
                amount_minor=part, asked_as=f"{refunds.OF_NO_DAYS}{row.id}-{payment.id}",
            )  # fmt: skip
    return 0


def _creditable(session: Session, invoice_id: UUID) -> Invoice:
    """An open invoice of which less may be asked for. Its customer's row is locked from then on."""
    customer_id = session.scalar(select(Invoice.customer_id).where(Invoice.id == invoice_id))
    if customer_id is None:
        raise InvoiceNotFound
    locked_customer(session, customer_id)
    invoice = session.get_one(Invoice, invoice_id, populate_existing=True)
    unknown = exists().where(Payment.invoice_id == invoice.id, Payment.status == "unknown")
    waited_for = exists().where(PlanChange.invoice_id == invoice.id, PlanChange.status == "pending")
    if invoice.status != "open" or invoice.series is None:
        raise InvoiceNotCreditable
    if session.scalar(select(unknown | waited_for)):
        raise InvoiceNotCreditable("Its payment is under way. Look again in a few minutes, when it is known.")
    return invoice


def _note(session: Session, row: CreditNote, actor_id: UUID | None, now: datetime) -> None:
    audit.record(
        session, "commerce.issue_credit_note", "Invoice", row.invoice_id, actor_id=actor_id,
        subject_id=row.customer_id, purpose="operations", now=now,
        details={"number": row.number, "amount_minor": row.amount_minor, "currency": row.currency,
                 "reason": row.reason},
    )  # fmt: skip
    session.flush()


def _kept(session: Session, invoice: Invoice) -> Sequence[Payment]:
    """What wallets have paid of an invoice: money that was paid into them, and then gifts, which were used first."""
    query = select(Payment).where(
        Payment.invoice_id == invoice.id, Payment.provider.in_(KEPT_MONEY), Payment.status == "captured"
    )
    return session.scalars(query.order_by(Payment.provider.desc(), Payment.id)).all()


def void(
    session: Session, invoice: Invoice, *, reason: str, now: datetime, of: Of = "all"
) -> CreditNote:  # fmt: skip
    """Credit all that is left of an open invoice of which no payment is under way, and collect it no more; what a
    wallet has paid of it goes back into it. The customer's row is locked."""
    before, _ = credit_notes.credited(session, invoice.id)
    left = credit_notes.left_to_pay(session, invoice)
    row = credit_notes.credit(session, invoice, amount_minor=left, before_minor=before, reason=reason, of=of, now=now)
    invoice.status = "void"
    collection = session.get(Collection, invoice.id, with_for_update=True)
    if collection is not None and collection.next_attempt_at is not None:
        invoicing.end_collection(session, collection, "credited", now)
    session.flush()
    for payment in _kept(session, invoice):
        refunds.return_to_wallet(
            session, KEPT_MONEY[payment.provider], payment=payment, invoice=invoice, reason=reason, now=now
        )
    return row
