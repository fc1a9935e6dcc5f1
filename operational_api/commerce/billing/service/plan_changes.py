"""Changes of plan: what one would cost, asking for it, and what holds once it is known whether it was paid.

A change that costs something today is invoiced first and holds once that invoice is paid: until then, and while nobody
knows, the plan is the old one and nothing else of the membership changes. A no of the bank ends it: the invoice is
credited in full and the plan stays. One that is paid later, or costs nothing, holds at once. One that turns out to be
paid once its membership has ended holds no more: it has failed too, and what it cost goes back.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from contracts.events.billing import PlanChangeDecided, PlanChangeRequested
from operational_api.commerce import lifecycle
from operational_api.commerce.billing import contract as contracts
from operational_api.commerce.billing.contract import Contract, Step, Terms
from operational_api.commerce.billing.drafts import Draft
from operational_api.commerce.billing.errors import NeedsLook
from operational_api.commerce.billing.models import BillingItem, CreditNote, PlanChange
from operational_api.commerce.billing.proration import Item, Mode
from operational_api.commerce.billing.service import agreements, credit_notes, crediting, invoicing, parking
from operational_api.commerce.models import Customer, Invoice, Payment, Plan, PlanPrice, Subscription
from operational_api.commerce.service import plans
from operational_api.commerce.service.subscriptions import Membership
from operational_api.core.outbox import publish

ENDED = "membership_ended"
"""Why a change of plan does not hold whose membership has ended before it was paid."""
TOLD_FOR = timedelta(days=7)
"""How long a change that was not paid is shown to its customer."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change of plan would come to: the invoice that is made now, None where none is, and when it holds."""

    mode: Mode
    plan: Plan
    price: PlanPrice
    invoice: Draft | None
    next_invoice_minor: int
    from_on: date


def preview(session: Session, *, customer_id: UUID, plan_code: str, mode: Mode | None = None, now: datetime) -> Preview:
    """What `change_plan` would do and cost, without doing it. Raises what it raises."""
    customer, found, before, today = agreements.load(session, customer_id, now)
    terms, chosen, sold = _wanted(session, found, before, plan_code, mode, now)
    step = contracts.change_plan(before, terms, mode=chosen, on=today)
    charged = [*step.items, *(less for _, less in agreements.discounts(session, found.subscription, step, uses=False))]
    holds_later = step.contract.next_terms is not None and before.period is not None
    own = _of_payer(session, customer, found.subscription, charged)
    made = _draft(session, customer, found.subscription, own) if step.bills_now else None
    waits = own if made is None else [item for item in made.left if item is not None]
    return Preview(
        chosen, sold.plan, sold.price, made, sum(item.amount_minor for item in waits),
        before.period.ends_on if holds_later and before.period else today,
    )  # fmt: skip


def change_plan(
    session: Session, *, customer_id: UUID, plan_code: str, mode: Mode | None = None, now: datetime
) -> Membership:
    """Change to another plan: up now and down when the period ends, unless a mode is named.

    Returns:
        The membership; `waits_for` is the other plan where it has to be paid first.

    Raises:
        NoSubscription, BilledElsewhere, PlanNotFound, PlanNotSold, NotChangeable, AlreadyOnPlan, IntervalDiffers.
        ChangePending: another one waits for its payment.
        NeedsLook: its invoice would be absurd, another one of the membership is parked, or the customer is.
    """
    customer, found, before, today = agreements.load(session, customer_id, now)
    terms, chosen, sold = _wanted(session, found, before, plan_code, mode, now)
    step = contracts.change_plan(before, terms, mode=chosen, on=today)
    row = found.subscription
    if step.items and parking.has_parked(session, row.id):
        raise NeedsLook
    charged = [*step.items, *(less for _, less in agreements.discounts(session, row, step, uses=False))]
    own = _of_payer(session, customer, row, charged)
    made = _draft(session, customer, row, own) if step.bills_now else None
    if made is None or made.total_minor == 0:
        agreements.store(session, customer, row, before, step, now=now)
        return Membership(row, session.get_one(Plan, row.plan_id))
    _ask(session, customer, row, charged, to=sold, mode=chosen, on=today, now=now)
    return Membership(row, found.plan, waits_for=sold.plan)


