"""Credit notes: what of an invoice is not owed after all. The invoice itself stays as it was issued."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from contracts.events.commerce import CreditNoteIssued
from operational_api.commerce import ledger, prices
from operational_api.commerce.billing.errors import CreditTooLarge, InvoiceNotCreditable, InvoiceNotFound
from operational_api.commerce.billing.models import Collection, CreditNote, PlanChange
from operational_api.commerce.billing.service import agreements, invoicing, memberships, numbers
from operational_api.commerce.models import Invoice, Payment, Refund
from operational_api.commerce.service import journals, packs
from operational_api.commerce.service.customers import locked_customer
from operational_api.core import audit
from operational_api.core.outbox import publish


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


def left_of(session: Session, invoice: Invoice) -> tuple[int, int]:
    """What an open invoice still asks for: without tax, and the tax."""
    amount, tax = credited(session, invoice.id, "open")
    return invoice.subtotal_minor - (amount - tax), invoice.tax_minor - tax


def left_to_pay(session: Session, invoice: Invoice) -> int:
    """What an open invoice still asks for, tax included."""
    return sum(left_of(session, invoice))


def credit_open(
    session: Session, *, invoice_id: UUID, amount_minor: int | None, reason: str, actor_id: UUID | None, now: datetime,
    is_of_days: bool = True,
) -> CreditNote:  # fmt: skip
    """Ask for less of an invoice that is not paid, or for nothing more; then it is void.

    Args:
        amount_minor: Tax included; None for all that is left.
        is_of_days: Whether days that it charges bear their part, and are worth less when they are given back.

    Raises:
        InvoiceNotFound: no such invoice.
        InvoiceNotCreditable: it is not open, an answer about its payment is missing, a change of plan waits for it, or
            no card could be charged what is left.
        CreditTooLarge: more than is left of it.
    """
    customer_id = session.scalar(select(Invoice.customer_id).where(Invoice.id == invoice_id))
    if customer_id is None:
        raise InvoiceNotFound
    locked_customer(session, customer_id)
    invoice = session.get_one(Invoice, invoice_id, populate_existing=True)
    unknown = exists().where(Payment.invoice_id == invoice.id, Payment.status == "unknown")
    waited_for = exists().where(PlanChange.invoice_id == invoice.id, PlanChange.status == "pending")
    if invoice.status != "open" or invoice.series is None or session.scalar(select(unknown | waited_for)):
        raise InvoiceNotCreditable
    before, _ = credited(session, invoice.id)
    left = invoice.total_minor - before
    amount = left if amount_minor is None else amount_minor
    if amount > left:
        raise CreditTooLarge(left_minor=left, currency=invoice.currency)
    if amount < left and not prices.is_chargeable(left - amount, invoice.currency):
        raise InvoiceNotCreditable("What is left would be too little to charge a card. Credit all of it, or less.")
    if amount == left:
        row = void(session, invoice, reason=reason, now=now, is_of_days=is_of_days)
        if invoice.subscription_id:
            memberships.set_overdue(session, invoice.subscription_id, is_overdue=False, now=now)
    else:
        row = _issue(session, invoice, amount, before, settlement="open", reason=reason, now=now)
        _post(session, row, invoice, now, is_of_days=is_of_days)
    audit.record(
        session, "commerce.issue_credit_note", "Invoice", invoice.id, actor_id=actor_id, subject_id=customer_id,
        purpose="operations", now=now,
        details={"number": row.number, "amount_minor": amount, "currency": row.currency, "reason": reason},
    )  # fmt: skip
    session.flush()
    return row


def void(
    session: Session, invoice: Invoice, *, reason: str, now: datetime, is_of_days: bool = True
) -> CreditNote:  # fmt: skip
    """Credit all that is left of an open invoice of which no payment is under way, and collect it no more; the
    customer's row is locked."""
    before, _ = credited(session, invoice.id)
    row = _issue(session, invoice, invoice.total_minor - before, before, settlement="open", reason=reason, now=now)
    _post(session, row, invoice, now, is_of_days=is_of_days)
    invoice.status = "void"
    collection = session.get(Collection, invoice.id, with_for_update=True)
    if collection is not None and collection.next_attempt_at is not None:
        invoicing.end_collection(session, collection, "credited", now)
    session.flush()
    return row


def document_refund(
    session: Session, *, refund: Refund, invoice: Invoice, tax_minor: int, is_of_credit: bool
) -> CreditNote:
    """The document of money given back, made with the refund; the refund has posted the money.

    Args:
        is_of_credit: Of days that were given back before; else of what the invoice charges.
    """
    before, _ = credited(session, invoice.id)
    row = _issue(
        session, invoice, refund.amount_minor, before, settlement="refund", reason=refund.reason,
        now=refund.refunded_at, refund_id=refund.id, tax_minor=tax_minor,
    )  # fmt: skip
    if not is_of_credit:
        agreements.forgive(session, invoice, refund.amount_minor, so_far_minor=before + refund.amount_minor)
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


def _post(session: Session, row: CreditNote, invoice: Invoice, now: datetime, *, is_of_days: bool) -> None:
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
    if is_of_days:
        agreements.forgive(session, invoice, row.amount_minor, so_far_minor=back)


def of_invoices(session: Session, invoice_ids: list[UUID]) -> dict[UUID, list[CreditNote]]:
    """Credit notes of many invoices, the oldest first."""
    found: dict[UUID, list[CreditNote]] = {}
    query = select(CreditNote).where(CreditNote.invoice_id.in_(invoice_ids)).order_by(CreditNote.issued_at)
    for row in session.scalars(query):
        found.setdefault(row.invoice_id, []).append(row)
    return found
