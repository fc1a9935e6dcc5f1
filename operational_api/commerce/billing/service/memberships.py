"""Memberships that we bill: each command loads the contract, takes a pure step, and stores what came of it."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from contracts.telemetry import get_logger
from operational_api.commerce import lifecycle
from operational_api.commerce.billing import contract as contracts
from operational_api.commerce.billing.collectors import StripeCollector
from operational_api.commerce.billing.contract import Contract, Step
from operational_api.commerce.billing.errors import NeedsLook, NotChangeable, NotPaidBefore, NotPausable
from operational_api.commerce.billing.models import Collection, Coupon
from operational_api.commerce.billing.periods import day_of
from operational_api.commerce.billing.service import agreements, coupons, parking
from operational_api.commerce.billing.service.agreements import OURS
from operational_api.commerce.billing.service.people import addressee
from operational_api.commerce.errors import AlreadySubscribed
from operational_api.commerce.models import Customer, Invoice, Payment, Plan, PlanPrice, Subscription
from operational_api.commerce.providers.port import Billing
from operational_api.commerce.service import customers, plans, subscriptions
from operational_api.commerce.service.subscriptions import Membership

log = get_logger(__name__)


def start_membership(
    session: Session, *, customer_id: UUID, plan_code: str, currency: str | None = None, coupon: str | None = None,
    now: datetime,
) -> Subscription:  # fmt: skip
    """Begin a membership that we bill, with a trial for who never had one; its first invoice is collected soon after.

    Raises:
        PlanNotFound, PlanNotSold, WrongCurrency: as at the checkout.
        AlreadySubscribed: a membership runs.
        CouponNotFound, CouponUsed, CouponNotForThis: the code does not hold.
    """
    customers.ensure_customer(session, account_id=customer_id, currency=currency or plans.DEFAULT_CURRENCY)
    customer = agreements.locked(session, customer_id)
    if subscriptions.live_membership(session, customer_id) is not None:
        raise AlreadySubscribed
    sold = plans.offer(
        session, code=plan_code, currency=customers.settle_currency(session, customer, currency), now=now
    )
    zone = addressee(session, customer_id).time_zone
    terms, today = agreements.terms_of(sold.plan, sold.price), day_of(now, zone)
    had_one = session.scalar(select(Subscription.id).where(Subscription.customer_id == customer_id).limit(1))
    row = Subscription(
        customer_id=customer_id, plan_id=sold.plan.id, price_id=sold.price.id, status=lifecycle.INCOMPLETE,
        amount_minor=sold.price.amount_minor, currency=sold.price.currency, interval_months=terms.interval_months,
        billed_by=OURS, time_zone=zone,
    )  # fmt: skip
    session.add(row)
    session.flush()
    if coupon:
        coupons.redeem(session, code=coupon, subscription=row, now=now)
    step = contracts.start(terms, on=today, trial_days=0 if had_one else sold.plan.trial_days)
    agreements.store(session, customer, row, Contract(lifecycle.INCOMPLETE, terms), step, now=now)
    return row


def demand_payer(session: Session, customer_id: UUID) -> None:
    """Of who pays for them a card is known: they paid with it, and the newest attempt did not fail. Whoever trains on a
    membership that nobody can be charged for would do so until collecting it is given up.

    Raises:
        NotPaidBefore: no such card is known.
    """
    payer_id = session.scalar(select(func.coalesce(Customer.payer_id, Customer.id)).where(Customer.id == customer_id))
    theirs = or_(Invoice.payer_id == payer_id, and_(Invoice.payer_id.is_(None), Invoice.customer_id == payer_id))
    newest = (
        select(Payment.status)
        .join(Invoice, Invoice.id == Payment.invoice_id)
        .where(theirs, Payment.provider == StripeCollector.name)
        .order_by(Payment.attempted_at.desc(), Payment.id.desc())
        .limit(1)
    )
    if payer_id is None or session.scalar(newest) != "captured":
        raise NotPaidBefore


def pause(session: Session, *, customer_id: UUID, resumes_on: date, now: datetime) -> Membership:
    """Pause until a day, on which it goes on by itself.

    Raises:
        NoSubscription, BilledElsewhere, NotPausable, PauseTooLong.
        NeedsLook: an invoice of it is parked.
    """
    customer, found, before, today = agreements.load(session, customer_id, now)
    if _is_unpaid(session, found.subscription.id, ("due", "retrying", "stopped")):
        raise NotPausable("An invoice is still being paid. Pause once it is: look again in a few minutes.")
    if parking.has_parked(session, found.subscription.id):
        raise NeedsLook
    agreements.store(
        session, customer, found.subscription, before, contracts.pause(before, on=today, resumes_on=resumes_on), now=now
    )
    return found


def resume(session: Session, *, customer_id: UUID, now: datetime) -> Membership:
    """Go on before the pause ends.

    Raises:
        NoSubscription, BilledElsewhere, NotResumable.
    """
    customer, found, _, today = agreements.load(session, customer_id, now)
    before = agreements.contract_of(session, found.subscription, begins_at=now)
    agreements.store(session, customer, found.subscription, before, contracts.resume(before, on=today), now=now)
    return found


def cancel(
    session: Session, provider: Billing, *, customer_id: UUID, reason: str, at_once: bool = False, now: datetime
) -> Membership:
    """End the membership when its period is over, or at once.

    What is open of it stays owed. A card is tried by the schedule while the membership lasts, and then no more. Of one
    that is paid and ends at once, the days that are left are of who paid them, as its plan says (`Plan.days_left`).

    Raises:
        NoSubscription: there is none.
        BilledElsewhere: at once, and a provider bills it.
    """
    if not at_once and not _is_ours(session, customer_id):
        return subscriptions.request_cancellation(session, provider, customer_id=customer_id, reason=reason, now=now)
    customer, found, before, today = agreements.load(session, customer_id, now)
    row = found.subscription
    row.cancel_requested_at, row.cancel_kind, row.cancel_reason = now, "voluntary", reason
    if at_once:
        is_unpaid = _is_unpaid(session, row.id, ("due", "retrying", "stopped")) or parking.has_parked(session, row.id)
        is_kept = found.plan.days_left == "forfeit" or is_unpaid
        step = contracts.cancel_now(before, on=None if is_kept else today)
    else:
        step = contracts.cancel_at_end(before, on=today)
    agreements.store(session, customer, row, before, step, now=now)
    return found


def keep(session: Session, provider: Billing, *, customer_id: UUID, now: datetime) -> Membership:
    """Keep a membership that was to end.

    Raises:
        NoSubscription: there is none, or it has ended.
    """
    if not _is_ours(session, customer_id):
        return subscriptions.undo_cancellation(session, provider, customer_id=customer_id, now=now)
    customer, found, before, _ = agreements.load(session, customer_id, now)
    row = found.subscription
    row.cancel_requested_at = row.cancel_kind = row.cancel_reason = None
    agreements.store(session, customer, row, before, contracts.keep(before), now=now)
    return found


def use_coupon(session: Session, *, customer_id: UUID, code: str, now: datetime) -> coupons.Held:
    """Use a code for a membership that runs: it takes something off from the next whole period on.

    Raises:
        NoSubscription, BilledElsewhere, ChangePending.
        NotChangeable: it is about to end.
        CouponNotFound, CouponUsed, CouponNotForThis: the code does not hold.
    """
    _, found, before, _ = agreements.load(session, customer_id, now)
    if before.cancels_on is not None:
        raise NotChangeable
    used = coupons.redeem(session, code=code, subscription=found.subscription, now=now)
    return used, session.get_one(Coupon, used.coupon_id)


def next_plan(session: Session, customer_id: UUID) -> tuple[Plan, PlanPrice] | None:
    """What a customer's membership changes to when its period ends, where it does."""
    row = session.execute(
        select(Plan, PlanPrice)
        .join(PlanPrice, PlanPrice.plan_id == Plan.id)
        .join(Subscription, Subscription.next_price_id == PlanPrice.id)
        .where(Subscription.customer_id == customer_id, Subscription.status.in_(lifecycle.LIVE))
    ).one_or_none()
    return (row[0], row[1]) if row else None


