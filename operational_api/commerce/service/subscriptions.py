"""Memberships: following the provider's state, and ending at the period's end by the customer's wish."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from contracts.events.commerce import SubscriptionCancelled, SubscriptionChanged, SubscriptionStarted
from contracts.telemetry import get_logger
from operational_api.commerce import lifecycle, prices
from operational_api.commerce.billing.models import CreditNote, PlanChange
from operational_api.commerce.errors import NoSubscription, NotCancellable
from operational_api.commerce.lifecycle import Life
from operational_api.commerce.models import Customer, Invoice, Plan, PlanPrice, Subscription, SubscriptionChange
from operational_api.commerce.providers.port import Billing, ProviderSubscription
from operational_api.commerce.service.customers import locked_customer
from operational_api.core.outbox import publish

log = get_logger(__name__)
TAKEN_OVER = "Billed by Plyo from then on"
"""What a provider is told as the reason for the end of a subscription that goes on here."""


@dataclass(frozen=True, slots=True)
class Membership:
    """A subscription with what it subscribes to, and the plan that it changes to once that is paid."""

    subscription: Subscription
    plan: Plan
    waits_for: Plan | None = None


def live_membership(session: Session, customer_id: UUID) -> Membership | None:
    """The customer's one running or paused membership."""
    other, price = aliased(Plan), aliased(PlanPrice)
    row = session.execute(
        select(Subscription, Plan, other)
        .join(Plan, Plan.id == Subscription.plan_id)
        .outerjoin(PlanChange, (PlanChange.subscription_id == Subscription.id) & (PlanChange.status == "pending"))
        .outerjoin(price, price.id == PlanChange.to_price_id)
        .outerjoin(other, other.id == price.plan_id)
        .where(Subscription.customer_id == customer_id, Subscription.status.in_(lifecycle.LIVE))
    ).one_or_none()
    return Membership(*row) if row else None


def membership(session: Session, customer_id: UUID) -> Membership:
    """The customer's one running or paused membership.

    Raises:
        NoSubscription: there is none.
    """
    found = live_membership(session, customer_id)
    if found is None:
        raise NoSubscription
    return found


def sync_subscription(session: Session, provider: Billing, *, provider_id: str, now: datetime) -> Subscription | None:
    """Bring our row of a provider's subscription up to its state of this moment.

    Returns:
        The row, or None for a subscription that was not made by us.
    """
    customer_id = session.scalar(
        select(Subscription.customer_id).where(Subscription.stripe_subscription_id == provider_id)
    )
    if customer_id is None:
        first_seen = provider.subscription(provider_id)
        is_ours = first_seen.our_customer_id and first_seen.our_price_id
        customer_id = UUID(first_seen.our_customer_id) if is_ours else None
    if customer_id is None or locked_customer(session, customer_id) is None:
        log.warning("foreign_subscription_ignored", provider_id=provider_id)
        return None
    seen = provider.subscription(provider_id)  # again: only what is read under the lock is surely not older
    row = session.scalar(
        select(Subscription)
        .where(Subscription.stripe_subscription_id == provider_id)
        .execution_options(populate_existing=True)
    )
    if row is not None and row.billed_by == "plyo":  # taken over: what is left of it there is to end
        return row
    if seen.cancel_comment == TAKEN_OVER and seen.cancel_at is not None and seen.ended_at is None:
        seen = provider.plan_cancellation(provider_id, reason=None)  # what took it over was lost before it was stored
    return _apply(session, row, seen, customer_id=customer_id, now=now)


def _apply(
    session: Session, row: Subscription | None, seen: ProviderSubscription, *, customer_id: UUID, now: datetime
) -> Subscription:
    price = session.get_one(PlanPrice, UUID(seen.our_price_id))
    is_new = row is None
    if row is None:
        row = Subscription(
            customer_id=customer_id,
            status=lifecycle.INCOMPLETE,
            plan_id=price.plan_id,
            price_id=price.id,
            stripe_subscription_id=seen.id,
            amount_minor=seen.amount_minor,
            currency=seen.currency,
            interval_months=seen.interval_months,
        )
        before = Life(lifecycle.INCOMPLETE, price.plan_id, 0)
    else:
        before = _life(session, row)
    after = Life(
        status=seen.status,
        plan_id=price.plan_id,
        mrr_minor=prices.monthly(
            seen.amount_minor, tax_rate_bp=price.tax_rate_bp, interval_months=seen.interval_months
        ),
        has_started=seen.has_started,
        has_trialed=seen.trial_ends_at is not None,
    )
    steps = lifecycle.move(before, after)
    had_cancellation, was_live = row.cancel_at is not None, row.status in lifecycle.LIVE
    _copy(row, seen, price, now=now)
    if is_new:
        session.add(row)
    session.flush()
    times = _times(seen, now)
    record(session, row, steps, times)
    announce(session, row, steps, times, is_first=not was_live)
    announce_cancellation(session, row, ends_now=has_ended(steps), had_cancellation=had_cancellation, now=now)
    return row


