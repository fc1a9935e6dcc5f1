"""Memberships that we bill: each command loads the contract, takes a pure step, and stores what came of it."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.commerce import lifecycle
from operational_api.commerce.billing import contract as contracts
from operational_api.commerce.billing import proration
from operational_api.commerce.billing.contract import Contract, Step, Terms
from operational_api.commerce.billing.drafts import Draft, draft
from operational_api.commerce.billing.errors import BilledElsewhere
from operational_api.commerce.billing.models import Collection
from operational_api.commerce.billing.periods import Period, day_of, first_moment, period_at
from operational_api.commerce.billing.proration import Cover, Item, Mode
from operational_api.commerce.billing.service import coupons, invoicing
from operational_api.commerce.billing.service.people import addressee
from operational_api.commerce.errors import AlreadySubscribed, NoSubscription
from operational_api.commerce.models import Customer, Invoice, Plan, PlanPrice, Subscription
from operational_api.commerce.providers.port import PaymentProvider
from operational_api.commerce.service import customers, plans, subscriptions
from operational_api.commerce.service.subscriptions import Membership

OURS = "plyo"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change of plan would come to: the invoice that is made now, None where none is, and when it holds."""

    mode: Mode
    plan: Plan
    price: PlanPrice
    invoice: Draft | None
    next_invoice_minor: int
    from_on: date


def terms_of(plan: Plan, price: PlanPrice) -> Terms:
    """A plan at a price, as contracts know it."""
    return Terms(price.id, plan.id, plan.name, price.amount_minor, price.tax_rate_bp, plan.interval_months or 1)


def _terms(session: Session, price_id: UUID) -> Terms:
    price = session.get_one(PlanPrice, price_id)
    return terms_of(session.get_one(Plan, price.plan_id), price)


def contract_of(session: Session, row: Subscription) -> Contract:
    """A stored membership as the pure rules see it."""
    terms = replace(_terms(session, row.price_id), amount_minor=row.amount_minor, interval_months=row.interval_months)
    period = cover = None
    if row.anchor_on is not None and row.current_period_start is not None and row.current_period_end is not None:
        period = Period(day_of(row.current_period_start, row.time_zone), day_of(row.current_period_end, row.time_zone))
    if row.covered_from is not None and row.covered_until is not None:
        covered = Period(row.covered_from, row.covered_until)
        cover = Cover(covered, row.covered_minor or 0, row.covered_tax_minor or 0, terms.tax_rate_bp, terms.name)
    return Contract(
        status=row.status, terms=terms, anchor_on=row.anchor_on, period=period, cover=cover,
        trial_ends_on=day_of(row.trial_ends_at, row.time_zone) if row.trial_ends_at else None,
        resumes_on=row.resumes_on, next_terms=_next_terms(session, row),
        cancels_on=day_of(row.cancel_at, row.time_zone) if row.cancel_at and row.ended_at is None else None,
        has_started=row.started_at is not None,
    )  # fmt: skip


def _next_terms(session: Session, row: Subscription) -> Terms | None:
    """What follows at the next boundary; a new price that begins only later is not looked at yet."""
    price = session.get(PlanPrice, row.next_price_id) if row.next_price_id else None
    boundary = row.next_step_at or row.current_period_end
    if price is None or (boundary is not None and price.valid_from > boundary):
        return None
    return _terms(session, price.id)


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
    customer = _locked(session, customer_id)
    if subscriptions.live_membership(session, customer_id) is not None:
        raise AlreadySubscribed
    sold = plans.offer(
        session, code=plan_code, currency=customers.settle_currency(session, customer, currency), now=now
    )
    zone = addressee(session, customer_id).time_zone
    terms, today = terms_of(sold.plan, sold.price), day_of(now, zone)
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
    _store(session, customer, row, Contract(lifecycle.INCOMPLETE, terms), step, now=now)
    return row


