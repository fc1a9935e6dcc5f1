"""What is too absurd to be invoiced without a person."""

from datetime import date

import pytest

from contracts.ids import new_id
from operational_api.commerce.billing import bounds
from operational_api.commerce.billing.bounds import Bounds, Charged
from operational_api.commerce.billing.drafts import Draft
from operational_api.commerce.billing.proration import Item

APRIL, MAY = (date(2026, 4, 1), date(2026, 5, 1)), (date(2026, 5, 1), date(2026, 6, 1))


def item(amount: int, tax: int = 0, kind: str = "membership") -> Item:
    return Item(kind, "Small", amount, tax, 1900)


class TestAbsurd:
    @pytest.mark.parametrize(("lines", "currency", "why"), [
        ([item(1000, 160)], "EUR", None),
        ([item(1001, 160)], "EUR", "too_large"),
        ([item(600), item(500)], "EUR", "too_large"),
        ([item(1, 0)], "SEK", "too_large"),
        ([item(100), item(-101, 0, "discount")], "EUR", "negative"),
        ([item(100, -1)], "EUR", "negative"),
        ([item(100, 101)], "EUR", "negative"),
        ([item(100), item(-100, 0, "discount")], "EUR", None),
        ([item(1)] * 3, "EUR", None),
        ([item(1)] * 4, "EUR", "too_many_lines"),
    ])  # fmt: skip
    def test_is_told_with_its_reason(self, lines: list[Item], currency: str, why: str | None) -> None:
        assert bounds.absurd(Draft(tuple(lines), ()), currency, Bounds({"EUR": 1000}, 3)) == why


class TestChargedTwice:
    def charged(
        self, amount: int, days: tuple[date, date], kind: str = "membership", *, is_new: bool = False
    ) -> Charged:
        return Charged(new_id(), kind, amount, *days, is_new=is_new)

    def test_is_a_day_of_two_charges_that_neither_is_given_back(self) -> None:
        new, old = self.charged(100, APRIL, is_new=True), self.charged(100, (date(2026, 3, 31), date(2026, 4, 2)))
        assert bounds.is_charged_twice([new, old])
        assert not bounds.is_charged_twice([new, self.charged(100, MAY)])
        assert not bounds.is_charged_twice([new, old, self.charged(-9, (APRIL[0], date(2026, 4, 2)), "unused")])
        late = self.charged(-9, (date(2026, 4, 2), date(2026, 4, 3)), "unused")
        assert bounds.is_charged_twice([new, old, late]), "the first of April is not given back"

    def test_is_none_where_one_charge_ends_as_the_other_begins(self) -> None:
        """The last day of a period is the first of the next, and only of that."""
        for before, after in ((False, True), (True, False)):
            renewed = [self.charged(100, APRIL, is_new=before), self.charged(100, MAY, is_new=after)]
            assert not bounds.is_charged_twice(renewed)
        whole, back = self.charged(100, (APRIL[0], MAY[1]), is_new=True), self.charged(-9, APRIL, "unused")
        assert bounds.is_charged_twice([whole, self.charged(100, MAY), back]), "May is not given back"

    def test_is_none_of_what_was_free_or_of_before(self) -> None:
        new, free = self.charged(100, APRIL, is_new=True), self.charged(100, APRIL)
        assert not bounds.is_charged_twice([new, free, self.charged(-200, APRIL, "discount")])
        assert bounds.is_charged_twice([new, self.charged(1, APRIL)])
        assert not bounds.is_charged_twice([self.charged(0, APRIL, is_new=True), self.charged(0, APRIL)])
        assert not bounds.is_charged_twice([self.charged(100, APRIL), self.charged(100, APRIL)])

    def test_counts_parts_of_one_charge_once(self) -> None:
        one = new_id()
        parts = [Charged(one, "membership", 60, *APRIL, is_new=True), Charged(one, "membership", 40, *APRIL)]
        assert not bounds.is_charged_twice(parts)