def _life(session: Session, row: Subscription) -> Life:
    price = session.get_one(PlanPrice, row.price_id)
    return Life(
        status=row.status,
        plan_id=row.plan_id,
        mrr_minor=prices.monthly(row.amount_minor, tax_rate_bp=price.tax_rate_bp, interval_months=row.interval_months),
        has_started=row.started_at is not None,
        has_trialed=row.trial_ends_at is not None,
    )


def _copy(row: Subscription, seen: ProviderSubscription, price: PlanPrice, *, now: datetime) -> None:
    row.plan_id, row.price_id = price.plan_id, price.id
    row.amount_minor, row.currency, row.interval_months = seen.amount_minor, seen.currency, seen.interval_months
    row.trial_ends_at = seen.trial_ends_at
    row.current_period_start, row.current_period_end = seen.period_start, seen.period_end
    if seen.has_started and row.started_at is None:
        row.started_at = seen.trial_ends_at or seen.started_at
    if seen.status != lifecycle.PAUSED:
        row.paused_at = None
    elif row.paused_at is None:
        row.paused_at = now
    row.status, row.ended_at = seen.status, seen.ended_at
    is_wanted = seen.cancel_at is not None or seen.ended_at is not None
    row.cancel_at = seen.cancel_at
    row.cancel_requested_at = seen.cancel_requested_at if is_wanted else None
    # Whoever asked for the end before nobody paid leaves of their own will.
    was_wanted = seen.cancel_requested_at and seen.ended_at and seen.cancel_requested_at < seen.ended_at
    is_involuntary = seen.ended_for in ("payment_failed", "payment_disputed") and not was_wanted
    row.cancel_kind = ("involuntary" if is_involuntary else "voluntary") if is_wanted else None
    row.cancel_reason = (seen.ended_for if is_involuntary else seen.cancel_comment) if is_wanted else None


def _times(seen: ProviderSubscription, now: datetime) -> dict[str, datetime]:
    started = seen.trial_ends_at or seen.started_at
    return {
        "trial_started": seen.started_at,
        "started": started,
        "ended": seen.ended_at or now,
        "paused": now,
        "resumed": now,
        "price_changed": seen.period_start,
        "plan_changed": seen.period_start,
    }


def record(session: Session, row: Subscription, steps: list[lifecycle.Step], times: dict[str, datetime]) -> None:
    """Write the steps of a membership's history; `times` says when by their kinds.

    A step never stands before the one it follows, or at the same instant: what reads them in the order of their times
    finds amounts that join up. A change of plan holds from when its period began, and there may be a pause since.
    """
    if not steps:
        return
    newest = session.scalar(
        select(func.max(SubscriptionChange.changed_at)).where(SubscriptionChange.subscription_id == row.id)
    )
    for step in steps:
        at = times[step.kind]
        newest = at if newest is None else max(at, newest + timedelta(microseconds=1))
        session.add(
            SubscriptionChange(
                subscription_id=row.id,
                customer_id=row.customer_id,
                plan_id=row.plan_id,
                kind=step.kind,
                mrr_before_minor=step.before_minor,
                mrr_after_minor=step.after_minor,
                currency=row.currency,
                changed_at=newest,
            )
        )


def announce(
    session: Session, row: Subscription, steps: list[lifecycle.Step], times: dict[str, datetime], *, is_first: bool
) -> None:
    """Tell others of the steps but the last, which `announce_cancellation` does."""
    for step in steps:
        begins = step.kind == "trial_started" or (step.kind == "started" and is_first and step is steps[0])
        if begins:
            publish(
                session,
                SubscriptionStarted(
                    occurred_at=times[step.kind],
                    subscription_id=row.id,
                    customer_id=row.customer_id,
                    plan_id=row.plan_id,
                    amount_minor=row.amount_minor,
                    currency=row.currency,
                    is_trial=step.kind == "trial_started",
                    mrr_minor=step.after_minor,
                ),
            )
        elif step.kind != "ended":
            publish(
                session,
                SubscriptionChanged(
                    occurred_at=times[step.kind],
                    subscription_id=row.id,
                    customer_id=row.customer_id,
                    kind=step.kind,
                    mrr_minor=step.after_minor,
                    currency=row.currency,
                    plan_id=row.plan_id,
                ),
            )


def has_ended(steps: list[lifecycle.Step]) -> bool:
    """Whether one of the steps is the end."""
    return any(step.kind == "ended" for step in steps)


