"""When an invoice is tried again, when the card is left alone, and when nobody tries any more."""

from datetime import date, timedelta

import pytest

from operational_api.commerce.billing.dunning import (
    HARD_DECLINES,
    Dunning,
    Verdict,
    begin,
    card_changed,
    is_hard,
    is_spent,
    judge,
    last_day,
    plan,
)

DAY = date(2026, 4, 1)


def days(*after: int) -> list[date]:
    return [DAY + timedelta(days=number) for number in after]


class TestJudge:
    @pytest.mark.parametrize(("before", "next_in"), [(0, 2), (1, 5), (2, 7), (3, 7)])
    def test_each_no_waits_longer(self, before: int, next_in: int) -> None:
        after, verdict = judge(Dunning(before, DAY), failure="insufficient_funds", on=DAY)
        assert (after, verdict) == (Dunning(before + 1, DAY + timedelta(days=next_in)), Verdict.RETRY)

    @pytest.mark.parametrize("failure", ["insufficient_funds", "stolen_card"])
    def test_the_fifth_no_is_the_last(self, failure: str) -> None:
        assert judge(Dunning(4, DAY), failure=failure, on=DAY) == (Dunning(5, None), Verdict.GIVEN_UP)

    @pytest.mark.parametrize("failure", ["insufficient_funds", "stolen_card"])
    @pytest.mark.parametrize("before", [4, 5, 9])
    def test_before_the_last_day_what_is_left_is_for_another_card(self, failure: str, before: int) -> None:
        ends_on = last_day(DAY)
        assert ends_on == DAY + timedelta(days=21)
        for on in days(0, 20):
            assert judge(Dunning(before, on), failure=failure, on=on, ends_on=ends_on) == (
                Dunning(before + 1, ends_on, waits_for_card=True), Verdict.STOPPED,
            )  # fmt: skip
        for on in days(21, 40):
            assert judge(Dunning(before, on), failure=failure, on=on, ends_on=ends_on) == (
                Dunning(before + 1, None), Verdict.GIVEN_UP,
            )  # fmt: skip

    @pytest.mark.parametrize(("before", "waits"), [(0, 21), (1, 19), (2, 14), (3, 7)])
    def test_after_a_final_no_the_days_that_were_left_are_for_another_card(self, before: int, waits: int) -> None:
        after, verdict = judge(Dunning(before, DAY), failure="lost_card", on=DAY)
        assert verdict is Verdict.STOPPED
        assert after == Dunning(before + 1, DAY + timedelta(days=waits), waits_for_card=True)

    @pytest.mark.parametrize("failure", ["insufficient_funds", "stolen_card"])
    @pytest.mark.parametrize("before", range(6))
    def test_of_what_has_ended_nothing_is_tried_by_itself(self, failure: str, before: int) -> None:
        ends_on = last_day(DAY)
        for on in days(0, 20):
            assert judge(Dunning(before, on), failure=failure, on=on, ends_on=ends_on, is_over=True) == (
                Dunning(before + 1, ends_on, waits_for_card=True), Verdict.STOPPED,
            )  # fmt: skip
        assert judge(Dunning(before, DAY), failure=failure, on=ends_on, ends_on=ends_on, is_over=True) == (
            Dunning(before + 1, None), Verdict.GIVEN_UP,
        )  # fmt: skip

    def test_of_what_has_ended_an_attempt_is_paid_all_the_same(self) -> None:
        assert judge(Dunning(1, DAY), failure=None, on=DAY, is_over=True) == (Dunning(2, None), Verdict.PAID)

    @pytest.mark.parametrize(("attempts", "failure", "expected"), [
        (0, None, False), (4, "insufficient_funds", False), (5, "insufficient_funds", True), (1, "stolen_card", True),
    ])  # fmt: skip
    def test_a_card_is_spent_by_a_final_no_or_five_of_any(
        self, attempts: int, failure: str | None, expected: bool
    ) -> None:
        assert is_spent(attempts, failure) is expected

    @pytest.mark.parametrize("before", range(6))
    def test_what_is_paid_is_over(self, before: int) -> None:
        assert judge(Dunning(before, DAY), failure=None, on=DAY) == (Dunning(before + 1, None), Verdict.PAID)


class TestPlan:
    def test_names_each_day_that_is_left(self) -> None:
        assert plan(begin(DAY)) == days(0, 2, 7, 14, 21)
        assert plan(Dunning(2, DAY)) == days(0, 7, 14)
        assert plan(Dunning(4, DAY)) == days(0)

    def test_who_waits_for_a_card_or_for_nothing_has_no_day(self) -> None:
        assert plan(Dunning(1, DAY, waits_for_card=True)) == []
        assert plan(Dunning(1, None)) == []


class TestCardChanged:
    def test_is_tried_at_once(self) -> None:
        waiting = Dunning(1, DAY + timedelta(days=9), waits_for_card=True)
        assert card_changed(waiting, on=DAY) == Dunning(1, DAY)

    def test_what_is_over_stays_so(self) -> None:
        assert card_changed(Dunning(2, None), on=DAY) == Dunning(2, None)


class TestIsHard:
    def test_a_banks_final_no_and_nothing_else(self) -> None:
        assert all(is_hard(code) for code in HARD_DECLINES)
        assert not any(is_hard(code) for code in (None, "insufficient_funds", "processing_error", "no_payment_method"))

    def test_nothing_was_tried_at_the_beginning(self) -> None:
        assert begin(DAY) == Dunning(0, DAY, waits_for_card=False)
