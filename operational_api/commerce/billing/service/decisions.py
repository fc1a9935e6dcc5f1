"""What admins decide about invoices and customers that are parked (`parking`): each once, with a reason, audited."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from contracts.events.billing import ParkedInvoiceDecided
from operational_api.commerce import prices
from operational_api.commerce.billing import errors
from operational_api.commerce.billing.drafts import Draft, draft
from operational_api.commerce.billing.models import BillingItem, ParkedInvoice
from operational_api.commerce.billing.service import coupons, ended_items, invoicing, parking
from operational_api.commerce.billing.service.deciders import DECIDE, decider
from operational_api.commerce.billing.service.waiting import After
from operational_api.commerce.models import Customer, Invoice, Subscription
from operational_api.commerce.service import customers
from operational_api.core import audit
from operational_api.core.outbox import publish
from operational_api.core.principal import Principal


@dataclass(frozen=True, slots=True)
class Parked:
    """An invoice that is set aside. `total_minor` is what would be asked for now; None where nothing is left of it."""

    parked_id: UUID
    customer_id: UUID
    account_id: UUID
    reason: str
    total_minor: int | None
    currency: str
    line_count: int
    since: datetime
    descriptions: list[str]

    @property
    def ways(self) -> tuple[str, ...]:
        """What an admin may say of it."""
        return ("approve", "void") if self.total_minor is not None and self.total_minor >= 0 else ("void",)


@dataclass(frozen=True, slots=True)
class ParkedCustomer:
    """A customer of whom no money moves by itself. `off_minor`: what the ledger has as owed beyond open invoices."""

    customer_id: UUID
    currency: str
    reason: str
    since: datetime
    off_minor: int


def approve(
    session: Session, *, parked_id: UUID, total_minor: int, reason: str, principal: Principal, now: datetime
) -> Invoice:
    """Make the invoice that was parked, as it stands; it is collected like any, once.

    Args:
        total_minor: What the one who approves has seen.

    Raises:
        ParkedInvoiceDecided: unknown, or decided.
        OwnMoney: it is their own.
        ParkedInvoiceChanged: it comes to something else now, or to nothing that can be charged.
    """
    row, customer, actor_id = _parked(session, parked_id, principal)
    rows = _items_of(session, [parked_id]).get(parked_id, [])
    made = draft([invoicing.item_of(one) for one in rows])
    if made is None or made.total_minor != total_minor or not _is_billable(made, row.currency):
        raise errors.ParkedInvoiceChanged
    for one in rows:
        one.parked_id = None
    session.flush()
    subscription = session.get(Subscription, row.subscription_id) if row.subscription_id else None
    invoice = invoicing.make(
        session, rows, made, customer=customer, payer_id=row.payer_id, currency=row.currency,
        subscription=subscription, now=now,
    )  # fmt: skip
    row.invoice_id = invoice.id
    _decide(session, row, "approved", reason=reason, actor_id=actor_id, now=now)
    return invoice


def void(session: Session, *, parked_id: UUID, reason: str, principal: Principal, now: datetime) -> None:
    """What a parked invoice charges is not owed; credits of it wait as before.

    Days of a membership that it charged are then free: they are never given back.

    Raises:
        ParkedInvoiceDecided: unknown, or decided.
        OwnMoney: it is their own.
    """
    row, _, actor_id = _parked(session, parked_id, principal)
    for item in _items_of(session, [parked_id]).get(parked_id, []):
        item.parked_id = None
        if item.kind == "unused":
            continue
        _free(session, item)
        ended_items.record(session, item, "voided", reason=reason, actor_id=actor_id, now=now)
    _decide(session, row, "voided", reason=reason, actor_id=actor_id, now=now)


def parked_invoices(session: Session, *, limit: int = 100, after: After = None) -> list[Parked]:
    """Invoices that wait for an admin, the oldest first, each with what it comes to now."""
    query = select(ParkedInvoice).where(ParkedInvoice.status == "waiting")
    if after is not None:
        query = query.where(tuple_(ParkedInvoice.parked_at, ParkedInvoice.id) > after)
    rows = session.scalars(query.order_by(ParkedInvoice.parked_at, ParkedInvoice.id).limit(limit)).all()
    known, found = _items_of(session, [row.id for row in rows]), []
    for row in rows:
        made = draft([invoicing.item_of(one) for one in known.get(row.id, [])])
        lines = made.lines if made else ()
        found.append(Parked(
            row.id, row.customer_id, row.payer_id or row.customer_id, row.reason,
            made.total_minor if made else None, row.currency, len(lines), row.parked_at,
            list(dict.fromkeys(line.description for line in lines))[:3],
        ))  # fmt: skip
    return found


def parked_customers(session: Session, *, limit: int = 100, after: After = None) -> list[ParkedCustomer]:
    """Customers that are parked, the longest first."""
    query = select(Customer).where(Customer.parked_at.is_not(None))
    if after is not None:
        query = query.where(tuple_(Customer.parked_at, Customer.id) > after)
    rows = session.scalars(query.order_by(Customer.parked_at, Customer.id).limit(limit)).all()
    off = parking.off_minor(session, [row.id for row in rows])
    return [
        ParkedCustomer(row.id, row.currency, row.parked_reason or "", row.parked_at, off[row.id])
        for row in rows
        if row.parked_at is not None
    ]


def release(session: Session, *, customer_id: UUID, reason: str, principal: Principal, now: datetime) -> None:
    """Let billing of a customer go on. By how much its books are off is known from now on; by another amount it is
    parked again.

    Raises:
        CustomerNotParked: it is not, or somebody was quicker.
        OwnMoney: it is their own.
    """
    customer = customers.locked_customer(session, customer_id)
    if customer is None or customer.parked_at is None:
        raise errors.CustomerNotParked
    actor_id = decider(principal, DECIDE, "Customer", customer_id, (customer_id, customer.payer_id))
    customer.books_off_minor = parking.off_minor(session, [customer_id])[customer_id]
    customer.parked_at = customer.parked_reason = None
    audit.record(
        session, DECIDE, "Customer", customer_id, actor_id=actor_id, subject_id=customer_id,
        purpose="operations", now=now,
        details={"decision": "released", "reason": reason, "off_minor": customer.books_off_minor},
    )  # fmt: skip
    session.flush()


def _parked(session: Session, parked_id: UUID, principal: Principal) -> tuple[ParkedInvoice, Customer, UUID]:
    """A parked invoice that waits, its customer, whose row is locked, and who decides."""
    customer_id = session.scalar(select(ParkedInvoice.customer_id).where(ParkedInvoice.id == parked_id))
    customer = customers.locked_customer(session, customer_id) if customer_id else None
    row = session.get(ParkedInvoice, parked_id, populate_existing=True)
    if row is None or customer is None or row.status != "waiting":
        raise errors.ParkedInvoiceDecided
    whose = (row.customer_id, row.payer_id)
    return row, customer, decider(principal, DECIDE, "ParkedInvoice", row.id, whose)


def _items_of(session: Session, parked_ids: Sequence[UUID]) -> dict[UUID, list[BillingItem]]:
    query = select(BillingItem).where(BillingItem.parked_id.in_(parked_ids))
    found: dict[UUID, list[BillingItem]] = {}
    for row in session.scalars(query.order_by(BillingItem.made_at, BillingItem.kind.desc(), BillingItem.id)):
        if row.parked_id is not None:
            found.setdefault(row.parked_id, []).append(row)
    return found


def _is_billable(made: Draft, currency: str) -> bool:
    """Whether an invoice of it can be stored and collected, absurd or not."""
    return 0 <= made.tax_minor <= made.total_minor and (
        made.total_minor == 0 or prices.is_chargeable(made.total_minor, currency)
    )


def _free(session: Session, item: BillingItem) -> None:
    """Days that are not charged after all are given back to nobody, and took nothing of a coupon."""
    row = session.get(Subscription, item.subscription_id) if item.subscription_id else None
    if row is not None and item.kind == "membership" and row.covered_until == item.ends_on:
        row.covered_minor = row.covered_tax_minor = 0
        coupons.uncount(session, row, until=item.ends_on)


def _decide(
    session: Session, row: ParkedInvoice, status: str, *, reason: str, actor_id: UUID, now: datetime
) -> None:  # fmt: skip
    row.status, row.decided_by, row.decided_at, row.decision_reason = status, actor_id, now, reason
    publish(session, ParkedInvoiceDecided(
        occurred_at=now, parked_id=row.id, customer_id=row.customer_id, outcome=status, decided_by=actor_id,
        invoice_id=row.invoice_id,
    ))  # fmt: skip
    audit.record(
        session, DECIDE, "ParkedInvoice", row.id, actor_id=actor_id, subject_id=row.customer_id,
        purpose="operations", now=now,
        details={"decision": status, "reason": reason, "total_minor": row.total_minor, "currency": row.currency},
    )  # fmt: skip
    session.flush()