def _owed_minor(session: Session, subscription_id: UUID) -> int:
    """What is open of a membership's invoices, tax included."""
    less = select(func.coalesce(func.sum(CreditNote.amount_minor), 0)).where(
        CreditNote.invoice_id == Invoice.id, CreditNote.settlement == "open"
    )
    query = select(func.coalesce(func.sum(Invoice.total_minor - less.scalar_subquery()), 0))
    return session.scalar(query.where(Invoice.subscription_id == subscription_id, Invoice.status == "open")) or 0


def announce_cancellation(
    session: Session, row: Subscription, *, ends_now: bool, had_cancellation: bool, now: datetime, left_minor: int = 0
) -> None:
    """Tell others that it will end, has ended, or goes on after all.

    Args:
        left_minor: What was paid for days that are left where it ends before them, tax included.
    """
    will_end = row.cancel_at is not None and not had_cancellation and row.status != lifecycle.CANCELLED
    if ends_now or will_end:
        publish(
            session,
            SubscriptionCancelled(
                occurred_at=(row.ended_at if ends_now else row.cancel_requested_at) or now,
                subscription_id=row.id,
                customer_id=row.customer_id,
                reason=row.cancel_reason,
                is_voluntary=row.cancel_kind != "involuntary",
                ends_now=ends_now,
                owed_minor=_owed_minor(session, row.id),
                currency=row.currency,
                left_minor=left_minor,
                days_left=session.get_one(Plan, row.plan_id).days_left if left_minor else None,
            ),
        )
    elif had_cancellation and row.cancel_at is None and row.status != lifecycle.CANCELLED:
        publish(
            session,
            SubscriptionChanged(
                occurred_at=now,
                subscription_id=row.id,
                customer_id=row.customer_id,
                kind="cancellation_withdrawn",
                mrr_minor=_life(session, row).earns_minor,
                currency=row.currency,
                plan_id=row.plan_id,
            ),
        )


def request_cancellation(
    session: Session, provider: Billing, *, customer_id: UUID, reason: str, now: datetime
) -> Membership:
    """End the membership when its paid period ends, for a reason the customer gives. Asking again changes the reason.

    Raises:
        NoSubscription: there is none.
    """
    return _plan_cancellation(session, provider, customer_id=customer_id, reason=reason, now=now)


def undo_cancellation(session: Session, provider: Billing, *, customer_id: UUID, now: datetime) -> Membership:
    """Keep a membership that was to end. Where nothing was to end, nothing happens.

    Raises:
        NoSubscription: there is none, or it has ended.
    """
    return _plan_cancellation(session, provider, customer_id=customer_id, reason=None, now=now)


def _plan_cancellation(
    session: Session, provider: Billing, *, customer_id: UUID, reason: str | None, now: datetime
) -> Membership:
    locked_customer(session, customer_id)
    found = membership(session, customer_id)
    row = found.subscription
    if row.stripe_subscription_id is not None:
        seen = provider.plan_cancellation(row.stripe_subscription_id, reason=reason)
        _apply(session, row, seen, customer_id=customer_id, now=now)
        return found
    if row.current_period_end is None:
        raise NotCancellable
    had_cancellation = row.cancel_at is not None
    row.cancel_at = max(row.current_period_end, now) if reason is not None else None
    row.cancel_requested_at = now if reason is not None else None
    row.cancel_kind, row.cancel_reason = ("voluntary", reason) if reason is not None else (None, None)
    session.flush()
    announce_cancellation(session, row, ends_now=False, had_cancellation=had_cancellation, now=now)
    return found


def end_due(session: Session, *, now: datetime, limit: int = 500) -> int:
    """End memberships whose time is over and that no provider bills, such as ones brought over from another system.

    Returns:
        How many ended.
    """
    is_due = (
        (Subscription.cancel_at <= now)
        & Subscription.status.in_(lifecycle.LIVE)
        & Subscription.stripe_subscription_id.is_(None)
        & (Subscription.billed_by == "provider")
        & Subscription.ended_at.is_(None)
    )
    # Whoever changes a membership holds its customer's row: of one that somebody is at, the next run decides.
    due = session.scalars(
        select(Subscription)
        .join(Customer, Customer.id == Subscription.customer_id)
        .where(is_due)
        .order_by(Subscription.cancel_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=Customer)
        .execution_options(populate_existing=True)
    ).all()
    for row in due:
        before = _life(session, row)
        steps = lifecycle.move(before, replace(before, status=lifecycle.CANCELLED))
        row.status, row.ended_at = lifecycle.CANCELLED, row.cancel_at
        record(session, row, steps, {"ended": row.cancel_at or now})
        announce_cancellation(session, row, ends_now=has_ended(steps), had_cancellation=True, now=now)
    session.flush()
    return len(due)
