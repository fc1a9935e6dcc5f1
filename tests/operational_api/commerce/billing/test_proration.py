"""Changes of plan by the four modes, against amounts worked out by hand."""

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operational_api.commerce import lifecycle, prices
from operational_api.commerce.billing import contract
from operational_api.commerce.billing.contract import Contract, Terms
from operational_api.commerce.billing.drafts import draft
from operational_api.commerce.billing.errors import (
    AlreadyOnPlan,
    IntervalDiffers,
    NotChangeable,
    NotPausable,
    NotResumable,
    PauseTooLong,
)
from operational_api.commerce.billing.periods import Period
from operational_api.commerce.billing.proration import Cover, Item, Mode, charge, discount, forgiven, split, unused

APRIL = Period(date(2026, 4, 1), date(2026, 5, 1))
CHANGE_ON = date(2026, 4, 11)


def terms(number: int, amount: int, *, months: int = 1, rate: int = 1900) -> Terms:
    return Terms(UUID(int=number), UUID(int=100 + number), f"Plan {number}", amount, rate, months)


SMALL, LARGE, YEARLY = terms(1, 5000), terms(2, 10_000), terms(3, 99_000, months=12)


def running(plan: Terms = SMALL) -> Contract:
    """A membership that began on 1 April and is paid for the month."""
    return contract.start(plan, on=APRIL.starts_on).contract


def amounts(items: tuple[Item, ...]) -> list[tuple[str, int, int]]:
    return [(item.kind, item.amount_minor, item.tax_minor) for item in items]


class TestSplit:
    def test_known_remainders(self) -> None:
        assert split(100, [1, 1, 1]) == [34, 33, 33]
        assert split(1000, [3, 3, 1]) == [429, 428, 143]
        assert split(5, [0, 7]) == [0, 5]

    @given(st.integers(0, 10**9), st.lists(st.integers(0, 400), min_size=1, max_size=9).filter(any))
    def test_adds_up_and_is_within_a_cent(self, whole: int, weights: list[int]) -> None:
        parts, total = split(whole, weights), sum(weights)
        assert sum(parts) == whole
        assert all(abs(part * total - whole * weight) < total for part, weight in zip(parts, weights, strict=True))


class TestUnused:
    @given(st.integers(0, 10**7), st.sampled_from([0, 700, 1900]), st.integers(0, 29))
    def test_used_and_unused_are_what_was_charged(self, amount: int, rate: int, day: int) -> None:
        tax = prices.included_tax(amount, rate)
        back = unused(Cover(APRIL, amount, tax, rate, "x"), date(2026, 4, 1 + day))
        assert -amount <= back.amount_minor <= 0
        assert -tax <= back.tax_minor <= 0
        assert back.ends_on == APRIL.ends_on


