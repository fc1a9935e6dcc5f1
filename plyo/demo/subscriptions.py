"""Memberships: their state today, their paid periods, and each step of their monthly recurring revenue."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.events import commerce as facts
from plyo.demo.batch import Batch
from plyo.demo.catalogue import CURRENCIES, PACK
from plyo.demo.clock import HOUR, Clock, add_months, periods_between
from plyo.demo.columns import Coded, Floats, Ids, Ints, Times
from plyo.demo.journey import CAUSES, Journey
from plyo.demo.people import Customers
from plyo.demo.prices import Prices, net_minor
from plyo.demo.words import CANCEL_REASONS

STATUSES = ("trialing", "active", "paused", "past_due", "cancelled")
TRIALING, RUNNING, PAUSED, PAST_DUE, CANCELLED = range(5)
KINDS = ("trial_started", "started", "paused", "resumed", "price_changed", "plan_changed", "ended")
TRIAL_STARTED, STARTED, WAS_PAUSED, RESUMED, PRICE_CHANGED, PLAN_CHANGED, ENDED = range(7)
_NAT = np.datetime64("NaT", "us")
_REASONS = (*(CANCEL_REASONS[cause] for cause in CAUSES), "Trial not continued", "payment_failed")


@dataclass
class Memberships:
    """Subscriptions as parallel columns, then their billed periods.

    `later_offer` is chosen from `switches_at` on. A period's `row` is its subscription.
    """

    customer: Ints
    turn: Ints
    ids: Ids
    studio: Ints
    offer: Ints
    later_offer: Ints
    switches_at: Times
    started: Times
    paid_from: Times
    requested: Times
    end: Times
    pause_from: Times
    pause_to: Times
    is_involuntary: NDArray[np.bool_]
    row: Ints
    period: Ints
    begins: Times
    ends: Times
    gross: Ints
    price: Ids
    plan: Ints
    is_paused: NDArray[np.bool_]


def subscribe(
    *, customers: Customers, journey: Journey, prices: Prices, clock: Clock, batch: Batch, adherence: Floats
) -> Memberships:
    """Memberships of a block and every monthly period of them that has begun."""
    spells, random = journey.spells, batch.random
    is_member = (customers.offer != PACK)[:, None] & (spells.start <= clock.until)
    customer, turn = np.nonzero(is_member)
    n = len(customer)
    paid = spells.paid_from[customer, turn]
    end = spells.end[customer, turn]
    offer = customers.offer[customer]
    # One member in eight changes plan once, at the beginning of a period, keener ones upwards.
    keen = adherence[customer] + random.normal(0, 0.1, n) > 0.75
    # Group and coach plans differ in what the week looks like, so people move between the two coached plans.
    later = np.where(offer == 1, 2, np.where(offer == 2, 1, np.where(offer == 3, 2, offer)))
    moves = random.random(n) < np.where((later > offer) == keen, 0.16, 0.06)
    switches = add_months(paid, random.integers(2, 12, n))
    switches = np.where(moves & (later != offer) & ~customers.protected[customer], switches, _NAT)
    last = np.where(np.isnat(end), clock.until, np.minimum(end, clock.until))
    count = np.where(paid <= clock.until, periods_between(paid, last) + 1, 0)
    # A period that would begin at the very end does not begin; a trial that was not continued has none.
    exact = (count > 0) & (add_months(paid, np.maximum(count - 1, 0)) >= np.where(np.isnat(end), clock.until, end))
    count = np.maximum(count - exact, 0)
    row = np.repeat(np.arange(n), count)
    period = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    begins, ends = add_months(paid[row], period), add_months(paid[row], period + 1)
    plan = np.where(begins >= switches[row], later[row], offer[row])
    started = spells.start[customer, turn]
    version = prices.version(started[row], begins)
    studio = customers.studio[customer]
    pause_from, pause_to = spells.pause_from[customer, turn], spells.pause_to[customer, turn]
    return Memberships(
        customer=customer, turn=turn, ids=batch.ids(started), studio=studio, offer=offer, later_offer=later,
        switches_at=switches, started=started, paid_from=paid, requested=spells.requested[customer, turn], end=end,
        pause_from=pause_from, pause_to=pause_to, is_involuntary=spells.is_involuntary[customer, turn], row=row,
        period=period, begins=begins, ends=ends, gross=prices.amount[plan, studio[row], version],
        price=prices.ids[plan, studio[row], version], plan=plan,
        is_paused=(begins >= pause_from[row]) & (begins < pause_to[row]),
    )  # fmt: skip


def write_memberships(
    batch: Batch,
    members: Memberships,
    is_past_due: NDArray[np.bool_],
    *,
    customers: Customers,
    journey: Journey,
    prices: Prices,
    clock: Clock,
) -> None:
    """Subscriptions as they are today, the changes that made them so, and their events.

    Args:
        is_past_due: For each membership, whether its newest invoice is still open after a failed attempt.
    """
    n, until = len(members.customer), clock.until
    has_period = np.bincount(members.row, minlength=n) > 0
    newest = np.cumsum(np.bincount(members.row, minlength=n)) - 1
    over = members.end <= until
    resting = (members.pause_from <= until) & (members.pause_to > until)
    status = np.select([over, resting, ~has_period, is_past_due], [CANCELLED, PAUSED, TRIALING, PAST_DUE], RUNNING)
    listed = prices.version(members.started, members.started)
    plan = np.where(has_period, members.plan[newest], members.offer)
    gross = np.where(has_period, members.gross[newest], prices.amount[members.offer, members.studio, listed])
    price = np.where(has_period, members.price[newest], prices.ids[members.offer, members.studio, listed])
    trial_only = journey.spells.is_trial_only[members.customer, members.turn]
    trials = members.paid_from > members.started
    requested = np.where(members.requested <= until, members.requested, _NAT)
    requested = np.where(trial_only & over, members.paid_from - 26 * HOUR, requested)
    leaving = ~np.isnat(requested)
    failed = members.is_involuntary & over
    cause = journey.spells.cause[members.customer, members.turn]
    reason = np.select([failed, trial_only & over, leaving], [len(CAUSES) + 1, len(CAUSES), cause], -1)
    begins = np.where(has_period, members.begins[newest], members.started)
    ends = np.where(has_period, members.ends[newest], members.paid_from)
    batch.add(
        "commerce.subscriptions", id=members.ids, customer_id=customers.ids[members.customer],
        plan_id=prices.plan_ids[plan], price_id=price, status=Coded(status, STATUSES), amount_minor=gross,
        currency=Coded(members.studio, CURRENCIES), interval_months=1, started_at=members.started,
        trial_ends_at=np.where(trials, members.paid_from, _NAT), current_period_start=begins, current_period_end=ends,
        paused_at=np.where(resting, members.pause_from, _NAT), cancel_requested_at=requested,
        cancel_at=np.where(leaving | failed, members.end, _NAT),
        cancel_kind=Coded(np.where(failed, 1, np.where(leaving, 0, -1)), ("voluntary", "involuntary")),
        cancel_reason=Coded(reason, _REASONS), ended_at=np.where(over, members.end, _NAT), created_at=members.started,
    )  # fmt: skip
    _write_changes(batch, members, customers, prices, until)
    asked = leaving & ~failed
    _announce_ends(batch, members, customers, asked, requested, reason, ends_now=False)
    _announce_ends(batch, members, customers, over, members.end, reason, ends_now=True)


def _announce_ends(
    batch: Batch,
    members: Memberships,
    customers: Customers,
    which: NDArray[np.bool_],
    at: Times,
    reason: Ints,
    *,
    ends_now: bool,
) -> None:
    words = tuple(word.replace('"', "") for word in _REASONS)
    batch.announce(
        facts.SubscriptionCancelled, at[which], subscription_id=members.ids[which],
        customer_id=customers.ids[members.customer[which]], reason=Coded(reason[which], words),
        is_voluntary=~members.is_involuntary[which], ends_now=ends_now,
    )  # fmt: skip


def _write_changes(
    batch: Batch, members: Memberships, customers: Customers, prices: Prices, until: np.datetime64
) -> None:
    everyone = np.arange(len(members.customer))
    net = net_minor(members.gross, members.studio[members.row])
    first = members.period == 0
    same_plan = members.plan[1:] == members.plan[:-1]
    moved = np.r_[False, (net[1:] != net[:-1]) | ~same_plan] & ~first & ~members.is_paused
    switched = np.r_[False, ~same_plan] & moved
    trials = members.paid_from > members.started
    pauses = members.pause_from <= until
    resumes = members.pause_to <= until
    held = _period_at(members, members.pause_to)
    parts = [
        (everyone[trials], TRIAL_STARTED, members.started[trials], 0, members.offer[trials]),
        (members.row[first], STARTED, members.begins[first], net[first], members.plan[first]),
        (members.row[moved & ~switched], PRICE_CHANGED, members.begins[moved & ~switched], net[moved & ~switched],
         members.plan[moved & ~switched]),
        (members.row[switched], PLAN_CHANGED, members.begins[switched], net[switched], members.plan[switched]),
        (everyone[pauses], WAS_PAUSED, members.pause_from[pauses], 0,
         members.plan[_period_at(members, members.pause_from)[pauses]]),
        (everyone[resumes], RESUMED, members.pause_to[resumes], net[held[resumes]], members.plan[held[resumes]]),
        (everyone[members.end <= until], ENDED, members.end[members.end <= until], 0, None),
    ]  # fmt: skip
    row = np.concatenate([part[0] for part in parts])
    kind = np.concatenate([np.full(len(part[0]), part[1]) for part in parts])
    at = np.concatenate([part[2] for part in parts])
    after = np.concatenate([np.broadcast_to(part[3], part[0].shape) for part in parts]).astype(np.int64)
    plan = np.concatenate([part[4] if part[4] is not None else np.full(len(part[0]), -1) for part in parts])
    order = np.lexsort((kind, at, row))
    row, kind, after, plan = (column[order] for column in (row, kind, after, plan))
    at = at[order]
    opens = np.r_[True, row[1:] != row[:-1]]
    before = np.where(opens, 0, np.r_[0, after[:-1]])
    plan = np.where(plan < 0, np.r_[0, plan[:-1]], plan)
    customer_ids, currency = customers.ids[members.customer[row]], Coded(members.studio[row], CURRENCIES)
    batch.add(
        "commerce.subscription_changes", id=batch.ids(at), subscription_id=members.ids[row], customer_id=customer_ids,
        plan_id=prices.plan_ids[plan], kind=Coded(kind, KINDS), mrr_before_minor=before, mrr_after_minor=after,
        currency=currency, changed_at=at,
    )  # fmt: skip
    _announce_changes(batch, members, row, kind, at, after, plan, customer_ids, currency, prices)


def _announce_changes(
    batch: Batch,
    members: Memberships,
    row: Ints,
    kind: Ints,
    at: Times,
    after: Ints,
    plan: Ints,
    customer_ids: Ids,
    currency: Coded,
    prices: Prices,
) -> None:
    trials = members.paid_from > members.started
    begins = (kind == TRIAL_STARTED) | ((kind == STARTED) & ~trials[row])
    version = prices.version(at, at)
    batch.announce(
        facts.SubscriptionStarted, at[begins], subscription_id=members.ids[row[begins]],
        customer_id=customer_ids[begins], plan_id=prices.plan_ids[plan[begins]],
        amount_minor=prices.amount[plan, members.studio[row], version][begins], currency=currency[begins],
        is_trial=(kind == TRIAL_STARTED)[begins],
    )  # fmt: skip
    changes = ~begins & (kind != ENDED)
    batch.announce(
        facts.SubscriptionChanged, at[changes], subscription_id=members.ids[row[changes]],
        customer_id=customer_ids[changes], kind=Coded(kind[changes], KINDS), mrr_minor=after[changes],
        currency=currency[changes],
    )  # fmt: skip


def _period_at(members: Memberships, at: Times) -> Ints:
    """Row number of the period that holds an instant of each membership; 0 where there is none."""
    count = np.bincount(members.row, minlength=len(members.customer))
    first = np.cumsum(count) - count
    known = ~np.isnat(at) & (count > 0)
    safe = np.where(known, at, members.paid_from)
    index = np.clip(periods_between(members.paid_from, safe), 0, np.maximum(count - 1, 0))
    return np.where(known, first + index, 0)
