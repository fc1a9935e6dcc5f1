"""What becomes of money when somebody closes their account: of their own membership, and of those they paid for.

No card of theirs is charged any more. What was issued to them stays owed by them. Whom it was for is told, may pay it
if they ask for it, and is charged for it by nobody else's word; if nobody has paid a week after the last day of its
schedule, it is given up and the membership ends, as any that is not paid. From then on they pay for themselves, until
another payer is noted.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from contracts.events.billing import CollectionScheduled, PayerLeft
from operational_api.commerce import lifecycle
from operational_api.commerce.billing import dunning
from operational_api.commerce.billing.models import Collection
from operational_api.commerce.billing.periods import day_of, same_hour
from operational_api.commerce.billing.service import credit_notes, memberships, payers, people, plan_changes
from operational_api.commerce.models import Customer, Invoice, Payment, Subscription
from operational_api.commerce.providers.port import Billing
from operational_api.commerce.service import customers, subscriptions
from operational_api.core.outbox import publish

ACCOUNT_CLOSED = "account_closed"
"""Why the membership of somebody who closed their account ended."""
LONGER = timedelta(days=7)
"""How long after the last day of its schedule whom it was for may pay what their payer left open."""


def leave(session: Session, provider: Billing, *, account_id: UUID, now: datetime) -> None:
    """Whoever closed their account pays for nothing any more: not for themselves, and for nobody else.

    A membership that we bill ends at once, one that a provider bills when what is paid is over.

    Raises:
        ChangePending: a change of plan waits for its payment; ask again once that is known.
    """
    for customer_id in _paid_for(session, account_id):
        customers.locked_customer(session, customer_id)
        if session.get_one(Customer, customer_id).payer_id == account_id:
            payers.set_payer(session, customer_id=customer_id, payer_id=None, actor_id=None, now=now)
        left = [row for row in _open(session, account_id) if row.customer_id == customer_id]
        _hand_over(session, account_id, customer_id, left, now)
    found = subscriptions.live_membership(session, account_id)
    if found is not None and found.subscription.is_at_provider:
        subscriptions.request_cancellation(session, provider, customer_id=account_id, reason=ACCOUNT_CLOSED, now=now)
    elif found is not None:
        memberships.cancel(session, provider, customer_id=account_id, reason=ACCOUNT_CLOSED, at_once=True, now=now)
    for row in _open(session, account_id):
        _stop(session, row, zone_of(session, session.get_one(Invoice, row.invoice_id)), now)
    session.flush()


def take_from(session: Session, row: Collection, now: datetime) -> bool:
    """Let an invoice be, of which an attempt is due and whose payer has left meanwhile; the customer's row is locked.

    Returns:
        Whether they have. Not while an attempt has no answer: that is asked about first.
    """
    is_unknown = exists().where(Payment.invoice_id == row.invoice_id, Payment.status == "unknown")
    if not people.is_closed(session, row.payer_id) or session.scalar(select(is_unknown)):
        return False
    if row.payer_id == row.customer_id:
        _stop(session, row, zone_of(session, session.get_one(Invoice, row.invoice_id)), now)
    else:
        _hand_over(session, row.payer_id, row.customer_id, [row], now)
    session.flush()
    return True


HANDED_OVER = Invoice.payer_id.is_not(None) & (Collection.payer_id != Invoice.payer_id)
"""Of a collection with its invoice: what `is_handed_over` says of one."""


def is_handed_over(row: Collection, invoice: Invoice) -> bool:
    """Whether who was to pay an invoice has left, so that it is its customer's to pay if they ask for it."""
    return invoice.payer_id is not None and row.payer_id != invoice.payer_id


def handed_over_to(session: Session, account_id: UUID) -> set[UUID]:
    """Invoices that are a customer's to pay, if they ask for it, because who was to pay them has left."""
    query = (
        select(Invoice.id)
        .join(Collection, Collection.invoice_id == Invoice.id)
        .where(
            Invoice.customer_id == account_id, Invoice.payer_id.is_not(None), Collection.payer_id != Invoice.payer_id,
            Collection.next_attempt_at.is_not(None),
        )
    )  # fmt: skip
    return set(session.scalars(query))


def last_day(row: Collection, invoice: Invoice, zone: str) -> date:
    """The day until which an invoice is not given up."""
    last_on = dunning.last_day(day_of(row.started_at, zone))
    return last_on + LONGER if is_handed_over(row, invoice) else last_on


def zone_of(session: Session, invoice: Invoice) -> str:
    """In whose days an invoice is collected: of its membership, else of its customer."""
    agreed = session.get(Subscription, invoice.subscription_id) if invoice.subscription_id else None
    return agreed.time_zone if agreed is not None else people.addressee(session, invoice.customer_id).time_zone


def _paid_for(session: Session, account_id: UUID) -> list[UUID]:
    """Whom an account pays for, and for whom it has something open."""
    open_of = {row.customer_id for row in _open(session, account_id)} - {account_id}
    return sorted({*payers.paid_for_by(session, account_id), *open_of})


def _open(session: Session, payer_id: UUID) -> Sequence[Collection]:
    unknown = exists().where(Payment.invoice_id == Collection.invoice_id, Payment.status == "unknown")
    return session.scalars(
        select(Collection)
        .where(Collection.payer_id == payer_id, Collection.status.in_(("due", "retrying", "stopped")), ~unknown)
        .order_by(Collection.invoice_id)
    ).all()


def _hand_over(session: Session, payer_id: UUID, customer_id: UUID, rows: Sequence[Collection], now: datetime) -> None:
    """Leave what a payer had open to whom it was for, and tell of it."""
    owed, until = 0, None
    for row in rows:
        invoice = session.get_one(Invoice, row.invoice_id)
        if plan_changes.settle(session, invoice, failure="payer_left", now=now):
            continue  # a change of plan that is not paid was never owed
        row.payer_id = customer_id
        _stop(session, row, zone_of(session, invoice), now)
        owed += credit_notes.left_to_pay(session, invoice)
        until = max(until or row.next_attempt_at, row.next_attempt_at) if row.next_attempt_at else until
        if invoice.subscription_id:
            memberships.set_overdue(session, invoice.subscription_id, is_overdue=True, now=now)
    customer = session.get_one(Customer, customer_id)
    renews = session.scalar(
        select(Subscription).where(
            Subscription.customer_id == customer_id, Subscription.status.in_(lifecycle.LIVE),
            Subscription.billed_by == "plyo", Subscription.cancel_at.is_(None),
        )
    ) if customer.payer_id is None else None  # fmt: skip
    publish(session, PayerLeft(
        occurred_at=now, customer_id=customer_id, payer_id=payer_id, currency=customer.currency, open_minor=owed,
        open_until=until if owed else None, renews_at=renews.next_step_at if renews else None,
        renews_minor=renews.amount_minor if renews else 0,
    ))  # fmt: skip


def _stop(session: Session, row: Collection, zone: str, now: datetime) -> None:
    """Charge no card by itself any more."""
    invoice = session.get_one(Invoice, row.invoice_id)
    if row.status == "stopped" and not is_handed_over(row, invoice):
        return
    row.status, row.last_failure_code = "stopped", None
    row.next_attempt_at = same_hour(row.started_at, last_day(row, invoice, zone), zone)
    publish(session, CollectionScheduled(
        occurred_at=now, invoice_id=invoice.id, customer_id=invoice.customer_id, attempts=row.attempts,
        next_attempt_at=row.next_attempt_at, failure_code=None, waits_for_card=True,
    ))  # fmt: skip
