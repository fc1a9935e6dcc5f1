"""What each step leaves of a contract: whole contracts compared, so that nothing is left behind or lost."""

from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest

from operational_api.commerce import lifecycle
from operational_api.commerce.billing import contract
from operational_api.commerce.billing.contract import Contract, Step, Terms
from operational_api.commerce.billing.errors import NotChangeable
from operational_api.commerce.billing.periods import Period
from operational_api.commerce.billing.proration import Cover, Mode, charge

START, BOUNDARY = date(2026, 4, 1), date(2026, 5, 1)
APRIL, MAY = Period(START, BOUNDARY), Period(BOUNDARY, date(2026, 6, 1))
LATER = date(2026, 4, 11)


def terms(number: int, amount: int, *, months: int = 1) -> Terms:
    return Terms(UUID(int=number), UUID(int=100 + number), f"Plan {number}", amount, 1900, months)


SMALL, LARGE, YEARLY = terms(1, 5000), terms(2, 10_000), terms(3, 99_000, months=12)
PAID = Cover(APRIL, 5000, 798, 1900, "Plan 1")
ON = Contract(lifecycle.ACTIVE, SMALL, anchor_on=START, period=APRIL, cover=PAID, has_started=True)
TRIAL = Contract(lifecycle.TRIALING, SMALL, trial_ends_on=date(2026, 4, 15))
PAUSED = Contract(lifecycle.PAUSED, SMALL, resumes_on=BOUNDARY, has_started=True)
OVERDUE = replace(ON, status=lifecycle.PAST_DUE)
ENDED = Contract(lifecycle.CANCELLED, SMALL, anchor_on=START, has_started=True)


def due(before: Contract, day: date) -> tuple[date, Step]:
    found = contract.advance(before, day)
    assert found is not None
    return found


class TestStart:
    def test_charges_a_whole_period(self) -> None:
        made = contract.start(SMALL, on=START)
        assert made == Step(ON, (charge("Plan 1", 5000, 1900, APRIL),), bills_now=True)

    def test_a_trial_charges_nothing(self) -> None:
        assert contract.start(SMALL, on=START, trial_days=14) == Step(TRIAL, (), bills_now=False)


class TestAdvance:
    def test_the_next_period_begins_where_the_last_ended(self) -> None:
        day, step = due(ON, date(2026, 7, 9))
        assert day == BOUNDARY
        assert step.contract == replace(ON, period=MAY, cover=replace(PAID, period=MAY))
        assert step.items == (charge("Plan 1", 5000, 1900, MAY),)

    def test_nothing_is_due_before(self) -> None:
        assert contract.advance(ON, date(2026, 4, 30)) is None
        assert contract.advance(Contract(lifecycle.INCOMPLETE, SMALL), BOUNDARY) is None
        assert contract.advance(replace(ON, status=lifecycle.CANCELLED), BOUNDARY) is None

    def test_who_is_overdue_stays_so_in_the_next_period(self) -> None:
        assert due(OVERDUE, BOUNDARY)[1].contract.status == lifecycle.PAST_DUE

    def test_a_trial_becomes_a_period_of_its_own(self) -> None:
        day, step = due(TRIAL, date(2026, 4, 20))
        assert day == date(2026, 4, 15)
        assert step.contract.period == Period(date(2026, 4, 15), date(2026, 5, 15))
        assert (step.contract.anchor_on, step.contract.status) == (date(2026, 4, 15), lifecycle.ACTIVE)
        assert step.contract.has_started

    def test_a_pause_ends_with_a_period_that_begins_then(self) -> None:
        day, step = due(PAUSED, BOUNDARY)
        assert (day, step.contract.anchor_on, step.contract.period) == (BOUNDARY, BOUNDARY, MAY)
        assert (step.contract.resumes_on, step.contract.status) == (None, lifecycle.ACTIVE)

    def test_what_was_to_follow_follows_once(self) -> None:
        _, step = due(replace(ON, next_terms=LARGE), BOUNDARY)
        assert (step.contract.terms, step.contract.next_terms, step.contract.anchor_on) == (LARGE, None, START)
        assert step.items == (charge("Plan 2", 10_000, 1900, MAY),)

    def test_another_interval_is_counted_from_the_day_it_begins(self) -> None:
        anchored = replace(ON, anchor_on=date(2025, 11, 1), next_terms=YEARLY)
        _, step = due(anchored, BOUNDARY)
        assert (step.contract.anchor_on, step.contract.next_terms) == (BOUNDARY, None)
        assert step.contract.period == Period(BOUNDARY, date(2027, 5, 1))

    def test_the_end_comes_before_another_period(self) -> None:
        for before in (ON, PAUSED):
            day, step = due(replace(before, cancels_on=BOUNDARY), date(2026, 5, 20))
            assert (day, step.contract.status, step.items) == (BOUNDARY, lifecycle.CANCELLED, ())

    def test_what_never_began_waits_for_nothing(self) -> None:
        assert contract.due_on(Contract(lifecycle.ACTIVE, SMALL)) is None
        assert contract.due_on(TRIAL) == date(2026, 4, 15)
        assert contract.due_on(replace(TRIAL, cancels_on=START)) == START


