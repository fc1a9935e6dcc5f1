"""Coupons: made by the business, redeemed once a customer, and taken off what a membership charges."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.events.billing import CouponCreated, CouponRedeemed, CouponRestored, CouponRetired
from operational_api.commerce import prices
from operational_api.commerce.billing import proration
from operational_api.commerce.billing.errors import CouponExists, CouponNotForThis, CouponNotFound, CouponUsed
from operational_api.commerce.billing.models import Coupon, CouponRedemption
from operational_api.commerce.billing.periods import Period, day_of
from operational_api.commerce.billing.proration import Item
from operational_api.commerce.models import Subscription
from operational_api.core import audit
from operational_api.core.outbox import publish

Duration = Literal["once", "months", "forever"]
Held = tuple[CouponRedemption, Coupon]
"""A use of a code, with the code."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What a coupon takes off: a share in basis points, or an amount of a currency."""

    percent_bp: int | None = None
    amount_minor: int | None = None
    currency: str | None = None


def create(
    session: Session, *, code: str, worth: Worth, duration: Duration, duration_months: int | None = None,
    max_redemptions: int | None = None, expires_at: datetime | None = None, actor_id: UUID | None, now: datetime,
) -> Coupon:  # fmt: skip
    """Make a code; upper and lower case are one.

    Raises:
        CouponExists: there is one of that name.
    """
    if session.scalar(select(Coupon.id).where(Coupon.code == code.upper())):
        raise CouponExists
    row = Coupon(
        code=code.upper(), kind="percent" if worth.percent_bp else "amount", percent_bp=worth.percent_bp,
        amount_minor=worth.amount_minor, currency=worth.currency, duration=duration, duration_months=duration_months,
        max_redemptions=max_redemptions, expires_at=expires_at, created_by=actor_id, redeemed_count=0, is_active=True,
        created_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    publish(session, CouponCreated(occurred_at=now, coupon_id=row.id, code=row.code))
    audit.record(
        session, "commerce.manage_prices", "Coupon", row.id, actor_id=actor_id, purpose="operations", now=now,
        details={"code": row.code},
    )  # fmt: skip
    return row


def set_taken(session: Session, *, coupon_id: UUID, is_taken: bool, actor_id: UUID | None, now: datetime) -> Coupon:
    """Take a code no more, or again. What it takes off for who used it goes on. Twice is once.

    Raises:
        CouponNotFound: there is none.
    """
    row = session.get(Coupon, coupon_id, with_for_update=True)
    if row is None:
        raise CouponNotFound
    if row.is_active != is_taken:
        row.is_active = is_taken
        told = CouponRestored if is_taken else CouponRetired
        publish(session, told(occurred_at=now, coupon_id=row.id, code=row.code))
        audit.record(
            session, "commerce.manage_prices", "Coupon", row.id, actor_id=actor_id, purpose="operations", now=now,
            details={"is_active": is_taken},
        )  # fmt: skip
    return row


def all_coupons(session: Session) -> list[Coupon]:
    """Every code, the newest first."""
    return list(session.scalars(select(Coupon).order_by(Coupon.created_at.desc(), Coupon.id.desc())))


def redeem(session: Session, *, code: str, subscription: Subscription, now: datetime) -> CouponRedemption:
    """Use a code for a membership; the customer's row is locked.

    The count goes up in the statement that looks at the limit, so the last redemption is given to one of two.

    Raises:
        CouponNotFound: unknown, expired, or redeemed as often as it may be.
        CouponUsed: this customer used it before.
        CouponNotForThis: it is an amount of another currency.
    """
    coupon = session.scalar(select(Coupon).where(Coupon.code == code.strip().upper(), Coupon.is_active))
    if coupon is None or (coupon.expires_at is not None and coupon.expires_at <= now):
        raise CouponNotFound
    if coupon.currency is not None and coupon.currency != subscription.currency:
        raise CouponNotForThis
    used = select(CouponRedemption.id).where(
        CouponRedemption.coupon_id == coupon.id, CouponRedemption.customer_id == subscription.customer_id
    )
    if session.scalar(used):
        raise CouponUsed
    counted = session.scalar(
        update(Coupon)
        .where(
            Coupon.id == coupon.id,
            Coupon.max_redemptions.is_(None) | (Coupon.redeemed_count < Coupon.max_redemptions),
        )
        .values(redeemed_count=Coupon.redeemed_count + 1)
        .returning(Coupon.id)
        .execution_options(synchronize_session=False)
    )
    if counted is None:
        raise CouponNotFound("This code was used as often as it could be.")
    months = {"once": 1, "months": coupon.duration_months, "forever": None}[coupon.duration]
    row = CouponRedemption(
        coupon_id=coupon.id, customer_id=subscription.customer_id, subscription_id=subscription.id, months_left=months,
        covers_until=day_of(now, subscription.time_zone) if months is None else None, redeemed_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    publish(
        session,
        CouponRedeemed(
            occurred_at=now, coupon_id=coupon.id, subscription_id=subscription.id, customer_id=subscription.customer_id
        ),
    )
    return row


def held(session: Session, subscription_id: UUID) -> Held | None:
    """The code that takes something off what a membership charges next: of several the one used last."""
    found = session.execute(
        select(CouponRedemption, Coupon)
        .join(Coupon, Coupon.id == CouponRedemption.coupon_id)
        .where(CouponRedemption.subscription_id == subscription_id)
        .where(CouponRedemption.months_left.is_(None) | (CouponRedemption.months_left > 0))
        .order_by(CouponRedemption.redeemed_at.desc())
        .limit(1)
    ).one_or_none()
    return (found[0], found[1]) if found else None


def off(coupon: Coupon, amount_minor: int) -> int:
    """What a code takes off a whole charge, tax included; of a fixed amount it may be more than that."""
    return coupon.amount_minor or prices.divide_half_up(amount_minor * (coupon.percent_bp or 0), prices.BASIS)


def uncount(session: Session, subscription: Subscription, *, until: date | None) -> None:
    """Nothing is used of the period that ends on a day: if it counted for a coupon, it does no more."""
    found = session.execute(
        select(CouponRedemption, Coupon)
        .join(Coupon, Coupon.id == CouponRedemption.coupon_id)
        .where(CouponRedemption.subscription_id == subscription.id, CouponRedemption.covers_until == until)
        .where(CouponRedemption.months_left.is_not(None))
    ).tuples()
    for redemption, coupon in found:
        took = redemption.counted_months
        if took is None:
            took = min(coupon.duration_months or 1, subscription.interval_months)
        redemption.months_left = (redemption.months_left or 0) + took
        redemption.covers_until, redemption.counted_months = None, 0
    session.flush()


def discount_for(
    session: Session, subscription: Subscription, item: Item, *, of: Period | None, is_whole: bool, counts: int = 0,
    instead_of: date | None = None,
) -> Item | None:  # fmt: skip
    """What a membership's coupon takes off one charge. Of an amount, a charge for some days of a period takes a part.
    A period that it counted is its own to the last day, however often days of it are charged anew; one that began
    before it was used has nothing of it.

    Args:
        of: The whole period that the item charges days of; None where it charges none.
        is_whole: Whether it charges a whole period.
        counts: Months of a whole period that it is for, which are then gone from the coupon; 0: none are.
        instead_of: The end of a period that it is charged instead of, for nothing of that was used.
    """
    is_forever = CouponRedemption.months_left.is_(None)
    holds = (CouponRedemption.covers_until >= item.ends_on) | (is_forever & CouponRedemption.covers_until.is_(None))
    if is_whole:
        holds |= is_forever | (CouponRedemption.months_left > 0)
    if instead_of is not None:
        holds |= CouponRedemption.covers_until == instead_of
    found = session.execute(
        select(CouponRedemption, Coupon)
        .join(Coupon, Coupon.id == CouponRedemption.coupon_id)
        .where(CouponRedemption.subscription_id == subscription.id, holds)
        .order_by(CouponRedemption.redeemed_at.desc())
        .limit(1)
    ).one_or_none()
    if found is None or item.amount_minor == 0:
        return None
    redemption, coupon = found
    if counts:
        redemption.covers_until = item.ends_on
        if redemption.months_left is not None:
            redemption.counted_months = min(redemption.months_left, counts)
            redemption.months_left -= redemption.counted_months
    less = off(coupon, item.amount_minor)
    if coupon.amount_minor and of is not None and item.starts_on is not None:
        less = proration.split(less, of.used(item.starts_on))[1]
    return proration.discount(item, less, f"Coupon {coupon.code}")
