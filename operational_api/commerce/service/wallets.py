"""Wallets: what comes in, pays invoices, goes back and runs out. Every change is a movement and a journal.

A wallet's row is locked before anything else of it is read, after the rows of customers: so two that spend at once
spend one after the other. What is used first is `lots`.

Who may give is decided by callers; when a wallet pays is `billing.service.collection`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events.wallets import WalletSpent, WalletToppedUp
from contracts.telemetry import get_logger
from operational_api.commerce import ledger, lots
from operational_api.commerce.errors import WalletFull
from operational_api.commerce.models import (
    Dispute,
    Invoice,
    Payment,
    Refund,
    Wallet,
    WalletCredit,
    WalletMovement,
)
from operational_api.commerce.service import journals
from operational_api.commerce.settings import WalletSettings
from operational_api.core import paging
from operational_api.core.outbox import publish

log = get_logger(__name__)
PAID, GIFT = "paid", "gift"
SOURCES = {PAID: ledger.WALLET, GIFT: ledger.GIFT}
"""As what payments out of credits of a kind are booked."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A wallet as it is: what can be spent, `gift_minor` of it out of gifts, the first of which runs out at
    `next_expiry_at`. `held_minor` cannot: it is on its way back, or contested at a bank."""

    currency: str
    spendable_minor: int
    gift_minor: int
    held_minor: int
    next_expiry_at: datetime | None

    @property
    def next_last_moment(self) -> datetime | None:
        """The end of the last day on which the first part of gifts can be used."""
        return lots.last_moment(self.next_expiry_at) if self.next_expiry_at else None


def _on_its_way() -> ColumnElement[int]:
    """How much of a credit's money is on its way back to where it came from."""
    asked = (
        select(func.coalesce(func.sum(Refund.amount_minor), 0))
        .join(Payment, Payment.id == Refund.payment_id)
        .where(Payment.invoice_id == WalletCredit.invoice_id, Refund.status.in_(("pending", "unknown")))
    )
    return asked.scalar_subquery()


def _is_contested() -> ColumnElement[bool]:
    return (
        exists()
        .where(Payment.invoice_id == WalletCredit.invoice_id, Dispute.payment_id == Payment.id)
        .where(Dispute.status != "won")
    )


def _usable(now: datetime) -> ColumnElement[bool]:
    return and_(
        WalletCredit.left_minor > 0,
        or_(WalletCredit.expires_at.is_(None), WalletCredit.expires_at > now),
        ~_is_contested(),
    )


def locked(session: Session, customer_id: UUID, currency: str) -> Wallet | None:
    query = select(Wallet).where(Wallet.customer_id == customer_id, Wallet.currency == currency).with_for_update()
    return session.scalar(query.execution_options(populate_existing=True))


def opened(session: Session, customer_id: UUID, currency: str, now: datetime) -> Wallet:
    session.execute(
        insert(Wallet)
        .values(customer_id=customer_id, currency=currency, opened_at=now)
        .on_conflict_do_nothing(index_elements=["customer_id", "currency"])
    )
    found = locked(session, customer_id, currency)
    if found is None:
        raise LookupError(customer_id)
    return found


def move(
    session: Session, wallet: Wallet, credit: WalletCredit, kind: str, amount_minor: int, now: datetime,
    *, payment_id: UUID | None = None, refund_id: UUID | None = None, reason: str | None = None,
    made_by: UUID | None = None,
) -> WalletMovement:  # fmt: skip
    """Into a credit, or out of it; the wallet is locked. The journal is the caller's."""
    credit.left_minor += amount_minor
    wallet.balance_minor += amount_minor
    moved = WalletMovement(
        credit_id=credit.id, customer_id=wallet.customer_id, kind=kind, amount_minor=amount_minor,
        currency=wallet.currency, payment_id=payment_id, refund_id=refund_id, moved_at=now, reason=reason,
        made_by=made_by,
    )  # fmt: skip
    session.add(moved)
    session.flush()
    return moved


def post(
    session: Session, wallet: Wallet, kind: str, source: tuple[str, UUID], lines: list[ledger.Line], now: datetime
) -> None:
    journals.post(
        session, kind=kind, source_type=source[0], source_id=source[1], customer_id=wallet.customer_id,
        currency=wallet.currency, lines=lines, posted_at=now,
    )  # fmt: skip


