"""Prices with their history: what a plan cost when, and what it will cost."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.events.commerce import PlanUpdated
from operational_api.commerce import lifecycle
from operational_api.commerce.billing.errors import PriceInThePast
from operational_api.commerce.errors import PlanNotFound
from operational_api.commerce.models import Plan, PlanPrice, Subscription
from operational_api.core import audit
from operational_api.core.outbox import publish


def _plan(session: Session, code: str) -> Plan:
    found = session.scalar(select(Plan).where(Plan.code == code).with_for_update())
    if found is None:
        raise PlanNotFound
    return found


def set_price(
    session: Session, *, plan_code: str, currency: str, amount_minor: int, tax_rate_bp: int, valid_from: datetime,
    for_members: bool, actor_id: UUID | None, now: datetime,
) -> PlanPrice:  # fmt: skip
    """Give a plan another price from a moment on. The one before ends there and stays in the history.

    Args:
        for_members: Whoever has the plan at the old price pays the new one from their next period on, where we bill
            them; otherwise members keep their price.

    Raises:
        PlanNotFound: no such plan.
        PriceInThePast: it would begin before now, or before one that is set already.
    """
    plan = _plan(session, plan_code)
    if valid_from < now:
        raise PriceInThePast
    old = session.scalar(
        select(PlanPrice).where(
            PlanPrice.plan_id == plan.id, PlanPrice.currency == currency, PlanPrice.valid_to.is_(None)
        )
    )
    if old is not None and old.valid_from >= valid_from:
        raise PriceInThePast("Another new price begins then or later already.")
    if old is not None:
        old.valid_to = valid_from
        session.flush()
    made = PlanPrice(
        plan_id=plan.id, currency=currency, amount_minor=amount_minor, tax_rate_bp=tax_rate_bp, valid_from=valid_from,
        reaches_members=for_members,
    )  # fmt: skip
    session.add(made)
    session.flush()
    if for_members and old is not None:
        session.execute(
            update(Subscription)
            .where(
                Subscription.price_id == old.id, Subscription.billed_by == "plyo",
                Subscription.status.in_(lifecycle.LIVE), Subscription.next_price_id.is_(None),
            )
            .values(next_price_id=made.id)
            .execution_options(synchronize_session=False)
        )  # fmt: skip
    publish(
        session,
        PlanUpdated(
            occurred_at=now, plan_id=plan.id, code=plan.code, amount_minor=amount_minor, currency=currency,
            valid_from=valid_from,
        ),
    )  # fmt: skip
    audit.record(
        session, "commerce.manage_prices", "Plan", plan.id, actor_id=actor_id, purpose="operations", now=now,
        details={"amount_minor": amount_minor, "currency": currency, "valid_from": valid_from.isoformat()},
    )  # fmt: skip
    return made


def successor(session: Session, price_id: UUID) -> PlanPrice | None:
    """The price that members of one go on to, with their first period that begins then or later; None: they keep it."""
    old = session.get_one(PlanPrice, price_id)
    if old.valid_to is None:
        return None
    return session.scalar(
        select(PlanPrice).where(
            PlanPrice.plan_id == old.plan_id, PlanPrice.currency == old.currency,
            PlanPrice.valid_from == old.valid_to, PlanPrice.reaches_members,
        )
    )  # fmt: skip


def history(session: Session, *, plan_code: str) -> list[PlanPrice]:
    """Every price that a plan had, has and will have, by currency, the newest first.

    Raises:
        PlanNotFound: no such plan.
    """
    plan_id = session.scalar(select(Plan.id).where(Plan.code == plan_code))
    if plan_id is None:
        raise PlanNotFound
    query = select(PlanPrice).where(PlanPrice.plan_id == plan_id)
    return list(session.scalars(query.order_by(PlanPrice.currency, PlanPrice.valid_from.desc())))
