"""What is for sale as the business keeps it: plans made, changed, sold no more and sold again.

What they cost is `billing.service.pricing`, what a customer sees of them `plans`.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from contracts.events.commerce import PlanCreated, PlanRestored, PlanRetired, PlanTermsChanged
from operational_api.commerce import lifecycle
from operational_api.commerce.billing.models import PlanChange
from operational_api.commerce.errors import PlanExists, PlanIsHeld, PlanNotFound, PlanNotThatKind
from operational_api.commerce.models import CheckoutSession, Plan, PlanPrice, SessionPack, Subscription
from operational_api.commerce.service.plans import TOP_UP, valid_at
from operational_api.core import audit
from operational_api.core.outbox import publish

PlanKind = Literal["membership", "pack", "drop_in", "intro", "top_up"]
DaysLeft = Literal["refund", "credit", "forfeit"]
BOUGHT = ("kind", "interval_months", "sessions_included", "days_left")
"""What belongs to whoever bought a plan: it changes while nobody has. Trials and days of validity are noted for each
buyer when they buy, so those may change for who comes later."""
NO_NAMES = ("new",)
"""Short names that no plan has: they are addresses of the pages that make one."""
AT_PAGE = ("open", "unknown")
"""Whoever is at a payment page for a plan has seen what it says."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a plan says, but for its prices. See `commerce.models.Plan` for each."""

    name: str
    description: str
    kind: PlanKind
    interval_months: int | None = None
    sessions_included: int | None = None
    trial_days: int = 0
    validity_days: int | None = None
    days_left: DaysLeft = "refund"
    sort_order: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """A plan, its prices of today by currency, and who has it.

    Args:
        members: Memberships that are trialing, active, overdue or paused.
        packs: Packs with sessions left that have not expired.
        was_bought: Whether anybody ever did, stands at a payment page for it, or will go on to it.
    """

    plan: Plan
    prices: tuple[PlanPrice, ...]
    members: int
    packs: int
    was_bought: bool


def every_plan(session: Session, *, now: datetime) -> list[Kept]:
    """All plans: those for sale in the order they are shown, then those sold no more."""
    order = (Plan.is_active.desc(), Plan.sort_order, Plan.name, Plan.code)
    return _kept(session, list(session.scalars(select(Plan).order_by(*order))), now)


def plan_kept(session: Session, *, code: str, now: datetime) -> Kept:
    """One of them.

    Raises:
        PlanNotFound: there is none.
    """
    found = list(session.scalars(select(Plan).where(Plan.code == code)))
    if not found:
        raise PlanNotFound
    return _kept(session, found, now)[0]


def create_plan(session: Session, terms: Terms, *, code: str, actor_id: UUID | None, now: datetime) -> Plan:
    """Make a plan. It is for sale in a currency once it has a price in it.

    Args:
        code: Its short name in addresses; empty: made of its name, with a number where there is such a one.

    Raises:
        PlanExists: there is one of that short name.
        PlanNotThatKind: terms that do not go together.
    """
    _check(terms)
    # Of two who make the same one at once the second waits here.
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext("commerce.plans"))))
    taken = {*session.scalars(select(Plan.code)), *NO_NAMES}
    if code in taken:
        raise PlanExists
    code = code or _free(short_name(terms.name), taken)
    row = Plan(code=code, created_at=now, is_active=True, **_columns(terms))
    session.add(row)
    session.flush()
    publish(session, PlanCreated(occurred_at=now, plan_id=row.id, code=code, name=row.name, kind=row.kind))
    _note(session, row, {"code": code, **_columns(terms)}, actor_id, now)
    return row


def change_plan(session: Session, terms: Terms, *, code: str, actor_id: UUID | None, now: datetime) -> Plan:
    """Have a plan say something else from now on. What is as it was is no change.

    Raises:
        PlanNotFound: there is none.
        PlanIsHeld: somebody bought it, and this would change what they bought.
        PlanNotThatKind: terms that do not go together.
    """
    row = locked(session, code)
    _check(terms, is_open=row.kind != "membership" and row.validity_days is None)
    changed = {name: value for name, value in _columns(terms).items() if getattr(row, name) != value}
    if not changed:
        return row
    if changed.keys() & set(BOUGHT) and _kept(session, [row], now)[0].was_bought:
        raise PlanIsHeld
    if "kind" in changed and TOP_UP in (
        row.kind,
        terms.kind,
    ):  # what is paid for it is no revenue, and for all else it is
        raise PlanNotThatKind
    for name, value in changed.items():
        setattr(row, name, value)
    if changed.keys() & {"kind", "interval_months"}:
        _unknown_to_providers(session, row, now)
    publish(session, PlanTermsChanged(occurred_at=now, plan_id=row.id, code=code, changed=sorted(changed)))
    _note(session, row, changed, actor_id, now)
    return row


def set_sold(session: Session, *, code: str, is_sold: bool, actor_id: UUID | None, now: datetime) -> Plan:
    """Sell a plan no more, or again. Whoever has it keeps it and is charged as ever. Twice is once.

    Raises:
        PlanNotFound: there is none.
    """
    row = locked(session, code)
    if row.is_active != is_sold:
        row.is_active = is_sold
        told = PlanRestored if is_sold else PlanRetired
        publish(session, told(occurred_at=now, plan_id=row.id, code=code))
        _note(session, row, {"is_active": is_sold}, actor_id, now)
    return row


