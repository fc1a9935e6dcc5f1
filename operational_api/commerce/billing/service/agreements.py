"""Memberships that we bill as rows: loaded as a contract, brought up to date, and stored as a step leaves them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from operational_api.commerce import lifecycle, prices
from operational_api.commerce.billing import contract as contracts
from operational_api.commerce.billing import proration
from operational_api.commerce.billing.contract import Contract, Step, Terms
from operational_api.commerce.billing.errors import BilledElsewhere, ChangePending
from operational_api.commerce.billing.models import BillingItem, PlanChange
from operational_api.commerce.billing.periods import Period, anchor_of, day_of, first_moment, period_at
from operational_api.commerce.billing.proration import Cover, Item
from operational_api.commerce.billing.service import coupons, invoicing, pricing
from operational_api.commerce.billing.service.people import addressee
from operational_api.commerce.errors import NoSubscription
from operational_api.commerce.models import Customer, Invoice, Plan, PlanPrice, Subscription
from operational_api.commerce.service import customers, subscriptions
from operational_api.commerce.service.subscriptions import Membership

OURS = "plyo"


def terms_of(plan: Plan, price: PlanPrice) -> Terms:
    """A plan at a price, as contracts know it."""
    return Terms(price.id, plan.id, plan.name, price.amount_minor, price.tax_rate_bp, plan.interval_months or 1)


def stored_terms(session: Session, price_id: UUID) -> Terms:
    """A price with its plan, as contracts know it."""
    price = session.get_one(PlanPrice, price_id)
    return terms_of(session.get_one(Plan, price.plan_id), price)


def contract_of(session: Session, row: Subscription, *, begins_at: datetime | None = None) -> Contract:
    """A stored membership as the pure rules see it.

    Args:
        begins_at: When its next period begins; None: when time does it.
    """
    terms = replace(
        stored_terms(session, row.price_id), amount_minor=row.amount_minor, interval_months=row.interval_months
    )
    period = cover = None
    if row.anchor_on is not None and row.current_period_start is not None and row.current_period_end is not None:
        period = Period(day_of(row.current_period_start, row.time_zone), day_of(row.current_period_end, row.time_zone))
    if row.covered_from is not None and row.covered_until is not None:
        covered = Period(row.covered_from, row.covered_until)
        cover = Cover(covered, row.covered_minor or 0, row.covered_tax_minor or 0, terms.tax_rate_bp, terms.name)
    return Contract(
        status=row.status, terms=terms, anchor_on=row.anchor_on, period=period, cover=cover,
        trial_ends_on=day_of(row.trial_ends_at, row.time_zone) if row.trial_ends_at else None,
        resumes_on=row.resumes_on,
        next_terms=_next_terms(session, row, begins_at or row.next_step_at or row.current_period_end),
        cancels_on=day_of(row.cancel_at, row.time_zone) if row.cancel_at and row.ended_at is None else None,
        has_started=row.started_at is not None,
    )  # fmt: skip


def _next_terms(session: Session, row: Subscription, boundary: datetime | None) -> Terms | None:
    """What follows at the next boundary: of prices of the own plan that followed each other meanwhile the last.
    One that begins only later is not looked at yet."""
    price = session.get(PlanPrice, row.next_price_id) if row.next_price_id else None
    if price is None or (boundary is not None and price.valid_from > boundary):
        return None
    while price.plan_id == row.plan_id and (later := pricing.successor(session, price.id)):
        if boundary is not None and later.valid_from > boundary:
            break
        price = later
    return stored_terms(session, price.id)


def waits_for_payment() -> ColumnElement[bool]:
    """Whether a change of a subscription's plan waits for its payment; until that is known time changes nothing of it,
    because what was invoiced counts on the contract as it was."""
    return exists().where(PlanChange.subscription_id == Subscription.id, PlanChange.status == "pending")


def advance(session: Session, subscription_id: UUID, *, now: datetime) -> None:
    """Bring one membership up to a moment, step by step, each at the time at which it was due.

    One whose change of plan waits for its payment is left alone, and catches up once that is known.
    """
    customer_id = session.scalar(select(Subscription.customer_id).where(Subscription.id == subscription_id))
    if customer_id is None:
        return
    customer = locked(session, customer_id)
    row = session.get_one(Subscription, subscription_id, populate_existing=True)
    if session.scalar(select(waits_for_payment()).where(Subscription.id == subscription_id)):
        return
    while due := contracts.advance(contract_of(session, row), day_of(now, row.time_zone)):
        on, step = due
        store(session, customer, row, contract_of(session, row), step, now=first_moment(on, row.time_zone), made_at=now)


def locked(session: Session, customer_id: UUID) -> Customer:
    """The payer, with its row locked.

    Raises:
        NoSubscription: nobody of that id ever paid.
    """
    found = customers.locked_customer(session, customer_id)
    if found is None:
        raise NoSubscription
    return found


def load(session: Session, customer_id: UUID, now: datetime) -> tuple[Customer, Membership, Contract, date]:
    """A customer's membership, up to date and ours: one brought over from elsewhere is taken over as it is.

    Raises:
        NoSubscription: there is none.
        BilledElsewhere: a provider bills it.
        ChangePending: a change of its plan waits for its payment.
    """
    customer = locked(session, customer_id)
    found = subscriptions.membership(session, customer_id)
    row = found.subscription
    if found.waits_for is not None:
        raise ChangePending
    if row.is_at_provider:
        raise BilledElsewhere
    if row.billed_by != OURS:
        take_over(session, row, now)
    advance(session, row.id, now=now)
    found = subscriptions.membership(session, customer_id)
    return customer, found, contract_of(session, found.subscription), day_of(now, row.time_zone)


def take_over(session: Session, row: Subscription, now: datetime) -> None:
    """Bill a membership ourselves from its next period on, with the days that it has now as paid in full."""
    row.billed_by, row.time_zone = OURS, addressee(session, row.customer_id).time_zone
    if row.status in lifecycle.EARNING and row.current_period_start is not None:
        begun = day_of(row.current_period_start, row.time_zone)
        ends = day_of(row.current_period_end, row.time_zone) if row.current_period_end else begun
        row.anchor_on = anchor_of(Period(begun, ends), row.interval_months)
        period = period_at(row.anchor_on, row.interval_months, day_of(now, row.time_zone))
        whole = proration.charge("", row.amount_minor, stored_terms(session, row.price_id).tax_rate_bp, period)
        row.current_period_start = first_moment(period.starts_on, row.time_zone)
        row.current_period_end = first_moment(period.ends_on, row.time_zone)
        row.covered_from, row.covered_until = period.starts_on, period.ends_on
        row.covered_minor, row.covered_tax_minor = whole.amount_minor, whole.tax_minor
    due = contracts.due_on(contract_of(session, row))
    row.next_step_at = first_moment(due, row.time_zone) if due else None
    session.flush()


def store(
    session: Session, customer: Customer, row: Subscription, before: Contract, step: Step, *, now: datetime,
    made_at: datetime | None = None, is_charged: bool = False,
) -> None:  # fmt: skip
    """Write down what a step led to: the row, its history, what it charges, and an invoice where one is due.

    Args:
        now: When it took hold.
        made_at: When the invoice is made, where that is later.
        is_charged: What it charges was invoiced before.
    """
    after, items = step.contract, list(step.items)
    for item, less in discounts(session, row, step, uses=True):
        items.append(less)
        after = replace(after, cover=proration.cover(item, less))
    steps = lifecycle.move(before.life(), after.life())
    had_cancellation, was_live = row.cancel_at is not None, row.status in lifecycle.LIVE
    is_new = before.status == lifecycle.INCOMPLETE
    if is_new or after.next_terms != before.next_terms or after.terms.price_id != before.terms.price_id:
        later = None if after.next_terms else pricing.successor(session, after.terms.price_id)
        follows = after.next_terms.price_id if after.next_terms else None
        row.next_price_id = later.id if later else follows
    _copy(row, after, now)
    session.flush()
    times = dict.fromkeys((step.kind for step in steps), now)
    subscriptions.record(session, row, steps, times)
    subscriptions.announce(session, row, steps, times, is_first=not was_live)
    subscriptions.announce_cancellation(
        session, row, ends_now=subscriptions.has_ended(steps), had_cancellation=had_cancellation, now=now,
        left_minor=-sum(item.amount_minor for item in items if item.kind == "unused"),
    )  # fmt: skip
    if subscriptions.has_ended(steps):
        invoicing.leave_to_payer(session, row)
    if is_charged:
        session.flush()
        return
    invoicing.add_items(
        session, items, customer_id=customer.id, payer_id=customer.payer_id, subscription_id=row.id,
        currency=row.currency, now=made_at or now,
    )  # fmt: skip
    session.flush()
    if step.bills_now:
        invoicing.issue(
            session, customer=customer, payer_id=customer.payer_id, currency=row.currency, subscription=row,
            now=made_at or now,
        )  # fmt: skip


def discounts(session: Session, row: Subscription, step: Step, *, uses: bool) -> list[tuple[Item, Item]]:
    """What a membership's coupon takes off the charges of a step, beside each of them.

    A period of which nothing is used, as where the plan is changed or a pause begins on its first day, is as if it had
    never been: what it took of the coupon is there for the next one.

    Args:
        uses: Whether a whole period that it takes something off counts as one of the coupon's.
    """
    period, found = step.contract.period, []
    begun, ends = (
        day_of(at, row.time_zone) if at else None for at in (row.current_period_start, row.current_period_end)
    )
    is_anew = any(item.kind == "unused" and item.starts_on == begun for item in step.items)
    if uses and is_anew:
        coupons.uncount(session, row, until=ends)
    begins = period is not None and (is_anew or begun != period.starts_on)
    for item in step.items:
        if item.kind != "membership":
            continue
        is_whole = begins and period is not None and item.starts_on == period.starts_on
        less = coupons.discount_for(
            session, row, item, of=period, is_whole=is_whole, instead_of=ends if is_anew else None,
            counts=step.contract.terms.interval_months if uses and is_whole else 0,
        )  # fmt: skip
        if less is not None:
            found.append((item, less))
    return found


def forgive(
    session: Session, invoice: Invoice, amount_minor: int, *, so_far_minor: int, is_days_alone: bool = False
) -> None:  # fmt: skip
    """So much of an invoice is not paid for after all, or was paid and given back: the days that it charged, if they
    are those that a membership has now, are worth that much less where they are given back. The customer's row is
    locked.

    Of an invoice that charges other things as well, days bear their part. A period that is forgiven whole took nothing
    of a coupon.

    Args:
        amount_minor: Tax included.
        so_far_minor: What of the invoice was forgiven by now, this included.
        is_days_alone: Days bear all of it.
    """
    for row, item, of_days, charged_minor in _days_had_now(session, invoice):
        row.covered_minor = proration.forgiven(
            row.covered_minor or 0, days_minor=charged_minor if is_days_alone else of_days,
            charged_minor=charged_minor, amount_minor=amount_minor, so_far_minor=so_far_minor,
        )  # fmt: skip
        row.covered_tax_minor = prices.included_tax(row.covered_minor, item.tax_rate_bp)
        if row.covered_minor == 0:
            coupons.uncount(session, row, until=item.ends_on)
    session.flush()


def unforgive(session: Session, invoice: Invoice, amount_minor: int) -> None:
    """So much of what was forgiven of an invoice is paid after all: its days are worth their part of it again. Days of
    a period that was forgiven whole stay so. The customer's row is locked."""
    for row, item, of_days, charged_minor in _days_had_now(session, invoice):
        if row.covered_minor and charged_minor:
            more = proration.split(amount_minor, [of_days, charged_minor - of_days])[0]
            row.covered_minor = min(row.covered_minor + more, of_days)
            row.covered_tax_minor = prices.included_tax(row.covered_minor, item.tax_rate_bp)
    session.flush()