class TestChangePlan:
    @pytest.mark.parametrize("mode", Mode)
    @pytest.mark.parametrize("before", [TRIAL, PAUSED])
    def test_costs_nothing_where_nothing_is_charged_yet(self, before: Contract, mode: Mode) -> None:
        waiting = replace(before, next_terms=YEARLY)
        assert contract.change_plan(waiting, LARGE, mode=mode, on=LATER) == Step(replace(before, terms=LARGE))

    @pytest.mark.parametrize("mode", [Mode.INVOICE, Mode.PRORATE])
    def test_now_takes_back_what_was_to_follow(self, mode: Mode) -> None:
        step = contract.change_plan(replace(ON, next_terms=YEARLY), LARGE, mode=mode, on=LATER)
        assert (step.contract.terms, step.contract.next_terms) == (LARGE, None)
        assert step.contract.cover == Cover(Period(LATER, BOUNDARY), 6667, 1064, 1900, "Plan 2")
        assert [item.description for item in step.items] == ["Plan 1", "Plan 2"]

    def test_a_reset_on_the_last_day_gives_back_one_day(self) -> None:
        step = contract.change_plan(ON, LARGE, mode=Mode.RESET, on=date(2026, 4, 30))
        assert [item.amount_minor for item in step.items] == [-167, 10_000]

    @pytest.mark.parametrize("mode", [Mode.INVOICE, Mode.RESET])
    def test_one_that_was_paid_for_holds_though_another_invoice_is_overdue(self, mode: Mode) -> None:
        held = contract.change_plan(OVERDUE, LARGE, mode=mode, on=LATER, is_paid=True)
        asked = contract.change_plan(ON, LARGE, mode=mode, on=LATER)
        assert held == replace(asked, contract=replace(asked.contract, status=lifecycle.PAST_DUE))
        with pytest.raises(NotChangeable):
            contract.change_plan(OVERDUE, LARGE, mode=mode, on=LATER)

    def test_a_dearer_plan_is_now_and_an_equal_one_later(self) -> None:
        assert contract.usual_mode(SMALL, replace(LARGE, amount_minor=5000)) is Mode.NEXT_PERIOD


class TestPause:
    def test_leaves_no_day_charged(self) -> None:
        step = contract.pause(ON, on=LATER, resumes_on=date(2027, 4, 11))
        assert step.contract == Contract(lifecycle.PAUSED, SMALL, resumes_on=date(2027, 4, 11), has_started=True)

    def test_nothing_comes_back_of_what_is_used_up(self) -> None:
        assert contract.pause(ON, on=BOUNDARY, resumes_on=date(2026, 6, 1)).items == ()


class TestEnd:
    def test_leaves_nothing_that_could_begin_again(self) -> None:
        full = replace(ON, next_terms=LARGE, cancels_on=BOUNDARY)
        assert contract.cancel_now(full).contract == ENDED
        assert contract.cancel_now(replace(PAUSED, cancels_on=BOUNDARY)).contract == replace(ENDED, anchor_on=None)

    def test_at_the_end_is_at_once_where_nothing_is_left(self) -> None:
        assert contract.cancel_at_end(PAUSED, on=LATER).contract.status == lifecycle.CANCELLED
        assert contract.cancel_at_end(ON, on=BOUNDARY).contract.status == lifecycle.CANCELLED
        assert contract.cancel_at_end(ON, on=date(2026, 4, 30)).contract == replace(ON, cancels_on=BOUNDARY)
        after_trial = replace(PAUSED, trial_ends_on=date(2026, 6, 15))
        assert contract.cancel_at_end(after_trial, on=LATER).contract.status == lifecycle.CANCELLED

    def test_only_once(self) -> None:
        for end in (contract.cancel_now, lambda one: contract.cancel_at_end(one, on=LATER)):
            with pytest.raises(NotChangeable):
                end(ENDED)


class TestPaying:
    def test_a_no_makes_a_running_one_overdue_and_no_other(self) -> None:
        assert contract.payment_failed(ON) == OVERDUE
        assert contract.payment_failed(PAUSED) == PAUSED

    def test_paying_up_makes_it_run_again(self) -> None:
        assert contract.paid_up(OVERDUE) == ON
        assert contract.paid_up(PAUSED) == PAUSED
