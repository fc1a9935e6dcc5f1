"""Prices with their history: what a plan cost when, and what it will cost."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from contracts.events.commerce import PlanPriceWithdrawn, PlanUpdated
from operational_api.commerce import lifecycle, prices
from operational_api.commerce.billing.errors import PriceHolds, PriceInThePast, PriceNotFound
from operational_api.commerce.errors import PlanNotFound, TopUpNotAllowed
from operational_api.commerce.models import Plan, PlanPrice, Subscription
from operational_api.commerce.service import catalogue
from operational_api.commerce.service.plans import TOP_UP
from operational_api.commerce.settings import WalletSettings
from operational_api.core import audit
from operational_api.core.outbox import publish


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
        TopUpNotAllowed: less than a card can be charged, more than a wallet may hold, or with tax in it.
    """
    plan = catalogue.locked(session, plan_code)
    if plan.kind == TOP_UP and not _is_top_up(amount_minor, tax_rate_bp, currency):
        raise TopUpNotAllowed
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


def withdraw_price(
    session: Session, *, plan_code: str, price_id: UUID, actor_id: UUID | None, now: datetime
) -> PlanPrice | None:
    """Take back a price that has not begun: it was never asked of anybody.

    Returns:
        The one before it, which goes on; None where there is none.

    Raises:
        PlanNotFound: no such plan.
        PriceNotFound: no such price of it.
        PriceHolds: it began, or another price is set to follow it.
    """
    plan = catalogue.locked(session, plan_code)
    price = session.scalar(select(PlanPrice).where(PlanPrice.plan_id == plan.id, PlanPrice.id == price_id))
    if price is None:
        raise PriceNotFound
    if price.valid_from <= now or price.valid_to is not None:
        raise PriceHolds
    before = session.scalar(
        select(PlanPrice).where(
            PlanPrice.plan_id == plan.id, PlanPrice.currency == price.currency, PlanPrice.valid_to == price.valid_from
        )
    )
    waiting = update(Subscription).where(Subscription.next_price_id == price.id).values(next_price_id=None)
    session.execute(waiting.execution_options(synchronize_session=False))
    session.delete(price)
    session.flush()
    if before is not None:
        before.valid_to = None
    publish(
        session,
        PlanPriceWithdrawn(
            occurred_at=now, plan_id=plan.id, code=plan.code, currency=price.currency, valid_from=price.valid_from
        ),
    )
    audit.record(
        session, "commerce.manage_prices", "Plan", plan.id, actor_id=actor_id, purpose="operations", now=now,
        details={
            "withdrawn_minor": price.amount_minor, "currency": price.currency,
            "valid_from": price.valid_from.isoformat(),
        },
    )  # fmt: skip
    return before


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


def members_at(session: Session, *, plan_code: str) -> dict[UUID, int]:
    """How many memberships that run or are paused pay each price of a plan; what nobody pays is left out."""
    query = (
        select(Subscription.price_id, func.count())
        .join(Plan, Plan.id == Subscription.plan_id)
        .where(Plan.code == plan_code, Subscription.status.in_(lifecycle.LIVE))
        .group_by(Subscription.price_id)
    )
    return dict(session.execute(query).tuples().all())


def _is_top_up(amount_minor: int, tax_rate_bp: int, currency: str) -> bool:
    largest = WalletSettings().largest_balance.get(currency, 0)
    return tax_rate_bp == 0 and prices.is_chargeable(amount_minor, currency) and 0 < amount_minor <= largest
