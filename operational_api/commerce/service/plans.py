"""What is for sale: plans with today's price in one currency, and the same prices at the provider."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from operational_api.commerce.errors import PlanNotFound, PlanNotSold
from operational_api.commerce.models import Plan, PlanPrice
from operational_api.commerce.providers.port import PaymentProvider, PriceToSell

DEFAULT_CURRENCY = "EUR"
TOP_UP = "top_up"
"""The kind of plan by which money is paid into a wallet."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan at its price of today."""

    plan: Plan
    price: PlanPrice


def offers(session: Session, *, currency: str, now: datetime) -> list[Offer]:
    """Every plan sold in this currency today, in the order they are shown."""
    query = (
        select(Plan, PlanPrice)
        .join(PlanPrice, PlanPrice.plan_id == Plan.id)
        .where(Plan.is_active, PlanPrice.currency == currency, valid_at(now))
        .order_by(Plan.sort_order, PlanPrice.amount_minor, Plan.code)
    )
    return [Offer(plan, price) for plan, price in session.execute(query)]


def services(session: Session, *, currency: str, now: datetime) -> list[Offer]:
    """All of them but top-ups of a wallet, by which nothing is bought yet."""
    return [one for one in offers(session, currency=currency, now=now) if one.plan.kind != TOP_UP]


def top_ups(session: Session, *, currency: str, now: datetime) -> list[Offer]:
    """Amounts that can be paid into a wallet, as they are shown."""
    return [one for one in offers(session, currency=currency, now=now) if one.plan.kind == TOP_UP]


def currencies(session: Session, *, now: datetime) -> list[str]:
    """Currencies in which anything is sold today, alphabetically."""
    query = select(PlanPrice.currency).join(Plan).where(Plan.is_active, valid_at(now)).distinct()
    return sorted(session.scalars(query))


def offer(session: Session, *, code: str, currency: str, now: datetime) -> Offer:
    """One plan that is for sale.

    Raises:
        PlanNotFound: unknown, or no longer sold.
        PlanNotSold: sold, but not in this currency.
    """
    plan = session.scalar(select(Plan).where(Plan.code == code, Plan.is_active))
    if plan is None:
        raise PlanNotFound
    price = session.scalar(
        select(PlanPrice).where(PlanPrice.plan_id == plan.id, PlanPrice.currency == currency, valid_at(now))
    )
    if price is None:
        raise PlanNotSold(f"{plan.name} has no price in {currency}.", currency=currency)
    return Offer(plan, price)


def valid_at(now: datetime) -> ColumnElement[bool]:
    """Of prices: that they hold at a moment."""
    return and_(PlanPrice.valid_from <= now, or_(PlanPrice.valid_to.is_(None), PlanPrice.valid_to > now))


def sync_price(provider: PaymentProvider, sold: Offer) -> str:
    """The provider's id of a price, made there on first need. Our price id is its lookup key, so it is made once.

    Empty where the provider keeps no prices.
    """
    if provider.billing is None:
        return ""
    if sold.price.stripe_price_id is None:
        sold.price.stripe_price_id = provider.billing.ensure_price(
            PriceToSell(
                key=str(sold.price.id),
                product_key=f"plyo_{sold.plan.id.hex}",
                product_name=sold.plan.name,
                amount_minor=sold.price.amount_minor,
                currency=sold.price.currency,
                interval_months=sold.plan.interval_months if sold.plan.kind == "membership" else None,
            )
        )
    return sold.price.stripe_price_id


def sync_prices(session: Session, provider: PaymentProvider, *, now: datetime) -> int:
    """Make every price that is for sale known at the provider; returns how many were looked up."""
    missing = [
        sold
        for currency in currencies(session, now=now)
        for sold in offers(session, currency=currency, now=now)
        if sold.price.stripe_price_id is None
    ]
    for sold in missing:
        sync_price(provider, sold)
    return len(missing)