def _days_had_now(session: Session, invoice: Invoice) -> Iterator[tuple[Subscription, BillingItem | Item, int, int]]:
    """Of what an invoice charges the days that memberships have now: of which membership, their charge, what they cost
    with their discount, and what the invoice charges in all."""
    items = invoicing.charges_of(session, invoice)
    if not items and invoice.subscription_id is not None and invoice.period_end is not None:
        # Days that a provider charged, of a membership that was taken over.
        row, total = session.get_one(Subscription, invoice.subscription_id, populate_existing=True), invoice.total_minor
        if row.covered_until is not None and row.covered_until == day_of(invoice.period_end, row.time_zone):
            rate = session.get_one(PlanPrice, row.price_id).tax_rate_bp
            if _newest_charge(session, row.id) is None:
                yield row, Item("membership", "", total, 0, rate, ends_on=row.covered_until), total, total
    for item in items:
        if item.kind != "membership" or item.subscription_id is None:
            continue
        row = session.get_one(Subscription, item.subscription_id, populate_existing=True)
        if row.covered_until == item.ends_on and item.id == _newest_charge(session, row.id):
            of_days = sum(
                one.amount_minor
                for one in items
                if (one.subscription_id, one.starts_on, one.ends_on) == (row.id, item.starts_on, item.ends_on)
            )
            yield row, item, of_days, sum(one.amount_minor for one in items)


def _newest_charge(session: Session, subscription_id: UUID) -> UUID | None:
    """The charge of the days that a membership has now: any other was of days before, or is charged anew, or of a
    change of plan that does not hold."""
    charges = select(BillingItem.id).where(BillingItem.subscription_id == subscription_id, invoicing.IS_CHARGE_OF_DAYS)
    return session.scalar(charges.order_by(BillingItem.made_at.desc(), BillingItem.id.desc()).limit(1))


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