def locked(session: Session, code: str) -> Plan:
    """The plan, which nobody can buy while it is looked at: a row that refers to it waits for this lock.

    Raises:
        PlanNotFound: there is none.
    """
    row = session.scalar(select(Plan).where(Plan.code == code).with_for_update())
    if row is None:
        raise PlanNotFound
    return row


def short_name(name: str) -> str:
    """A name as addresses have it: Latin letters without marks, digits and hyphens. "Gói 10 buổi" is goi-10-buoi."""
    plain = unicodedata.normalize("NFKD", name.lower().replace("đ", "d").replace("ß", "ss"))
    code = re.sub(r"[^a-z0-9]+", "-", "".join(one for one in plain if not unicodedata.combining(one))).strip("-")
    return code[:60].rstrip("-") or "plan"


def _free(name: str, taken: Collection[str]) -> str:
    return next(one for one in chain([name], (f"{name}-{number}" for number in count(2))) if one not in taken)


def _columns(terms: Terms) -> dict[str, Any]:
    return {name: getattr(terms, name) for name in Terms.__slots__}


def _check(terms: Terms, *, is_open: bool = False) -> None:
    """
    Args:
        is_open: A plan that was brought over and says nothing of its days may go on saying nothing: it has those of
            `packs`.
    """
    once = (
        terms.interval_months is None,
        bool(terms.sessions_included),
        bool(terms.validity_days) or is_open,
        not terms.trial_days,
    )
    if terms.kind == "membership":
        fits = bool(terms.interval_months) and terms.validity_days is None
    elif terms.kind == TOP_UP:
        fits = (
            terms.interval_months is None
            and not terms.trial_days
            and not (terms.sessions_included or terms.validity_days)
        )
    elif terms.kind == "drop_in":
        fits = all(once) and terms.sessions_included == 1
    else:
        fits = all(once)
    if not fits:
        raise PlanNotThatKind


def _unknown_to_providers(session: Session, row: Plan, now: datetime) -> None:
    """Have prices that a provider knows begin anew: it keeps how often each is charged."""
    known = select(PlanPrice).where(PlanPrice.plan_id == row.id, PlanPrice.stripe_price_id.is_not(None))
    for old in session.scalars(known.where(valid_at(now))).all():
        anew = PlanPrice(
            plan_id=row.id, currency=old.currency, amount_minor=old.amount_minor, tax_rate_bp=old.tax_rate_bp,
            valid_from=now, valid_to=old.valid_to,
        )  # fmt: skip
        old.valid_to = now
        session.flush()
        session.add(anew)
    session.flush()


def _kept(session: Session, rows: list[Plan], now: datetime) -> list[Kept]:
    ids = [row.id for row in rows]
    prices: dict[UUID, list[PlanPrice]] = {}
    current = select(PlanPrice).where(PlanPrice.plan_id.in_(ids), valid_at(now))
    for price in session.scalars(current.order_by(PlanPrice.currency)):
        prices.setdefault(price.plan_id, []).append(price)
    members = select(
        Subscription.plan_id, func.count().filter(Subscription.status.in_(lifecycle.LIVE)), func.count()
    ).group_by(Subscription.plan_id)
    is_left = SessionPack.sessions_used + SessionPack.sessions_refunded < SessionPack.sessions_total
    packs = select(
        SessionPack.plan_id, func.count().filter(is_left, SessionPack.expires_at > now), func.count()
    ).group_by(SessionPack.plan_id)
    paying = select(CheckoutSession.plan_id).where(
        CheckoutSession.plan_id.in_(ids), CheckoutSession.status.in_(AT_PAGE)
    )
    has = {plan: (live, ever) for plan, live, ever in session.execute(members.where(Subscription.plan_id.in_(ids)))}
    had = {plan: (left, ever) for plan, left, ever in session.execute(packs.where(SessionPack.plan_id.in_(ids)))}
    # Whoever will go on to it, at the end of a period or once that is paid.
    coming = select(PlanPrice.plan_id).where(
        PlanPrice.plan_id.in_(ids),
        exists().where(Subscription.next_price_id == PlanPrice.id)
        | exists().where(PlanChange.to_price_id == PlanPrice.id),
    )  # fmt: skip
    waiting = set(session.scalars(paying.union(coming)))
    return [
        Kept(
            row, tuple(prices.get(row.id, ())), has.get(row.id, (0, 0))[0], had.get(row.id, (0, 0))[0],
            was_bought=row.id in has or row.id in had or row.id in waiting,
        )
        for row in rows
    ]  # fmt: skip


def _note(session: Session, row: Plan, details: Mapping[str, Any], actor_id: UUID | None, now: datetime) -> None:
    audit.record(
        session, "commerce.manage_prices", "Plan", row.id, actor_id=actor_id, purpose="operations", now=now,
        details=dict(details),
    )  # fmt: skip
