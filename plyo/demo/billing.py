"""Money: invoices of memberships and packs, attempts to collect them, refunds, disputes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.events import commerce as facts
from plyo.demo import ledger, wallets
from plyo.demo.batch import Batch
from plyo.demo.catalogue import CURRENCIES, OFFERS, PACK
from plyo.demo.clock import DAY, HOUR, MINUTE, Clock
from plyo.demo.columns import Coded, Ids, Ints, Times, no_ids, numbered
from plyo.demo.people import Customers
from plyo.demo.prices import Prices, divide_half_up, net_minor
from plyo.demo.sessions import IS_CANCELLED, Bookings
from plyo.demo.subscriptions import Memberships

RETRY_DAYS = np.array([0, 3, 8, 14])
"""Days from the first attempt of each attempt; after the last, collection is given up."""
SECOND = np.timedelta64(1, "s").astype("timedelta64[us]")
_FAILURES = ("card_declined", "insufficient_funds", "expired_card", "processing_error")
_REFUND_REASONS = ("Session cancelled by the studio", "Goodwill", "Charged twice", "Moved away mid-month")
_DISPUTE_REASONS = ("fraudulent", "product_not_received", "subscription_canceled", "duplicate")
_NAT = np.datetime64("NaT", "us")


@dataclass
class Charges:
    """Invoices before anybody tried to collect them. `failures`: attempts that fail first; -1: all of them. `kept`: how
    much of each a wallet pays."""

    customer: Ints
    gross: Ints
    subscription: Ids
    pack: Ids
    begins: Times
    ends: Times
    issued: Times
    first_try: Times
    failures: Ints
    kept: Ints


@dataclass
class Captures:
    """Payments by card that succeeded, as parallel columns. `is_whole`: nothing else paid their invoice."""

    customer: Ints
    ids: Ids
    amount: Ints
    tax: Ints
    at: Times
    is_whole: NDArray[np.bool_]


def charge_members(members: Memberships, random: np.random.Generator, *, customers: Customers, clock: Clock) -> Charges:
    """An invoice for each paid period that is not spent pausing; the card of some gives up for good."""
    billed = np.flatnonzero(~members.is_paused)
    row, begins = members.row[billed], members.begins[billed]
    n = len(billed)
    failures = random.choice(4, n, p=[0.957, 0.024, 0.012, 0.007])
    at_checkout = (members.period[billed] == 0) & (members.paid_from == members.started)[row]
    hopeless = members.is_involuntary[row] & (begins == members.end[row] - 15 * DAY)
    failures = np.where(hopeless, -1, np.where(at_checkout, 0, failures))
    first_try = begins + np.where(at_checkout, 20 * SECOND, HOUR)
    kept = wallets.take(members.customer[row], begins, first_try, failures, customers=customers, clock=clock)
    return Charges(
        customer=members.customer[row], gross=members.gross[billed], subscription=members.ids[row], pack=no_ids(n),
        begins=begins, ends=members.ends[billed], issued=begins, first_try=first_try, failures=failures, kept=kept,
    )  # fmt: skip


def overdue(members: Memberships, charges: Charges, until: np.datetime64) -> NDArray[np.bool_]:
    """Which memberships' newest invoice is open after a failed attempt."""
    tries = np.where(charges.failures < 0, len(RETRY_DAYS), charges.failures)
    paid_at = charges.first_try + np.append(RETRY_DAYS, 400)[tries] * DAY
    is_late = (charges.failures != 0) & (charges.first_try <= until) & (paid_at > until)
    late = np.zeros(len(members.customer), bool)
    np.logical_or.at(late, members.row[np.flatnonzero(~members.is_paused)], is_late)
    return late