def pause(session: Session, *, customer_id: UUID, resumes_on: date, now: datetime) -> Membership:
    """Pause until a day, on which it goes on by itself.

    Raises:
        NoSubscription, BilledElsewhere, NotPausable, PauseTooLong.
    """
    customer, found, before, today = _load(session, customer_id, now)
    _store(
        session, customer, found.subscription, before, contracts.pause(before, on=today, resumes_on=resumes_on), now=now
    )
    return found


def resume(session: Session, *, customer_id: UUID, now: datetime) -> Membership:
    """Go on before the pause ends.

    Raises:
        NoSubscription, BilledElsewhere, NotResumable.
    """
    customer, found, before, today = _load(session, customer_id, now)
    _store(session, customer, found.subscription, before, contracts.resume(before, on=today), now=now)
    return found


def change_plan(
    session: Session, *, customer_id: UUID, plan_code: str, mode: Mode | None = None, now: datetime
) -> Membership:
    """Change to another plan: up now and down when the period ends, unless a mode is named.

    Raises:
        NoSubscription, BilledElsewhere, PlanNotFound, PlanNotSold, NotChangeable, AlreadyOnPlan, IntervalDiffers.
    """
    customer, found, before, today = _load(session, customer_id, now)
    terms, chosen, _ = _wanted(session, found, before, plan_code, mode, now)
    step = contracts.change_plan(before, terms, mode=chosen, on=today)
    _store(session, customer, found.subscription, before, step, now=now)
    return Membership(found.subscription, session.get_one(Plan, found.subscription.plan_id))


def preview(session: Session, *, customer_id: UUID, plan_code: str, mode: Mode | None = None, now: datetime) -> Preview:
    """What `change_plan` would do and cost, without doing it. Raises what it raises."""
    _, found, before, today = _load(session, customer_id, now)
    terms, chosen, sold = _wanted(session, found, before, plan_code, mode, now)
    step = contracts.change_plan(before, terms, mode=chosen, on=today)
    row = found.subscription
    items = [
        Item(one.kind, one.description, one.amount_minor, one.tax_minor, one.tax_rate_bp)
        for one in invoicing.waiting(session, customer_id=customer_id, currency=row.currency)
    ]
    holds_later = step.contract.next_terms is not None and before.period is not None
    return Preview(
        chosen, sold.plan, sold.price, draft([*items, *step.items]) if step.bills_now else None,
        sum(item.amount_minor for item in step.items) if not step.bills_now else 0,
        before.period.ends_on if holds_later and before.period else today,
    )  # fmt: skip


def _wanted(
    session: Session, found: Membership, before: Contract, plan_code: str, mode: Mode | None, now: datetime
) -> tuple[Terms, Mode, plans.Offer]:
    sold = plans.offer(session, code=plan_code, currency=found.subscription.currency, now=now)
    terms = terms_of(sold.plan, sold.price)
    return terms, mode or contracts.usual_mode(before.terms, terms), sold


def cancel(
    session: Session, provider: PaymentProvider, *, customer_id: UUID, reason: str, at_once: bool = False, now: datetime
) -> Membership:
    """End the membership when what is paid is over, or at once.

    Raises:
        NoSubscription: there is none.
        BilledElsewhere: at once, and a provider bills it.
    """
    if not at_once and not _is_ours(session, customer_id):
        return subscriptions.request_cancellation(session, provider, customer_id=customer_id, reason=reason, now=now)
    customer, found, before, today = _load(session, customer_id, now)
    row = found.subscription
    row.cancel_requested_at, row.cancel_kind, row.cancel_reason = now, "voluntary", reason
    step = contracts.cancel_now(before) if at_once else contracts.cancel_at_end(before, on=today)
    _store(session, customer, row, before, step, now=now)
    return found


