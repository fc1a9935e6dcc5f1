"""A few wallets: somebody pays something in, is given something, an invoice takes both before the card, and a second
gift waits. Whose invoice it is is known before it is collected (`take`); the rest is written last, so that nothing else
of a business hangs on it.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from contracts.events import wallets as facts
from contracts.events.commerce import PaymentCaptured, PlanUpdated
from plyo.demo import ledger
from plyo.demo.batch import Batch
from plyo.demo.catalogue import CURRENCIES, STUDIOS, ZONES
from plyo.demo.clock import DAY, HOUR, MINUTE, Clock
from plyo.demo.columns import Coded, Ids, Ints, Times, id_text, no_ids, numbered
from plyo.demo.people import DEMO_CUSTOMER, Customers
from plyo.demo.prices import divide_half_up

EVERY = 12
"""One of so many customers has a wallet, the demo customer among them."""
CODE = "top-up"
_TOP_UP, _GIFT, _THANKS = (np.array(each) for each in ((5_000, 5_000, 1_000_000), (1_500, 1_500, 300_000),
                                                       (1_000, 1_000, 200_000)))  # fmt: skip
"""Paid in, given, and given once more, by studio."""
_REASONS = ("Sorry for the cold shower", "Thank you for bringing a friend")
SECOND = np.timedelta64(1, "s").astype("timedelta64[us]")
_NAT = np.datetime64("NaT", "us")


@dataclass
class Spent:
    """Invoices that wallets paid a part of: their customers, ids, and when their card was charged."""

    customer: Ints
    invoice: Ids
    at: Times


def fee_minor(amount: Ints, studio: Ints) -> Ints:
    """What the provider keeps of captured amounts."""
    rate, fixed = (np.array([getattr(place, name) for place in STUDIOS]) for name in ("fee_bp", "fee_fixed_minor"))
    fee: Ints = divide_half_up(amount * rate[studio], 10_000) + fixed[studio]
    return fee


def take(
    customer: Ints, begins: Times, first_try: Times, failures: Ints, *, customers: Customers, clock: Clock
) -> Ints:
    """How much of each membership's invoice wallets pay: of the newest that was collected at once, of whom has one."""
    told = (customer % EVERY == DEMO_CUSTOMER % EVERY) & (failures == 0) & (first_try - begins == HOUR)
    told &= (first_try + 2 * DAY <= clock.until) & (first_try >= customers.joined_at[customer] + 15 * DAY)
    rows = np.flatnonzero(told)
    rows = rows[np.lexsort((first_try[rows], customer[rows]))]
    newest = rows[np.r_[customer[rows][1:] != customer[rows][:-1], True]] if len(rows) else rows
    taken = np.zeros(len(customer), np.int64)
    studio = customers.studio[customer[newest]]
    taken[newest] = _TOP_UP[studio] + _GIFT[studio]
    return taken


def write_top_up(batch: Batch, clock: Clock) -> None:
    """What can be paid in, in every currency."""
    opening = np.full(len(STUDIOS), clock.start - 60 * DAY)
    plan = batch.ids(opening[:1])
    batch.add(
        "commerce.plans", id=plan, code=[CODE], name=["Top-up"],
        description=["Pay in once: your next invoices take it before your card."], kind=["top_up"],
        interval_months=[None], sessions_included=[None], trial_days=[0], validity_days=[None], is_active=True,
        sort_order=np.array([100]), created_at=opening[:1],
    )  # fmt: skip
    batch.add(
        "commerce.plan_prices", id=batch.ids(opening), plan_id=np.repeat(plan, len(STUDIOS)), currency=CURRENCIES,
        amount_minor=_TOP_UP, tax_rate_bp=np.zeros(len(STUDIOS), int), valid_from=opening,
        valid_to=np.full(len(STUDIOS), _NAT),
    )  # fmt: skip
    for place, currency in enumerate(CURRENCIES):
        batch.announce(
            PlanUpdated, opening[:1], plan_id=plan, code=CODE, amount_minor=_TOP_UP[place : place + 1],
            currency=currency, valid_from=opening[:1],
        )  # fmt: skip


