"""Random lives of memberships that we bill, day by day: the same pure rules that the services store, and their money.

A few dozen lives by default; `PLYO_LIVES=10000` (`make lives`) for as many as wanted.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from operational_api.commerce import ledger, lifecycle, lots, prices
from operational_api.commerce.billing import contract as contracts
from operational_api.commerce.billing import proration
from operational_api.commerce.billing.contract import Contract, Step, Terms
from operational_api.commerce.billing.drafts import Draft, draft
from operational_api.commerce.billing.dunning import Dunning, Verdict, begin, card_changed, judge
from operational_api.commerce.billing.errors import IntervalDiffers
from operational_api.commerce.billing.proration import Item, Mode, discount
from operational_api.commerce.billing.proration import cover as covers
from operational_api.commerce.lots import Lot
from operational_api.core.errors import DomainError
from tests.operational_api.lives import live

LIVES = int(os.environ.get("PLYO_LIVES", "40"))
FIRST_DAY = date(2026, 1, 31)
TERMS = [
    Terms(UUID(int=n), UUID(int=100 + n), f"Plan {n}", amount, rate, months)
    for n, (amount, rate, months) in enumerate(
        [(4900, 1900, 1), (9900, 1900, 1), (0, 0, 1), (7, 700, 1), (3333, 700, 1), (99_000, 1900, 12), (25_001, 0, 3)]
    )
]
plans = st.sampled_from(TERMS)


@dataclass
class Bill:
    """An invoice, and how far it is paid. `days` is what it charges for the days that the membership has now."""

    draft: Draft
    dunning: Dunning
    days: list[Item]
    status: str = "open"
    back_minor: int = 0
    from_wallet: dict[UUID, Lot] = field(default_factory=dict)

    @property
    def wallet_minor(self) -> int:
        """What a wallet has paid of it, and has not back."""
        return sum(lot.minor for lot in self.from_wallet.values())

    @property
    def charged_minor(self) -> int:
        return sum(item.amount_minor for item in self.draft.lines if item.kind != "unused")


class BilledLife(RuleBasedStateMachine):
    """One customer, who may leave and come back."""

    def __init__(self) -> None:
        super().__init__()
        self.today = FIRST_DAY
        self.contracts: list[Contract] = []
        self.steps: list[lifecycle.Step] = []
        self.waiting: list[Item] = []
        self.bills: list[Bill] = []
        self.balances: Counter[str] = Counter()
        self.covered: Counter[tuple[int, date]] = Counter()
        self.days: list[Item] = []
        self.has_trialed = False
        self.wallet: dict[UUID, Lot] = {}

    # what the services do with a step

    @property
    def now(self) -> Contract:
        return self.contracts[-1]

    def take(self, step: Step, *, percent: int = 0) -> None:
        before, self.contracts[-1] = self.now.life(), step.contract
        self.steps += lifecycle.move(before, step.contract.life())
        paid = [bill.charged_minor - bill.back_minor for bill in self.bills if bill.days is self.days]
        for item in step.items:
            if item.kind == "unused" and paid:  # nothing of what was forgiven is given back
                assert -item.amount_minor <= paid[0]
            self.waiting.append(item)
            self._cover(item)
            if item.kind == "membership":
                self.days = [item]
            if percent and item.kind == "membership":
                less = discount(item, item.amount_minor * percent // 100, "coupon")
                self.waiting.append(less)
                self.days.append(less)
                if self.now.cover is not None:
                    cover = covers(item, less)
                    self.contracts[-1] = replace(self.now, cover=cover)
        if step.bills_now:
            self._bill()

    def _cover(self, item: Item) -> None:
        assert item.starts_on is not None
        assert item.ends_on is not None
        assert item.starts_on <= item.ends_on
        for number in range((item.ends_on - item.starts_on).days):
            day = item.starts_on + timedelta(days=number)
            self.covered[(0, day)] += 1 if item.kind == "membership" else -1

    def _bill(self) -> None:
        made = draft(self.waiting)
        if made is None:
            return
        days = self.days if any(item is self.days[0] for item in self.waiting) else []
        self.waiting = [item for item in made.left if item is not None]
        bill = Bill(made, begin(self.today), days)
        self.bills.append(bill)
        self.post(
            ledger.invoice_issued(
                subtotal_minor=made.total_minor - made.tax_minor, tax_minor=made.tax_minor,
                revenue=ledger.MEMBERSHIP_REVENUE,
            )
        )  # fmt: skip
        if made.total_minor == 0:
            bill.status = "paid"

    def post(self, lines: list[ledger.Line]) -> None:
        assert sum(line.amount_minor for line in lines) == 0
        for line in lines:
            self.balances[line.account] += line.amount_minor

    def _open(self) -> list[Bill]:
        return [bill for bill in self.bills if bill.status == "open"]

    def _refundable(self) -> list[Bill]:
        return [one for one in self.bills if one.status == "paid" and one.back_minor < one.draft.total_minor]

    def _set(self, after: Contract) -> None:
        self.steps += lifecycle.move(self.now.life(), after.life())
        self.contracts[-1] = after

    def try_to_collect(self, bill: Bill, failure: str | None) -> None:
        if self._take_from_wallet(bill):
            return
        number = bill.dunning.attempts + 1
        bill.dunning, verdict = judge(bill.dunning, failure=failure, on=self.today)
        assert bill.dunning.attempts == number
        if verdict is Verdict.PAID:
            self.post(ledger.payment_captured(amount_minor=bill.draft.total_minor - bill.wallet_minor, fee_minor=0))
            self._paid(bill)
        elif verdict is Verdict.GIVEN_UP:
            self.give_up()
        else:
            self._set(contracts.payment_failed(self.now))

    def _paid(self, bill: Bill) -> None:
        bill.status = "paid"
        if not self._open():
            self._set(contracts.paid_up(self.now))

    def _now(self) -> datetime:
        return datetime.combine(self.today, time(12), UTC)

    def _take_from_wallet(self, bill: Bill) -> bool:
        """Gifts first, of them what runs out first; never so much that a card would be asked for less than it takes."""
        left = bill.draft.total_minor - bill.wallet_minor
        usable = [lot for lot in self.wallet.values() if lot.expires_at is None or lot.expires_at > self._now()]
        wanted = prices.part_before_card(left, sum(lot.minor for lot in usable), "EUR")
        drawn = lots.draw(usable, wanted)
        assert sum(part for _, part in drawn) == wanted <= left
        assert [lot.kind for lot, _ in drawn] == sorted(lot.kind for lot, _ in drawn)
        for lot, part in drawn:
            self.wallet[lot.key] = replace(lot, minor=lot.minor - part)
            before = bill.from_wallet.get(lot.key)
            bill.from_wallet[lot.key] = replace(lot, minor=part + (before.minor if before else 0))
            self.post(ledger.paid_from_wallet(amount_minor=part, owner_id=lot.key))
        if wanted < left:
            assert left - wanted >= 50 or not wanted
            return False
        self._paid(bill)
        return True

    def _back_into_wallet(self, bill: Bill, amount: int, tax: int) -> None:
        parts = lots.put_back(list(bill.from_wallet.values()), amount)
        assert sum(part for _, part in parts) == amount
        for lot, part in parts:
            bill.from_wallet[lot.key] = replace(lot, minor=lot.minor - part)
            self.wallet[lot.key] = replace(lot, minor=self.wallet[lot.key].minor + part)
        self.post(ledger.wallet_returned(amount_minor=amount, tax_minor=tax, owner_id=UUID(int=0)))

    def give_up(self) -> None:
        for one in self._open():
            one.status = "uncollectible"
            left, total = one.draft.total_minor - one.wallet_minor, one.draft.total_minor
            tax = prices.tax_part(left, before_minor=0, total_minor=total, tax_minor=one.draft.tax_minor)
            self.post(ledger.written_off(subtotal_minor=left - tax, tax_minor=tax))
        if self.is_live():
            self.take(contracts.cancel_now(self.now))

    # what people do

    @initialize(terms=plans, trial=st.sampled_from([0, 14]))
    def begin(self, terms: Terms, trial: int) -> None:
        self.join(terms, trial)

    def join(self, terms: Terms, trial: int) -> None:
        trial = 0 if self.has_trialed else trial
        self.has_trialed = True
        self.contracts.append(Contract(lifecycle.INCOMPLETE, terms))
        self.take(contracts.start(terms, on=self.today, trial_days=trial))

    def is_live(self) -> bool:
        return bool(self.contracts) and self.now.status in lifecycle.LIVE

    @precondition(lambda self: not self.is_live())
    @rule(terms=plans, trial=st.sampled_from([0, 14]))
    def come_back(self, terms: Terms, trial: int) -> None:
        """A second contract on the day the first one ended would charge that day twice, unless it was given back."""
        while self.covered[(0, self.today)]:
            self.today += timedelta(days=1)
        self.join(terms, trial)

    @rule(days=st.integers(1, 45))
    def time_passes(self, days: int) -> None:
        until = self.today + timedelta(days=days)
        while due := contracts.advance(self.now, until):
            assert due[0] >= self.today - timedelta(days=1)
            self.today = max(self.today, due[0])
            self.take(due[1])
        self.today = until

    @precondition(lambda self: self.is_live())
    @rule(
        terms=plans, mode=st.sampled_from(Mode), percent=st.sampled_from([0, 0, 30, 100]), is_paid=st.booleans(),
        waits=st.sampled_from([0, 0, 1, 40]), overdue=st.booleans(),
    )  # fmt: skip
    def change_plan(self, terms: Terms, mode: Mode, percent: int, is_paid: bool, waits: int, overdue: bool) -> None:
        """What costs something is invoiced and holds once it is paid, which may be known only days later."""
        before, on = self.now, self.today
        try:
            asked = contracts.change_plan(before, terms, mode=mode, on=on)
        except IntervalDiffers:
            assert terms.interval_months != before.terms.interval_months
            return
        except DomainError:
            assert terms == before.terms or before.status == lifecycle.PAST_DUE or before.cancels_on
            return
        made = draft([*self.waiting, *asked.items]) if asked.bills_now else None
        if made is None or made.total_minor == 0:
            self.take(asked, percent=percent)
            return
        self.today += timedelta(days=waits)
        if not is_paid:  # invoiced and credited in full: as if it had never been
            subtotal = made.total_minor - made.tax_minor
            for make in (ledger.invoice_issued, ledger.invoice_voided):
                self.post(make(subtotal_minor=subtotal, tax_minor=made.tax_minor, revenue=ledger.MEMBERSHIP_REVENUE))
            assert self.now == before
            self._catch_up()
            return
        if overdue and self._open():
            self._set(contracts.payment_failed(self.now))
        status = self.now.status
        held = contracts.change_plan(self.now, terms, mode=mode, on=on, is_paid=True)
        assert held.items == asked.items
        self.take(held, percent=percent)
        assert (self.now.terms, self.now.status) == (terms, status)
        bill = self.bills[-1]
        if bill.status == "open":
            bill.status = "paid"
            self.post(ledger.payment_captured(amount_minor=bill.draft.total_minor, fee_minor=0))
        self._catch_up()

    def _catch_up(self) -> None:
        """Time goes on where it stood while a change waited for its payment."""
        while due := contracts.advance(self.now, self.today):
            self.take(due[1])

    @precondition(lambda self: self.is_live())
    @rule(days=st.integers(0, 400))
    def pause(self, days: int) -> None:
        try:
            self.take(contracts.pause(self.now, on=self.today, resumes_on=self.today + timedelta(days=days)))
        except DomainError:
            is_refused = self.now.status != lifecycle.ACTIVE or self.now.cancels_on is not None
            assert is_refused or days in (0, *range(365, 401))

    @precondition(lambda self: self.is_live() and self.now.status == lifecycle.PAUSED)
    @rule()
    def resume(self) -> None:
        self.take(contracts.resume(self.now, on=self.today))

    @precondition(lambda self: self.is_live())
    @rule(how=st.sampled_from(["now", "now, keeping what is left", "at the end", "keep"]))
    def cancel(self, how: str) -> None:
        if how == "now":
            self.take(contracts.cancel_now(self.now))
        elif how == "at the end":
            self.take(contracts.cancel_at_end(self.now, on=self.today))
        elif how == "keep":
            self.take(contracts.keep(self.now))
        else:
            self.take(contracts.cancel_now(self.now, on=self.today))

    @precondition(lambda self: self._open())
    @rule(failure=st.sampled_from([None, None, "insufficient_funds", "lost_card"]), has_new_card=st.booleans())
    def collect(self, failure: str | None, has_new_card: bool) -> None:
        bill = self._open()[0]
        if has_new_card:
            bill.dunning = card_changed(bill.dunning, on=self.today)
        assert bill.dunning.next_on is not None
        while (due := contracts.advance(self.now, bill.dunning.next_on)) and self.today < bill.dunning.next_on:
            self.today = max(self.today, due[0])
            self.take(due[1])
        self.today = max(self.today, bill.dunning.next_on)
        if bill.dunning.waits_for_card:
            self.give_up()
        else:
            self.try_to_collect(bill, failure)

    @precondition(
        lambda self: any(one.status == "paid" and one.back_minor < one.draft.total_minor for one in self.bills)
    )
    @rule(data=st.data())
    def refund_part(self, data: st.DataObject) -> None:
        bill = data.draw(st.sampled_from(self._refundable()))
        total = bill.draft.total_minor
        amount = data.draw(st.integers(1, total - bill.back_minor))
        tax = prices.tax_part(amount, before_minor=bill.back_minor, total_minor=total, tax_minor=bill.draft.tax_minor)
        assert 0 <= tax <= amount
        self._forgive(bill, amount)
        to_wallet = min(amount, bill.wallet_minor)
        tax_there = min(tax, to_wallet)
        if to_wallet:
            self._back_into_wallet(bill, to_wallet, tax_there)
        if amount > to_wallet:
            self.post(ledger.refund_paid(amount_minor=amount - to_wallet, tax_minor=tax - tax_there))

    @rule(amount=st.integers(1, 200_000))
    def top_up(self, amount: int) -> None:
        lot = Lot(UUID(int=len(self.wallet)), "paid", amount, None, self._now())
        self.wallet[lot.key] = lot
        self.post(ledger.invoice_issued(subtotal_minor=amount, tax_minor=0, revenue=ledger.WALLET_TOP_UPS))
        self.post(ledger.payment_captured(amount_minor=amount, fee_minor=0))
        self.post(ledger.wallet_topped_up(amount_minor=amount))

    @rule(amount=st.integers(1, 20_000), days=st.sampled_from([None, 0, 1, 40]))
    def give(self, amount: int, days: int | None) -> None:
        until = None if days is None else self._now() + timedelta(days=days, hours=1)
        lot = Lot(UUID(int=len(self.wallet)), "gift", amount, until, self._now())
        self.wallet[lot.key] = lot
        self.post(ledger.wallet_given(amount_minor=amount))

    @rule()
    def gifts_run_out(self) -> None:
        for lot in list(self.wallet.values()):
            if lot.expires_at is not None and lot.expires_at <= self._now() and lot.minor:
                self.post(ledger.wallet_expired(amount_minor=lot.minor))
                self.wallet[lot.key] = replace(lot, minor=0)

    @precondition(lambda self: any(lot.kind == "paid" and lot.minor for lot in self.wallet.values()))
    @rule(data=st.data())
    def refund_top_up(self, data: st.DataObject) -> None:
        lot = data.draw(st.sampled_from([one for one in self.wallet.values() if one.kind == "paid" and one.minor]))
        amount = data.draw(st.integers(1, lot.minor))
        self.wallet[lot.key] = replace(lot, minor=lot.minor - amount)
        self.post(ledger.top_up_refunded(amount_minor=amount, from_wallet_minor=amount))

    @precondition(lambda self: self._open())
    @rule()
    def forgive(self) -> None:
        bill = self._open()[0]
        made, of_wallet = bill.draft, bill.wallet_minor
        total, tax, left = made.total_minor, made.tax_minor, made.total_minor - of_wallet
        bill.status = "void"
        self._forgive(bill, total)
        part = prices.tax_part(left, before_minor=0, total_minor=total, tax_minor=tax)
        self.post(ledger.invoice_voided(subtotal_minor=left - part, tax_minor=part, revenue=ledger.MEMBERSHIP_REVENUE))
        if of_wallet:
            self._back_into_wallet(bill, of_wallet, tax - part)
        if not self._open():
            self._set(contracts.paid_up(self.now))

    def _forgive(self, bill: Bill, amount: int) -> None:
        bill.back_minor += amount
        cover = self.now.cover
        if cover is None or bill.days is not self.days or self.days[0].ends_on != cover.period.ends_on:
            return
        worth = proration.forgiven(
            cover.amount_minor, days_minor=sum(item.amount_minor for item in self.days),
            charged_minor=bill.charged_minor, amount_minor=amount, so_far_minor=bill.back_minor,
        )  # fmt: skip
        tax = prices.included_tax(worth, cover.tax_rate_bp)
        self.contracts[-1] = replace(self.now, cover=replace(cover, amount_minor=worth, tax_minor=tax))

    # what always holds

    @invariant()
    def the_ledger_sums_to_zero(self) -> None:
        assert sum(self.balances.values()) == 0

    @invariant()
    def nothing_is_negative(self) -> None:
        for bill in self.bills:
            assert bill.draft.total_minor >= 0
            assert 0 <= bill.draft.tax_minor <= bill.draft.total_minor
        assert self.balances[ledger.TAX_PAYABLE] <= 0

    @invariant()
    def what_is_owed_is_what_open_invoices_ask(self) -> None:
        open_minor = sum(bill.draft.total_minor - bill.wallet_minor for bill in self._open())
        assert self.balances[ledger.RECEIVABLE] == open_minor

    @invariant()
    def wallets_balance_to_the_cent(self) -> None:
        assert all(lot.minor >= 0 for lot in self.wallet.values())
        assert -self.balances[ledger.WALLETS] == sum(lot.minor for lot in self.wallet.values())
        assert self.balances[ledger.WALLET_TOP_UPS] == 0
        assert self.balances[ledger.WALLET_GIFTS] >= 0

    @invariant()
    def credits_wait_and_never_turn_into_charges(self) -> None:
        assert all(item.amount_minor <= 0 and item.tax_minor <= 0 for item in self.waiting if item.kind == "unused")

    @invariant()
    def revenue_is_told_without_a_gap(self) -> None:
        earning = 0
        for step in self.steps:
            assert step.before_minor == earning
            earning = step.after_minor
        if self.contracts:
            assert earning == self.now.life().earns_minor

    @invariant()
    def never_two_live_memberships(self) -> None:
        assert sum(one.status in lifecycle.LIVE for one in self.contracts) <= 1

    @invariant()
    def no_day_is_charged_twice(self) -> None:
        assert set(self.covered.values()) <= {0, 1}

    @invariant()
    def who_is_active_has_paid_for_today(self) -> None:
        if self.contracts and self.now.status == lifecycle.ACTIVE:
            assert self.covered[(0, self.today)] == 1


def test_memberships_live_as_promised(record_property: Callable[..., None]) -> None:
    lived: list[int] = []

    class Life(BilledLife):
        def teardown(self) -> None:
            lived.append(len(self.contracts))

    live(Life, examples=LIVES, steps=25)
    record_property("memberships_lived", sum(lived))
