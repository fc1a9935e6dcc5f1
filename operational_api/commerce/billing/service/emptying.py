"""Wallets of people who have closed their accounts: what they paid in and did not use goes back to where it came from.

First it pays what they still owe. What a bank refuses, or contests, waits for a person, who asks it once more, pays it
by other means, or writes it off; gifts are no money of theirs, and run out.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from contracts.events.wallets import WalletCreditSettled
from contracts.telemetry import get_logger
from operational_api.commerce import ledger
from operational_api.commerce.billing.errors import NotSettledSo, NotWaiting
from operational_api.commerce.billing.models import Collection
from operational_api.commerce.billing.service import people
from operational_api.commerce.billing.service.deciders import SETTLE, decider
from operational_api.commerce.models import Dispute, Payment, Refund, Wallet, WalletCredit, WalletMovement
from operational_api.commerce.providers.port import PaymentProvider
from operational_api.commerce.service import customers, refunds, wallets
from operational_api.core import audit
from operational_api.core.outbox import publish
from operational_api.core.principal import Principal

log = get_logger(__name__)
REASON = "Paid into a wallet that was closed"
BY_HAND = ("paid_outside", "written_off")
"""Movements by which somebody settled what no bank gave back; `restored` takes the latter back."""


def _refunds(*statuses: str) -> ColumnElement[bool]:
    return exists().where(Refund.payment_id == Payment.id, Refund.status.in_(statuses))


_IS_CONTESTED = exists().where(Dispute.payment_id == Payment.id, Dispute.status != "won")
_IS_REFUSED, _IS_ON_ITS_WAY = _refunds("failed"), _refunds("pending", "unknown")
_IS_CLOSED = and_(
    Payment.invoice_id == WalletCredit.invoice_id, Payment.status == "captured", WalletCredit.left_minor > 0,
    people.has_closed(WalletCredit.customer_id),
    ~exists().where(Collection.payer_id == WalletCredit.customer_id, Collection.next_attempt_at.is_not(None)),
)  # fmt: skip
"""Of a top-up and its payment: that something is left of it, and its owner is gone and owes nothing."""
_SINCE = func.greatest(
    select(func.max(Refund.refunded_at)).where(Refund.payment_id == Payment.id).scalar_subquery(),
    select(func.max(Dispute.opened_at)).where(Dispute.payment_id == Payment.id).scalar_subquery(),
)


def give_back_due(session: Session, providers: Mapping[str, PaymentProvider], now: datetime, *, limit: int = 50) -> int:
    """Give back every top-up of theirs that has something left; one that goes wrong leaves the others alone.

    Returns:
        How many were given back.
    """
    due = session.execute(
        select(Payment.id, Payment.provider, WalletCredit.id, WalletCredit.customer_id)
        .join(WalletCredit, WalletCredit.invoice_id == Payment.invoice_id)
        .where(_IS_CLOSED, Payment.provider.in_(providers), ~_IS_REFUSED, ~_IS_ON_ITS_WAY, ~_IS_CONTESTED)
        .order_by(WalletCredit.made_at, WalletCredit.id)
        .limit(limit)
    ).all()
    given = 0
    for payment_id, provider, credit_id, customer_id in due:
        try:
            with session.begin_nested():
                given += _give_back(session, providers[provider], payment_id, credit_id, customer_id, now)
        except Exception:
            log.exception("wallet_not_given_back", credit_id=str(credit_id))
    return given


def _give_back(
    session: Session, provider: PaymentProvider, payment_id: UUID, credit_id: UUID, customer_id: UUID, now: datetime
) -> bool:
    customers.locked_customer(session, customer_id)
    payment = session.get_one(Payment, payment_id)
    amount = refunds.left_minor(session, payment, locks=True)
    if not amount:
        return False
    key = _key(session, payment, f"wallet-{credit_id}-{payment.amount_minor - amount}")
    made = refunds.refund_or_note(
        session, provider, payment_id=payment_id, amount_minor=amount, reason=REASON, asked_as=key, now=now
    )
    return made.status != "failed"


def _key(session: Session, payment: Payment, name: str) -> str:
    """Names an attempt. It hangs on what is known to have failed alone, so that what a process had begun that died is
    asked about, and not begun anew."""
    failed = select(func.count()).where(
        Refund.payment_id == payment.id, Refund.status == "failed", Refund.provider_key.startswith(name)
    )
    times = session.scalar(failed) or 0
    return f"{name}-{times}" if times else name


# what waits for a person


def stuck() -> Select[tuple[UUID]]:
    """Top-ups of closed wallets that no bank gives back."""
    return (
        select(WalletCredit.id)
        .join(Payment, Payment.invoice_id == WalletCredit.invoice_id)
        .where(_IS_CLOSED, ~_IS_ON_ITS_WAY, or_(_IS_REFUSED, _IS_CONTESTED))
    )


def waiting(
    session: Session, *, limit: int, after: tuple[object, ...] | None = None
) -> Sequence[Row[tuple[WalletCredit, str, datetime]]]:
    """They, why (contested or refused) and since when, the oldest first.

    Args:
        after: When the last one seen began to wait, and its id.
    """
    query = (
        select(WalletCredit, case((_IS_CONTESTED, "contested"), else_="refused"), _SINCE.label("since"))
        .join(Payment, and_(Payment.invoice_id == WalletCredit.invoice_id, Payment.status == "captured"))
        .where(WalletCredit.id.in_(stuck()))
    )
    if after is not None:
        query = query.where(tuple_(_SINCE, WalletCredit.id) > after)
    return session.execute(query.order_by(_SINCE, WalletCredit.id).limit(limit)).all()


def is_top_up(session: Session, credit_id: UUID) -> bool:
    """Whether money came into a wallet under this id."""
    query = select(WalletCredit.id).where(WalletCredit.id == credit_id, WalletCredit.kind == wallets.PAID)
    return session.scalar(query) is not None


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
        .where(
            _IS_CLOSED, WalletCredit.id == credit_id, ~_IS_ON_ITS_WAY, ~_IS_CONTESTED, Payment.provider.in_(providers)
        )
    ).first()
    if found is None:
        raise NotWaiting
    _note(session, wallet, credit_id, credit.left_minor, actor_id, now, how="card tried again")
    return _give_back(session, providers[found.provider], found.id, credit_id, credit.customer_id, now)


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