def write(batch: Batch, spent: Spent, *, customers: Customers, desk: Ids, clock: Clock) -> None:
    """Wallets, what came into them and what left them, with journals and events."""
    n = len(spent.customer)
    if n == 0:
        return
    studio, owner = customers.studio[spent.customer], customers.ids[spent.customer]
    books = ledger.Books(batch, customers, spent.customer, studio)
    everyone = np.arange(n)
    paid_in, given, thanked = spent.at - 10 * DAY, spent.at - 5 * DAY, spent.at + DAY
    wallet, top_up, gift, thanks = (batch.ids(at) for at in (paid_in, paid_in, given, thanked))
    currency = Coded(studio, CURRENCIES)
    invoice = _pay_in(batch, books, spent, paid_in, customers=customers)
    batch.add(
        "commerce.wallets", id=wallet, customer_id=owner, currency=currency, balance_minor=_THANKS[studio],
        opened_at=paid_in,
    )  # fmt: skip
    zero, ends = np.zeros(n, np.int64), [_ends(given, 60), _ends(np.full(n, clock.until), 20)]
    for at, ids, kind, amount, until in (
        (paid_in + MINUTE, top_up, -1, _TOP_UP[studio], np.full(n, _NAT)), (given, gift, 0, _GIFT[studio], ends[0]),
        (thanked, thanks, 1, _THANKS[studio], ends[1]),
    ):  # fmt: skip
        is_gift = kind >= 0
        batch.add(
            "commerce.wallet_credits", id=ids, wallet_id=wallet, customer_id=owner, kind="gift" if is_gift else "paid",
            amount_minor=amount, left_minor=amount if kind == 1 else zero, currency=currency,
            invoice_id=no_ids(n) if is_gift else invoice, reason=Coded(np.full(n, kind), _REASONS),
            given_by=np.repeat(desk, n) if is_gift else no_ids(n), expires_at=until, made_at=at,
        )  # fmt: skip
        _move(batch, ids, owner, "given" if is_gift else "topped_up", amount, currency, no_ids(n), at)
        common = {"wallet_id": wallet, "credit_id": ids, "customer_id": owner, "amount_minor": amount}
        if is_gift:
            batch.announce(facts.WalletCreditGiven, at, **common, currency=currency, given_by=desk[0], expires_at=until)
        else:
            batch.announce(facts.WalletToppedUp, at, **common, currency=currency, invoice_id=invoice)
        account = "wallet_gifts" if is_gift else "wallet_top_ups"
        said = "wallet_given" if is_gift else "wallet_topped_up"
        books.post(said, "wallet_credit", ids, at, everyone, {account: amount, "wallets": -amount})
    _spend(batch, books, spent, wallet, {"gift": gift, "wallet": top_up}, customers=customers)
    books.write()


def _pay_in(batch: Batch, books: ledger.Books, spent: Spent, at: Times, *, customers: Customers) -> Ids:
    """The invoices of top-ups, paid by card; they have no tax."""
    n, studio = len(at), customers.studio[spent.customer]
    owner, amount, currency = customers.ids[spent.customer], _TOP_UP[studio], Coded(studio, CURRENCIES)
    ids, payment, zero, nowhere = batch.ids(at), batch.ids(at), np.zeros(n, np.int64), np.full(n, _NAT)
    captured, fee = at + 24 * SECOND, fee_minor(amount, studio)
    batch.add(
        "commerce.invoices", id=ids, number=numbered("TOP-", batch.block * 10**7 + np.arange(1, n + 1), 13),
        customer_id=owner, subscription_id=no_ids(n), session_pack_id=no_ids(n),
        status=Coded(np.ones(n, int), ("open", "paid", "uncollectible")), currency=currency, subtotal_minor=amount,
        tax_minor=zero, total_minor=amount, period_start=nowhere, period_end=nowhere, issued_at=at, due_at=at,
        paid_at=captured,
    )  # fmt: skip
    batch.add(
        "commerce.invoice_lines", id=batch.ids(at), invoice_id=ids, position=np.ones(n, int), kind="top_up",
        description="Top-up", amount_minor=amount, tax_minor=zero, tax_rate_bp=zero, currency=currency,
    )  # fmt: skip
    _paid(batch, payment, ids, owner, "stripe", numbered("pi_topup", batch.block * 10**7 + np.arange(n), 12), amount,
          fee, currency, captured)  # fmt: skip
    batch.announce(
        PaymentCaptured, captured, payment_id=payment, customer_id=owner, amount_minor=amount, currency=currency
    )
    everyone = np.arange(n)
    books.post("invoice_issued", "invoice", ids, at, everyone, {"receivable": amount, "wallet_top_ups": -amount})
    books.post("payment_captured", "payment", payment, captured, everyone, {
        "stripe_balance": amount - fee, "payment_fees": fee, "receivable": -amount,
    })  # fmt: skip
    return ids


