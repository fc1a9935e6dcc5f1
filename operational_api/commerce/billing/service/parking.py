"""Invoices that would be absurd, and customers whose books do not add up: set aside with a reason, seen by people.

Nobody else's billing waits for them. What people decide is `waiting`; here is what the worker and commands ask before
an invoice is made.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import exists, or_, select, text
from sqlalchemy.orm import Session

from contracts.events.billing import InvoiceParked
from contracts.telemetry import get_logger
from operational_api.commerce.billing import bounds
from operational_api.commerce.billing.bounds import Bounds, Charged, Reason
from operational_api.commerce.billing.drafts import Draft
from operational_api.commerce.billing.models import BillingItem, ParkedInvoice
from operational_api.commerce.models import Customer, Invoice, Subscription
from operational_api.commerce.settings import BillingSettings
from operational_api.core.outbox import publish

log = get_logger(__name__)
BOOKS = "books"
"""Why a customer is parked: what the ledger says that they owe is not what their open invoices ask for."""
PARKED = select(Customer.id).where(Customer.parked_at.is_not(None))
"""Customers of whom no money moves by itself."""
_OFF = text(
    """
    with own as (
        select id, customer_id, status, total_minor from commerce.invoices
        where customer_id = any(:customer_ids) and series is not null
    ),
    sources as (
        select 'invoice' as type, id, customer_id from own
        union all
        select 'payment', p.id, own.customer_id from own join commerce.payments p on p.invoice_id = own.id
        union all
        select 'credit_note', n.id, own.customer_id from own join commerce.credit_notes n on n.invoice_id = own.id
    ),
    moved as (
        select s.customer_id, l.amount_minor
        from sources s
        join commerce.ledger_journals j on j.source_type = s.type and j.source_id = s.id
        join commerce.ledger_lines l on l.journal_id = j.id
        where l.account = 'receivable'
        union all
        select customer_id, -total_minor from own where status = 'open'
        union all
        select own.customer_id, n.amount_minor
        from own join commerce.credit_notes n on n.invoice_id = own.id
        where own.status = 'open' and n.settlement = 'open'
        union all
        select own.customer_id, p.amount_minor
        from own join commerce.payments p on p.invoice_id = own.id
        where own.status = 'open' and p.status = 'captured'
    )
    select customer_id, sum(amount_minor) from moved group by customer_id
    """
)


@cache
def configured() -> Bounds:
    """The environment's bounds."""
    settings = BillingSettings()
    return Bounds(settings.largest_invoice, settings.most_lines)


def off_minor(session: Session, customer_ids: Iterable[UUID]) -> dict[UUID, int]:
    """By how much what the ledger has as owed is more than what open invoices of ours ask for, by customer."""
    wanted = list(customer_ids)
    rows = session.execute(_OFF, {"customer_ids": wanted}).tuples() if wanted else ()
    return dict.fromkeys(wanted, 0) | {id_: int(off) for id_, off in rows}


def is_stopped(session: Session, customer: Customer, *, now: datetime) -> bool:
    """Whether no invoice of a customer is made, because it is parked, or is now: its books do not add up. The
    customer's row is locked."""
    if customer.parked_at is not None:
        return True
    off = off_minor(session, [customer.id])[customer.id]
    if off == customer.books_off_minor:
        return False
    customer.parked_at, customer.parked_reason = now, BOOKS
    session.flush()
    log.error("customer_parked", customer_id=str(customer.id), reason=BOOKS, off_minor=off)
    return True


def reason(session: Session, rows: Sequence[BillingItem], made: Draft, currency: str) -> Reason | None:
    """Why an invoice of these items is not made without a person; None where nothing speaks against it."""
    if found := bounds.absurd(made, currency, configured()):
        return found
    charged = [row for row in rows if row.kind == "membership" and row.subscription_id and row.starts_on]
    for subscription_id in sorted({row.subscription_id for row in charged if row.subscription_id}):
        if bounds.is_charged_twice(_charged(session, subscription_id, charged)):
            return "charged_twice"
    return None


def _charged(session: Session, subscription_id: UUID, new: Sequence[BillingItem]) -> list[Charged]:
    """What is or was charged of a membership, and given back, of the days of new charges."""
    ids = {row.id for row in new}
    first = min(row.starts_on for row in new if row.starts_on)
    last = max(row.ends_on for row in new if row.ends_on)
    query = (
        select(
            BillingItem.id, BillingItem.origin_id, BillingItem.kind, BillingItem.amount_minor, BillingItem.starts_on,
            BillingItem.ends_on,
        )
        .outerjoin(Invoice, Invoice.id == BillingItem.invoice_id)
        .where(
            BillingItem.subscription_id == subscription_id, BillingItem.kind.in_(("membership", "discount", "unused")),
            BillingItem.starts_on < last, BillingItem.ends_on > first,
            or_(Invoice.id.is_(None), Invoice.status != "void"),
            or_(BillingItem.settled_as.is_(None), BillingItem.kind == "unused"),
        )
    )  # fmt: skip
    return [
        Charged(row.origin_id, row.kind, row.amount_minor, row.starts_on, row.ends_on, is_new=row.id in ids)
        for row in session.execute(query)
    ]


def park(
    session: Session, rows: Sequence[BillingItem], made: Draft, *, why: Reason, customer_id: UUID,
    payer_id: UUID | None, currency: str, subscription: Subscription | None, now: datetime,
) -> ParkedInvoice:  # fmt: skip
    """Set an invoice aside: its items are held, so that what comes later is invoiced without them."""
    row = ParkedInvoice(
        customer_id=customer_id, payer_id=payer_id, subscription_id=subscription.id if subscription else None,
        reason=why, currency=currency, total_minor=made.total_minor, line_count=len(made.lines), parked_at=now,
        status="waiting",
    )  # fmt: skip
    session.add(row)
    session.flush()
    for item in rows:
        item.parked_id = row.id
    session.flush()
    publish(session, InvoiceParked(
        occurred_at=now, parked_id=row.id, customer_id=customer_id, reason=why, total_minor=row.total_minor,
        currency=currency, payer_id=payer_id,
    ))  # fmt: skip
    log.error("invoice_parked", parked_id=str(row.id), customer_id=str(customer_id), reason=why)
    return row


def has_parked(session: Session, subscription_id: UUID) -> bool:
    """Whether an invoice of a membership is set aside, so that nobody knows yet what of it is paid."""
    query = exists().where(ParkedInvoice.subscription_id == subscription_id, ParkedInvoice.status == "waiting")
    return bool(session.scalar(select(query)))