def sell_packs(batch: Batch, bookings: Bookings, *, customers: Customers, prices: Prices) -> Charges:
    """Packs of ten for those who book without membership, each bought for the first booking it pays.

    Gives the bookings their `pack`. Their revenue is of the day on which they were sold, as their journals say: nothing
    is left to be earned by sessions.
    """
    uses = np.flatnonzero((customers.offer[bookings.customer] == PACK) & (bookings.status != IS_CANCELLED))
    uses = uses[np.lexsort((bookings.booked_at[uses], bookings.customer[uses]))]
    customer = bookings.customer[uses]
    rank = np.arange(len(uses)) - np.searchsorted(customer, customer)
    size = OFFERS[PACK].sessions_included or 10
    opens = rank % size == 0
    pack = np.cumsum(opens) - 1
    owner, bought = customer[opens], bookings.booked_at[uses][opens] - 6 * MINUTE
    ids = batch.ids(bought)
    bookings.pack[uses] = ids[pack]
    version = np.maximum(np.searchsorted(prices.valid_from, bought, side="right") - 1, 0)
    studio = customers.studio[owner]
    gross = prices.amount[PACK, studio, version]
    net = net_minor(gross, studio)
    batch.add(
        "commerce.session_packs", id=ids, customer_id=customers.ids[owner], plan_id=prices.plan_ids[PACK],
        sessions_total=size, sessions_used=np.bincount(pack, minlength=len(ids)), purchased_at=bought,
        expires_at=bought + (OFFERS[PACK].validity_days or 365) * DAY, net_minor=net, recognised_minor=net,
        currency=Coded(studio, CURRENCIES),
    )  # fmt: skip
    batch.announce(
        facts.PackBought, bought, pack_id=ids, customer_id=customers.ids[owner],
        plan_id=prices.plan_ids[np.full(len(ids), PACK)], sessions=size, amount_minor=gross,
        currency=Coded(studio, CURRENCIES),
    )  # fmt: skip
    nowhere = np.full(len(ids), _NAT)
    return Charges(
        customer=owner, gross=gross, subscription=no_ids(len(ids)),
        pack=ids, begins=nowhere, ends=nowhere, issued=bought, first_try=bought + 20 * SECOND,
        failures=np.zeros(len(ids), int), kept=np.zeros(len(ids), int),
    )  # fmt: skip


def collect(batch: Batch, charges: list[Charges], *, customers: Customers, clock: Clock) -> wallets.Spent:
    """Invoices, payments by card, refunds, disputes, their journals and their events into the batch.

    Returns:
        The invoices that wallets paid a part of.
    """
    all_of = Charges(**{name: np.concatenate([getattr(each, name) for each in charges]) for name in vars(charges[0])})
    order = np.argsort(all_of.issued, kind="stable")
    all_of = Charges(**{name: column[order] for name, column in vars(all_of).items()})
    n, until = len(all_of.gross), clock.until
    studio = customers.studio[all_of.customer]
    net = net_minor(all_of.gross, studio)
    hopeless = all_of.failures < 0
    tries = np.where(hopeless, len(RETRY_DAYS), all_of.failures + 1)
    captured = all_of.first_try + RETRY_DAYS[tries - 1] * DAY + 4 * SECOND
    is_paid = ~hopeless & (captured <= until)
    given_up = all_of.issued + 15 * DAY
    is_lost = hopeless & (given_up <= until)
    ids = batch.ids(all_of.issued)
    year = all_of.issued.astype("datetime64[Y]").astype(int) + 1970
    number = numbered("PLY-", (year * 1000 + batch.block) * 1_000_000 + np.arange(1, n + 1), 13)
    batch.add(
        "commerce.invoices", id=ids, number=number, customer_id=customers.ids[all_of.customer],
        subscription_id=all_of.subscription, session_pack_id=all_of.pack,
        status=Coded(np.where(is_paid, 1, np.where(is_lost, 2, 0)), ("open", "paid", "uncollectible")),
        currency=Coded(studio, CURRENCIES), subtotal_minor=net, tax_minor=all_of.gross - net,
        total_minor=all_of.gross, period_start=all_of.begins, period_end=all_of.ends, issued_at=all_of.issued,
        due_at=all_of.issued, paid_at=np.where(is_paid, captured, _NAT),
    )  # fmt: skip
    books = ledger.Books(batch, customers, all_of.customer, studio)
    everyone = np.arange(n)
    is_pack = np.isnat(all_of.begins)
    books.post("invoice_issued", "invoice", ids, all_of.issued, everyone, {
        "receivable": all_of.gross, "membership_revenue": np.where(is_pack, 0, -net),
        "pack_revenue": np.where(is_pack, -net, 0), "tax_payable": net - all_of.gross,
    })  # fmt: skip
    lost = np.flatnonzero(is_lost)
    books.post("written_off", "invoice", ids[lost], given_up[lost], lost, {
        "bad_debt": net[lost], "tax_payable": (all_of.gross - net)[lost], "receivable": -all_of.gross[lost],
    })  # fmt: skip
    captures = _attempts(batch, all_of, ids, tries, net, customers, books, until)
    _give_back(batch, captures, all_of, customers, books, until)
    books.write()
    shared = np.flatnonzero(all_of.kept)
    return wallets.Spent(all_of.customer[shared], ids[shared], captured[shared])