def _wanted(
    session: Session, found: Membership, before: Contract, plan_code: str, mode: Mode | None, now: datetime
) -> tuple[Terms, Mode, plans.Offer]:
    row, following = found.subscription, before.next_terms
    if plan_code == found.plan.code and following is not None and following.plan_id != found.plan.id:
        own = plans.Offer(found.plan, session.get_one(PlanPrice, row.price_id))  # taken back: at the price that it has
        return before.terms, mode or Mode.NEXT_PERIOD, own
    sold = plans.offer(session, code=plan_code, currency=row.currency, now=now)
    terms = agreements.terms_of(sold.plan, sold.price)
    return terms, mode or contracts.usual_mode(before.terms, terms), sold


def _of_payer(session: Session, customer: Customer, row: Subscription, charged: list[Item]) -> list[Item]:
    """Of what a step charges, what is of who pays now: days that another one had paid are given back to them."""
    payer_id = customer.payer_id
    return [
        item for item in charged
        if invoicing.whose_is(session, item, subscription_id=row.id, payer_id=payer_id) == payer_id
    ]  # fmt: skip


def _draft(session: Session, customer: Customer, row: Subscription, charged: list[Item]) -> Draft | None:
    """The invoice that would be made now; None where what it comes to waits for the next one."""
    waiting = invoicing.waiting(session, customer_id=customer.id, payer_id=customer.payer_id, currency=row.currency)
    return invoicing.due([*(invoicing.item_of(one) for one in waiting), *charged], row.currency)


def _ask(
    session: Session, customer: Customer, row: Subscription, charged: list[Item], *, to: plans.Offer, mode: Mode,
    on: date, now: datetime,
) -> None:  # fmt: skip
    change = PlanChange(
        subscription_id=row.id, customer_id=customer.id, from_price_id=row.price_id, to_price_id=to.price.id,
        mode=mode.value, status="pending", asked_on=on, asked_at=now,
    )  # fmt: skip
    session.add(change)
    session.flush()
    invoicing.add_items(
        session, charged, customer_id=customer.id, payer_id=customer.payer_id, subscription_id=row.id,
        currency=row.currency, now=now, plan_change_id=change.id,
    )  # fmt: skip
    invoice = invoicing.issue(
        session, customer=customer, payer_id=customer.payer_id, currency=row.currency, subscription=row, now=now
    )
    if invoice is None:
        raise NeedsLook
    change.invoice_id = invoice.id
    session.flush()
    publish(session, PlanChangeRequested(
        occurred_at=now, change_id=change.id, subscription_id=row.id, customer_id=customer.id, plan_id=to.plan.id,
        mode=change.mode, invoice_id=invoice.id, total_minor=invoice.total_minor, currency=invoice.currency,
    ))  # fmt: skip


def settle(session: Session, invoice: Invoice, *, failure: str | None, now: datetime) -> bool:
    """Let a change hold, or end it, once it is known whether its invoice was paid; the customer's row is locked.

    Args:
        failure: Why it was not paid; None when it was.

    Returns:
        Whether the invoice was one of a change that waited for it.
    """
    change = session.scalar(
        select(PlanChange).where(PlanChange.invoice_id == invoice.id, PlanChange.status == "pending")
    )
    if change is None:
        return False
    change.status, change.decided_at, change.failure_code = "held" if failure is None else "failed", now, failure
    session.flush()
    if failure is None:
        _hold(session, change, invoice, now)
    else:
        _drop(session, change, invoice, now)
    publish(session, PlanChangeDecided(
        occurred_at=now, change_id=change.id, subscription_id=change.subscription_id, customer_id=change.customer_id,
        outcome=change.status, failure_code=change.failure_code,
    ))  # fmt: skip
    return True


def end_with(session: Session, subscription_id: UUID, *, now: datetime) -> None:
    """A membership ends: a change of it that waits for its payment is not to be paid any more. One that is being paid
    is let be, until that is known. The customer's row is locked."""
    unknown = exists().where(Payment.invoice_id == Invoice.id, Payment.status == "unknown")
    invoice = session.scalar(
        select(Invoice)
        .join(PlanChange, PlanChange.invoice_id == Invoice.id)
        .where(PlanChange.subscription_id == subscription_id, PlanChange.status == "pending", ~unknown)
    )
    if invoice is not None:
        settle(session, invoice, failure=ENDED, now=now)