def keep(session: Session, provider: PaymentProvider, *, customer_id: UUID, now: datetime) -> Membership:
    """Keep a membership that was to end.

    Raises:
        NoSubscription: there is none, or it has ended.
    """
    if not _is_ours(session, customer_id):
        return subscriptions.undo_cancellation(session, provider, customer_id=customer_id, now=now)
    customer, found, before, _ = _load(session, customer_id, now)
    row = found.subscription
    row.cancel_requested_at = row.cancel_kind = row.cancel_reason = None
    _store(session, customer, row, before, contracts.keep(before), now=now)
    return found


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
    """Do what time does: trials and pauses that end, periods that begin, cancellations that come.

    Returns:
        How many memberships something happened to.
    """
    due = session.scalars(
        select(Subscription.id)
        .where(Subscription.billed_by == OURS, Subscription.next_step_at <= now)
        .order_by(Subscription.next_step_at)
        .limit(limit)
    ).all()
    for id_ in due:
        with session.begin_nested():
            advance(session, id_, now=now)
    return len(due)


def advance(session: Session, subscription_id: UUID, *, now: datetime) -> None:
    """Bring one membership up to a moment, step by step, each at the time at which it was due."""
    customer_id = session.scalar(select(Subscription.customer_id).where(Subscription.id == subscription_id))
    if customer_id is None:
        return
    customer = _locked(session, customer_id)
    row = session.get_one(Subscription, subscription_id, populate_existing=True)
    while due := contracts.advance(contract_of(session, row), day_of(now, row.time_zone)):
        on, step = due
        _store(
            session, customer, row, contract_of(session, row), step, now=first_moment(on, row.time_zone), made_at=now
        )


def _locked(session: Session, customer_id: UUID) -> Customer:
    found = customers.locked_customer(session, customer_id)
    if found is None:
        raise NoSubscription
    return found


def _load(session: Session, customer_id: UUID, now: datetime) -> tuple[Customer, Membership, Contract, date]:
    """A customer's membership, up to date and ours: one brought over from elsewhere is taken over as it is."""
    customer = _locked(session, customer_id)
    found = subscriptions.membership(session, customer_id)
    row = found.subscription
    if row.billed_by != OURS:
        _take_over(session, row, now)
    advance(session, row.id, now=now)
    found = subscriptions.membership(session, customer_id)
    return customer, found, contract_of(session, found.subscription), day_of(now, row.time_zone)


def _take_over(session: Session, row: Subscription, now: datetime) -> None:
    if row.stripe_subscription_id is not None:
        raise BilledElsewhere
    row.billed_by, row.time_zone = OURS, addressee(session, row.customer_id).time_zone
    if row.status in lifecycle.EARNING and row.current_period_start is not None:
        row.anchor_on = day_of(row.current_period_start, row.time_zone)
        period = period_at(row.anchor_on, row.interval_months, day_of(now, row.time_zone))
        whole = proration.charge("", row.amount_minor, _terms(session, row.price_id).tax_rate_bp, period)
        row.current_period_start = first_moment(period.starts_on, row.time_zone)
        row.current_period_end = first_moment(period.ends_on, row.time_zone)
        row.covered_from, row.covered_until = period.starts_on, period.ends_on
        row.covered_minor, row.covered_tax_minor = whole.amount_minor, whole.tax_minor
    session.flush()


def _store(
    session: Session, customer: Customer, row: Subscription, before: Contract, step: Step, *, now: datetime,
    made_at: datetime | None = None,
) -> Invoice | None:  # fmt: skip
    """Write down what a step led to: the row, its history, what it charges, and an invoice where one is due.

    Args:
        now: When it took hold.
        made_at: When the invoice is made, where that is later.
    """
    after, items = step.contract, list(step.items)
    for item in step.items:
        is_whole = after.period is not None and item.starts_on == after.period.starts_on
        if item.kind == "membership" and (less := coupons.discount_for(session, row, item, is_whole=is_whole)):
            items.append(less)
            after = replace(after, cover=proration.cover(item, less))
    steps = lifecycle.move(before.life(), after.life())
    had_cancellation, was_live = row.cancel_at is not None, row.status in lifecycle.LIVE
    if after.next_terms != before.next_terms or after.terms.price_id != before.terms.price_id:
        row.next_price_id = after.next_terms.price_id if after.next_terms else None
    _copy(row, after, now)
    session.flush()
    times = dict.fromkeys((step.kind for step in steps), now)
    subscriptions.record(session, row, steps, times)
    subscriptions.announce(session, row, steps, times, is_first=not was_live)
    subscriptions.announce_cancellation(
        session, row, ends_now=subscriptions.has_ended(steps), had_cancellation=had_cancellation, now=now
    )
    invoicing.add_items(
        session, items, customer_id=customer.id, subscription_id=row.id, currency=row.currency, now=made_at or now
    )
    session.flush()
    if not step.bills_now:
        return None
    return invoicing.issue(session, customer=customer, subscription=row, now=made_at or now)


