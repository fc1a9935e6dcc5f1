"""Random lives of subscriptions and their money, without a database: invariants that hold at every step."""

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from operational_api.commerce import ledger, lifecycle, prices
from operational_api.commerce.errors import InvalidTransition
from operational_api.commerce.lifecycle import FOLLOWERS, Life, Step, move

PLANS = [UUID(int=number) for number in range(3)]
amounts = st.integers(0, 10_000_000)
rates = st.sampled_from([0, 700, 800, 1000, 1900, 2100, 888])


class TestPrices:
    @given(amounts, rates)
    def test_tax_is_within_a_cent_of_exact(self, total: int, rate: int) -> None:
        tax = prices.included_tax(total, rate)
        assert 0 <= tax <= total
        assert abs(tax * (10_000 + rate) - total * rate) * 2 <= 10_000 + rate

    @given(amounts, rates, st.lists(st.integers(1, 1_000), max_size=8))
    def test_parts_take_the_whole_tax(self, total: int, rate: int, weights: list[int]) -> None:
        tax, before, taken = prices.included_tax(total, rate), 0, 0
        for weight in weights:
            part = min(weight, total - before)
            taken += prices.tax_part(part, before_minor=before, total_minor=total, tax_minor=tax)
            before += part
        taken += prices.tax_part(total - before, before_minor=before, total_minor=total, tax_minor=tax)
        assert taken == tax

    def test_known_amounts(self) -> None:
        assert prices.included_tax(11_900, 1900) == 1900
        assert prices.monthly(11_900, tax_rate_bp=1900, interval_months=1) == 10_000
        assert prices.monthly(49_000, tax_rate_bp=0, interval_months=12) == 4083


class TestTransitions:
    @pytest.mark.asvs("2.3.1")
    @pytest.mark.parametrize("before", FOLLOWERS)
    @pytest.mark.parametrize("after", FOLLOWERS)
    def test_only_the_drawn_ones_pass(self, before: str, after: str) -> None:
        if after == before or after in FOLLOWERS[before]:
            lifecycle.check(before, after)
        else:
            with pytest.raises(InvalidTransition):
                lifecycle.check(before, after)

    def test_a_cancelled_one_stays_cancelled(self) -> None:
        assert FOLLOWERS[lifecycle.CANCELLED] == frozenset()

    def test_a_missed_life_is_told_in_full(self) -> None:
        unborn = Life(lifecycle.INCOMPLETE, PLANS[0], 0)
        after = Life(lifecycle.CANCELLED, PLANS[0], 4118, has_started=True, has_trialed=True)
        assert [one.kind for one in move(unborn, after)] == ["trial_started", "started", "ended"]


class SubscriptionLife(RuleBasedStateMachine):
    """A subscription that is moved about at random; refused moves leave it as it was."""

    @initialize(plan=st.sampled_from(PLANS))
    def begin(self, plan: UUID) -> None:
        self.life = Life(lifecycle.INCOMPLETE, plan, 0)
        self.steps: list[Step] = []

    @rule(
        status=st.sampled_from(list(FOLLOWERS)),
        plan=st.sampled_from(PLANS),
        mrr=st.integers(0, 100_000),
        trialed=st.booleans(),
    )
    def go(self, status: str, plan: UUID, mrr: int, trialed: bool) -> None:
        after = Life(
            status,
            plan,
            mrr,
            has_started=self.life.has_started or status in lifecycle.EARNING,
            has_trialed=self.life.has_trialed or status == lifecycle.TRIALING or trialed,
        )
        try:
            steps = move(self.life, after)
        except InvalidTransition:
            assert status != self.life.status
            assert status not in FOLLOWERS[self.life.status]
            return
        self.steps += steps
        self.life = after

    @invariant()
    def amounts_join_up(self) -> None:
        earning = 0
        for step in getattr(self, "steps", []):
            assert step.before_minor == earning
            earning = step.after_minor
        if hasattr(self, "life"):
            assert earning == self.life.earns_minor

    @invariant()
    def begins_and_ends_once(self) -> None:
        kinds = Counter(step.kind for step in getattr(self, "steps", []))
        assert max(kinds["started"], kinds["ended"], kinds["trial_started"]) <= 1
        if kinds["ended"]:
            assert self.steps[-1].kind == "ended"


