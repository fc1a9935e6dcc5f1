"""The life of a membership that we bill, in local days: what each step does to it and what is charged. Pure.

Each function takes the contract before and returns the one after with the items it charges; `advance` is what time does
by itself. Which states may follow which is `commerce.lifecycle`; this says when and for how much.
"""

from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from operational_api.commerce import lifecycle, prices
from operational_api.commerce.billing import proration
from operational_api.commerce.billing.errors import (
    AlreadyOnPlan,
    IntervalDiffers,
    NotChangeable,
    NotPausable,
    NotResumable,
    PauseTooLong,
)
from operational_api.commerce.billing.periods import Period, add_months, days_after, period_at
from operational_api.commerce.billing.proration import Cover, Item, Mode

LONGEST_PAUSE_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Terms:
    """What is subscribed to: a plan at one of its prices, tax included."""

    price_id: UUID
    plan_id: UUID
    name: str
    amount_minor: int
    tax_rate_bp: int
    interval_months: int

    @property
    def mrr_minor(self) -> int:
        """Worth of a month without tax."""
        return prices.monthly(self.amount_minor, tax_rate_bp=self.tax_rate_bp, interval_months=self.interval_months)


@dataclass(frozen=True, slots=True)
class Contract:
    """A membership on one day.

    Attributes:
        anchor_on: Day from which periods are counted; None before the first one and while paused.
        period: The running period; None in a trial and while paused.
        cover: The days that are charged already.
        resumes_on: When a pause ends by itself.
        next_terms: What it changes to when the period ends.
        cancels_on: First day without it.
    """

    status: str
    terms: Terms
    anchor_on: date | None = None
    period: Period | None = None
    cover: Cover | None = None
    trial_ends_on: date | None = None
    resumes_on: date | None = None
    next_terms: Terms | None = None
    cancels_on: date | None = None
    has_started: bool = False

    def life(self) -> lifecycle.Life:
        """As the history of memberships sees it."""
        return lifecycle.Life(
            self.status, self.terms.plan_id, self.terms.mrr_minor, has_started=self.has_started,
            has_trialed=self.trial_ends_on is not None,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one step: the contract after it, what it charges, and whether that is invoiced at once."""

    contract: Contract
    items: tuple[Item, ...] = ()
    bills_now: bool = False


def start(terms: Terms, *, on: date, trial_days: int = 0) -> Step:
    """Begin a membership, with days for nothing first where there are any."""
    if trial_days:
        return Step(Contract(lifecycle.TRIALING, terms, trial_ends_on=days_after(on, trial_days)))
    return _begin(Contract(lifecycle.ACTIVE, terms), on)


def _begin(contract: Contract, on: date) -> Step:
    """A first whole period from a day, charged in full."""
    terms = contract.next_terms or contract.terms
    return _charge(replace(contract, anchor_on=on, terms=terms, next_terms=None), on)


def _charge(contract: Contract, on: date) -> Step:
    terms = contract.terms
    if contract.anchor_on is None:
        raise ValueError("a period is counted from a day")
    period = period_at(contract.anchor_on, terms.interval_months, on)
    item = proration.charge(terms.name, terms.amount_minor, terms.tax_rate_bp, period)
    status = contract.status if contract.status == lifecycle.PAST_DUE else lifecycle.ACTIVE
    after = replace(
        contract, status=status, period=period, cover=proration.cover(item), resumes_on=None, has_started=True
    )
    return Step(after, (item,), bills_now=True)


def advance(contract: Contract, today: date) -> tuple[date, Step] | None:
    """The first thing that time does to a contract up to a day, and when; None when nothing is due.

    Called until it returns None, so that a worker that slept for a month catches up period by period.
    """
    due = due_on(contract)
    if due is None or due > today or contract.status in (lifecycle.CANCELLED, lifecycle.INCOMPLETE):
        return None
    if contract.cancels_on is not None and contract.cancels_on <= due:
        return contract.cancels_on, cancel_now(contract)
    if contract.status == lifecycle.PAUSED:
        return due, _begin(contract, due)
    if contract.status == lifecycle.TRIALING:
        return due, _begin(contract, due)
    if contract.next_terms is not None and contract.next_terms.interval_months != contract.terms.interval_months:
        return due, _begin(contract, due)
    return due, _charge(replace(contract, terms=contract.next_terms or contract.terms, next_terms=None), due)


def due_on(contract: Contract) -> date | None:
    """The day on which time does something to a contract next."""
    if contract.status == lifecycle.PAUSED:
        ends = contract.resumes_on
    elif contract.status == lifecycle.TRIALING:
        ends = contract.trial_ends_on
    else:
        ends = contract.period.ends_on if contract.period else None
    found = [day for day in (ends, contract.cancels_on) if day is not None]
    return min(found) if found else None


def pause(contract: Contract, *, on: date, resumes_on: date) -> Step:
    """Stop until a day. Days that are paid and not used are credited to the next invoice.

    Raises:
        NotPausable: not a running membership that is paid, or about to end.
        PauseTooLong: it would end today or before, or in more than a year.
    """
    if contract.status != lifecycle.ACTIVE or contract.cover is None:
        raise NotPausable
    if contract.cancels_on is not None:
        raise NotPausable("This membership is about to end. To pause it, keep it first.")
    if not on < resumes_on <= add_months(on, LONGEST_PAUSE_MONTHS):
        raise PauseTooLong
    back = _given_back(contract.cover, on)
    after = replace(contract, status=lifecycle.PAUSED, resumes_on=resumes_on, anchor_on=None, period=None, cover=None)
    return Step(after, back)


def _given_back(cover: Cover, on: date) -> tuple[Item, ...]:
    return (proration.unused(cover, on),) if on < cover.period.ends_on else ()


def resume(contract: Contract, *, on: date) -> Step:
    """Go on today, before a pause ends by itself: a new period begins.

    Raises:
        NotResumable: it is not paused.
    """
    if contract.status != lifecycle.PAUSED:
        raise NotResumable
    return _begin(contract, on)


def change_plan(contract: Contract, terms: Terms, *, mode: Mode, on: date, is_paid: bool = False) -> Step:
    """Change to another plan or price. In a trial and in a pause it costs nothing yet, so every mode is at once.

    Args:
        is_paid: What it comes to was invoiced and paid already: then it holds, also where another invoice has become
            overdue meanwhile.

    Raises:
        NotChangeable: it is overdue, will end, or has ended.
        AlreadyOnPlan: that is the plan already; where another was to follow, that is taken back.
        IntervalDiffers: days of a month's price and of a year's are not set off: reset, or wait for the period's end.
    """
    if is_paid and contract.status == lifecycle.PAST_DUE:
        held = change_plan(paid_up(contract), terms, mode=mode, on=on)
        return replace(held, contract=replace(held.contract, status=lifecycle.PAST_DUE))
    if contract.status not in (lifecycle.ACTIVE, lifecycle.TRIALING, lifecycle.PAUSED) or contract.cancels_on:
        raise NotChangeable
    if terms.price_id == contract.terms.price_id:
        if contract.next_terms is None:
            raise AlreadyOnPlan
        return Step(replace(contract, next_terms=None))
    if contract.status != lifecycle.ACTIVE or contract.cover is None or contract.period is None:
        return Step(replace(contract, terms=terms, next_terms=None))
    if mode is Mode.NEXT_PERIOD:
        return Step(replace(contract, next_terms=terms))
    back = _given_back(contract.cover, on)
    if mode is Mode.RESET:
        fresh = _begin(replace(contract, next_terms=terms), on)
        return replace(fresh, items=(*back, *fresh.items))
    if terms.interval_months != contract.terms.interval_months:
        raise IntervalDiffers
    rest = Period(on, contract.period.ends_on)
    item = proration.charge(terms.name, terms.amount_minor, terms.tax_rate_bp, rest, of=contract.period)
    after = replace(contract, terms=terms, next_terms=None, cover=proration.cover(item))
    return Step(after, (*back, item), bills_now=mode is Mode.INVOICE)


def usual_mode(before: Terms, after: Terms) -> Mode:
    """Up now, down when the period ends; a longer or shorter period that costs more a month begins anew."""
    if after.mrr_minor <= before.mrr_minor:
        return Mode.NEXT_PERIOD
    return Mode.INVOICE if after.interval_months == before.interval_months else Mode.RESET


def cancel_at_end(contract: Contract, *, on: date) -> Step:
    """End it when what is paid or free is over; at once where nothing is.

    Raises:
        NotChangeable: it has ended.
    """
    if contract.status not in lifecycle.LIVE:
        raise NotChangeable
    ends = contract.trial_ends_on if contract.status == lifecycle.TRIALING else None
    ends = contract.period.ends_on if contract.period else ends
    if ends is None or ends <= on:
        return cancel_now(contract)
    return Step(replace(contract, cancels_on=ends))


def keep(contract: Contract) -> Step:
    """Take a cancellation back that has not come yet."""
    return Step(replace(contract, cancels_on=None))


def cancel_now(contract: Contract, *, on: date | None = None) -> Step:
    """End it. With a day, what is charged from then on is given back."""
    if contract.status not in lifecycle.LIVE:
        raise NotChangeable
    back = _given_back(contract.cover, on) if on and contract.cover else ()
    after = replace(
        contract, status=lifecycle.CANCELLED, resumes_on=None, next_terms=None, period=None, cover=None, cancels_on=None
    )
    return Step(after, back)


def payment_failed(contract: Contract) -> Contract:
    """An invoice was not paid: overdue, and still a membership."""
    return replace(contract, status=lifecycle.PAST_DUE) if contract.status == lifecycle.ACTIVE else contract


def paid_up(contract: Contract) -> Contract:
    """Nothing is open any more."""
    return replace(contract, status=lifecycle.ACTIVE) if contract.status == lifecycle.PAST_DUE else contract
