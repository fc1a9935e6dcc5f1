"""The only door to commerce for other contexts: ids and plain values in and out."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select
from sqlalchemy.orm import Session

from operational_api.commerce import lifecycle
from operational_api.commerce.billing.desk import (
    BillingExceptions,
    How,
    billing_exceptions,
    count_billing_exceptions,
    decide_parked_invoice,
    release_customer,
    settle_item,
    try_item_again,
    undo_settlement,
)
from operational_api.commerce.billing.models import CommissionRate, CommissionStatement
from operational_api.commerce.billing.service import (
    collection,
    earnings,
    fees,
    pay_lines,
    pay_slips,
    people,
    sales,
    studios,
)
from operational_api.commerce.billing.service.collection import Schedule
from operational_api.commerce.billing.service.coupons import Duration as CouponDuration
from operational_api.commerce.billing.service.coupons import Worth, all_coupons
from operational_api.commerce.billing.service.coupons import create as create_coupon
from operational_api.commerce.billing.service.coupons import set_taken as set_coupon_taken
from operational_api.commerce.billing.service.earnings import Earning
from operational_api.commerce.billing.service.earnings import next_period as next_pay_period
from operational_api.commerce.billing.service.pay_slips import FileFormat
from operational_api.commerce.billing.service.payers import (
    PayerSet,
    paid_for_by,
    payer_of,
    set_billed_to,
    set_payer,
    set_payer_of_many,
)
from operational_api.commerce.billing.service.payout_batches import of_batch as payouts_of_batch
from operational_api.commerce.billing.service.payout_batches import record as record_payout_batch
from operational_api.commerce.billing.service.payout_batches import reverse as reverse_payout_batch
from operational_api.commerce.billing.service.payout_batches import unpaid_until
from operational_api.commerce.billing.service.payouts import balances as pay_balances
from operational_api.commerce.billing.service.payouts import record as record_payout
from operational_api.commerce.billing.service.payouts import reverse as reverse_payout
from operational_api.commerce.billing.service.payouts import standings as pay_standings
from operational_api.commerce.billing.service.pricing import history as price_history
from operational_api.commerce.billing.service.pricing import members_at, set_price, withdraw_price
from operational_api.commerce.billing.slips import PaySlip
from operational_api.commerce.desks import REFUND_DESK
from operational_api.commerce.differences import WORDS
from operational_api.commerce.invoice_desk import (
    Asked,
    Credit,
    InvoiceSeen,
    PaymentMade,
    credit_invoice,
    fee_at,
    invoice_seen,
    invoices_seen,
    payments_of,
)
from operational_api.commerce.lots import last_moment
from operational_api.commerce.models import Plan, Subscription
from operational_api.commerce.schemas import DisputeRead
from operational_api.commerce.service import (
    customers,
    disputes,
    findings,
    packs,
    plans,
    reconciliation,
    retellings,
)
from operational_api.commerce.service.approvals import request_refund
from operational_api.commerce.service.catalogue import (
    DaysLeft,
    PlanKind,
    Terms,
    change_plan,
    create_plan,
    every_plan,
    plan_kept,
)
from operational_api.commerce.service.catalogue import set_sold as set_plan_sold
from operational_api.commerce.service.customers import billed_to
from operational_api.commerce.service.invoices import of_payments as invoices_of_payments
from operational_api.commerce.settings import SellerSettings
from operational_api.commerce.wallet_desk import Shown as Wallet
from operational_api.commerce.wallet_desk import (
    WalletPart,
    give_credit,
    may_read_wallet,
    reason_of_gift,
    wallet_of,
    wallet_part,
)
from operational_api.core.principal import Principal
from operational_api.core.statements import Statement

__all__ = [
    "REFUND_DESK", "Asked", "BillingExceptions", "BooksDiffer", "Comparison", "CouponDuration", "Credit",
    "CurrentPlan", "DaysLeft", "FileFormat", "How", "InvoiceSeen", "PaySlip", "PayerSet", "PaymentMade", "PlanKind",
    "PlanOffer", "RetellingSeen", "SellerSettings", "Terms", "Wallet", "WalletPart", "Worth", "all_coupons",
    "ask_retelling", "billed_to", "billing_exceptions", "change_plan", "charge_late_fee", "close_pay_period",
    "collections", "commission_rates", "commission_statements", "commissions_owed", "comparisons", "contested",
    "contested_unanswered", "count_billing_exceptions", "create_coupon", "create_plan", "credit_invoice",
    "currency_of", "current_plan", "current_plans", "days_at_studios", "decide_parked_invoice", "differences",
    "ensure_customer", "every_plan", "fee_at", "give_credit", "has_active_plan", "invoice_seen",
    "invoices_of_payments", "invoices_seen", "last_moment", "may_read_wallet", "members_at", "next_pay_period",
    "pack_sessions_left", "paid_for_by", "pay_balances", "pay_not_closed", "pay_slip", "pay_slip_file",
    "pay_standings", "payer_of", "payments_of", "payouts_of_batch", "plan_kept", "plans_for_sale", "price_history",
    "reason_of_gift", "record_payout", "record_payout_batch", "release_customer", "request_refund",
    "resolve_difference", "retellings_made", "return_pack_session", "reverse_payout", "reverse_payout_batch",
    "set_billed_to", "set_commission_rate", "set_coupon_taken", "set_payer", "set_payer_of_many", "set_plan_sold",
    "set_price", "settle_item", "try_item_again", "undo_settlement", "unpaid_until", "use_pack_session",
    "use_session_of_pack", "waive_late_fee", "wallet_of", "wallet_part", "withdraw_price",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class CurrentPlan:
    """The membership a customer trains on. `sessions_included` a month, None for unlimited."""

    subscription_id: UUID
    plan_id: UUID
    code: str
    name: str
    status: str
    sessions_included: int | None
    ends_at: datetime | None


_CURRENT_PLANS = Statement(
    select(
        Subscription.customer_id, Subscription.id, Plan.id, Plan.code, Plan.name, Subscription.status,
        Plan.sessions_included, Subscription.cancel_at,
    )
    .join(Plan, Plan.id == Subscription.plan_id)
    .where(
        Subscription.customer_id == any_(bindparam("customer_ids", type_=ARRAY(Uuid()))),
        Subscription.status.in_(lifecycle.USABLE),
    )
)  # fmt: skip


def current_plan(session: Session, customer_id: UUID) -> CurrentPlan | None:
    """The membership that lets a customer book today: trialing, active or overdue; None when paused or without one."""
    return current_plans(session, [customer_id]).get(customer_id)


def current_plans(session: Session, customer_ids: Iterable[UUID]) -> dict[UUID, CurrentPlan]:
    """The memberships of many customers in one query. Who has none that lets them book is not in the answer."""
    rows = _CURRENT_PLANS.all(session, {"customer_ids": list(customer_ids)})
    return {row[0]: CurrentPlan(*row[1:]) for row in rows}


def has_active_plan(session: Session, customer_id: UUID, now: datetime) -> bool:
    """Whether a membership lets this customer book at `now`. Packs do not count: see `use_pack_session`."""
    plan = current_plan(session, customer_id)
    return plan is not None and (plan.ends_at is None or plan.ends_at > now)


def use_pack_session(session: Session, customer_id: UUID, now: datetime) -> UUID | None:
    """Take one prepaid session, from the pack that expires first.

    Returns:
        The pack's id, to give the session back with; None when no session is left.
    """
    return packs.use_session(session, customer_id=customer_id, now=now)


def return_pack_session(session: Session, pack_id: UUID, *, called_off_at: datetime | None = None) -> None:
    """Give a session back to the pack it was taken from.

    Args:
        called_off_at: When it was called off by us: what is given back can then be used for a month at least.
    """
    packs.return_session(session, pack_id=pack_id, called_off_at=called_off_at)


def lock_packs(session: Session, pack_ids: Collection[UUID]) -> None:
    """Keep packs from being changed by others until the transaction ends. Who gives sessions of several back does this
    first."""
    packs.lock(session, pack_ids)


def sessions_unpaid(session: Session, pack_id: UUID) -> int:
    """How many sessions of a pack are used that its money does not pay for: it was given back, or never came."""
    return packs.sessions_unpaid(session, pack_id=pack_id)


def use_session_of_pack(session: Session, pack_id: UUID) -> bool:
    """Take a session again of the pack that has paid for it before, also where that has run out since.

    Returns:
        Whether it had one.
    """
    return packs.use_session_of(session, pack_id=pack_id)


def ensure_customer(session: Session, account_id: UUID, currency: str) -> None:
    """Make the account a payer in this currency unless it is one; what is known of an existing payer stays."""
    customers.ensure_customer(session, account_id=account_id, currency=currency)


def currency_of(session: Session, customer_id: UUID) -> str:
    """The currency in which a customer pays, or would."""
    return sales.currency_of(session, customer_id, plans.DEFAULT_CURRENCY)


def pack_sessions_left(session: Session, customer_id: UUID, now: datetime) -> int:
    """Prepaid sessions a customer can still use at `now`, over all packs."""
    found = packs.usable_packs(session, customer_id=customer_id, now=now)
    return sum(pack.sessions_left for pack, _ in found)


@dataclass(frozen=True, slots=True)
class PlanOffer:
    """A plan for sale, its price in minor units, tax included."""

    code: str
    name: str
    description: str
    amount_minor: int
    currency: str


def plans_for_sale(session: Session, currency: str, now: datetime) -> list[PlanOffer]:
    """What is sold in a currency at `now`, in the order in which it is shown."""
    return [
        PlanOffer(sold.plan.code, sold.plan.name, sold.plan.description, sold.price.amount_minor, sold.price.currency)
        for sold in plans.services(session, currency=currency, now=now)
    ]


def is_closed(session: Session, account_id: UUID) -> bool:
    """Whether there is such an account and nobody signs in to it any more."""
    return people.is_closed(session, account_id)


def sold_on_invoice(session: Session, *, customer_id: UUID, currency: str, now: datetime) -> list[PlanOffer]:
    """What can be sold to a customer on an invoice: packs and single sessions, in the order in which they are shown.

    Args:
        currency: Of who has paid nothing yet; everybody else's is their own.
    """
    own = sales.currency_of(session, customer_id, currency)
    return [
        PlanOffer(sold.plan.code, sold.plan.name, sold.plan.description, sold.price.amount_minor, sold.price.currency)
        for sold in sales.offers(session, currency=own, now=now)
    ]


def sell_pack(session: Session, *, customer_id: UUID, plan_code: str, currency: str, now: datetime) -> UUID:
    """Sell sessions on an invoice, to be used before it is paid; returns the pack.

    Raises:
        PlanNotFound, PlanNotSold, NotSoldOnInvoice, IntroUsed.
    """
    return sales.sell_pack(session, customer_id=customer_id, plan_code=plan_code, currency=currency, now=now).id


def take_back_pack(
    session: Session, *, pack_id: UUID, sold_at: datetime, sessions: int, actor_id: UUID, now: datetime
) -> bool:
    """A pack that was sold on an invoice by mistake is neither owed nor usable; whether that could be.

    Args:
        sessions: How many of it are given back with it.

    Raises:
        InvoiceNotCreditable: an answer about its payment is missing.
    """
    return sales.take_back(
        session, pack_id=pack_id, sold_at=sold_at, sessions=sessions, reason="Sold by mistake", actor_id=actor_id,
        now=now,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class BooksDiffer:
    """A difference between a provider's books and ours; `outcome` and what follows are None while it waits."""

    finding_id: UUID
    provider: str
    words: str
    subject: str
    found_at: datetime
    currency: str | None
    ours_minor: int | None
    theirs_minor: int | None
    theirs_currency: str | None
    customer_id: UUID | None
    payment_id: UUID | None
    note: str
    outcome: str | None
    reason: str | None
    resolved_by: UUID | None
    resolved_at: datetime | None