def _copy(row: Subscription, after: Contract, now: datetime) -> None:
    zone, terms = row.time_zone, after.terms
    row.plan_id, row.price_id = terms.plan_id, terms.price_id
    row.amount_minor, row.interval_months = terms.amount_minor, terms.interval_months
    row.anchor_on, row.resumes_on = after.anchor_on, after.resumes_on
    row.trial_ends_at = first_moment(after.trial_ends_on, zone) if after.trial_ends_on else None
    if after.period is not None:
        row.current_period_start = first_moment(after.period.starts_on, zone)
        row.current_period_end = first_moment(after.period.ends_on, zone)
    elif after.status == lifecycle.PAUSED:
        row.current_period_end = now
    row.covered_from = after.cover.period.starts_on if after.cover else None
    row.covered_until = after.cover.period.ends_on if after.cover else None
    row.covered_minor = after.cover.amount_minor if after.cover else None
    row.covered_tax_minor = after.cover.tax_minor if after.cover else None
    if after.has_started and row.started_at is None:
        row.started_at = now
    row.paused_at = (row.paused_at or now) if after.status == lifecycle.PAUSED else None
    if after.status == lifecycle.CANCELLED and row.ended_at is None:
        row.ended_at = now
        row.cancel_at = row.cancel_at or now
    elif after.status != lifecycle.CANCELLED:
        row.cancel_at = first_moment(after.cancels_on, zone) if after.cancels_on else None
    row.status = after.status
    due = contracts.due_on(after)
    row.next_step_at = first_moment(due, zone) if due and after.status in lifecycle.LIVE else None


def set_overdue(session: Session, subscription_id: UUID, *, is_overdue: bool, now: datetime) -> None:
    """What an unpaid invoice, or the last one's payment, makes of a membership; the customer's row is locked."""
    row = session.get_one(Subscription, subscription_id, populate_existing=True)
    if not is_overdue and _is_unpaid(session, subscription_id):
        return
    before = contract_of(session, row)
    after = contracts.payment_failed(before) if is_overdue else contracts.paid_up(before)
    if after != before:
        _store(session, session.get_one(Customer, row.customer_id), row, before, Step(after), now=now)


def _is_unpaid(session: Session, subscription_id: UUID) -> bool:
    """Whether an attempt to collect an invoice failed, and it is still open."""
    query = (
        select(Collection.invoice_id)
        .join(Invoice, Invoice.id == Collection.invoice_id)
        .where(Invoice.subscription_id == subscription_id, Collection.status.in_(("retrying", "stopped")))
    )
    return session.scalar(query.limit(1)) is not None


def end_unpaid(session: Session, subscription_id: UUID, *, now: datetime) -> None:
    """End a membership that nobody pays; the customer's row is locked."""
    row = session.get_one(Subscription, subscription_id, populate_existing=True)
    if row.status not in lifecycle.LIVE:
        return
    row.cancel_requested_at, row.cancel_kind, row.cancel_reason = now, "involuntary", "payment_failed"
    before = contract_of(session, row)
    _store(session, session.get_one(Customer, row.customer_id), row, before, contracts.cancel_now(before), now=now)