def _give_back(session: Session, change: PlanChange, invoice: Invoice, now: datetime) -> None:
    """It was paid, and its membership has ended meanwhile: what it cost goes back (`giving_back`)."""
    change.status, change.failure_code = "failed", ENDED
    _forget_waiting(session, change)
    items = session.scalars(
        select(BillingItem).where(BillingItem.invoice_id == invoice.id, BillingItem.plan_change_id == change.id)
    ).all()
    net, tax = sum(one.amount_minor for one in items), sum(one.tax_minor for one in items)
    if net > 0:
        back = Item("unused", "A change of plan that did not hold", -net, -max(tax, 0), 0)
        invoicing.add_items(
            session, [back], customer_id=change.customer_id, payer_id=invoice.payer_id, currency=invoice.currency,
            subscription_id=change.subscription_id, plan_change_id=change.id, now=now,
        )  # fmt: skip


def _hold(session: Session, change: PlanChange, invoice: Invoice, now: datetime) -> None:
    row = session.get_one(Subscription, change.subscription_id, populate_existing=True)
    if row.status == lifecycle.CANCELLED:
        _give_back(session, change, invoice, now)
        return
    before = agreements.contract_of(session, row)
    step: Step = contracts.change_plan(
        before, agreements.stored_terms(session, change.to_price_id), mode=Mode(change.mode), on=change.asked_on,
        is_paid=True,
    )  # fmt: skip
    agreements.store(session, session.get_one(Customer, row.customer_id), row, before, step, now=now, is_charged=True)


def _drop(session: Session, change: PlanChange, invoice: Invoice, now: datetime) -> None:
    """Nothing of it is owed: its invoice is credited, and what had waited for an invoice before waits again."""
    session.execute(
        update(BillingItem)
        .where(BillingItem.invoice_id == invoice.id, BillingItem.plan_change_id.is_(None))
        .values(invoice_id=None)
        .execution_options(synchronize_session=False)
    )
    _forget_waiting(session, change)
    crediting.void(session, invoice, reason="The change of plan was not paid", now=now, of="others")
    paid_for_days = (  # what had been used is worth no more than what is left of these by now
        select(Invoice)
        .join(BillingItem, BillingItem.invoice_id == Invoice.id)
        .where(BillingItem.subscription_id == change.subscription_id, invoicing.IS_CHARGE_OF_DAYS)
        .where(exists().where(CreditNote.invoice_id == Invoice.id))
    )
    for one in session.scalars(paid_for_days).unique().all():
        credit_notes.cap(session, one, now=now)


def _forget_waiting(session: Session, change: PlanChange) -> None:
    """The plan stays: days that it would have given back, and its invoice did not use, are not given back."""
    session.flush()
    session.execute(
        delete(BillingItem)
        .where(BillingItem.plan_change_id == change.id, BillingItem.invoice_id.is_(None))
        .execution_options(synchronize_session=False)
    )
    session.expire_all()


def newest(session: Session, customer_id: UUID) -> tuple[PlanChange, Plan] | None:
    """A customer's newest change that had to be paid first, with the plan that it is to."""
    row = session.execute(
        select(PlanChange, Plan)
        .join(PlanPrice, PlanPrice.id == PlanChange.to_price_id)
        .join(Plan, Plan.id == PlanPrice.plan_id)
        .where(PlanChange.customer_id == customer_id)
        .order_by(PlanChange.asked_at.desc())
        .limit(1)
    ).one_or_none()
    return (row[0], row[1]) if row else None


def failed_lately(session: Session, customer_id: UUID, *, now: datetime) -> tuple[PlanChange, Plan] | None:
    """The newest change if it was not paid, for as long as its customer may wonder what became of it; not where it
    ended with its membership."""
    found = newest(session, customer_id)
    if found is None or found[0].status != "failed" or found[0].failure_code == ENDED:
        return None
    return found if found[0].asked_at > now - TOLD_FOR else None
