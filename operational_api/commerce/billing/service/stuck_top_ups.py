"""What was paid into a wallet that was closed, and no bank gives back: a person asks it once more, pays it by other
means, or writes it off. What is given back by itself is `emptying`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, Select, and_, case, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from contracts.events.wallets import WalletCreditSettled
from operational_api.commerce import ledger
from operational_api.commerce.billing.errors import NotSettledSo, NotWaiting
from operational_api.commerce.billing.service import emptying
from operational_api.commerce.billing.service.deciders import SETTLE, decider
from operational_api.commerce.billing.service.emptying import IS_CLOSED, IS_CONTESTED, IS_ON_ITS_WAY, IS_REFUSED
from operational_api.commerce.models import Dispute, Payment, Refund, Wallet, WalletCredit, WalletMovement
from operational_api.commerce.providers.port import PaymentProvider
from operational_api.commerce.service import customers, wallets
from operational_api.core import audit
from operational_api.core.outbox import publish
from operational_api.core.principal import Principal

BY_HAND = ("paid_outside", "written_off")
"""Movements by which somebody settled what no bank gave back; `restored` takes the latter back."""
_SINCE = func.greatest(
    select(func.max(Refund.refunded_at)).where(Refund.payment_id == Payment.id).scalar_subquery(),
    select(func.max(Dispute.opened_at)).where(Dispute.payment_id == Payment.id).scalar_subquery(),
)


def stuck() -> Select[tuple[UUID]]:
    """Top-ups of closed wallets that no bank gives back."""
    return (
        select(WalletCredit.id)
        .join(Payment, Payment.invoice_id == WalletCredit.invoice_id)
        .where(IS_CLOSED, ~IS_ON_ITS_WAY, or_(IS_REFUSED, IS_CONTESTED))
    )


def waiting(
    session: Session, *, limit: int, after: tuple[object, ...] | None = None
) -> Sequence[Row[tuple[WalletCredit, str, datetime]]]:
    """They, why (contested or refused) and since when, the oldest first.

    Args:
        after: When the last one seen began to wait, and its id.
    """
    query = (
        select(WalletCredit, case((IS_CONTESTED, "contested"), else_="refused"), _SINCE.label("since"))
        .join(Payment, and_(Payment.invoice_id == WalletCredit.invoice_id, Payment.status == "captured"))
        .where(WalletCredit.id.in_(stuck()))
    )
    if after is not None:
        query = query.where(tuple_(_SINCE, WalletCredit.id) > after)
    return session.execute(query.order_by(_SINCE, WalletCredit.id).limit(limit)).all()


def settle(
    session: Session, *, credit_id: UUID, how: str, reason: str, principal: Principal, now: datetime
) -> WalletMovement:
    """Say what became of a top-up that no bank gives back. All that is left of it is in the wallet no more.

    Raises:
        NotWaiting: it waits for nobody.
        OwnMoney: it is their own.
        NotSettledSo: not by other means, and not written off.
    """
    credit, wallet, actor_id = _locked(session, credit_id, principal)
    if session.scalar(stuck().where(WalletCredit.id == credit_id)) is None:
        raise NotWaiting
    if how not in BY_HAND:
        raise NotSettledSo
    left = credit.left_minor
    moved = wallets.move(session, wallet, credit, how, -left, now, reason=reason, made_by=actor_id)
    lines = (
        ledger.top_up_refunded(amount_minor=left, from_wallet_minor=left, balance=ledger.BANK_BALANCE)
        if how == "paid_outside"
        else ledger.wallet_written_off(amount_minor=left)
    )
    wallets.post(session, wallet, f"top_up_{how}", ("wallet_movement", moved.id), lines, now)
    _tell(session, wallet, moved, now, how=how, reason=reason)
    return moved


def undo(session: Session, *, credit_id: UUID, principal: Principal, now: datetime) -> None:
    """Let what was written off wait again.

    Raises:
        NotWaiting: it is not written off.
        OwnMoney: it is their own.
    """
    credit, wallet, actor_id = _locked(session, credit_id, principal)
    last = session.scalars(
        select(WalletMovement)
        .where(WalletMovement.credit_id == credit_id)
        .order_by(WalletMovement.moved_at.desc(), WalletMovement.id.desc())
        .limit(1)
    ).first()
    if last is None or last.kind != "written_off":
        raise NotWaiting
    moved = wallets.move(session, wallet, credit, "restored", -last.amount_minor, now, made_by=actor_id)
    lines = ledger.wallet_written_off(amount_minor=last.amount_minor)
    wallets.post(session, wallet, "top_up_restored", ("wallet_movement", moved.id), lines, now)
    _tell(session, wallet, moved, now, how=None)


def try_again(
    session: Session, providers: Mapping[str, PaymentProvider], *, credit_id: UUID, principal: Principal, now: datetime
) -> bool:
    """Ask the bank once more to take a top-up back; whether it did.

    Raises:
        NotWaiting: it waits for nobody, or its payment is contested.
        OwnMoney: it is their own.
    """
    credit, wallet, actor_id = _locked(session, credit_id, principal)
    found = session.execute(
        select(Payment.id, Payment.provider)
        .join(WalletCredit, WalletCredit.invoice_id == Payment.invoice_id)
        .where(IS_CLOSED, WalletCredit.id == credit_id, ~IS_ON_ITS_WAY, ~IS_CONTESTED, Payment.provider.in_(providers))
    ).first()
    if found is None:
        raise NotWaiting
    _note(session, wallet, credit_id, credit.left_minor, actor_id, now, how="card tried again")
    return emptying.give_back(session, providers[found.provider], found.id, credit_id, credit.customer_id, now)


def settled(
    session: Session, *, since: datetime, limit: int, before: tuple[object, ...] | None = None
) -> Sequence[WalletMovement]:
    """What was settled by hand since then and not taken back, the newest first.

    Args:
        before: When the last one seen was settled, and its credit.
    """
    later = aliased(WalletMovement)
    is_taken_back = exists().where(
        later.credit_id == WalletMovement.credit_id, later.kind == "restored", later.moved_at >= WalletMovement.moved_at
    )
    query = select(WalletMovement).where(
        WalletMovement.kind.in_(BY_HAND), WalletMovement.moved_at > since, ~is_taken_back
    )
    if before is not None:
        query = query.where(tuple_(WalletMovement.moved_at, WalletMovement.credit_id) < before)
    newest = WalletMovement.moved_at.desc(), WalletMovement.credit_id.desc()
    return session.scalars(query.order_by(*newest).limit(limit)).all()


def _locked(session: Session, credit_id: UUID, principal: Principal) -> tuple[WalletCredit, Wallet, UUID]:
    """A top-up with its customer's row and its wallet's locked, and who decides about it."""
    found = session.execute(
        select(WalletCredit.customer_id, WalletCredit.currency).where(WalletCredit.id == credit_id)
    ).first()
    if found is None or customers.locked_customer(session, found.customer_id) is None:
        raise NotWaiting
    wallet = wallets.locked(session, found.customer_id, found.currency)
    if wallet is None:
        raise NotWaiting
    credit = session.get_one(WalletCredit, credit_id, populate_existing=True)
    return credit, wallet, decider(principal, SETTLE, "WalletCredit", credit_id, [credit.customer_id])


def _tell(
    session: Session, wallet: Wallet, moved: WalletMovement, now: datetime, *, how: str | None, **details: object
) -> None:
    publish(session, WalletCreditSettled(
        occurred_at=now, wallet_id=wallet.id, credit_id=moved.credit_id, customer_id=wallet.customer_id,
        amount_minor=abs(moved.amount_minor), currency=wallet.currency, settled_as=how,
    ))  # fmt: skip
    minor, how = abs(moved.amount_minor), how or "taken back"
    _note(session, wallet, moved.credit_id, minor, moved.made_by, now, how=how, **details)


def _note(
    session: Session, wallet: Wallet, credit_id: UUID, amount_minor: int, actor_id: UUID | None, now: datetime,
    **details: object,
) -> None:  # fmt: skip
    audit.record(
        session, SETTLE, "WalletCredit", credit_id, actor_id=actor_id, subject_id=wallet.customer_id,
        purpose="operations", now=now, details={"amount_minor": amount_minor, "currency": wallet.currency} | details,
    )  # fmt: skip