def _is_ours(session: Session, customer_id: UUID) -> bool:
    return subscriptions.membership(session, customer_id).subscription.billed_by == OURS


def advance_due(session: Session, now: datetime, *, limit: int = 200) -> int:
    """Do what time does: trials and pauses that end, periods that begin, cancellations that come. One that goes wrong
    leaves the others alone.

    Returns:
        How many memberships something happened to.
    """
    due = session.scalars(
        select(Subscription.id)
        .where(Subscription.billed_by == OURS, Subscription.next_step_at <= now, ~agreements.waits_for_payment())
        .order_by(Subscription.next_step_at)
        .limit(limit)
    ).all()
    for id_ in due:
        try:
            with session.begin_nested():
                agreements.advance(session, id_, now=now)
        except Exception:
            log.exception("membership_not_advanced", subscription_id=str(id_))
    return len(due)


def set_overdue(session: Session, subscription_id: UUID, *, is_overdue: bool, now: datetime) -> None:
    """What an unpaid invoice, or the last one's payment, makes of a membership; the customer's row is locked."""
    row = session.get_one(Subscription, subscription_id, populate_existing=True)
    if not is_overdue and _is_unpaid(session, subscription_id):
        return
    before = agreements.contract_of(session, row)
    after = contracts.payment_failed(before) if is_overdue else contracts.paid_up(before)
    if after != before:
        agreements.store(session, session.get_one(Customer, row.customer_id), row, before, Step(after), now=now)


def _is_unpaid(session: Session, subscription_id: UUID, states: Sequence[str] = ("retrying", "stopped")) -> bool:
    """Whether an invoice is still open of which an attempt to collect failed, or in another of these states."""
    query = (
        select(Collection.invoice_id)
        .join(Invoice, Invoice.id == Collection.invoice_id)
        .where(Invoice.subscription_id == subscription_id, Collection.status.in_(states))
    )
    return session.scalar(query.limit(1)) is not None


def end_unpaid(session: Session, subscription_id: UUID, *, now: datetime, reason: str = "payment_failed") -> None:
    """End a membership of ours that nobody pays; the customer's row is locked. One that a provider bills is ended by
    the provider, by the rules that it was given. Whoever had cancelled it before leaves of their own will all the same.

    Args:
        reason: `payment_failed`, or `payment_disputed` where the bank took a payment of it back for good.
    """
    row = session.get_one(Subscription, subscription_id, populate_existing=True)
    if row.status not in lifecycle.LIVE or row.billed_by != OURS:
        return
    if row.cancel_kind != "voluntary":
        row.cancel_requested_at, row.cancel_kind, row.cancel_reason = now, "involuntary", reason
    before = agreements.contract_of(session, row)
    customer = session.get_one(Customer, row.customer_id)
    agreements.store(session, customer, row, before, contracts.cancel_now(before), now=now)