# what comes in


def require_room(
    session: Session, *, customer_id: UUID, currency: str, amount_minor: int, settings: WalletSettings
) -> None:
    """Let pass what may be added to a wallet.

    Raises:
        WalletFull: it would hold more than a wallet may.
    """
    query = select(Wallet.balance_minor).where(Wallet.customer_id == customer_id, Wallet.currency == currency)
    limit = settings.largest_balance.get(currency, 0)
    if (session.scalar(query) or 0) + amount_minor > limit:
        raise WalletFull(limit_minor=limit, currency=currency)


def top_up(session: Session, *, customer_id: UUID, invoice: Invoice, now: datetime) -> None:
    """What was paid for a top-up is in the wallet, once for its invoice. It was paid, so no bound keeps it out."""
    wallet = opened(session, customer_id, invoice.currency, now)
    if credit_of(session, invoice.id) is not None:
        return
    credit = WalletCredit(
        wallet_id=wallet.id, customer_id=customer_id, kind=PAID, amount_minor=invoice.total_minor, left_minor=0,
        currency=invoice.currency, invoice_id=invoice.id, made_at=now,
    )  # fmt: skip
    session.add(credit)
    session.flush()
    move(session, wallet, credit, "topped_up", invoice.total_minor, now)
    lines = ledger.wallet_topped_up(amount_minor=invoice.total_minor)
    post(session, wallet, "wallet_topped_up", ("wallet_credit", credit.id), lines, now)
    publish(session, WalletToppedUp(
        occurred_at=now, wallet_id=wallet.id, credit_id=credit.id, customer_id=customer_id, invoice_id=invoice.id,
        amount_minor=invoice.total_minor, currency=invoice.currency,
    ))  # fmt: skip


# what goes out


def spend(
    session: Session, *, owner_id: UUID, invoice: Invoice, wanted_minor: int, attempt: int, now: datetime
) -> list[Payment]:
    """Pay so much of an invoice out of a wallet as it has, gifts first: at most one payment out of gifts and one out of
    what was paid, captured at once. Their journals and events are the caller's (`captures.announce`).

    The invoice's customer is locked.
    """
    wallet = locked(session, owner_id, invoice.currency)
    if wallet is None or wallet.balance_minor == 0 or wanted_minor <= 0:
        return []
    found = session.execute(
        select(WalletCredit, func.greatest(WalletCredit.left_minor - _on_its_way(), 0))
        .where(WalletCredit.wallet_id == wallet.id, _usable(now))
        .execution_options(populate_existing=True)
    ).all()
    credits_ = {credit.id: credit for credit, _ in found}
    drawn = lots.draw([_lot(credit, usable) for credit, usable in found], wanted_minor)
    payments: dict[str, Payment] = {}
    for lot, part in drawn:
        if lot.kind not in payments:
            payments[lot.kind] = _payment(session, invoice, SOURCES[lot.kind], attempt, now)
        payments[lot.kind].amount_minor += part
        move(session, wallet, credits_[lot.key], "spent", -part, now, payment_id=payments[lot.kind].id)
    if payments:
        gift = payments.get(GIFT)
        publish(session, WalletSpent(
            occurred_at=now, wallet_id=wallet.id, customer_id=owner_id, invoice_id=invoice.id,
            amount_minor=sum(part for _, part in drawn), gift_minor=gift.amount_minor if gift else 0,
            currency=wallet.currency,
        ))  # fmt: skip
    return list(payments.values())


