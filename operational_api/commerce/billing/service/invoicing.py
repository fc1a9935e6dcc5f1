"""Invoices of our own: made of what waits for one, numbered, posted, and never changed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Select, and_, exists, insert, or_, select
from sqlalchemy.orm import Session

from contracts.events.billing import CollectionEnded, InvoiceIssued
from contracts.ids import new_id
from operational_api.commerce import ledger
from operational_api.commerce.billing import bounds, dunning
from operational_api.commerce.billing.drafts import Draft, draft
from operational_api.commerce.billing.errors import NeedsLook
from operational_api.commerce.billing.models import BillingItem, Collection, InvoiceLine, PlanChange
from operational_api.commerce.billing.periods import day_of, first_moment, same_hour
from operational_api.commerce.billing.proration import Item
from operational_api.commerce.billing.service import numbers, parking
from operational_api.commerce.models import Customer, Invoice, Payment, SessionPack, Subscription
from operational_api.commerce.prices import is_chargeable
from operational_api.commerce.service import customers, journals
from operational_api.core.outbox import publish

WAITS = (
    BillingItem.invoice_id.is_(None), BillingItem.refund_id.is_(None), BillingItem.parked_id.is_(None),
    BillingItem.settled_as.is_(None),
)  # fmt: skip
"""Of an item: that it waits for an invoice."""
IS_CHARGE_OF_DAYS = and_(
    BillingItem.kind == "membership",
    or_(
        BillingItem.plan_change_id.is_(None),
        exists().where(PlanChange.id == BillingItem.plan_change_id, PlanChange.status == "held"),
    ),
)
"""Of an item: that it charges days of a membership, and not for a change of plan that does not hold."""


def add_items(
    session: Session, items: Sequence[Item], *, customer_id: UUID, payer_id: UUID | None, currency: str, now: datetime,
    subscription_id: UUID | None = None, plan_change_id: UUID | None = None,
) -> list[BillingItem]:  # fmt: skip
    """Let items wait for an invoice.

    Args:
        payer_id: Who pays for the customer now. Days that are given back are of who was charged for them.
    """
    rows = []
    for item in items:
        id_, whose = new_id(), payer_id
        if subscription_id is not None:
            whose = whose_is(session, item, subscription_id=subscription_id, payer_id=payer_id)
        rows.append(_row(item, id=id_, origin_id=id_, customer_id=customer_id, payer_id=whose,
                         subscription_id=subscription_id, currency=currency, made_at=now,
                         plan_change_id=plan_change_id))  # fmt: skip
    session.add_all(rows)
    session.flush()
    return rows


def whose_is(session: Session, item: Item, *, subscription_id: UUID, payer_id: UUID | None) -> UUID | None:
    """Whose an item of a membership is: of who pays for it now; where days are given back, of who was charged for them.
    None is the customer, who also had what was brought over."""
    if item.kind != "unused" or item.starts_on is None:
        return payer_id
    charges = charges_of_day(subscription_id, item.starts_on)
    return session.scalar(charges.with_only_columns(BillingItem.payer_id).limit(1))


def charges_of_day(subscription_id: UUID | None, day: date) -> Select[tuple[BillingItem]]:
    """What a membership was charged for a day, the newest first."""
    return (
        select(BillingItem)
        .where(
            BillingItem.subscription_id == subscription_id, IS_CHARGE_OF_DAYS, BillingItem.starts_on <= day,
            BillingItem.ends_on > day,
        )
        .order_by(BillingItem.made_at.desc(), BillingItem.id.desc())
    )  # fmt: skip


def _row(item: Item, **given: object) -> BillingItem:
    return BillingItem(
        kind=item.kind, description=item.description, amount_minor=item.amount_minor, tax_minor=item.tax_minor,
        tax_rate_bp=item.tax_rate_bp, starts_on=item.starts_on, ends_on=item.ends_on, **given,
    )  # fmt: skip


def item_of(row: BillingItem) -> Item:
    """A row as the pure rules see it."""
    return Item(row.kind, row.description, row.amount_minor, row.tax_minor, row.tax_rate_bp, row.starts_on, row.ends_on)


def copy_of(row: BillingItem, item: Item | None = None) -> BillingItem:
    """Another row of the same origin that waits for an invoice, of as much, or of what `item` says."""
    return _row(
        item or item_of(row), origin_id=row.origin_id, customer_id=row.customer_id, payer_id=row.payer_id,
        subscription_id=row.subscription_id, currency=row.currency, made_at=row.made_at,
        plan_change_id=row.plan_change_id,
    )  # fmt: skip


def waiting(session: Session, *, customer_id: UUID, payer_id: UUID | None, currency: str) -> list[BillingItem]:
    """What waits for an invoice of a customer to one payer, the oldest first; of one moment a charge before its
    discount."""
    query = select(BillingItem).where(
        BillingItem.customer_id == customer_id, BillingItem.payer_id.is_not_distinct_from(payer_id),
        BillingItem.currency == currency, *WAITS,
    )  # fmt: skip
    return list(session.scalars(query.order_by(BillingItem.made_at, BillingItem.kind.desc(), BillingItem.id)))


def charges_of(session: Session, invoice: Invoice) -> Sequence[BillingItem]:
    """What an invoice charges, discounts among it, whatever credits paid of it."""
    is_charge = BillingItem.kind != "unused"
    return session.scalars(select(BillingItem).where(BillingItem.invoice_id == invoice.id, is_charge)).all()


def due(items: Sequence[Item], currency: str) -> Draft | None:
    """The invoice of these items. None when nothing but credits waits, or when they come to less than a card can be
    charged: that waits for the next invoice, and nobody loses a membership over some cents."""
    made = draft(items)
    return made if made is not None and _is_collectable(made, currency) else None


def _is_collectable(made: Draft, currency: str) -> bool:
    return made.total_minor == 0 or is_chargeable(made.total_minor, currency)


def issue(
    session: Session, *, customer: Customer, payer_id: UUID | None, currency: str, now: datetime,
    subscription: Subscription | None = None,
) -> Invoice | None:  # fmt: skip
    """Make an invoice of all that waits for one payer in a currency, and let it be collected; None where none is `due`,
    where it would be absurd and is parked, and where the customer is.

    An invoice of 0 is paid as it is made. The customer's row is locked.

    Args:
        payer_id: Who else than the customer pays it, now or before.
        subscription: The membership that it is for, which ends if nobody pays; None where it is for none.
    """
    rows = waiting(session, customer_id=customer.id, payer_id=payer_id, currency=currency)
    made = draft([item_of(row) for row in rows])
    if made is None or parking.is_stopped(session, customer, now=now):
        return None
    if why := parking.reason(session, rows, made, currency):
        parking.park(
            session, rows, made, why=why, customer_id=customer.id, payer_id=payer_id, currency=currency,
            subscription=subscription, now=now,
        )  # fmt: skip
        return None
    if not _is_collectable(made, currency):
        return None
    return make(
        session, rows, made, customer=customer, payer_id=payer_id, currency=currency, subscription=subscription, now=now
    )


def make(
    session: Session, rows: Sequence[BillingItem], made: Draft, *, customer: Customer, payer_id: UUID | None,
    currency: str, subscription: Subscription | None, now: datetime,
) -> Invoice:  # fmt: skip
    """Make the invoice of a draft, whatever it comes to; what of its items is not on it waits on."""
    number = numbers.next_number(session, numbers.INVOICES, now)
    subtotal = made.total_minor - made.tax_minor
    starts, ends = _span(made.lines)
    invoice = Invoice(
        number=number.text, series=number.series, sequence=number.sequence, customer_id=customer.id,
        payer_id=payer_id, subscription_id=subscription.id if subscription else None, status="open",
        currency=currency, billed_to=customers.billed_to(session, payer_id or customer.id), subtotal_minor=subtotal,
        tax_minor=made.tax_minor, total_minor=made.total_minor,
        period_start=first_moment(starts, subscription.time_zone) if starts and subscription else None,
        period_end=first_moment(ends, subscription.time_zone) if ends and subscription else None, issued_at=now,
        due_at=now,
    )  # fmt: skip
    if made.total_minor == 0:
        invoice.status, invoice.paid_at = "paid", now
    session.add(invoice)
    session.flush()
    write_lines(session, invoice, made.lines)
    for row, left in zip(rows, made.left, strict=True):
        _use(session, row, left, invoice)
    post(session, invoice, "invoice_issued", ledger.invoice_issued(
        subtotal_minor=subtotal, tax_minor=made.tax_minor, revenue=ledger.MEMBERSHIP_REVENUE), now)  # fmt: skip
    _collect(session, invoice, now)
    return invoice


def issue_pack(
    session: Session, *, customer: Customer, pack: SessionPack, line: Item, currency: str, now: datetime
) -> Invoice:
    """Make the invoice of a pack that was sold, on one line, and let it be collected; what waits waits on.

    An invoice of 0 is paid as it is made. The customer's row is locked.

    Raises:
        NeedsLook: it would be absurd, or the customer is parked.
    """
    if parking.is_stopped(session, customer, now=now) or bounds.absurd(
        Draft((line,), ()), currency, parking.configured()
    ):
        raise NeedsLook
    number, subtotal = numbers.next_number(session, numbers.INVOICES, now), line.amount_minor - line.tax_minor
    invoice = Invoice(
        number=number.text, series=number.series, sequence=number.sequence, customer_id=customer.id,
        payer_id=customer.payer_id, session_pack_id=pack.id, status="open", currency=currency, subtotal_minor=subtotal,
        tax_minor=line.tax_minor, total_minor=line.amount_minor, issued_at=now, due_at=now,
        billed_to=customers.billed_to(session, customer.payer_id or customer.id),
    )  # fmt: skip
    if invoice.total_minor == 0:
        invoice.status, invoice.paid_at = "paid", now
    session.add(invoice)
    session.flush()
    write_lines(session, invoice, [line])
    post(session, invoice, "invoice_issued", ledger.invoice_issued(
        subtotal_minor=subtotal, tax_minor=line.tax_minor, revenue=ledger.DEFERRED_PACKS), now)  # fmt: skip
    _collect(session, invoice, now)
    return invoice


def _collect(session: Session, invoice: Invoice, now: datetime) -> None:
    """Let an invoice that was just made be collected, and announce it."""
    if invoice.status == "open":
        session.add(Collection(
            invoice_id=invoice.id, customer_id=invoice.customer_id, payer_id=invoice.payer_id or invoice.customer_id,
            next_attempt_at=now, started_at=now,
        ))  # fmt: skip
    publish(session, InvoiceIssued(
        occurred_at=now, invoice_id=invoice.id, customer_id=invoice.customer_id,
        subscription_id=invoice.subscription_id, payer_id=invoice.payer_id,
        number=invoice.number, total_minor=invoice.total_minor, tax_minor=invoice.tax_minor, currency=invoice.currency,
    ))  # fmt: skip
    session.flush()


def end_collection(session: Session, row: Collection, outcome: str, now: datetime) -> None:
    """Collect an invoice no more: it is paid, credited, or given up."""
    row.status, row.next_attempt_at, row.ended_at = outcome, None, now
    publish(session, CollectionEnded(
        occurred_at=now, invoice_id=row.invoice_id, customer_id=row.customer_id, attempts=row.attempts, outcome=outcome,
    ))  # fmt: skip


def leave_to_payer(session: Session, subscription: Subscription) -> None:
    """A membership has ended: what is open of it stays owed to the last day of its schedule, and no card is charged for
    it unless its payer says so. An attempt whose answer is missing is asked about first."""
    unknown = exists().where(Payment.invoice_id == Collection.invoice_id, Payment.status == "unknown")
    rows = session.scalars(
        select(Collection)
        .join(Invoice, Invoice.id == Collection.invoice_id)
        .where(Invoice.subscription_id == subscription.id, Collection.status.in_(("due", "retrying")), ~unknown)
    )
    for row in rows:
        last_on = dunning.last_day(day_of(row.started_at, subscription.time_zone))
        row.status, row.next_attempt_at = "stopped", same_hour(row.started_at, last_on, subscription.time_zone)
    session.flush()


def _span(lines: Sequence[Item]) -> tuple[date | None, date | None]:
    charged = [line for line in lines if line.kind == "membership"]
    starts = [line.starts_on for line in charged if line.starts_on]
    ends = [line.ends_on for line in charged if line.ends_on]
    return (min(starts), max(ends)) if starts and ends else (None, None)


def _use(session: Session, row: BillingItem, left: Item | None, invoice: Invoice) -> None:
    """What fits is on the invoice; the rest waits in a row of its own, or as it was if nothing fitted."""
    if left is not None and left.amount_minor == row.amount_minor:
        return
    if left is not None:
        session.add(copy_of(row, left))  # of a parked one, too, what is left waits as any
        row.amount_minor -= left.amount_minor
        row.tax_minor -= left.tax_minor
    row.invoice_id = invoice.id


def write_lines(session: Session, invoice: Invoice, lines: Sequence[Item]) -> None:
    """All lines of an invoice, in one statement, as the trigger that adds them up wants it."""
    session.execute(
        insert(InvoiceLine).values([
            {
                "id": new_id(), "invoice_id": invoice.id, "position": position, "kind": line.kind,
                "description": line.description, "amount_minor": line.amount_minor, "tax_minor": line.tax_minor,
                "tax_rate_bp": line.tax_rate_bp, "currency": invoice.currency, "starts_on": line.starts_on,
                "ends_on": line.ends_on,
            }
            for position, line in enumerate(lines, start=1)
        ])
    )  # fmt: skip


def post(session: Session, invoice: Invoice, kind: str, lines: Sequence[ledger.Line], at: datetime) -> None:
    """Write a journal about an invoice."""
    journals.post(
        session, kind=kind, source_type="invoice", source_id=invoice.id, customer_id=invoice.customer_id,
        currency=invoice.currency, lines=lines, posted_at=at,
    )  # fmt: skip


def lines_of(session: Session, invoice: Invoice, *, name: str) -> list[Item]:
    """An invoice's lines in order; one line in their stead where it was brought over or is older than its lines.

    Args:
        name: What was sold, for that one line.
    """
    rows = session.scalars(
        select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id).order_by(InvoiceLine.position)
    ).all()
    found = [
        Item(row.kind, row.description, row.amount_minor, row.tax_minor, row.tax_rate_bp, row.starts_on, row.ends_on)
        for row in rows
    ]
    if found:
        return found
    whole = Item("membership" if invoice.subscription_id else "pack", name, invoice.total_minor, invoice.tax_minor, 0)
    if invoice.period_start and invoice.period_end:
        whole = replace(whole, starts_on=invoice.period_start.date(), ends_on=invoice.period_end.date())
    return [whole]
