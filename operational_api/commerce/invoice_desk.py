"""Invoices as the staff's pages show them: what of one may be credited or given back, what that would do, and doing it.

The rules are `billing.service.crediting`, `service.refunds` and `service.refund_lines`; others come by
`commerce.public`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from operational_api.commerce import ledger, prices
from operational_api.commerce.billing.errors import CreditTooLarge, InvoiceNotFound
from operational_api.commerce.billing.models import CreditNote
from operational_api.commerce.billing.proration import Item
from operational_api.commerce.billing.service import credit_notes, crediting, fees, papers
from operational_api.commerce.billing.service.credit_notes import Of
from operational_api.commerce.billing.service.deciders import decider
from operational_api.commerce.errors import LineNotRefundable, RefundTooLarge
from operational_api.commerce.models import Invoice, Payment
from operational_api.commerce.service import invoices, packs, refund_lines, refunds
from operational_api.core import audit
from operational_api.core.errors import DomainError
from operational_api.core.policy import is_allowed
from operational_api.core.principal import Principal

CREDIT, READ = "commerce.issue_credit_note", "commerce.read_invoice"


@dataclass(frozen=True, slots=True)
class PaymentMade:
    """A payment that was captured. `left_minor` is what can be given back, to `provider`: `wallet` and `gift` are the
    customer's wallet."""

    payment_id: UUID
    captured_at: datetime
    amount_minor: int
    left_minor: int
    currency: str
    provider: str


