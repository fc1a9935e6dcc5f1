"""Invoices and credit notes as documents, for whoever they are about, whoever pays, and finance."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.money import Money
from operational_api.commerce.billing import documents
from operational_api.commerce.billing.documents import Document
from operational_api.commerce.billing.errors import CreditNoteNotFound, InvoiceNotFound
from operational_api.commerce.billing.models import CreditNote
from operational_api.commerce.billing.periods import day_of
from operational_api.commerce.billing.proration import Item
from operational_api.commerce.billing.service import credit_notes, invoicing
from operational_api.commerce.billing.service.people import addressees
from operational_api.commerce.models import Invoice, Plan, SessionPack, Subscription
from operational_api.commerce.service import wallets
from operational_api.commerce.settings import SellerSettings
from operational_api.core import audit
from operational_api.core.errors import NotFound
from operational_api.core.policy import Resource, require
from operational_api.core.principal import Principal


def resource_of(invoice: Invoice) -> Resource:
    """As the policy sees an invoice, and what belongs to it."""
    return Resource("Invoice", invoice.id, customer_id=invoice.customer_id, payer_id=invoice.payer_id)


def _invoice(session: Session, principal: Principal, invoice_id: UUID, missing: type[NotFound]) -> Invoice:
    found = session.get(Invoice, invoice_id)
    if found is None:
        raise missing
    require(principal, "commerce.read_invoice", resource_of(found), missing=missing)
    audit.record_read(session, principal, "commerce.read_invoice", "Invoice", [found.customer_id])
    return found


@dataclass(frozen=True, slots=True)
class Paper:
    """An invoice with its lines and credit notes, and what of it was paid out of wallets."""

    invoice: Invoice
    lines: list[Item]
    credit_notes: list[CreditNote]
    wallet_minor: int


def invoice(session: Session, principal: Principal, *, invoice_id: UUID) -> Paper:
    """An invoice for who may read it.

    Raises:
        InvoiceNotFound: unknown, or not the principal's to read.
    """
    found = _invoice(session, principal, invoice_id, InvoiceNotFound)
    lines = invoicing.lines_of(session, found, name=_sold(session, found))
    notes = credit_notes.of_invoices(session, [found.id]).get(found.id, [])
    return Paper(found, lines, notes, wallets.paid_out_of(session, [found.id]).get(found.id, 0))


def invoice_pdf(
    session: Session, principal: Principal, *, invoice_id: UUID, seller: SellerSettings
) -> tuple[str, bytes]:
    """A file's name and the invoice.

    Raises:
        InvoiceNotFound: unknown, or not the principal's to read.
    """
    row = _invoice(session, principal, invoice_id, InvoiceNotFound)
    return f"{row.number}.pdf", documents.render(_of_invoice(session, row), seller)


def credit_note_pdf(
    session: Session, principal: Principal, *, credit_note_id: UUID, seller: SellerSettings
) -> tuple[str, bytes]:
    """A file's name and the credit note.

    Raises:
        CreditNoteNotFound: unknown, or not the principal's to read.
    """
    row = session.get(CreditNote, credit_note_id)
    if row is None:
        raise CreditNoteNotFound
    about = _invoice(session, principal, row.invoice_id, CreditNoteNotFound)
    return f"{row.number}.pdf", documents.render(_of_credit_note(session, row, about), seller)


def of_person(session: Session, account_id: UUID) -> list[tuple[str, Document]]:
    """Every invoice about an account or paid by it, and its credit notes, each with its file's name; the oldest first.
    The caller decides who may ask."""
    is_theirs = (Invoice.customer_id == account_id) | (Invoice.payer_id == account_id)
    rows = session.scalars(select(Invoice).where(is_theirs).order_by(Invoice.issued_at, Invoice.id)).all()
    found = [(f"invoices/{_file(row.number)}", _of_invoice(session, row)) for row in rows]
    notes = credit_notes.of_invoices(session, [row.id for row in rows])
    for row in rows:
        for note in notes.get(row.id, []):
            found.append((f"credit_notes/{_file(note.number)}", _of_credit_note(session, note, row)))
    return found


def _file(number: str) -> str:
    """A document's file; a provider's number may be anything."""
    return f"{''.join(letter if letter.isalnum() or letter in '-_.' else '_' for letter in number)}.pdf"


def _of_invoice(session: Session, row: Invoice) -> Document:
    people = addressees(session, [row.customer_id, row.payer_id or row.customer_id])
    payer, customer = people[row.payer_id or row.customer_id], people[row.customer_id]
    credited, _ = credit_notes.credited(session, row.id, "open")
    to, address, about = _to(row, payer.name, customer.name)
    facts = [("State", _state(row, payer.time_zone))]
    if credited:
        facts.append(("Credited", f"{Money(credited, row.currency)}, see the credit note"))
    if paid := wallets.paid_out_of(session, [row.id]).get(row.id, 0):
        facts.append(("From wallet", str(Money(paid, row.currency))))
        if rest := row.total_minor - credited - paid:
            facts.append(("By card", str(Money(rest, row.currency))))
    return Document(
        title="Invoice", number=row.number, issued_on=day_of(row.issued_at, payer.time_zone),
        issued_at=row.issued_at, addressee=to, address=address, about=about,
        facts=facts, lines=invoicing.lines_of(session, row, name=_sold(session, row)),
        currency=row.currency, total_minor=row.total_minor, tax_minor=row.tax_minor, total_label="Total",
        note="Prices include tax.",
    )  # fmt: skip


def _of_credit_note(session: Session, row: CreditNote, about: Invoice) -> Document:
    people = addressees(session, [about.customer_id, about.payer_id or about.customer_id])
    payer, customer = people[about.payer_id or about.customer_id], people[about.customer_id]
    to, address, whose = _to(about, payer.name, customer.name)
    how = "Given back" if row.settlement == "refund" else "Not owed any more"
    return Document(
        title="Credit note", number=row.number, issued_on=day_of(row.issued_at, payer.time_zone),
        issued_at=row.issued_at, addressee=to, address=address, about=whose,
        facts=[("For invoice", about.number), ("Reason", row.reason)],
        lines=[Item("credit", f"{how}: part of {about.number}", row.amount_minor, row.tax_minor, 0)],
        currency=row.currency, total_minor=row.amount_minor, tax_minor=row.tax_minor, total_label="Credited",
    )  # fmt: skip


def _to(invoice: Invoice, payer: str, customer: str) -> tuple[str, str, str | None]:
    """To whom a document is and the lines below the name, as the payer had it when the invoice was issued; and for whom
    it was, where that is somebody else."""
    name, *address = (invoice.billed_to or payer).splitlines()
    return name, "\n".join(address), customer if customer != name else None


def _state(invoice: Invoice, zone: str) -> str:
    if invoice.status == "paid" and invoice.paid_at:
        day = day_of(invoice.paid_at, zone)
        return f"Paid on {day.day} {day:%B %Y}"
    return {"open": "To be paid from the saved card", "void": "Cancelled"}.get(invoice.status, "Not paid")


def _sold(session: Session, invoice: Invoice) -> str:
    source: Subscription | SessionPack | None = None
    if invoice.subscription_id:
        source = session.get(Subscription, invoice.subscription_id)
    elif invoice.session_pack_id:
        source = session.get(SessionPack, invoice.session_pack_id)
    return session.get_one(Plan, source.plan_id).name if source else "Sessions"