class TestChangePlan:
    def test_invoice_charges_the_difference_of_the_days_left_now(self) -> None:
        step = contract.change_plan(running(), LARGE, mode=Mode.INVOICE, on=CHANGE_ON)
        # 20 of 30 days: 50.00 -> 33.33 back (tax 7.98: 5.32), 100.00 -> 66.67 (tax at 19 % in it: 10.64)
        assert amounts(step.items) == [("unused", -3333, -532), ("membership", 6667, 1064)]
        assert step.bills_now
        made = draft(step.items)
        assert made is not None
        assert (made.total_minor, made.tax_minor) == (3334, 532)
        assert step.contract.period == APRIL

    def test_prorate_leaves_the_same_for_the_next_invoice(self) -> None:
        now = contract.change_plan(running(), LARGE, mode=Mode.INVOICE, on=CHANGE_ON)
        later = contract.change_plan(running(), LARGE, mode=Mode.PRORATE, on=CHANGE_ON)
        assert later.items == now.items
        assert not later.bills_now
        assert later.contract == now.contract

    def test_next_period_costs_nothing_before_it(self) -> None:
        step = contract.change_plan(running(LARGE), SMALL, mode=Mode.NEXT_PERIOD, on=CHANGE_ON)
        assert (step.items, step.contract.terms, step.contract.next_terms) == ((), LARGE, SMALL)
        due = contract.advance(step.contract, date(2026, 5, 1))
        assert due is not None
        assert due[0] == date(2026, 5, 1)
        assert amounts(due[1].items) == [("membership", 5000, 798)]
        assert due[1].contract.terms == SMALL

    def test_reset_begins_a_whole_period_today(self) -> None:
        step = contract.change_plan(running(), YEARLY, mode=Mode.RESET, on=CHANGE_ON)
        assert amounts(step.items) == [("unused", -3333, -532), ("membership", 99_000, 15_807)]
        assert step.contract.period == Period(date(2026, 4, 11), date(2027, 4, 11))
        assert step.bills_now

    def test_a_second_change_gives_back_what_the_first_one_charged(self) -> None:
        first = contract.change_plan(running(), LARGE, mode=Mode.INVOICE, on=CHANGE_ON).contract
        second = contract.change_plan(first, SMALL, mode=Mode.INVOICE, on=date(2026, 4, 21))
        # LARGE's 66.67 were for 20 days, of which 10 are left: 33.34 used, 33.33 back
        assert amounts(second.items)[0] == ("unused", -3333, -532)
        assert amounts(second.items)[1][:2] == ("membership", 1667)

    def test_a_month_and_a_year_are_not_set_off(self) -> None:
        with pytest.raises(IntervalDiffers):
            contract.change_plan(running(), YEARLY, mode=Mode.INVOICE, on=CHANGE_ON)

    def test_back_to_the_own_plan_takes_the_change_back(self) -> None:
        waiting = contract.change_plan(running(LARGE), SMALL, mode=Mode.NEXT_PERIOD, on=CHANGE_ON).contract
        assert contract.change_plan(waiting, LARGE, mode=Mode.INVOICE, on=CHANGE_ON).contract == running(LARGE)
        with pytest.raises(AlreadyOnPlan):
            contract.change_plan(running(LARGE), LARGE, mode=Mode.INVOICE, on=CHANGE_ON)

    def test_not_when_overdue_or_ending(self) -> None:
        ending = contract.cancel_at_end(running(), on=CHANGE_ON).contract
        for one in (contract.payment_failed(running()), ending):
            with pytest.raises(NotChangeable):
                contract.change_plan(one, LARGE, mode=Mode.INVOICE, on=CHANGE_ON)

    def test_up_now_and_down_later(self) -> None:
        assert contract.usual_mode(SMALL, LARGE) is Mode.INVOICE
        assert contract.usual_mode(LARGE, SMALL) is Mode.NEXT_PERIOD
        assert contract.usual_mode(SMALL, YEARLY) is Mode.RESET


class TestPause:
    def test_days_not_used_come_off_the_next_invoice(self) -> None:
        step = contract.pause(running(), on=CHANGE_ON, resumes_on=date(2026, 6, 15))
        assert amounts(step.items) == [("unused", -3333, -532)]
        assert contract.advance(step.contract, date(2026, 6, 14)) is None
        due = contract.advance(step.contract, date(2026, 7, 1))
        assert due is not None
        assert due[0] == date(2026, 6, 15)
        made = draft(step.items + due[1].items)
        assert made is not None
        assert (made.total_minor, made.tax_minor) == (1667, 266)
        assert due[1].contract.period == Period(date(2026, 6, 15), date(2026, 7, 15))

    def test_resumes_early_when_asked(self) -> None:
        paused = contract.pause(running(), on=CHANGE_ON, resumes_on=date(2026, 6, 15)).contract
        assert contract.resume(paused, on=date(2026, 5, 5)).contract.anchor_on == date(2026, 5, 5)
        with pytest.raises(NotResumable):
            contract.resume(running(), on=CHANGE_ON)

    @pytest.mark.parametrize("until", [CHANGE_ON, date(2026, 4, 1), date(2027, 4, 12)])
    def test_has_an_end_within_a_year(self, until: date) -> None:
        with pytest.raises(PauseTooLong):
            contract.pause(running(), on=CHANGE_ON, resumes_on=until)

    def test_not_when_overdue(self) -> None:
        with pytest.raises(NotPausable):
            contract.pause(contract.payment_failed(running()), on=CHANGE_ON, resumes_on=date(2026, 6, 1))


