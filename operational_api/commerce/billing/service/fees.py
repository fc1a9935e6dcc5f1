"""Fees for late cancellations: what scheduling says is owed, until it is on an invoice or let go.

A fee is on the next invoice of a membership that we bill, where there is one within a month. Else it has an invoice of
its own a day after it was incurred, so that there is time to waive it. A paid one is given back as the
line of its invoice, by two people (`commerce.service.refund_lines`), and waived then.

Fees are charged from the version on that charges them. What was announced as due before that stays as it was: nobody is
charged for a session of long ago.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, case, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from contracts.telemetry import get_logger
from operational_api.commerce import lifecycle, prices
from operational_api.commerce.billing.errors import FeePaid
from operational_api.commerce.billing.models import BillingItem
from operational_api.commerce.billing.periods import day_of
from operational_api.commerce.billing.proration import Item
from operational_api.commerce.billing.service import crediting, invoicing
from operational_api.commerce.billing.service.people import addressee
from operational_api.commerce.models import Customer, Invoice, PlanPrice, Subscription
from operational_api.commerce.service import customers

log = get_logger(__name__)
WAIT, SOON = timedelta(days=1), timedelta(days=31)
"""How long a fee waits for somebody to waive it, and how long at most for the invoice of a membership: not for the next
one of a year, or of a long pause."""


def charge(
    session: Session, *, booking_id: UUID, customer_id: UUID, amount_minor: int, currency: str, starts_at: datetime,
    now: datetime,
) -> None:  # fmt: skip
    """Let the fee of a booking wait for an invoice, once.

    Args:
        amount_minor: Tax included.
        starts_at: When the session would have been.
    """
    customer = customers.ensure_customer(session, account_id=customer_id, currency=currency)
    day, rate = day_of(starts_at, addressee(session, customer_id).time_zone), _tax_rate(session, customer_id, currency)
    session.execute(
        insert(BillingItem)
        .values(
            id=booking_id, origin_id=booking_id, customer_id=customer_id, payer_id=customer.payer_id, kind="fee",
            description=f"Late cancellation, session of {day.day} {day:%B %Y}", amount_minor=amount_minor,
            tax_minor=prices.included_tax(amount_minor, rate), tax_rate_bp=rate, currency=currency, made_at=now,
        )
        .on_conflict_do_nothing()
    )  # fmt: skip


def _tax_rate(session: Session, customer_id: UUID, currency: str) -> int:
    """As sessions are taxed: by what the customer pays for now, else by the newest price in that currency."""
    own = select(Subscription.price_id).where(
        Subscription.customer_id == customer_id, Subscription.status.in_(lifecycle.LIVE)
    )
    return (
        session.scalar(
            select(PlanPrice.tax_rate_bp)
            .where(PlanPrice.currency == currency)
            .order_by(PlanPrice.id.in_(own).desc(), PlanPrice.valid_from.desc(), PlanPrice.id)
            .limit(1)
        )
        or 0
    )


def waiting(session: Session, customer_id: UUID) -> list[BillingItem]:
    """A customer's fees that are on no invoice yet."""
    query = select(BillingItem).where(
        BillingItem.customer_id == customer_id, BillingItem.kind == "fee", BillingItem.invoice_id.is_(None),
        BillingItem.settled_as.is_(None),
    )  # fmt: skip
    return list(session.scalars(query.order_by(BillingItem.made_at)))


def let_go(session: Session, *, booking_id: UUID, reason: str, actor_id: UUID, now: datetime) -> None:
    """A fee is not owed after all. One of a booking that never was charged is nothing to let go.

    Raises:
        FeePaid: it was paid.
        InvoiceNotCreditable: an answer about its payment is missing.
    """
    customer_id = session.scalar(select(BillingItem.customer_id).where(BillingItem.id == booking_id))
    if customer_id is None:
        return
    customers.locked_customer(session, customer_id)
    item = session.get_one(BillingItem, booking_id, populate_existing=True)
    if item.settled_as is not None:
        return
    if item.invoice_id is None:
        session.delete(item)
        session.flush()
        return
    invoice = session.get_one(Invoice, item.invoice_id)
    if invoice.status == "paid" and invoice.total_minor > 0:
        raise FeePaid
    if invoice.status not in ("open", "paid"):
        return
    rest = item.amount_minor
    if invoice.status == "open":
        rest = crediting.credit_charge(
            session, invoice_id=invoice.id, amount_minor=rest, reason=reason, actor_id=actor_id, now=now
        )
    if rest:  # what credits had paid of it waits for the next invoice again
        tax = prices.included_tax(rest, item.tax_rate_bp)
        back = Item("unused", f"Waived: {item.description.lower()}", -rest, -tax, item.tax_rate_bp)
        invoicing.add_items(
            session, [back], customer_id=customer_id, payer_id=item.payer_id, currency=item.currency, now=now
        )
    item.let_go_at = now
    session.flush()


def nobody_invoices(now: datetime) -> list[ColumnElement[bool]]:
    """Of a charge, joined to its customer: that no invoice of a membership will soon have it, and it is time for one of
    its own. Not of a customer that is parked."""
    will_have_it = exists().where(
        Subscription.customer_id == BillingItem.customer_id, Subscription.currency == BillingItem.currency,
        Subscription.billed_by == "plyo", Subscription.status.in_(lifecycle.LIVE),
        Customer.payer_id.is_not_distinct_from(BillingItem.payer_id),
        (BillingItem.kind != "fee") | (Subscription.next_step_at <= BillingItem.made_at + SOON),
    )  # fmt: skip
    return [
        BillingItem.kind != "unused", *invoicing.WAITS, BillingItem.made_at <= now - WAIT, ~will_have_it,
        Customer.parked_at.is_(None),
    ]  # fmt: skip


def invoice_due(session: Session, now: datetime, *, limit: int = 100) -> int:
    """Make the invoices of fees that no membership's invoice will soon have, and of whatever else no invoice will have:
    who it is of pays for that customer no more, or their membership has ended. One that goes wrong leaves the others
    alone; what is too small for a card is in nobody's way.

    Returns:
        How many were made.
    """
    total, least = func.sum(BillingItem.amount_minor), case(prices.LEAST, value=BillingItem.currency, else_=1)
    other = aliased(BillingItem)
    has_credit = exists().where(
        other.customer_id == BillingItem.customer_id, other.payer_id.is_not_distinct_from(BillingItem.payer_id),
        other.currency == BillingItem.currency, other.kind == "unused", other.amount_minor < 0,
        other.invoice_id.is_(None), other.refund_id.is_(None), other.parked_id.is_(None), other.settled_as.is_(None),
    )  # fmt: skip
    due = session.execute(
        select(BillingItem.customer_id, BillingItem.payer_id, BillingItem.currency)
        .join(Customer, Customer.id == BillingItem.customer_id)
        .where(*nobody_invoices(now))
        .group_by(BillingItem.customer_id, BillingItem.payer_id, BillingItem.currency)
        .having(or_(total <= 0, total >= least, has_credit))
        .order_by(BillingItem.customer_id, BillingItem.payer_id, BillingItem.currency)
        .limit(limit)
    ).all()
    made = 0
    for customer_id, payer_id, currency in due:
        try:
            with session.begin_nested():
                customer = customers.locked_customer(session, customer_id)
                if customer is not None and invoicing.issue(
                    session, customer=customer, payer_id=payer_id, currency=currency, now=now
                ):
                    made += 1
        except Exception:
            log.exception("fee_not_invoiced", customer_id=str(customer_id), currency=currency)
    return made
