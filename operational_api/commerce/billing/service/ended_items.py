"""What becomes of items that no invoice takes: written down and told; and of credits of days whose payment is gone.

Who decides it is `waiting` and `decisions`, a bank (`commerce.service.disputes`) or a credit note (`credit_notes`).
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from contracts.events.billing import BillingItemSettled
from operational_api.commerce import prices
from operational_api.commerce.billing import proration
from operational_api.commerce.billing.models import BillingItem
from operational_api.commerce.billing.periods import day_of
from operational_api.commerce.billing.service import invoicing
from operational_api.commerce.models import Invoice, Subscription
from operational_api.core.outbox import publish

TAKEN_BACK = "The bank took its payment back"
NOT_OWED = "What it was paid with was given back, or not asked for"


def record(
    session: Session, row: BillingItem, how: str, *, reason: str, actor_id: UUID | None, now: datetime
) -> None:  # fmt: skip
    """Write down what became of an item, and tell it; the customer's row is locked."""
    row.settled_as, row.settled_at, row.settled_by, row.settled_reason = how, now, actor_id, reason
    session.flush()
    tell(session, row, now)


def tell(session: Session, row: BillingItem, now: datetime) -> None:
    """Announce what became of an item, or that it waits again."""
    publish(session, BillingItemSettled(
        occurred_at=now, item_id=row.id, customer_id=row.customer_id, amount_minor=row.amount_minor,
        currency=row.currency, settled_as=row.settled_as, payer_id=row.payer_id,
    ))  # fmt: skip


def lose(
    session: Session, invoice: Invoice, lost_minor: int, *, so_far_minor: int, now: datetime, reason: str = TAKEN_BACK
) -> None:  # fmt: skip
    """A bank took so much of an invoice's payment back for good: credits of its days that nobody has used yet are worth
    that much less. The customer's row is locked.

    Args:
        lost_minor: 0 where they are only not to be worth more than what is left of it.
        so_far_minor: What of the invoice is not paid for by now, this included.
    """
    for charged_minor, given in _credits_of(session, invoice, settled=None):
        waiting = [credit for credit in given if credit.invoice_id is None]
        used_minor = -sum(credit.amount_minor for credit in given if credit.invoice_id is not None)
        room_minor = max(charged_minor - so_far_minor - used_minor, 0)
        for credit in waiting:
            worth = -credit.amount_minor
            keeps = proration.forgiven(
                worth, days_minor=min(worth, charged_minor), charged_minor=charged_minor, amount_minor=lost_minor,
                so_far_minor=so_far_minor,
            )  # fmt: skip
            keeps = min(keeps, room_minor)
            room_minor -= keeps
            if keeps < worth:
                gone = split_off(session, credit, keeps - worth)
                record(session, gone, "voided", reason=reason, actor_id=None, now=now)


def bring_back(session: Session, invoice: Invoice, *, before_minor: int, lost_minor: int, now: datetime) -> None:
    """A bank gave back what it took of an invoice's payment: of the credits that are void because of it as large a part
    waits again. The customer's row is locked.

    Args:
        before_minor: What was lost until now.
        lost_minor: What still is.
    """
    for _, voided in _credits_of(session, invoice, settled=TAKEN_BACK):
        void = -sum(row.amount_minor for row in voided)
        back = void - void * lost_minor // before_minor
        for row in voided:
            part = min(back, -row.amount_minor)
            if part > 0:
                back -= part
                again = split_off(session, row, -part)
                again.settled_as = again.settled_at = again.settled_reason = None
                session.flush()
                tell(session, again, now)


def _credits_of(
    session: Session, invoice: Invoice, *, settled: str | None
) -> Iterator[tuple[int, list[BillingItem]]]:  # fmt: skip
    """Of each charge of days of an invoice: all that the invoice charges, and the credits of days that this charge paid
    for, the oldest first. Days may have been charged again since: then they are the later charge's.

    Args:
        settled: Those that are void for this reason; None: those that wait for an invoice or are on one.
    """
    charges = invoicing.charges_of(session, invoice)
    charged_minor = sum(item.amount_minor for item in charges)
    spans: list[tuple[UUID | None, UUID | None, date | None, date | None]] = [
        (charge.subscription_id, charge.id, charge.starts_on, charge.ends_on)
        for charge in charges if charge.kind == "membership"
    ]  # fmt: skip
    if not charges and invoice.subscription_id and invoice.period_start and invoice.period_end:
        # Days that a provider charged, of a membership that was taken over.
        zone = session.get_one(Subscription, invoice.subscription_id).time_zone
        charged_minor = invoice.total_minor
        spans = [(invoice.subscription_id, None, day_of(invoice.period_start, zone), day_of(invoice.period_end, zone))]
    wanted: list[ColumnElement[bool]] = (
        [BillingItem.refund_id.is_(None), BillingItem.parked_id.is_(None), BillingItem.settled_as.is_(None)]
        if settled is None
        else [
            BillingItem.settled_as == "voided", BillingItem.settled_reason == settled, BillingItem.settled_by.is_(None)
        ]
    )  # fmt: skip
    for subscription_id, charge_id, starts_on, ends_on in spans:
        found = session.scalars(
            select(BillingItem)
            .where(
                BillingItem.kind == "unused", BillingItem.subscription_id == subscription_id,
                BillingItem.starts_on >= starts_on, BillingItem.ends_on <= ends_on, *wanted,
            )
            .order_by(BillingItem.made_at, BillingItem.id)
        ).all()  # fmt: skip
        yield charged_minor, [credit for credit in found if _charge_of(session, credit) == charge_id]


def _charge_of(session: Session, credit: BillingItem) -> UUID | None:
    """The charge that paid for the days of a credit: the newest of them before the credit was made. None where a
    provider charged them."""
    assert credit.starts_on is not None  # noqa: S101 - a credit of days
    charges = invoicing.charges_of_day(credit.subscription_id, credit.starts_on)
    before = charges.with_only_columns(BillingItem.id).where(BillingItem.made_at < credit.made_at)
    return session.scalar(before.limit(1))


def split_off(session: Session, row: BillingItem, amount_minor: int) -> BillingItem:
    """So much of an item as a row of its own; all of it is the row."""
    if amount_minor == row.amount_minor:
        return row
    sign = 1 if row.amount_minor > 0 else -1
    tax = sign * prices.tax_part(
        sign * amount_minor, before_minor=0, total_minor=sign * row.amount_minor, tax_minor=sign * row.tax_minor
    )
    part = invoicing.copy_of(row, replace(invoicing.item_of(row), amount_minor=amount_minor, tax_minor=tax))
    row.amount_minor, row.tax_minor = row.amount_minor - amount_minor, row.tax_minor - tax
    session.add(part)
    session.flush()
    return part