class TestCancel:
    def test_at_the_end_of_what_is_paid(self) -> None:
        ending = contract.cancel_at_end(running(), on=CHANGE_ON).contract
        assert ending.cancels_on == date(2026, 5, 1)
        due = contract.advance(ending, date(2026, 5, 1))
        assert due is not None
        assert (due[1].contract.status, due[1].items) == (lifecycle.CANCELLED, ())
        assert contract.keep(ending).contract == running()

    def test_a_trial_ends_unpaid(self) -> None:
        trial = contract.start(SMALL, on=APRIL.starts_on, trial_days=14)
        assert trial.items == ()
        ending = contract.cancel_at_end(trial.contract, on=date(2026, 4, 2)).contract
        assert ending.cancels_on == date(2026, 4, 15)

    def test_now_may_keep_what_was_not_used(self) -> None:
        assert contract.cancel_now(running()).items == ()
        assert amounts(contract.cancel_now(running(), on=CHANGE_ON).items) == [("unused", -3333, -532)]


class TestForgiven:
    @pytest.mark.parametrize(
        ("worth", "of_days", "charged", "amount", "so_far", "left"),
        [
            (5000, 5000, 5000, 3000, 3000, 2000),
            (5000, 5000, 5000, 5000, 5000, 0),
            (5000, 5000, 6500, 1300, 1300, 4000),  # a fee beside them bears its part
            (10_000, 10_000, 10_000, 5000, 5000, 5000),  # what credits had paid of it is not forgiven
            (5000, 5000, 6500, 5000, 6500, 0),  # first a fee was forgiven, then the rest
            (1200, 5000, 5000, 1300, 3800, 0),
            (0, 0, 0, 0, 0, 0),
            (1, 1, 3, 1, 1, 1),  # a third of a cent is nobody's: the largest remainder is the other part's
            (2, 2, 3, 1, 1, 1),
        ],
    )
    def test_days_are_worth_what_was_paid_for_them(
        self, worth: int, of_days: int, charged: int, amount: int, so_far: int, left: int
    ) -> None:
        assert left == forgiven(
            worth, days_minor=of_days, charged_minor=charged, amount_minor=amount, so_far_minor=so_far
        )


class TestDiscount:
    def test_takes_its_tax_along(self) -> None:
        item = charge("x", 11_900, 1900, APRIL)
        assert amounts((discount(item, 1190, "10 %"),)) == [("discount", -1190, -190)]
        assert amounts((discount(item, 20_000, "all"),)) == [("discount", -11_900, -1900)]


class TestDraft:
    def test_what_does_not_fit_waits(self) -> None:
        made = draft([Item("unused", "old", -5000, -798, 1900), Item("membership", "new", 2000, 319, 1900)])
        assert made is not None
        assert (made.total_minor, made.tax_minor) == (0, 0)
        assert made.left[0] is not None
        assert (made.left[0].amount_minor, made.left[0].tax_minor) == (-3000, -479)

    def test_no_more_tax_is_given_back_than_is_due(self) -> None:
        made = draft([Item("unused", "at 19 %", -11_900, -1900, 1900), Item("membership", "at 7 %", 10_700, 700, 700)])
        assert made is not None
        assert made.tax_minor == 0
        assert made.total_minor > 0

    def test_credits_alone_are_no_invoice(self) -> None:
        assert draft([Item("unused", "x", -5000, -798, 1900)]) is None
