"""Items, covers and periods compared whole, so that no part of one is lost on its way to an invoice."""

from datetime import UTC, date
from uuid import UUID

import pytest

from operational_api.commerce import lifecycle
from operational_api.commerce.billing.contract import Contract, Terms
from operational_api.commerce.billing.periods import Period, first_moment, period_at
from operational_api.commerce.billing.proration import Cover, Item, charge, cover, discount, unused
from operational_api.commerce.lifecycle import Life

APRIL = Period(date(2026, 4, 1), date(2026, 5, 1))
WHOLE = Item("membership", "Small", 5000, 798, 1900, APRIL.starts_on, APRIL.ends_on)


class TestItems:
    def test_a_charge_is_of_its_days(self) -> None:
        assert charge("Small", 5000, 1900, APRIL) == WHOLE

    def test_what_is_not_used_is_given_back_from_that_day_on(self) -> None:
        back = unused(Cover(APRIL, 5000, 798, 1900, "Small"), date(2026, 4, 11))
        assert back == Item("unused", "Small", -3333, -532, 1900, date(2026, 4, 11), APRIL.ends_on)

    def test_of_a_period_that_has_not_begun_all_of_it_is(self) -> None:
        back = unused(Cover(APRIL, 5000, 798, 1900, "Small"), date(2026, 3, 20))
        assert back == Item("unused", "Small", -5000, -798, 1900, APRIL.starts_on, APRIL.ends_on)

    def test_a_discount_is_of_the_same_days_and_rate(self) -> None:
        less = discount(WHOLE, 1190, "Coupon SPRING")
        assert less == Item("discount", "Coupon SPRING", -1190, -190, 1900, APRIL.starts_on, APRIL.ends_on)
        assert cover(WHOLE, less) == Cover(APRIL, 3810, 608, 1900, "Small")

    def test_days_are_covered_at_what_they_cost(self) -> None:
        assert cover(WHOLE) == Cover(APRIL, 5000, 798, 1900, "Small")

    @pytest.mark.parametrize("days", [(None, None), (APRIL.starts_on, None), (None, APRIL.ends_on)])
    def test_what_is_of_no_days_covers_none(self, days: tuple[date | None, date | None]) -> None:
        with pytest.raises(ValueError, match="fee is not of days"):
            cover(Item("fee", "x", 100, 0, 0, *days))


class TestPeriods:
    @pytest.mark.parametrize("months", [1, 3, 12])
    @pytest.mark.parametrize("on", [date(2024, 2, 29), date(2026, 1, 31), date(2026, 4, 1), date(2031, 12, 31)])
    def test_each_boundary_belongs_to_the_period_that_it_begins(self, months: int, on: date) -> None:
        first = period_at(on, months, on)
        assert first.starts_on == on
        assert period_at(on, months, first.ends_on).starts_on == first.ends_on
        assert period_at(on, months, date.fromordinal(first.ends_on.toordinal() - 1)) == first

    def test_a_day_begins_in_utc(self) -> None:
        assert first_moment(date(2026, 4, 1), "Asia/Ho_Chi_Minh").tzinfo is UTC


class TestLife:
    def test_is_the_contract_as_history_sees_it(self) -> None:
        terms = Terms(UUID(int=1), UUID(int=2), "Small", 11_900, 1900, 1)
        begun = Contract(lifecycle.ACTIVE, terms, has_started=True)
        assert begun.life() == Life(lifecycle.ACTIVE, UUID(int=2), 10_000, has_started=True, has_trialed=False)
        trial = Contract(lifecycle.TRIALING, terms, trial_ends_on=date(2026, 4, 15))
        assert trial.life() == Life(lifecycle.TRIALING, UUID(int=2), 10_000, has_started=False, has_trialed=True)