def differences(
    session: Session, *, is_resolved: bool, limit: int, cursor: str | None
) -> tuple[list[BooksDiffer], str | None]:
    """Differences that wait, or that were resolved, the newest first. The caller decides who may ask."""
    lines, following = findings.page(session, is_resolved=is_resolved, limit=limit, cursor=cursor)
    return [
        BooksDiffer(
            finding_id=row.id, provider=row.provider, words=WORDS.get(row.kind, row.kind), subject=row.subject,
            found_at=row.found_at, currency=row.currency, ours_minor=row.ours_minor, theirs_minor=row.theirs_minor,
            theirs_currency=row.theirs_currency, customer_id=row.customer_id,
            payment_id=row.payment_id, note=row.note,
            outcome=done.outcome if done else None, reason=done.reason if done else None,
            resolved_by=done.resolved_by if done else None, resolved_at=done.resolved_at if done else None,
        )
        for line in lines
        for row, done in ((line.finding, line.resolution),)
    ], following  # fmt: skip


def contested_unanswered(session: Session, *, now: datetime) -> tuple[int, datetime | None]:
    """How many contested payments we have not said anything about, and until when the first bank of them listens."""
    return disputes.unanswered(session, now=now)


def contested(session: Session, *, limit: int, cursor: str | None) -> tuple[list[DisputeRead], str | None]:
    """Payments contested at the bank, the newest first. The caller decides who may ask."""
    rows, following = disputes.page(session, limit=limit, cursor=cursor)
    return [DisputeRead.model_validate(row) for row in rows], following


