"""Session packs: granted once paid, used one session at a time, the one that expires first before the others."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from contracts.events.commerce import PackBought
from operational_api.commerce import lifecycle
from operational_api.commerce.billing.errors import IntroUsed
from operational_api.commerce.models import CheckoutSession, Plan, PlanPrice, SessionPack, Subscription
from operational_api.core.outbox import publish

DEFAULT_VALIDITY_DAYS = 365


def grant(
    session: Session, *, checkout: CheckoutSession, purchased_at: datetime, net_minor: int, total_minor: int
) -> SessionPack:
    """The sessions that a paid checkout bought, for a price without tax that they will earn; announced once."""
    plan = session.get_one(Plan, checkout.plan_id)
    price = session.get_one(PlanPrice, checkout.price_id)
    pack = SessionPack(
        customer_id=checkout.customer_id,
        plan_id=plan.id,
        sessions_total=plan.sessions_included or 1,
        net_minor=net_minor,
        currency=price.currency,
        recognised_minor=0,
        purchased_at=purchased_at,
        expires_at=purchased_at + timedelta(days=plan.validity_days or DEFAULT_VALIDITY_DAYS),
    )
    session.add(pack)
    session.flush()
    publish(
        session,
        PackBought(
            occurred_at=purchased_at, pack_id=pack.id, customer_id=pack.customer_id, plan_id=plan.id,
            sessions=pack.sessions_total, amount_minor=total_minor, currency=price.currency,
        ),
    )  # fmt: skip
    return pack


def require_new(session: Session, customer_id: UUID) -> None:
    """Let somebody pass who has bought nothing yet.

    Raises:
        IntroUsed: they have.
    """
    bought = exists().where(SessionPack.customer_id == customer_id) | exists().where(
        Subscription.customer_id == customer_id, Subscription.status != lifecycle.INCOMPLETE
    )
    if session.scalar(select(bought)):
        raise IntroUsed


def use_session(session: Session, *, customer_id: UUID, now: datetime) -> UUID | None:
    """Take one session; two callers never take the same one.

    Returns:
        The pack it came from, None when there is nothing left.
    """
    pack_id = session.scalar(
        select(SessionPack.id)
        .where(
            SessionPack.customer_id == customer_id,
            SessionPack.expires_at > now,
            SessionPack.sessions_used < SessionPack.sessions_total,
        )
        .order_by(SessionPack.expires_at, SessionPack.id)
        .limit(1)
        .with_for_update()
    )
    if pack_id is not None:
        session.execute(
            update(SessionPack)
            .where(SessionPack.id == pack_id)
            .values(sessions_used=SessionPack.sessions_used + 1)
            .execution_options(synchronize_session="fetch")
        )
    return pack_id


def return_session(session: Session, *, pack_id: UUID) -> None:
    """Give one session back. A pack with none used stays as it is."""
    session.execute(
        update(SessionPack)
        .where(SessionPack.id == pack_id, SessionPack.sessions_used > 0)
        .values(sessions_used=SessionPack.sessions_used - 1)
        .execution_options(synchronize_session="fetch")
    )


def usable_packs(session: Session, *, customer_id: UUID, now: datetime) -> list[tuple[SessionPack, str]]:
    """Packs with sessions left and their plans' names, the first to expire first."""
    query = (
        select(SessionPack, Plan.name)
        .join(Plan, Plan.id == SessionPack.plan_id)
        .where(
            SessionPack.customer_id == customer_id,
            SessionPack.expires_at > now,
            SessionPack.sessions_used < SessionPack.sessions_total,
        )
        .order_by(SessionPack.expires_at, SessionPack.id)
    )
    return [(pack, name) for pack, name in session.execute(query)]
