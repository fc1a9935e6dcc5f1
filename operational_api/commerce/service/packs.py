"""Session packs: granted once paid, used one session at a time, the one that expires first before the others."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session

from contracts.events.commerce import PackBought, PackReduced
from operational_api.commerce import ledger, lifecycle
from operational_api.commerce.billing import proration
from operational_api.commerce.billing.errors import IntroUsed
from operational_api.commerce.models import Invoice, Plan, SessionPack, Subscription
from operational_api.commerce.service import journals
from operational_api.core.outbox import publish

DEFAULT_VALIDITY_DAYS = 365
GRACE = timedelta(days=30)
"""How long a session can be used at least that was called off by us."""
_HAS_ONE = SessionPack.sessions_used < SessionPack.sessions_total - SessionPack.sessions_refunded


def grant(
    session: Session, *, customer_id: UUID, plan_id: UUID, currency: str, purchased_at: datetime, net_minor: int,
    total_minor: int,
) -> SessionPack:  # fmt: skip
    """The sessions of a plan that was bought, for a price without tax that they will earn; announced once."""
    plan = session.get_one(Plan, plan_id)
    pack = SessionPack(
        customer_id=customer_id,
        plan_id=plan.id,
        sessions_total=plan.sessions_included or 1,
        net_minor=net_minor,
        currency=currency,
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
            sessions=pack.sessions_total, amount_minor=total_minor, currency=currency,
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
            _HAS_ONE,
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


def lock(session: Session, pack_ids: Collection[UUID]) -> None:
    """Packs of several customers that are about to be changed, in one order: no deadlock."""
    query = select(SessionPack.id).where(SessionPack.id.in_(pack_ids)).order_by(SessionPack.id)
    session.execute(query.with_for_update(key_share=True))


def use_session_of(session: Session, *, pack_id: UUID) -> bool:
    """Take a session of this very pack, also where it has run out: for one that it has paid for before.

    Returns:
        Whether it had one.
    """
    used = (
        update(SessionPack)
        .where(SessionPack.id == pack_id, _HAS_ONE)
        .values(sessions_used=SessionPack.sessions_used + 1)
        .returning(SessionPack.id)
        .execution_options(synchronize_session="fetch")
    )
    return session.scalar(used) is not None


def return_session(session: Session, *, pack_id: UUID, called_off_at: datetime | None = None) -> None:
    """Give one session back. A pack with none used stays as it is.

    Args:
        called_off_at: When we called it off, where we did: then a pack that has run out lives a while longer.
    """
    values: dict[str, Any] = {"sessions_used": SessionPack.sessions_used - 1}
    if called_off_at is not None:
        values["expires_at"] = func.greatest(SessionPack.expires_at, called_off_at + GRACE)
    session.execute(
        update(SessionPack)
        .where(SessionPack.id == pack_id, SessionPack.sessions_used > 0)
        .values(**values)
        .execution_options(synchronize_session="fetch")
    )


def sessions_unpaid(session: Session, *, pack_id: UUID) -> int:
    """How many more are used than can be."""
    pack = session.get_one(SessionPack, pack_id, populate_existing=True)
    return max(0, pack.sessions_used + pack.sessions_refunded - pack.sessions_total)


def reduce(session: Session, invoice: Invoice, *, back_minor: int, source: UUID, at: datetime) -> None:
    """Sessions whose money was given back, or never came, cannot be used any more, and earn nothing later: as many stay
    as what is left of the money pays for, in the customer's favour. An invoice of no pack is left alone.

    Args:
        back_minor: What was given back of the invoice in all, or is not paid.
        source: Of the refund, dispute or invoice by which this is known.
    """
    if invoice.session_pack_id is None or invoice.total_minor == 0:
        return
    pack = session.get_one(SessionPack, invoice.session_pack_id, with_for_update=True, populate_existing=True)
    kept, kept_before = _kept(pack, invoice, back_minor), pack.sessions_total - pack.sessions_refunded
    if kept >= kept_before:
        return
    pack.sessions_refunded = pack.sessions_total - kept
    if pack.net_minor is not None and pack.currency is not None:
        parts = proration.split(pack.net_minor, [1] * pack.sessions_total)
        released = min(sum(parts[kept:kept_before]), pack.net_minor - pack.recognised_minor)
        pack.recognised_minor += released
        if released:
            journals.post(
                session, kind="pack_reduced", source_type="session_pack", source_id=source,
                customer_id=pack.customer_id, currency=pack.currency, lines=ledger.pack_earned(amount_minor=released),
                posted_at=at,
            )  # fmt: skip
    session.flush()
    publish(
        session,
        PackReduced(
            occurred_at=at, pack_id=pack.id, customer_id=pack.customer_id, sessions_refunded=pack.sessions_refunded
        ),
    )  # fmt: skip


def _kept(pack: SessionPack, invoice: Invoice, back_minor: int) -> int:
    left = invoice.total_minor - min(back_minor, invoice.total_minor)
    return -(-pack.sessions_total * left // invoice.total_minor)


def sessions_lost(session: Session, invoice: Invoice, *, back_minor: int) -> int:
    """How many sessions more could not be used if so much of an invoice were given back in all; see `reduce`."""
    if invoice.session_pack_id is None or invoice.total_minor == 0:
        return 0
    pack = session.get_one(SessionPack, invoice.session_pack_id)
    return max(0, pack.sessions_total - pack.sessions_refunded - _kept(pack, invoice, back_minor))


def usable_packs(session: Session, *, customer_id: UUID, now: datetime) -> list[tuple[SessionPack, str]]:
    """Packs with sessions left and their plans' names, the first to expire first."""
    query = (
        select(SessionPack, Plan.name)
        .join(Plan, Plan.id == SessionPack.plan_id)
        .where(
            SessionPack.customer_id == customer_id,
            SessionPack.expires_at > now,
            _HAS_ONE,
        )
        .order_by(SessionPack.expires_at, SessionPack.id)
    )
    return [(pack, name) for pack, name in session.execute(query)]