def _attempts(
    batch: Batch,
    charges: Charges,
    invoice_ids: Ids,
    tries: Ints,
    net: Ints,
    customers: Customers,
    books: ledger.Books,
    until: np.datetime64,
) -> Captures:
    row = np.repeat(np.arange(len(tries)), tries)
    attempt = np.arange(len(row)) - np.repeat(np.cumsum(tries) - tries, tries)
    at = charges.first_try[row] + RETRY_DAYS[attempt] * DAY
    good = (attempt == tries[row] - 1) & (charges.failures[row] >= 0)
    captured_at = np.where(good, at + 4 * SECOND, _NAT)
    happened = (at <= until) & ~(captured_at > until)
    row, attempt, at, good, captured_at = (column[happened] for column in (row, attempt, at, good, captured_at))
    ids, customer, amount = batch.ids(at), charges.customer[row], (charges.gross - charges.kept)[row]
    studio = customers.studio[customer]
    fee = np.where(good, wallets.fee_minor(amount, studio), 0)
    why = np.where(good, -1, batch.random.choice(4, len(row), p=[0.35, 0.4, 0.2, 0.05]))
    batch.add(
        "commerce.payments", id=ids, invoice_id=invoice_ids[row], customer_id=customers.ids[customer],
        provider="stripe", provider_payment_id=numbered("pi_demo", batch.block * 10**7 + row + 1, 12),
        attempt=attempt + 1, status=Coded(good.astype(int), ("failed", "captured")), amount_minor=amount,
        fee_minor=fee, currency=Coded(studio, CURRENCIES), failure_code=Coded(why, _FAILURES), attempted_at=at,
        captured_at=captured_at,
    )  # fmt: skip
    common = {"payment_id": ids, "customer_id": customers.ids[customer], "amount_minor": amount}
    for event, which, when, extra in (
        (facts.PaymentCaptured, good, captured_at, {}),
        (facts.PaymentFailed, ~good, at, {"failure_code": Coded(why[~good], _FAILURES)}),
    ):
        shown = {name: column[which] for name, column in common.items()}
        batch.announce(event, when[which], **shown, currency=Coded(studio[which], CURRENCIES), **extra)
    books.post("payment_captured", "payment", ids[good], captured_at[good], row[good], {
        "stripe_balance": (amount - fee)[good], "payment_fees": fee[good], "receivable": -amount[good],
    })  # fmt: skip
    return Captures(
        customer=row[good], ids=ids[good], amount=amount[good], tax=(charges.gross - net)[row[good]],
        at=captured_at[good], is_whole=charges.kept[row[good]] == 0,
    )  # fmt: skip


