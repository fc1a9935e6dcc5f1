"""The only door to commerce for other contexts: ids and plain values in and out."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.commerce import lifecycle
from operational_api.commerce.models import Plan, Subscription
from operational_api.commerce.service import customers, packs


@dataclass(frozen=True, slots=True)
class CurrentPlan:
    """The membership a customer trains on. `sessions_included` a month, None for unlimited."""

    subscription_id: UUID
    plan_id: UUID
    code: str
    name: str
    status: str
    sessions_included: int | None
    ends_at: datetime | None


def current_plan(session: Session, customer_id: UUID) -> CurrentPlan | None:
    """The membership that lets a customer book today: trialing, active or overdue; None when paused or without one."""
    row = session.execute(
        select(Subscription, Plan)
        .join(Plan, Plan.id == Subscription.plan_id)
        .where(Subscription.customer_id == customer_id, Subscription.status.in_(lifecycle.USABLE))
    ).one_or_none()
    if row is None:
        return None
    subscription, plan = row
    return CurrentPlan(
        subscription_id=subscription.id,
        plan_id=plan.id,
        code=plan.code,
        name=plan.name,
        status=subscription.status,
        sessions_included=plan.sessions_included,
        ends_at=subscription.cancel_at,
    )


def has_active_plan(session: Session, customer_id: UUID, now: datetime) -> bool:
    """Whether a membership lets this customer book at `now`. Packs do not count: see `use_pack_session`."""
    plan = current_plan(session, customer_id)
    return plan is not None and (plan.ends_at is None or plan.ends_at > now)


def use_pack_session(session: Session, customer_id: UUID, now: datetime) -> UUID | None:
    """Take one prepaid session, from the pack that expires first.

    Returns:
        The pack's id, to give the session back with; None when no session is left.
    """
    return packs.use_session(session, customer_id=customer_id, now=now)


def return_pack_session(session: Session, pack_id: UUID) -> None:
    """Give a session back to the pack it was taken from."""
    packs.return_session(session, pack_id=pack_id)


def ensure_customer(session: Session, account_id: UUID, currency: str) -> None:
    """Make the account a payer in this currency unless it is one; what is known of an existing payer stays."""
    customers.ensure_customer(session, account_id=account_id, currency=currency)


def pack_sessions_left(session: Session, customer_id: UUID, now: datetime) -> int:
    """Prepaid sessions a customer can still use at `now`, over all packs."""
    found = packs.usable_packs(session, customer_id=customer_id, now=now)
    return sum(pack.sessions_total - pack.sessions_used for pack, _ in found)
