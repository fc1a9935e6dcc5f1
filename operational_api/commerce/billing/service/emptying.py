"""Wallets of people who have closed their accounts: what they paid in and did not use goes back to where it came from.

First it pays what they still owe. What a bank refuses, or contests, waits for a person (`stuck_top_ups`); gifts are no
money of theirs, and run out.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.orm import Session

from contracts.telemetry import get_logger
from operational_api.commerce.billing.models import Collection
from operational_api.commerce.billing.service import people
from operational_api.commerce.models import Dispute, Payment, Refund, WalletCredit
from operational_api.commerce.providers.port import PaymentProvider
from operational_api.commerce.service import customers, refunds

log = get_logger(__name__)
REASON = "Paid into a wallet that was closed"


def _refunds(*statuses: str) -> ColumnElement[bool]:
    return exists().where(Refund.payment_id == Payment.id, Refund.status.in_(statuses))


IS_CONTESTED = exists().where(Dispute.payment_id == Payment.id, Dispute.status != "won")
IS_REFUSED, IS_ON_ITS_WAY = _refunds("failed"), _refunds("pending", "unknown")
IS_CLOSED = and_(
    Payment.invoice_id == WalletCredit.invoice_id, Payment.status == "captured", WalletCredit.left_minor > 0,
    people.has_closed(WalletCredit.customer_id),
    ~exists().where(Collection.payer_id == WalletCredit.customer_id, Collection.next_attempt_at.is_not(None)),
)  # fmt: skip
"""Of a top-up and its payment: that something is left of it, and its owner is gone and owes nothing."""


def give_back_due(session: Session, providers: Mapping[str, PaymentProvider], now: datetime, *, limit: int = 50) -> int:
    """Give back every top-up of theirs that has something left; one that goes wrong leaves the others alone.

    Returns:
        How many were given back.
    """
    due = session.execute(
        select(Payment.id, Payment.provider, WalletCredit.id, WalletCredit.customer_id)
        .join(WalletCredit, WalletCredit.invoice_id == Payment.invoice_id)
        .where(IS_CLOSED, Payment.provider.in_(providers), ~IS_REFUSED, ~IS_ON_ITS_WAY, ~IS_CONTESTED)
        .order_by(WalletCredit.made_at, WalletCredit.id)
        .limit(limit)
    ).all()
    given = 0
    for payment_id, provider, credit_id, customer_id in due:
        try:
            with session.begin_nested():
                given += give_back(session, providers[provider], payment_id, credit_id, customer_id, now)
        except Exception:
            log.exception("wallet_not_given_back", credit_id=str(credit_id))
    return given


def give_back(
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