def _spend(
    batch: Batch, books: ledger.Books, spent: Spent, wallet: Ids, credits_: dict[str, Ids], *, customers: Customers
) -> None:
    """What wallets paid, just before the card: gifts first."""
    n, studio = len(spent.at), customers.studio[spent.customer]
    owner, currency, zero = customers.ids[spent.customer], Coded(studio, CURRENCIES), np.zeros(len(spent.at), np.int64)
    at, everyone = spent.at - SECOND, np.arange(n)
    for source, credit in credits_.items():
        amount, payment = (_GIFT if source == "gift" else _TOP_UP)[studio], batch.ids(at)
        _paid(batch, payment, spent.invoice, owner, source, id_text(payment), amount, zero, currency, at)
        _move(batch, credit, owner, "spent", -amount, currency, payment, at)
        batch.announce(
            PaymentCaptured, at, payment_id=payment, customer_id=owner, amount_minor=amount, currency=currency,
            invoice_id=spent.invoice, provider=source,
        )  # fmt: skip
        books.post("payment_captured", "payment", payment, at, everyone, {"wallets": amount, "receivable": -amount})
    batch.announce(
        facts.WalletSpent, at, wallet_id=wallet, customer_id=owner, invoice_id=spent.invoice,
        amount_minor=_TOP_UP[studio] + _GIFT[studio], gift_minor=_GIFT[studio], currency=currency,
    )  # fmt: skip


def _paid(
    batch: Batch, ids: Ids, invoice: Ids, customer: Ids, provider: str, named: object, amount: Ints, fee: Ints,
    currency: Coded, at: Times,
) -> None:  # fmt: skip
    n = len(ids)
    batch.add(
        "commerce.payments", id=ids, invoice_id=invoice, customer_id=customer, provider=provider,
        provider_payment_id=named, attempt=np.ones(n, int), status=Coded(np.ones(n, int), ("failed", "captured")),
        amount_minor=amount, fee_minor=fee, currency=currency, failure_code=Coded(np.full(n, -1), ("",)),
        attempted_at=at - 4 * SECOND if provider == "stripe" else at, captured_at=at,
    )  # fmt: skip


def _move(
    batch: Batch, credit: Ids, customer: Ids, kind: str, amount: Ints, currency: Coded, payment: Ids, at: Times
) -> None:
    batch.add(
        "commerce.wallet_movements", id=batch.ids(at), credit_id=credit, customer_id=customer, kind=kind,
        amount_minor=amount, currency=currency, payment_id=payment, moved_at=at,
    )  # fmt: skip


def _ends(given: Times, days: int) -> Times:
    """When a gift ends whose last day is so many days after it was given: that day is over at every studio."""
    last: list[date] = (given + days * DAY).astype("datetime64[D]").tolist()
    ends = [
        max(datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(zone)) for zone in ZONES)
        for day in last
    ]
    return np.array([end.astimezone(ZoneInfo("UTC")).replace(tzinfo=None) for end in ends], "datetime64[us]")