def resolve_difference(
    session: Session, finding_id: UUID, *, outcome: str, reason: str, actor_id: UUID, now: datetime
) -> None:
    """Say what was done about a difference, for good.

    Raises:
        FindingNotFound, FindingResolved, ReasonNeeded.
    """
    findings.resolve(session, finding_id=finding_id, outcome=outcome, reason=reason, actor_id=actor_id, now=now)


@dataclass(frozen=True, slots=True)
class Comparison:
    """When a provider's books were compared last, and how many of its lines since when."""

    provider: str
    since: datetime
    ran_at: datetime
    movements: int


def comparisons(session: Session) -> list[Comparison]:
    """The newest comparison with each provider."""
    return [Comparison(row.provider, row.since, row.ran_at, row.movements) for row in reconciliation.last_runs(session)]


@dataclass(frozen=True, slots=True)
class RetellingSeen:
    """A look at whether money's tables are what its events tell; all but who asked and when is None until it is done.
    `differences`: about what, its id, and what differs; at most a hundred of `difference_count`."""

    asked_by: UUID | None
    asked_at: datetime
    finished_at: datetime | None
    compared: int | None
    difference_count: int | None
    differences: list[tuple[str, str, str]]


def retellings_made(session: Session, *, limit: int) -> list[RetellingSeen]:
    """The newest looks, the newest first. The caller decides who may ask."""
    return [
        RetellingSeen(
            row.asked_by, row.asked_at, row.finished_at, row.compared, row.difference_count,
            [(one[0], one[1], one[2]) for one in row.differences or ()],
        )
        for row in retellings.latest(session, limit=limit)
    ]  # fmt: skip