@dataclass(frozen=True, slots=True)
class Part:
    """A line that may be credited, or given back: at most so much of it. `position` counts from 1. `booking_id`: whose
    late cancellation the invoice charges by it: of an open one it is waived there, of a paid one once somebody else
    agreed to give the line back."""

    position: int
    description: str
    amount_minor: int
    booking_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be credited or given back: a line, else an amount, else all that is left.

    Args:
        payment_id: Of an invoice that was paid in several ways, which of them it goes back to.
    """

    position: int | None = None
    amount_minor: int | None = None
    payment_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Credit:
    """What a credit note would do, or a refund once somebody else agreed. Amounts have tax in them.

    `left_minor` is asked for, or kept, after it; `wallet_minor` goes back into the wallet that had paid; so many
    `sessions` of a pack can be used no more; `later_minor` of a fee comes off the next invoice, because this one asks
    for it no more.
    """

    amount_minor: int
    tax_minor: int
    left_minor: int
    wallet_minor: int
    sessions: int
    is_void: bool
    payment: PaymentMade | None
    later_minor: int = 0


@dataclass(frozen=True, slots=True)
class InvoiceSeen:
    """An invoice of which some may be credited (it is open) or given back (it is paid), or why nothing can be.

    `left_minor`: the most. `credit`: what was asked for, as long as it can be done; else `refusal` says why not.
    """

    invoice: Invoice
    lines: Sequence[Item]
    credit_notes: Sequence[CreditNote]
    parts: Sequence[Part]
    payments: Sequence[PaymentMade]
    left_minor: int
    credit: Credit | None
    refusal: str | None
    may_ask_refund: bool


def invoices_seen(
    session: Session, principal: Principal, customer_id: UUID, *, limit: int, cursor: str | None = None
) -> tuple[list[Invoice], str | None]:
    """Invoices about a customer and those that they pay for others, the newest first, and the cursor of the next page.
    The caller decides who may ask."""
    rows, following = invoices.invoices_of(session, customer_id=customer_id, limit=limit, cursor=cursor)
    audit.record_read(session, principal, READ, "Invoice", [customer_id])
    return rows, following


def invoice_seen(
    session: Session, principal: Principal, invoice_id: UUID, *, asked: Asked | None, now: datetime
) -> InvoiceSeen:
    """An invoice for who may credit it, and what that would do; looking changes nothing.

    Args:
        asked: None where nothing was chosen yet.

    Raises:
        InvoiceNotFound: unknown, or not the principal's to read.
    """
    paper = papers.invoice(session, principal, invoice_id=invoice_id)
    row = paper.invoice
    payments = _payments(session, Payment.invoice_id == row.id) if row.status == "paid" else []
    left = credit_notes.left_to_pay(session, row) if row.status == "open" else sum(one.left_minor for one in payments)
    bookings = refund_lines.bookings_of(session, row.id, paper.lines)
    gone = refund_lines.not_owed(session, row.id, paper.lines, bookings) if row.status == "paid" else set()
    credit, refusal = None, _why_not(row, left)
    if refusal is None and asked is not None:
        try:
            if asked.position in gone:
                raise LineNotRefundable
            credit = _would(session, principal, paper, payments, left, asked, now)
        except DomainError as found:
            refusal = found.detail
    return InvoiceSeen(
        row, paper.lines, paper.credit_notes, _parts(paper.lines, left, bookings, gone),
        [one for one in payments if one.left_minor], left, credit, refusal,
        may_ask_refund=is_allowed(principal, "commerce.request_refund", papers.resource_of(row)),
    )  # fmt: skip


def credit_invoice(
    session: Session, principal: Principal, invoice_id: UUID, *, asked: Asked, reason: str, now: datetime
) -> CreditNote:
    """Ask for less of an open invoice, or for nothing more of it. A fee of its own is `fee_at`.

    Raises:
        OwnMoney: it is about themselves, or theirs to pay.
        InvoiceNotFound, InvoiceNotCreditable, CreditTooLarge: as `crediting.credit_open` says.
    """
    row, actor_id = _decided(session, principal, invoice_id)
    of: Of = "all"
    if asked.position is not None:
        lines = papers.invoice(session, principal, invoice_id=row.id).lines
        line, of = _line(lines, asked.position), refund_lines.of(lines, asked.position)
        if line.kind == refund_lines.FEE:
            raise CreditTooLarge("This line cannot be credited by itself.")
    return crediting.credit_open(
        session, invoice_id=row.id, amount_minor=asked.amount_minor, reason=reason, actor_id=actor_id, now=now,
        of=of,
    )  # fmt: skip


def fee_at(session: Session, principal: Principal, invoice_id: UUID, position: int) -> UUID | None:
    """The booking of a fee on an open invoice, for who may credit it: waived there, it is credited here. None: the line
    is no fee.

    Raises:
        InvoiceNotFound: unknown, or not the principal's to read.
        OwnMoney: it is about themselves, or theirs to pay.
    """
    row, _ = _decided(session, principal, invoice_id)
    if row.status != "open":
        return None
    lines = papers.invoice(session, principal, invoice_id=invoice_id).lines
    return refund_lines.bookings_of(session, invoice_id, lines).get(position)


def _decided(session: Session, principal: Principal, invoice_id: UUID) -> tuple[Invoice, UUID]:
    row = session.get(Invoice, invoice_id)
    if row is None:
        raise InvoiceNotFound
    return row, decider(principal, CREDIT, "Invoice", row.id, [row.customer_id, row.payer_id])


def payments_of(session: Session, customer_id: UUID, *, limit: int) -> list[PaymentMade]:
    """A customer's newest captured payments. The caller decides who may ask."""
    return _payments(session, Payment.customer_id == customer_id, limit=limit)


def _payments(session: Session, whose: ColumnElement[bool], *, limit: int | None = None) -> list[PaymentMade]:
    rows = session.scalars(
        select(Payment)
        .where(whose, Payment.captured_at.is_not(None))
        .order_by(Payment.captured_at.desc(), Payment.id.desc())
        .limit(limit)
    ).all()
    return [
        PaymentMade(
            row.id, row.captured_at, row.amount_minor, refunds.left_minor(session, row), row.currency, row.provider
        )
        for row in rows
        if row.captured_at is not None
    ]


def _why_not(row: Invoice, left: int) -> str | None:
    if row.status not in ("open", "paid"):
        return "Nothing is asked for of this invoice any more, and nothing was paid of it."
    if row.status == "open" and row.series is None:
        return "The payment provider bills this invoice: credit it there."
    return None if left else "All of it was credited or given back already."


