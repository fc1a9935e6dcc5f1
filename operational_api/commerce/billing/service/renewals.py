"""Word of a year of a membership that will soon be followed by another: a month before, and once more a week before.

Of memberships that we bill. One that a provider bills is told by the provider; a month's is not worth a letter.
"""

from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from contracts.events.billing import MembershipRenewsSoon
from contracts.telemetry import get_logger
from operational_api.commerce import lifecycle
from operational_api.commerce.billing.service import agreements
from operational_api.commerce.models import Customer, Subscription
from operational_api.core.outbox import publish

log = get_logger(__name__)
BEFORE = (timedelta(days=30), timedelta(days=7))
YEAR = 12


def remind_due(session: Session, now: datetime, *, limit: int = 200) -> int:
    """Announce each renewal that is a month or a week away, once each; where both are due only the nearer one.

    Returns:
        How many were announced.
    """
    told_at, ends_at = Subscription.renewal_told_at, Subscription.next_step_at
    is_told_anew = or_(*(and_(ends_at <= now + before, told_at < ends_at - before) for before in BEFORE))
    rows = session.execute(
        select(Subscription, Customer.payer_id)
        .join(Customer, Customer.id == Subscription.customer_id)
        .where(
            Subscription.billed_by == agreements.OURS, Subscription.status == lifecycle.ACTIVE,
            Subscription.interval_months >= YEAR, Subscription.cancel_at.is_(None), ends_at > now,
            ends_at <= now + max(BEFORE), or_(told_at.is_(None), is_told_anew),
        )
        .order_by(ends_at)
        .limit(limit)
        .with_for_update(of=Subscription, skip_locked=True)
    ).tuples()  # fmt: skip
    told = 0
    for row, payer_id in rows:
        if row.next_step_at is None:
            continue
        row.renewal_told_at = now
        terms = agreements.contract_of(session, row)
        following = terms.next_terms or terms.terms
        if following.interval_months < YEAR:
            continue
        days = min(one for one in BEFORE if row.next_step_at <= now + one).days
        publish(session, MembershipRenewsSoon(
            occurred_at=now, subscription_id=row.id, customer_id=row.customer_id, renews_at=row.next_step_at, days=days,
            amount_minor=following.amount_minor, currency=row.currency, payer_id=payer_id,
        ))  # fmt: skip
        told += 1
    session.flush()
    return told