def _give_back(
    batch: Batch,
    captures: Captures,
    charges: Charges,
    customers: Customers,
    books: ledger.Books,
    until: np.datetime64,
) -> None:
    """Refunds and disputes; no payment has both. `captures.customer` is the row of its invoice."""
    random, n = batch.random, len(captures.ids)
    draw = random.random(n)
    refunded_at = captures.at + random.integers(600, 20 * 24 * 60, n) * MINUTE
    is_refund = (draw < 0.012) & (refunded_at <= until) & captures.is_whole
    part = np.where(random.random(n) < 0.45, 100, random.integers(20, 61, n))
    given = np.maximum(captures.amount * part // 100, 1)[is_refund]
    paid, row = captures.ids[is_refund], captures.customer[is_refund]
    customer = charges.customer[row]
    at, ids = refunded_at[is_refund], batch.ids(refunded_at[is_refund])
    currency = Coded(customers.studio[customer], CURRENCIES)
    who = customers.ids[customer]
    batch.add(
        "commerce.refunds", id=ids, payment_id=paid, customer_id=who, amount_minor=given, currency=currency,
        reason=Coded(random.integers(0, 4, len(ids)), _REFUND_REASONS), status="succeeded",
        provider_refund_id=numbered("re_demo", batch.block * 10**7 + np.arange(1, len(ids) + 1), 12), refunded_at=at,
    )  # fmt: skip
    batch.announce(
        facts.PaymentRefunded, at, payment_id=paid, refund_id=ids, customer_id=who, amount_minor=given,
        currency=currency,
    )  # fmt: skip
    tax = divide_half_up(given * captures.tax[is_refund], np.maximum(captures.amount[is_refund], 1))
    books.post("refund_paid", "refund", ids, at, row, {
        "refunds": given - tax, "tax_payable": tax, "stripe_balance": -given,
    })  # fmt: skip
    _dispute(batch, captures, charges, customers, books, until, (draw > 0.9965) & captures.is_whole)


def _dispute(
    batch: Batch,
    captures: Captures,
    charges: Charges,
    customers: Customers,
    books: ledger.Books,
    until: np.datetime64,
    drawn: NDArray[np.bool_],
) -> None:
    random, n = batch.random, len(captures.ids)
    opened = captures.at + random.integers(5 * 24, 40 * 24, n) * HOUR
    which = np.flatnonzero(drawn & (opened <= until))
    at, row, amount = opened[which], captures.customer[which], captures.amount[which]
    closed = at + random.integers(20, 46, len(which)) * DAY
    is_closed, is_won = closed <= until, random.random(len(which)) < 0.4
    status = np.where(~is_closed, 0, np.where(is_won, 1, 2))
    customer, ids = charges.customer[row], batch.ids(at)
    currency, who = Coded(customers.studio[customer], CURRENCIES), customers.ids[customer]
    batch.add(
        "commerce.disputes", id=ids, payment_id=captures.ids[which], customer_id=who, amount_minor=amount,
        currency=currency, reason=Coded(random.integers(0, 4, len(which)), _DISPUTE_REASONS),
        status=Coded(status, ("needs_response", "won", "lost")),
        provider_dispute_id=numbered("dp_demo", batch.block * 10**7 + np.arange(1, len(ids) + 1), 12), opened_at=at,
        closed_at=np.where(is_closed, closed, _NAT), evidence_due_at=at + 14 * DAY,
        has_evidence=(status == 1) | (np.arange(len(which)) % 3 > 0),
    )  # fmt: skip
    batch.announce(
        facts.DisputeOpened, at, payment_id=captures.ids[which], dispute_id=ids, customer_id=who, amount_minor=amount,
        currency=currency,
    )  # fmt: skip
    batch.announce(
        facts.DisputeClosed, closed[is_closed], payment_id=captures.ids[which][is_closed], dispute_id=ids[is_closed],
        customer_id=who[is_closed], outcome=Coded(status[is_closed], ("needs_response", "won", "lost")),
        amount_minor=amount[is_closed], reinstated_minor=np.where(status == 1, amount, 0)[is_closed],
        currency=currency[is_closed],
    )  # fmt: skip
    books.post("dispute_opened", "dispute", ids, at, row, {"disputes": amount, "stripe_balance": -amount})
    won = status == 1
    books.post("dispute_won", "dispute", ids[won], closed[won], row[won], {
        "stripe_balance": amount[won], "disputes": -amount[won],
    })  # fmt: skip