TestSubscriptionLife = SubscriptionLife.TestCase
TestSubscriptionLife.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)


class LedgerLife(RuleBasedStateMachine):
    """One customer's money: invoices issued, paid, refunded, disputed, written off, in any order that can happen."""

    def __init__(self) -> None:
        super().__init__()
        self.balances: Counter[str] = Counter()
        self.open: list[tuple[int, int]] = []
        self.paid: list[dict[str, int]] = []
        self.bank = 0

    def post(self, lines: list[ledger.Line]) -> None:
        assert sum(line.amount_minor for line in lines) == 0
        for line in lines:
            self.balances[line.account] += line.amount_minor

    @rule(total=st.integers(1, 1_000_000), rate=rates)
    def issue(self, total: int, rate: int) -> None:
        tax = prices.included_tax(total, rate)
        self.open.append((total - tax, tax))
        self.post(ledger.invoice_issued(subtotal_minor=total - tax, tax_minor=tax, revenue=ledger.MEMBERSHIP_REVENUE))

    @precondition(lambda self: self.open)
    @rule(fee_bp=st.integers(0, 300))
    def pay(self, fee_bp: int) -> None:
        subtotal, tax = self.open.pop()
        total = subtotal + tax
        fee = total * fee_bp // 10_000
        self.paid.append({"total": total, "tax": tax, "back": 0, "disputed": 0})
        self.bank += total - fee
        self.post(ledger.payment_captured(amount_minor=total, fee_minor=fee))

    @precondition(lambda self: self.open)
    @rule(is_void=st.booleans())
    def give_up(self, is_void: bool) -> None:
        subtotal, tax = self.open.pop()
        if is_void:
            self.post(ledger.invoice_voided(subtotal_minor=subtotal, tax_minor=tax, revenue=ledger.MEMBERSHIP_REVENUE))
        else:
            self.post(ledger.written_off(subtotal_minor=subtotal, tax_minor=tax))

    @precondition(lambda self: any(one["back"] < one["total"] and not one["disputed"] for one in self.paid))
    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from([p for p in self.paid if p["back"] < p["total"] and not p["disputed"]]))
        amount = data.draw(st.integers(1, one["total"] - one["back"]))
        tax = prices.tax_part(amount, before_minor=one["back"], total_minor=one["total"], tax_minor=one["tax"])
        assert 0 <= tax <= amount
        one["back"] += amount
        self.bank -= amount
        self.post(ledger.refund_paid(amount_minor=amount, tax_minor=tax))

    @precondition(lambda self: any(not one["back"] and not one["disputed"] for one in self.paid))
    @rule(fee=st.integers(0, 2_000), is_won=st.booleans())
    def dispute(self, fee: int, is_won: bool) -> None:
        one = next(p for p in self.paid if not p["back"] and not p["disputed"])
        one["disputed"] = 1
        self.bank -= one["total"] + fee
        self.post(ledger.dispute_opened(amount_minor=one["total"], fee_minor=fee))
        if is_won:
            self.bank += one["total"]
            self.post(ledger.dispute_won(amount_minor=one["total"]))

    @invariant()
    def all_accounts_sum_to_zero(self) -> None:
        assert sum(self.balances.values()) == 0

    @invariant()
    def receivable_is_what_is_unpaid(self) -> None:
        assert self.balances[ledger.RECEIVABLE] == sum(subtotal + tax for subtotal, tax in self.open)

    @invariant()
    def the_bank_agrees(self) -> None:
        assert self.balances[ledger.STRIPE_BALANCE] == self.bank

    @invariant()
    def no_negative_tax_is_owed(self) -> None:
        assert self.balances[ledger.TAX_PAYABLE] <= 0


TestLedgerLife = LedgerLife.TestCase
TestLedgerLife.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
