"""A line of a paid invoice that is given back as that line: how much of it, whose fee it is, and never twice.

Who asks and who decides is `approvals`; an amount, whatever it is of, needs none of this.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from operational_api.commerce.billing.models import BillingItem
from operational_api.commerce.billing.proration import Item
from operational_api.commerce.billing.service import credit_notes, invoicing
from operational_api.commerce.billing.service.credit_notes import Of
from operational_api.commerce.errors import LineNotRefundable, RefundChanged
from operational_api.commerce.models import Invoice, Payment, Refund, RefundRequest
from operational_api.commerce.service import refunds
from operational_api.commerce.service.customers import locked_customer

FEE, DAYS, DISCOUNT = "fee", "membership", "discount"
"""Kinds of lines: for a late cancellation, for days of a membership, and what of those a coupon takes off."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is given back. `booking_id`: whose late cancellation it charges."""

    amount_minor: int
    booking_id: UUID | None


def bookings_of(session: Session, invoice_id: UUID, lines: Sequence[Item]) -> dict[int, UUID]:
    """The bookings of an invoice's fees, by where these stand. Fees of one day that cost the same are alike: each has
    one of the bookings."""
    positions = [position for position, line in enumerate(lines, start=1) if line.kind == FEE]
    if not positions:
        return {}
    items = list(
        session.scalars(
            select(BillingItem)
            .where(BillingItem.invoice_id == invoice_id, BillingItem.kind == FEE)
            .order_by(BillingItem.made_at, BillingItem.id)
        )
    )
    found: dict[int, UUID] = {}
    for position in positions:
        line = lines[position - 1]
        like = [one for one in items if (one.description, one.amount_minor) == (line.description, line.amount_minor)]
        if like:
            found[position] = like[0].origin_id
            items.remove(like[0])
    return found


def not_owed(session: Session, invoice_id: UUID, lines: Sequence[Item], bookings: dict[int, UUID]) -> set[int]:
    """Lines that were given back, or will be once somebody agrees, and those that were credited before it was paid: a
    fee that was let go, and days where what was credited of the rest is all that they cost."""
    asked = (
        select(RefundRequest.line_position)
        .join(Payment, Payment.id == RefundRequest.payment_id)
        .outerjoin(Refund, Refund.id == RefundRequest.refund_id)
        .where(
            Payment.invoice_id == invoice_id, RefundRequest.line_position.is_not(None),
            or_(RefundRequest.status == "requested", Refund.status != "failed"),
        )
    )  # fmt: skip
    found = {position for position in session.scalars(asked) if position is not None}
    let_go: dict[UUID, int] = {}
    if bookings:
        query = select(BillingItem.origin_id, BillingItem.amount_minor).where(
            BillingItem.invoice_id == invoice_id, BillingItem.let_go_at.is_not(None)
        )
        let_go = dict(session.execute(query).tuples().all())
        found |= {position for position, booking_id in bookings.items() if booking_id in let_go}
    days = {position: cost(lines, line) for position, line in enumerate(lines, start=1) if line.kind == DAYS}
    if days:
        rest = credit_notes.credited(session, invoice_id, "open")[0] - sum(let_go.values())
        found |= {position for position, minor in days.items() if minor <= rest}
    return found


def to_give_back(session: Session, payment: Payment, *, position: int, seen_minor: int | None) -> Line:
    """A line of the invoice of a payment, at most what is left of all that was paid of it. The customer's row is locked
    from then on.

    Args:
        seen_minor: How much somebody who looked was told; None where nobody looked.

    Raises:
        LineNotRefundable: there is no such line, it charges nothing, or it is not owed already.
        RefundChanged: it is not that much.
    """
    locked_customer(session, payment.customer_id)
    invoice = session.get_one(Invoice, payment.invoice_id)
    lines = invoicing.lines_of(session, invoice, name="")
    bookings = bookings_of(session, invoice.id, lines)
    if not 1 <= position <= len(lines) or cost(lines, lines[position - 1]) <= 0:
        raise LineNotRefundable
    if position in not_owed(session, invoice.id, lines, bookings):
        raise LineNotRefundable
    paid = session.scalars(select(Payment).where(Payment.invoice_id == invoice.id, Payment.status == "captured")).all()
    amount = min(cost(lines, lines[position - 1]), sum(refunds.left_minor(session, one) for one in paid))
    if seen_minor not in (None, amount):
        raise RefundChanged
    return Line(amount, bookings.get(position))


def cost(lines: Sequence[Item], line: Item) -> int:
    """What a line charges, the discount of its days taken off; below 0 where it gives something back."""
    if line.kind != DAYS:
        return line.amount_minor if line.kind != DISCOUNT else 0
    less = [one for one in lines if (one.kind, one.starts_on, one.ends_on) == (DISCOUNT, line.starts_on, line.ends_on)]
    return line.amount_minor + sum(one.amount_minor for one in less)


def of(lines: Sequence[Item], position: int) -> Of:
    """Which charges bear what is given back as a line. Where an invoice charges days more than once, each bears its
    part."""
    if lines[position - 1].kind != DAYS:
        return "others"
    return "days" if sum(one.kind == DAYS for one in lines) == 1 else "all"


def of_request(session: Session, request: RefundRequest) -> Of:
    """The same of what was asked for: a line, or an amount, of which every charge bears its part."""
    if request.line_position is None:
        return "all"
    invoice = session.get_one(Invoice, session.get_one(Payment, request.payment_id).invoice_id)
    return of(invoicing.lines_of(session, invoice, name=""), request.line_position)