def ask_retelling(session: Session, *, actor_id: UUID, now: datetime) -> None:
    """Have the worker look within a minute."""
    retellings.ask(session, actor_id=actor_id, now=now)


def collections(session: Session, *, limit: int, cursor: str | None) -> tuple[list[Schedule], str | None]:
    """What is being collected from everybody, the newest first, and the cursor of the next page."""
    return collection.page(session, status=None, limit=limit, cursor=cursor)


def commissions_owed(session: Session, *, last_on: date, coach_id: UUID | None = None) -> list[Earning]:
    """What coaches, or one, earned up to a day that is in no statement yet."""
    return earnings.earned(session, last_on=last_on, coach_id=coach_id)


def pay_slip(session: Session, principal: Principal, statement_id: UUID) -> PaySlip:
    """A closed pay period of a coach, line by line.

    Raises:
        StatementNotFound: unknown, or not the principal's to read.
    """
    return pay_slips.closed(session, principal, statement_id=statement_id)


def pay_slip_file(
    session: Session, principal: Principal, statement_id: UUID, *, file_format: FileFormat, seller: SellerSettings
) -> tuple[str, str, bytes]:
    """The same as a file: its name, its media type and its bytes."""
    return pay_slips.file(session, principal, statement_id=statement_id, file_format=file_format, seller=seller)


