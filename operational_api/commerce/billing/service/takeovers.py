"""Memberships that a provider bills, billed by us from here on: what it knows no way to do is done to one of ours.

The provider's own ends by itself when what is paid of it is over, and charges nothing more. Memberships brought over
from another system are taken over by `agreements`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_api.commerce import lifecycle, prices
from operational_api.commerce.billing.errors import NotChangeable, PaymentNotTold
from operational_api.commerce.billing.models import CreditNote
from operational_api.commerce.billing.service import agreements
from operational_api.commerce.models import LOST_MINOR, Dispute, Invoice, Payment, PlanPrice, Subscription
from operational_api.commerce.providers.port import Billing
from operational_api.commerce.service import subscriptions
from operational_api.commerce.service.subscriptions import TAKEN_OVER


@contextmanager
def ours(session: Session, provider: Billing, *, customer_id: UUID, now: datetime) -> Iterator[None]:
    """What is done inside is done to a membership of ours.

    One that a provider bills is taken over first, and the provider is told last: what is refused inside leaves it as it
    was. If what was done is lost after that, the provider's word of the end undoes it (`subscriptions`).

    Raises:
        NoSubscription: there is none.
        NotChangeable: the provider bills it, and it is overdue, paused or about to end there.
        PaymentNotTold: what is paid of it is not known yet.
        ProviderUnavailable: the provider did not take the end.
    """
    taken = take_over(session, customer_id=customer_id, now=now)
    yield
    if taken is None:
        return
    session.flush()
    provider_id, paid_until = taken
    told = provider.plan_cancellation(provider_id, reason=TAKEN_OVER)
    if told.period_end != paid_until:  # it charged the next period meanwhile
        provider.plan_cancellation(provider_id, reason=None)
        raise PaymentNotTold


def take_over(session: Session, *, customer_id: UUID, now: datetime) -> tuple[str, datetime] | None:
    """Take over what a provider bills, with the days that are paid; the provider is not told.

    Returns:
        Its id there and when what it charged is over; None where a provider bills nothing.

    Raises:
        NoSubscription, NotChangeable, PaymentNotTold: as `ours`.
    """
    agreements.locked(session, customer_id)
    row = subscriptions.membership(session, customer_id).subscription
    if not row.is_at_provider:
        return None
    if row.status not in (lifecycle.TRIALING, lifecycle.ACTIVE) or row.cancel_at is not None:
        raise NotChangeable
    paid = _paid_minor(session, row)
    paid_until = row.current_period_end
    if paid_until is None or paid_until <= now or (row.status == lifecycle.ACTIVE and paid is None):
        raise PaymentNotTold
    agreements.take_over(session, row, now)
    if row.covered_minor is not None:
        row.covered_minor = min(row.covered_minor, paid or 0)
        tax_rate_bp = session.get_one(PlanPrice, row.price_id).tax_rate_bp
        row.covered_tax_minor = prices.included_tax(row.covered_minor, tax_rate_bp)
    session.flush()
    return str(row.stripe_subscription_id), paid_until


def _paid_minor(session: Session, row: Subscription) -> int | None:
    """What was paid of a membership's period, less what was given back of it, or a bank took back for good; None where
    no payment is known."""
    lost = (
        select(func.coalesce(func.sum(LOST_MINOR), 0))
        .join(Payment, Payment.id == Dispute.payment_id)
        .where(Payment.invoice_id == Invoice.id)
    )
    given_back = select(func.coalesce(func.sum(CreditNote.amount_minor), 0)).where(CreditNote.invoice_id == Invoice.id)
    paid = select(func.sum(Invoice.total_minor - given_back.scalar_subquery() - lost.scalar_subquery())).where(
        Invoice.subscription_id == row.id, Invoice.status == "paid", Invoice.period_end >= row.current_period_end
    )
    found = session.scalar(paid)
    return None if found is None else int(found)
