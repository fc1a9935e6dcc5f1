"""Gifts: what a studio gives to a customer's wallet, and what of it runs out.

Who may give is decided by callers; how gifts pay is `wallets`.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events.wallets import WalletCreditEndsSoon, WalletCreditExpired, WalletCreditGiven
from contracts.telemetry import get_logger
from operational_api.commerce import ledger
from operational_api.commerce.errors import GiftNotAllowed
from operational_api.commerce.models import Customer, WalletCredit, WalletMovement
from operational_api.commerce.service import wallets
from operational_api.commerce.settings import WalletSettings
from operational_api.core import audit
from operational_api.core.outbox import publish

log = get_logger(__name__)
TOLD_BEFORE = timedelta(days=7)
"""How long before a gift runs out its owner is told. One that was given a day before that, or later, said so itself."""


def give(
    session: Session, *, customer_id: UUID, currency: str, amount_minor: int, reason: str, expires_at: datetime | None,
    actor_id: UUID | None, settings: WalletSettings, now: datetime,
) -> WalletCredit:  # fmt: skip
    """Give a customer something to spend, at the studio's cost.

    Args:
        currency: The customer's own.

    Raises:
        GiftNotAllowed: nothing, more than one may give at once, in a currency that they do not pay in, or for a time
            that is over.
        WalletFull: it would hold more than a wallet may.
    """
    session.execute(insert(Customer).values(id=customer_id, currency=currency).on_conflict_do_nothing())
    customer = session.scalars(select(Customer).where(Customer.id == customer_id).with_for_update()).one()
    limit = settings.largest_gift.get(currency, 0)
    if customer.currency != currency:
        raise GiftNotAllowed(f"They pay in {customer.currency}.")
    if not 0 < amount_minor <= limit:
        raise GiftNotAllowed(limit_minor=limit, currency=currency)
    if expires_at is not None and expires_at <= now:
        raise GiftNotAllowed("The last day to use it is over.")
    wallet = wallets.opened(session, customer_id, currency, now)
    wallets.require_room(
        session, customer_id=customer_id, currency=currency, amount_minor=amount_minor, settings=settings
    )
    credit = WalletCredit(
        wallet_id=wallet.id, customer_id=customer_id, kind=wallets.GIFT, amount_minor=amount_minor, left_minor=0,
        currency=currency, reason=reason, given_by=actor_id, expires_at=expires_at, made_at=now,
    )  # fmt: skip
    session.add(credit)
    session.flush()
    wallets.move(session, wallet, credit, "given", amount_minor, now)
    lines = ledger.wallet_given(amount_minor=amount_minor)
    wallets.post(session, wallet, "wallet_given", ("wallet_credit", credit.id), lines, now)
    publish(session, WalletCreditGiven(
        occurred_at=now, wallet_id=wallet.id, credit_id=credit.id, customer_id=customer_id, given_by=actor_id,
        amount_minor=amount_minor, currency=currency, expires_at=expires_at,
    ))  # fmt: skip
    audit.record(
        session, "commerce.give_credit", "Wallet", wallet.id, actor_id=actor_id, subject_id=customer_id,
        purpose="operations", now=now,
        details={"credit_id": str(credit.id), "amount_minor": amount_minor, "currency": currency, "reason": reason},
    )  # fmt: skip
    return credit


def tell_of_ends(session: Session, now: datetime, *, limit: int = 200) -> int:
    """Announce each gift of which something is left and that runs out within a week, once.

    Returns:
        How many were announced.
    """
    rows = session.scalars(
        select(WalletCredit)
        .where(
            WalletCredit.left_minor > 0, WalletCredit.expires_at > now, WalletCredit.expires_at <= now + TOLD_BEFORE,
            WalletCredit.end_told_at.is_(None),
            WalletCredit.made_at <= WalletCredit.expires_at - TOLD_BEFORE - timedelta(days=1),
        )
        .order_by(WalletCredit.expires_at, WalletCredit.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()  # fmt: skip
    for credit in rows:
        credit.end_told_at = now
        publish(session, WalletCreditEndsSoon(
            occurred_at=now, wallet_id=credit.wallet_id, credit_id=credit.id, customer_id=credit.customer_id,
            amount_minor=credit.left_minor, currency=credit.currency, expires_at=credit.expires_at,
        ))  # fmt: skip
    session.flush()
    return len(rows)


def expire_due(session: Session, now: datetime, *, limit: int = 200) -> int:
    """What is left of gifts whose last day is over goes back to the studio; one that goes wrong leaves others alone.

    Returns:
        How many were due.
    """
    due = session.execute(
        select(WalletCredit.id, WalletCredit.customer_id, WalletCredit.currency)
        .where(WalletCredit.left_minor > 0, WalletCredit.expires_at <= now)
        .order_by(WalletCredit.expires_at, WalletCredit.id)
        .limit(limit)
    ).all()
    for credit_id, customer_id, currency in due:
        try:
            with session.begin_nested():
                _expire(session, credit_id, customer_id, currency, now)
        except Exception:
            log.exception("gift_not_expired", credit_id=str(credit_id))
    return len(due)


def _expire(session: Session, credit_id: UUID, customer_id: UUID, currency: str, now: datetime) -> None:
    wallet = wallets.locked(session, customer_id, currency)
    credit = session.get_one(WalletCredit, credit_id, populate_existing=True)
    left = credit.left_minor
    if wallet is None or not left:
        return
    times = session.scalar(
        select(func.count()).where(WalletMovement.credit_id == credit_id, WalletMovement.kind == "expired")
    )
    wallets.move(session, wallet, credit, "expired", -left, now)
    kind = f"wallet_expired_{times + 1}" if times else "wallet_expired"  # what was returned to it expires once more
    lines = ledger.wallet_expired(amount_minor=left)
    wallets.post(session, wallet, kind, ("wallet_credit", credit_id), lines, now)
    publish(session, WalletCreditExpired(
        occurred_at=now, wallet_id=wallet.id, credit_id=credit_id, customer_id=customer_id, amount_minor=left,
        currency=currency,
    ))  # fmt: skip
