"""Credit notes: what of an invoice is not owed after all. The invoice itself stays as it was issued.

Here are the documents and what is left of an invoice; who asks for less of an open one is in `crediting`.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.events.billing import CreditNoteIssued
from operational_api.commerce import ledger, prices
from operational_api.commerce.billing.models import CreditNote
from operational_api.commerce.billing.service import agreements, ended_items, numbers
from operational_api.commerce.models import LOST_MINOR, Dispute, Invoice, Payment, Refund
from operational_api.commerce.service import journals, packs
from operational_api.core.outbox import publish

Of = Literal["all", "days", "others"]
"""Which charges of an invoice bear what is not owed of it: each its part, those of days alone, or others alone."""


def credited(session: Session, invoice_id: UUID, settlement: str | None = None) -> tuple[int, int]:
    """How much of an invoice was credited, tax included, and the tax in it."""
    query = select(
        func.coalesce(func.sum(CreditNote.amount_minor), 0), func.coalesce(func.sum(CreditNote.tax_minor), 0)
    )
    query = query.where(CreditNote.invoice_id == invoice_id)
    if settlement:
        query = query.where(CreditNote.settlement == settlement)
    amount, tax = session.execute(query).one()
    return int(amount), int(tax)


def lost_minor(session: Session, invoice: Invoice) -> int:
    """How much of what was paid of an invoice banks took back for good."""
    query = select(func.coalesce(func.sum(LOST_MINOR), 0)).join(Payment, Payment.id == Dispute.payment_id)
    return int(session.scalar(query.where(Payment.invoice_id == invoice.id)) or 0)


def left_of(session: Session, invoice: Invoice) -> tuple[int, int]:
    """What an open invoice still asks for: without tax, and the tax. What wallets have paid of it is asked for no more,
    and has what tax is left."""
    amount, tax = credited(session, invoice.id, "open")
    paid = paid_minor(session, invoice.id)
    if not paid:
        return invoice.subtotal_minor - (amount - tax), invoice.tax_minor - tax
    left = invoice.total_minor - amount - paid
    tax = prices.tax_part(left, before_minor=amount, total_minor=invoice.total_minor, tax_minor=invoice.tax_minor)
    return left - tax, tax


def not_asked_for(session: Session, invoice: Invoice) -> int:
    """What of an invoice nobody is asked for: it was credited, or given up."""
    if invoice.status == "uncollectible":
        return invoice.total_minor - paid_minor(session, invoice.id)
    return credited(session, invoice.id, "open")[0]


def paid_minor(session: Session, invoice_id: UUID) -> int:
    """What was paid of an invoice: of an open one, out of wallets."""
    query = select(func.coalesce(func.sum(Payment.amount_minor), 0)).where(
        Payment.invoice_id == invoice_id, Payment.status == "captured"
    )
    return int(session.scalar(query) or 0)


def left_to_pay(session: Session, invoice: Invoice) -> int:
    """What an open invoice still asks for, tax included."""
    return sum(left_of(session, invoice))


def document_refund(session: Session, *, refund: Refund, invoice: Invoice, tax_minor: int, of: Of) -> CreditNote:
    """The document of money given back, made with the refund; the refund has posted the money.

    Args:
        of: Not of days where they were given back before, or it is a line for something else.
    """
    before, _ = credited(session, invoice.id)
    row = _issue(
        session, invoice, refund.amount_minor, before, settlement="refund", reason=refund.reason,
        now=refund.refunded_at, refund_id=refund.id, tax_minor=tax_minor,
    )  # fmt: skip
    gone = before + refund.amount_minor + lost_minor(session, invoice)
    _forgive(session, invoice, refund.amount_minor, gone, of, refund.refunded_at)
    return row


def _forgive(session: Session, invoice: Invoice, amount_minor: int, so_far_minor: int, of: Of, now: datetime) -> None:
    """Days that it charges bear their part."""
    if of == "others":
        return
    agreements.forgive(session, invoice, amount_minor, so_far_minor=so_far_minor, is_days_alone=of == "days")
    cap(session, invoice, now=now)


def cap(session: Session, invoice: Invoice, *, now: datetime) -> None:
    """What was given back of an invoice's days, and nobody has used yet, is worth no more than what is left of it. The
    customer's row is locked."""
    so_far = credited(session, invoice.id)[0] + lost_minor(session, invoice)
    ended_items.lose(session, invoice, 0, so_far_minor=so_far, now=now, reason=ended_items.NOT_OWED)


def credit(
    session: Session, invoice: Invoice, *, amount_minor: int, before_minor: int, reason: str, of: Of,
    now: datetime,
) -> CreditNote:  # fmt: skip
    """Ask for so much less of an open invoice, of which `before_minor` was credited; the customer's row is locked.

    Args:
        of: What of it days bear, which are then worth less when they are given back.
    """
    row = _issue(session, invoice, amount_minor, before_minor, settlement="open", reason=reason, now=now)
    _post(session, row, invoice, now, of=of)
    return row


def _issue(
    session: Session, invoice: Invoice, amount: int, before: int, *, settlement: str, reason: str, now: datetime,
    refund_id: UUID | None = None, tax_minor: int | None = None,
) -> CreditNote:  # fmt: skip
    tax = tax_minor
    if tax is None:
        tax = prices.tax_part(amount, before_minor=before, total_minor=invoice.total_minor, tax_minor=invoice.tax_minor)
    number = numbers.next_number(session, numbers.CREDIT_NOTES, now)
    row = CreditNote(
        number=number.text, series=number.series, sequence=number.sequence, invoice_id=invoice.id,
        customer_id=invoice.customer_id, refund_id=refund_id, settlement=settlement, amount_minor=amount,
        tax_minor=tax, currency=invoice.currency, reason=reason, issued_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    publish(session, CreditNoteIssued(
        occurred_at=now, credit_note_id=row.id, invoice_id=invoice.id, customer_id=row.customer_id, number=row.number,
        amount_minor=amount, tax_minor=tax, currency=row.currency, settlement=settlement,
    ))  # fmt: skip
    return row


def _post(session: Session, row: CreditNote, invoice: Invoice, now: datetime, *, of: Of) -> None:
    """What is not owed is no revenue. Of a pack, as much as it earns with the sessions that nobody can use any more."""
    lines = ledger.invoice_voided(
        subtotal_minor=row.amount_minor - row.tax_minor, tax_minor=row.tax_minor,
        revenue=ledger.PACK_REVENUE if invoice.session_pack_id else ledger.MEMBERSHIP_REVENUE,
    )  # fmt: skip
    journals.post(
        session, kind="credited", source_type="credit_note", source_id=row.id, customer_id=row.customer_id,
        currency=row.currency, lines=lines, posted_at=now,
    )  # fmt: skip
    back, _ = credited(session, invoice.id)
    packs.reduce(session, invoice, back_minor=back, source=row.id, at=now)
    _forgive(session, invoice, row.amount_minor, back, of, now)


def of_invoices(session: Session, invoice_ids: list[UUID]) -> dict[UUID, list[CreditNote]]:
    """Credit notes of many invoices, the oldest first."""
    found: dict[UUID, list[CreditNote]] = {}
    query = select(CreditNote).where(CreditNote.invoice_id.in_(invoice_ids)).order_by(CreditNote.issued_at)
    for row in session.scalars(query):
        found.setdefault(row.invoice_id, []).append(row)
    return found