def pay_not_closed(session: Session, principal: Principal, coach_id: UUID, *, last_on: date) -> list[PaySlip]:
    """What a coach earned up to a day that is in no statement yet, line by line, a slip for each currency.

    Raises:
        StatementNotFound: not the principal's to read.
    """
    return pay_slips.not_closed(session, principal, coach_id=coach_id, last_on=last_on)


def days_at_studios(session: Session, now: datetime) -> tuple[date, date]:
    """The earliest and the latest day that it is at any studio."""
    return studios.days(session, now)


def commission_statements(
    session: Session, *, coach_id: UUID | None, limit: int, cursor: str | None
) -> tuple[list[CommissionStatement], str | None]:
    """Closed pay periods of a coach, or of all, the newest first, and the cursor of the next page."""
    return earnings.statements(session, coach_id=coach_id, limit=limit, cursor=cursor)


def commission_rates(session: Session, coach_ids: Iterable[UUID] | None) -> list[CommissionRate]:
    """What these coaches earn, or all, the newest rate of each first."""
    return pay_lines.rates(session, coach_ids)


def set_commission_rate(
    session: Session, *, coach_id: UUID, currency: str, per_session_minor: int, pack_share_bp: int, valid_from: date,
    actor_id: UUID, now: datetime, per_class_minor: int = 0,
) -> None:  # fmt: skip
    """Set what a coach earns from a day on.

    Raises:
        PeriodClosed: that day is in a closed pay period, or another rate begins on it.
    """
    earnings.set_rate(
        session, coach_id=coach_id, currency=currency, per_session_minor=per_session_minor,
        pack_share_bp=pack_share_bp, per_class_minor=per_class_minor, valid_from=valid_from, actor_id=actor_id, now=now,
    )  # fmt: skip


def close_pay_period(session: Session, *, first_on: date, last_on: date, actor_id: UUID, now: datetime) -> int:
    """Close a pay period; returns how many statements that made.

    Raises:
        PayPeriodInvalid, PeriodClosed.
    """
    return len(earnings.close(session, first_on=first_on, last_on=last_on, actor_id=actor_id, now=now))


def charge_late_fee(
    session: Session, *, booking_id: UUID, customer_id: UUID, amount_minor: int, currency: str, starts_at: datetime,
    now: datetime,
) -> None:  # fmt: skip
    """What a late cancellation costs, tax included, is on the customer's next invoice; once for a booking."""
    fees.charge(
        session, booking_id=booking_id, customer_id=customer_id, amount_minor=amount_minor, currency=currency,
        starts_at=starts_at, now=now,
    )  # fmt: skip


def waive_late_fee(session: Session, *, booking_id: UUID, reason: str, actor_id: UUID, now: datetime) -> None:
    """A late cancellation costs nothing after all: it is on no invoice, or credited on an open one.

    Raises:
        FeePaid: it was paid: then it is refunded like every payment.
        InvoiceNotCreditable: an answer about its payment is missing.
    """
    fees.let_go(session, booking_id=booking_id, reason=reason, actor_id=actor_id, now=now)