def _parts(lines: Sequence[Item], left: int, bookings: dict[int, UUID], gone: set[int]) -> list[Part]:
    """Lines that charge something, and are owed."""
    return [
        Part(position, line.description, min(refund_lines.cost(lines, line), left), bookings.get(position))
        for position, line in enumerate(lines, start=1)
        if refund_lines.cost(lines, line) > 0 and left and position not in gone
    ]


def _line(lines: Sequence[Item], position: int) -> Item:
    if not 1 <= position <= len(lines) or refund_lines.cost(lines, lines[position - 1]) <= 0:
        raise CreditTooLarge("This line cannot be credited by itself.")
    return lines[position - 1]


def _would(
    session: Session, principal: Principal, paper: papers.Paper, payments: Sequence[PaymentMade], left: int,
    asked: Asked, now: datetime,
) -> Credit:  # fmt: skip
    amount = asked.amount_minor
    if asked.position is not None:
        amount = min(refund_lines.cost(paper.lines, _line(paper.lines, asked.position)), left)
    if paper.invoice.status == "paid":
        return _refunded(session, paper.invoice, payments, amount, asked.payment_id)
    return _credited(session, principal, paper, Asked(asked.position, left if amount is None else amount), now)


def _credited(session: Session, principal: Principal, paper: papers.Paper, asked: Asked, now: datetime) -> Credit:
    row, (before, tax_before) = paper.invoice, credit_notes.credited(session, paper.invoice.id)
    back_before, _ = credit_notes.credited(session, row.id, "refund")
    booking_id = fee_at(session, principal, row.id, asked.position) if asked.position is not None else None
    with session.begin_nested() as look:  # a look changes nothing
        if booking_id:
            _, actor_id = _decided(session, principal, row.id)
            fees.let_go(session, booking_id=booking_id, reason="", actor_id=actor_id, now=now)
        else:
            credit_invoice(session, principal, row.id, asked=asked, reason="", now=now)
        amount, tax = (
            after - was for after, was in zip(credit_notes.credited(session, row.id), (before, tax_before), strict=True)
        )
        left, is_void = credit_notes.left_to_pay(session, row), row.status == "void"
        back_after, _ = credit_notes.credited(session, row.id, "refund")
        look.rollback()
    return Credit(
        amount, tax, 0 if is_void else left, wallet_minor=back_after - back_before,
        sessions=packs.sessions_lost(session, row, back_minor=row.total_minor if is_void else before + amount),
        is_void=is_void, payment=None,
        later_minor=paper.lines[asked.position - 1].amount_minor - amount if booking_id and asked.position else 0,
    )  # fmt: skip


def _refunded(
    session: Session, invoice: Invoice, payments: Sequence[PaymentMade], amount_minor: int | None,
    payment_id: UUID | None,
) -> Credit:  # fmt: skip
    """What giving back so much of one of the payments does, the one with most left unless one is named."""
    found = [one for one in payments if payment_id in (None, one.payment_id)]
    payment = max(found, key=lambda one: one.left_minor, default=None)
    if payment is None:
        raise InvoiceNotFound
    amount = payment.left_minor if amount_minor is None else amount_minor
    if amount > payment.left_minor:
        raise RefundTooLarge(left_minor=payment.left_minor, currency=payment.currency)
    before = refunds.gone_minor(session, invoice)
    tax = prices.tax_part(amount, before_minor=before, total_minor=invoice.total_minor, tax_minor=invoice.tax_minor)
    return Credit(
        amount, tax, sum(one.left_minor for one in payments) - amount,
        wallet_minor=amount if payment.provider in ledger.KEPT else 0,
        sessions=packs.sessions_lost(
            session, invoice, back_minor=before + amount + credit_notes.lost_minor(session, invoice)
        ),
        is_void=False, payment=payment,
    )  # fmt: skip
