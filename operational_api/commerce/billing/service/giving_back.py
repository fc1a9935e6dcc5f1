"""What was paid and not used, where no invoice will use it: given back to the card that it came from.

A credit is of who paid for it. While they pay for that customer it comes off the next invoice. It is given back once
they do not, and once the membership that it is of was ended by its owner, where its plan says so (`Plan.days_left`):
from the newest payment of theirs for that customer that has as much left, then from the one before. What no payment has
left, and what a bank or a provider refuses, waits on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from contracts.telemetry import get_logger
from operational_api.commerce import lifecycle, prices
from operational_api.commerce.billing.models import BillingItem, PlanChange
from operational_api.commerce.billing.service import invoicing
from operational_api.commerce.models import (
    Customer,
    Dispute,
    Invoice,
    Payment,
    Plan,
    Refund,
    Subscription,
    WalletCredit,
)
from operational_api.commerce.providers.port import PaymentProvider
from operational_api.commerce.service import customers, refunds

log = get_logger(__name__)
REASON = "Days paid and not used"
_IS_CREDIT = and_(
    BillingItem.kind == "unused", BillingItem.invoice_id.is_(None), BillingItem.refund_id.is_(None),
    BillingItem.settled_as.is_(None), BillingItem.amount_minor < 0,
)  # fmt: skip
"""Days that cost nothing are given back as a row of nothing: no bank is asked for that."""


def give_back_due(session: Session, providers: Mapping[str, PaymentProvider], now: datetime, *, limit: int = 50) -> int:
    """Give back every credit that no invoice will use; one that goes wrong leaves the others alone.

    Args:
        providers: By name; what was paid with another waits.

    Returns:
        How many credits were given back, in full or in part.
    """
    _let_wait_again(session)
    found = due().where(exists().where(*can_pay(list(providers)))).order_by(BillingItem.made_at, BillingItem.id)
    given = 0
    for item_id in session.scalars(found.limit(limit)).all():
        try:
            with session.begin_nested():
                given += _give_back(session, providers, item_id, now=now)
        except Exception:
            log.exception("credit_not_given_back", item_id=str(item_id))
    return given


def waiting_for(session: Session, account_id: UUID) -> list[tuple[int, str, bool]]:
    """What of an account's money is paid and not used: minor units, their currency, and whether that goes back to the
    card; else it comes off the next invoice."""
    is_due = BillingItem.id.in_(due())
    rows = session.execute(
        select(func.sum(-BillingItem.amount_minor), BillingItem.currency, is_due)
        .where(_IS_CREDIT, func.coalesce(BillingItem.payer_id, BillingItem.customer_id) == account_id)
        .group_by(BillingItem.currency, is_due)
        .order_by(BillingItem.currency, is_due)
    )
    return [(int(minor), currency, goes_back) for minor, currency, goes_back in rows]


def due() -> Select[tuple[UUID]]:
    """Credits that no invoice will use: of who paid and does not any more, of what its owner has ended, or of a change
    of plan that was paid when its membership had ended.

    A charge of the same payer's is invoiced first, and a change of plan that is being paid may still take it back. Of a
    customer that is parked nothing is given back.
    """
    other, life = aliased(BillingItem), aliased(Subscription)
    goes_on = exists().where(life.customer_id == BillingItem.customer_id, life.status.in_(lifecycle.LIVE))
    is_ended = and_(
        Subscription.status == lifecycle.CANCELLED, Subscription.cancel_kind == "voluntary",
        Plan.days_left == "refund", ~goes_on,
    )  # fmt: skip
    is_charged = exists().where(
        other.customer_id == BillingItem.customer_id, other.currency == BillingItem.currency,
        other.payer_id.is_not_distinct_from(BillingItem.payer_id), other.kind != "unused", other.invoice_id.is_(None),
        other.settled_as.is_(None),
    )  # fmt: skip
    of_change = exists().where(PlanChange.id == BillingItem.plan_change_id)
    is_undecided, did_not_hold = (of_change.where(PlanChange.status == one) for one in ("pending", "failed"))
    return (
        select(BillingItem.id)
        .join(Customer, Customer.id == BillingItem.customer_id)
        .outerjoin(Subscription, Subscription.id == BillingItem.subscription_id)
        .outerjoin(Plan, Plan.id == Subscription.plan_id)
        .where(
            _IS_CREDIT, BillingItem.parked_id.is_(None), Customer.parked_at.is_(None),
            or_(BillingItem.payer_id.is_distinct_from(Customer.payer_id), is_ended, did_not_hold), ~is_charged,
            ~is_undecided,
        )
    )  # fmt: skip


def _left() -> ColumnElement[int]:
    return Payment.amount_minor - refunds.taken_of(Payment.id)


def can_pay(names: Sequence[str], *, tries_again: bool = False) -> list[ColumnElement[bool]]:
    """Which payments a credit may be given back from: of whose it is, and with something left.

    Args:
        tries_again: Also from one of which the bank or the provider has refused to give something back.
    """
    refused = exists().where(Refund.payment_id == Payment.id, Refund.status == "failed")
    contested = exists().where(Dispute.payment_id == Payment.id, Dispute.status != "won")
    return [
        Payment.invoice_id == Invoice.id, Payment.customer_id == BillingItem.customer_id,
        Payment.currency == BillingItem.currency, Payment.status == "captured", Payment.provider.in_(names),
        Payment.provider_payment_id.is_not(None), Invoice.payer_id.is_not_distinct_from(BillingItem.payer_id),
        Invoice.session_pack_id.is_(None), ~exists().where(WalletCredit.invoice_id == Invoice.id), _left() > 0,
        ~contested, *(() if tries_again else (~refused,)),
    ]  # fmt: skip


def give_back_again(
    session: Session, providers: Mapping[str, PaymentProvider], item_id: UUID, *, now: datetime
) -> bool:
    """Give one credit back now, also from a payment of which something was refused before; whether any of it was."""
    return _give_back(session, providers, item_id, now=now, tries_again=True)


def _give_back(
    session: Session, providers: Mapping[str, PaymentProvider], item_id: UUID, *, now: datetime,
    tries_again: bool = False,
) -> bool:  # fmt: skip
    customer_id = session.scalar(select(BillingItem.customer_id).where(BillingItem.id == item_id))
    if customer_id is None or customers.locked_customer(session, customer_id) is None:
        return False
    item: BillingItem | None = session.get_one(BillingItem, item_id, populate_existing=True)
    if session.scalar(due().where(BillingItem.id == item_id)) is None:  # somebody was quicker
        return False
    found = session.execute(
        select(Payment.id, Payment.provider, _left())
        .select_from(BillingItem, Payment, Invoice)
        .where(BillingItem.id == item_id, *can_pay(list(providers), tries_again=tries_again))
        .order_by(
            (Invoice.subscription_id == BillingItem.subscription_id).desc().nulls_last(), Payment.captured_at.desc(),
            Payment.id,
        )
    ).all()  # fmt: skip
    given = False
    for payment_id, provider, left in found:
        if item is None:
            break
        amount, key = int(min(left, -item.amount_minor)), _key(session, item.id, payment_id)
        refund = refunds.refund_or_note(
            session, providers[provider], payment_id=payment_id, amount_minor=amount, reason=REASON, asked_as=key,
            now=now,
        )  # fmt: skip
        if refund.status == "failed":
            break
        item, given = _use(session, item, refund), True
    return given


def _key(session: Session, item_id: UUID, payment_id: UUID) -> str:
    """Names an attempt to give a credit back from a payment. It hangs on what is known to have failed alone, so that
    what a process had begun that died is asked about, and not begun anew."""
    name = f"{refunds.OF_CREDIT}{item_id}"
    failed = select(func.count()).where(
        Refund.payment_id == payment_id, Refund.status == "failed", Refund.provider_key.startswith(name)
    )
    times = session.scalar(failed) or 0
    return f"{name}-{times}" if times else name


def _use(session: Session, item: BillingItem, refund: Refund) -> BillingItem | None:
    """A credit, or a part of it, went back; the rest waits in a row of its own."""
    whole, whole_tax, part = -item.amount_minor, -item.tax_minor, refund.amount_minor
    rest = None
    if part < whole:
        tax = prices.tax_part(part, before_minor=0, total_minor=whole, tax_minor=whole_tax)
        left = replace(invoicing.item_of(item), amount_minor=part - whole, tax_minor=tax - whole_tax)
        rest = invoicing.copy_of(item, left)
        session.add(rest)
        item.amount_minor, item.tax_minor = -part, -tax
    item.refund_id = refund.id
    session.flush()
    return rest


def _let_wait_again(session: Session) -> None:
    """What was to be given back, and the bank did not take, waits again: as another row, for its name was used."""
    failed = select(BillingItem).join(Refund, Refund.id == BillingItem.refund_id).where(Refund.status == "failed")
    for item in session.scalars(failed.with_for_update(of=BillingItem)).all():
        session.add(invoicing.copy_of(item))
        session.delete(item)
    session.flush()
