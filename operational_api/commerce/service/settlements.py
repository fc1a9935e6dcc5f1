"""A provider's settlement, where its files are read elsewhere: lines kept as its books, and fees that only they tell.

The data platform lands MoMo's files and hands their lines on (`POST /api/commerce/settlements`). A file may come
again, or corrected: a line takes its newest state. What it says otherwise than we booked is a difference for somebody
to decide (`service.reconciliation`), except a fee that nobody could know before: that is booked, once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.commerce import ledger
from operational_api.commerce.models import Payment, ProviderMovement
from operational_api.commerce.providers.port import ProviderMovement as Movement
from operational_api.commerce.providers.port import ProviderPayout as Payout
from operational_api.commerce.service import journals, reconciliation


@dataclass(frozen=True, slots=True)
class SettledLine:
    """One transaction of a settlement. `kind`: payment or refund; amounts of refunds are negative. `order_id` is ours:
    the checkout's, or the refund's; `original_id` the provider's number of the payment that is given back."""

    kind: str
    transaction_id: str
    order_id: str
    original_id: str | None
    amount_minor: int
    fee_minor: int
    currency: str
    paid_at: datetime
    payout_id: str | None = None


def take(
    session: Session, *, provider: str, lines: Sequence[SettledLine], payouts: Iterable[Payout] = (), now: datetime
) -> int:
    """Keep lines and payouts of a settlement and book the fees in them; the same again changes nothing.

    Returns:
        How many fees were booked.
    """
    orders = _orders(session, provider, lines)
    reconciliation.keep(session, provider, [_movement(line, orders) for line in lines], payouts)
    return _book_fees(session, provider, lines, now)


def _orders(session: Session, provider: str, lines: Sequence[SettledLine]) -> dict[str, str]:
    """Our order of each of the provider's payments that these lines name."""
    known = {f"payment-{line.original_id}" for line in lines if line.original_id}
    query = select(ProviderMovement.object_id, ProviderMovement.source_id).where(
        ProviderMovement.provider == provider, ProviderMovement.id.in_(known)
    )
    found = {str(row.object_id): str(row.source_id) for row in session.execute(query)}
    return found | {line.transaction_id: line.order_id for line in lines if line.kind == "payment"}


def _movement(line: SettledLine, orders: dict[str, str]) -> Movement:
    is_payment = line.kind == "payment"
    return Movement(
        id=f"{line.kind}-{line.transaction_id}", kind=line.kind,
        source_id=line.order_id if is_payment else orders.get(line.original_id or ""),
        object_id=line.transaction_id if is_payment else line.order_id, amount_minor=line.amount_minor,
        currency=line.currency, settled_minor=line.amount_minor, settled_currency=line.currency,
        fee_minor=line.fee_minor, exchange_rate=None, provider_customer_id=None, payout_id=line.payout_id,
        is_live=True, occurred_at=line.paid_at,
    )  # fmt: skip


def _book_fees(session: Session, provider: str, lines: Sequence[SettledLine], now: datetime) -> int:
    fees = {line.order_id: line.fee_minor for line in lines if line.kind == "payment" and line.fee_minor > 0}
    paid = session.scalars(
        select(Payment)
        .where(
            Payment.provider == provider, Payment.provider_payment_id.in_(fees), Payment.status == "captured",
            Payment.fee_minor == 0,
        )
        .order_by(Payment.id)
        .with_for_update()
    ).all()  # fmt: skip
    booked = 0
    for payment in paid:
        fee = fees[str(payment.provider_payment_id)]
        is_new = journals.post(
            session, kind="settlement_fee", source_type="payment", source_id=payment.id,
            customer_id=payment.customer_id, currency=payment.currency,
            lines=ledger.settlement_fee(amount_minor=fee, balance=ledger.balance_at(provider)), posted_at=now,
        )  # fmt: skip
        if is_new:
            payment.fee_minor = fee
            booked += 1
    session.flush()
    return booked