def _payment(session: Session, invoice: Invoice, source: str, attempt: int, now: datetime) -> Payment:
    row = Payment(
        invoice_id=invoice.id, customer_id=invoice.customer_id, provider=source, status="captured", attempt=attempt,
        amount_minor=0, currency=invoice.currency, attempted_at=now, captured_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    row.provider_payment_id = str(row.id)
    return row


def may_spend(now: datetime) -> ColumnElement[bool]:
    """Of a wallet: that something in it may be used."""
    return exists().where(WalletCredit.wallet_id == Wallet.id, _usable(now), WalletCredit.left_minor > _on_its_way())


def spendable_minor(session: Session, customer_id: UUID, currency: str, now: datetime) -> int:
    """How much a customer's wallet can pay now; it is locked until the transaction ends."""
    wallet = locked(session, customer_id, currency)
    if wallet is None or not wallet.balance_minor:
        return 0
    query = select(func.coalesce(func.sum(func.greatest(WalletCredit.left_minor - _on_its_way(), 0)), 0))
    return int(session.scalar(query.where(WalletCredit.wallet_id == wallet.id, _usable(now))) or 0)


def _lot(credit: WalletCredit, minor: int) -> lots.Lot:
    return lots.Lot(credit.id, cast("lots.Kind", credit.kind), int(minor), credit.expires_at, credit.made_at)


def owner_of(session: Session, payment_id: UUID) -> UUID:
    """Whose wallet a payment was made out of."""
    query = select(WalletMovement.customer_id).where(WalletMovement.payment_id == payment_id).limit(1)
    return session.scalars(query).one()


def put_back(session: Session, *, payment: Payment, refund: Refund, at: datetime) -> UUID:
    """What a wallet had paid is in it again: first in the credits that it took last. A gift that has run out meanwhile
    runs out again. The journal is the caller's.

    Returns:
        Whose wallet that is.
    """
    owner_id = owner_of(session, payment.id)
    wallet = locked(session, owner_id, payment.currency)
    if wallet is None:
        raise LookupError(owner_id)
    rows = session.execute(
        select(WalletCredit, -func.sum(WalletMovement.amount_minor))
        .join(WalletMovement, WalletMovement.credit_id == WalletCredit.id)
        .where(WalletMovement.payment_id == payment.id)
        .group_by(WalletCredit.id)
        .execution_options(populate_existing=True)
    ).all()
    credits_ = {credit.id: credit for credit, _ in rows}
    parts = lots.put_back([_lot(credit, taken) for credit, taken in rows], refund.amount_minor)
    if sum(part for _, part in parts) != refund.amount_minor:
        raise ValueError(f"payment {payment.id} took less from its wallet than it is to give back")
    for lot, part in parts:
        move(session, wallet, credits_[lot.key], "returned", part, at, payment_id=payment.id, refund_id=refund.id)
    return owner_id


def credit_of(session: Session, invoice_id: UUID) -> WalletCredit | None:
    """What was paid into a wallet by an invoice; None where that was for something else."""
    query = select(WalletCredit).where(WalletCredit.invoice_id == invoice_id)
    return session.scalar(query.execution_options(populate_existing=True))


def refundable_minor(session: Session, invoice_id: UUID, *, locks: bool = False) -> int | None:
    """How much of a top-up is unused and not on its way back; None of what is no top-up.

    Args:
        locks: Whether nothing of it is to be spent until the transaction ends.
    """
    credit = credit_of(session, invoice_id)
    if credit is None:
        return None
    if locks:
        locked(session, credit.customer_id, credit.currency)
    query = select(func.greatest(WalletCredit.left_minor - _on_its_way(), 0)).where(WalletCredit.id == credit.id)
    return int(session.scalar(query) or 0)


def take_refunded(session: Session, *, invoice: Invoice, refund: Refund, at: datetime) -> int | None:
    """Money of a top-up went back: as much of it as is left is in the wallet no more. The journal is the caller's.

    Returns:
        How much that was, None of what is no top-up. What a provider gave back beyond it was spent before.
    """
    return _take(session, invoice, "refunded", refund.amount_minor, at, refund_id=refund.id)


def take_disputed(session: Session, *, invoice: Invoice, lost_minor: int, dispute_id: UUID, at: datetime) -> None:
    """A bank took money of a top-up back for good: as much of it as is left is in the wallet no more. Of what is no
    top-up nothing is."""
    taken = _take(session, invoice, "disputed", lost_minor, at)
    credit = credit_of(session, invoice.id)
    if taken and credit is not None:
        journals.post(
            session, kind="top_up_disputed", source_type="dispute", source_id=dispute_id,
            customer_id=credit.customer_id, currency=credit.currency,
            lines=ledger.top_up_disputed(from_wallet_minor=taken), posted_at=at,
        )  # fmt: skip


def reinstate(session: Session, *, invoice: Invoice, before_minor: int, lost_minor: int, at: datetime) -> None:
    """A bank gave back what it took of a top-up: as large a part of what was taken out is in the wallet again. Of what
    is no top-up nothing is.

    Args:
        before_minor: What was lost until now.
        lost_minor: What still is.
    """
    credit = credit_of(session, invoice.id)
    wallet = locked(session, credit.customer_id, credit.currency) if credit else None
    if credit is None or wallet is None:
        return
    session.refresh(credit)
    found = session.scalar(
        select(func.coalesce(-func.sum(WalletMovement.amount_minor), 0)).where(
            WalletMovement.credit_id == credit.id, WalletMovement.kind.in_(("disputed", "reinstated"))
        )
    )
    taken = int(found or 0)
    back = taken - taken * lost_minor // before_minor
    if back > 0:
        moved = move(session, wallet, credit, "reinstated", back, at)
        lines = ledger.top_up_disputed(from_wallet_minor=-back)
        post(session, wallet, "top_up_reinstated", ("wallet_movement", moved.id), lines, at)


def _take(
    session: Session, invoice: Invoice, kind: str, amount_minor: int, at: datetime, *, refund_id: UUID | None = None
) -> int | None:
    credit = credit_of(session, invoice.id)
    if credit is None:
        return None
    wallet = locked(session, credit.customer_id, credit.currency)
    session.refresh(credit)
    taken = min(amount_minor, credit.left_minor)
    if wallet is not None and taken:
        move(session, wallet, credit, kind, -taken, at, refund_id=refund_id)
    return taken


# what is shown


def standing(session: Session, customer_id: UUID, now: datetime) -> list[Standing]:
    """A customer's wallets, by currency: most have one, and who never had any has none."""
    left = func.greatest(WalletCredit.left_minor - _on_its_way(), 0)
    is_gift = WalletCredit.kind == GIFT
    rows = session.execute(
        select(
            Wallet.currency,
            Wallet.balance_minor,
            func.coalesce(func.sum(left).filter(_usable(now)), 0),
            func.coalesce(func.sum(left).filter(_usable(now), is_gift), 0),
            func.min(WalletCredit.expires_at).filter(_usable(now), is_gift),
        )
        .outerjoin(WalletCredit, WalletCredit.wallet_id == Wallet.id)
        .where(Wallet.customer_id == customer_id)
        .group_by(Wallet.id)
        .order_by(Wallet.currency)
    )
    return [
        Standing(currency, int(spendable), int(gifts), balance - int(spendable), expiry)
        for currency, balance, spendable, gifts, expiry in rows
    ]


def movements(
    session: Session, customer_id: UUID, *, limit: int, cursor: str | None = None
) -> tuple[Sequence[tuple[WalletMovement, WalletCredit, Invoice | None]], str | None]:
    """What moved in a customer's wallets, the newest first, each with its credit and the invoice that it paid, and the
    cursor of the next page."""
    query = (
        select(WalletMovement, WalletCredit, Invoice)
        .join(WalletCredit, WalletCredit.id == WalletMovement.credit_id)
        .outerjoin(Payment, Payment.id == WalletMovement.payment_id)
        .outerjoin(Invoice, Invoice.id == Payment.invoice_id)
        .where(WalletMovement.customer_id == customer_id)
    )
    if cursor:
        query = query.where(WalletMovement.id < paging.after(cursor, UUID)[0])
    rows = session.execute(query.order_by(WalletMovement.id.desc()).limit(limit + 1)).tuples().all()
    return paging.cut(rows, limit, lambda row: (row[0].id,))


def top_ups_among(session: Session, invoice_ids: Sequence[UUID]) -> set[UUID]:
    """Of invoices those by which money was paid into a wallet."""
    query = select(WalletCredit.invoice_id).where(WalletCredit.invoice_id.in_(invoice_ids))
    return {id_ for id_ in session.scalars(query) if id_} if invoice_ids else set()


def paid_out_of(session: Session, invoice_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How much of invoices wallets have paid."""
    query = (
        select(Payment.invoice_id, func.sum(Payment.amount_minor))
        .where(Payment.invoice_id.in_(invoice_ids), Payment.provider.in_(ledger.KEPT), Payment.status == "captured")
        .group_by(Payment.invoice_id)
    )
    return {id_: int(minor) for id_, minor in session.execute(query).tuples()} if invoice_ids else {}
