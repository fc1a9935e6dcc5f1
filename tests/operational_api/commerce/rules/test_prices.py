"""What a card can be charged, what is rounded which way, and that parts take the whole tax: worked out by hand."""

import pytest

from operational_api.commerce import prices


class TestIsChargeable:
    @pytest.mark.parametrize(
        ("currency", "least"), [("EUR", 50), ("USD", 50), ("CHF", 50), ("GBP", 30), ("JPY", 50), ("VND", 15_000)]
    )
    def test_from_the_least_on_that_a_provider_takes(self, currency: str, least: int) -> None:
        assert prices.is_chargeable(least, currency)
        assert not prices.is_chargeable(least - 1, currency)

    def test_of_a_currency_without_one_anything_but_nothing(self) -> None:
        assert prices.is_chargeable(1, "SEK")
        assert not prices.is_chargeable(0, "SEK")


class TestRounding:
    @pytest.mark.parametrize(
        ("numerator", "denominator", "expected"), [(5, 2, 3), (7, 3, 2), (8, 3, 3), (0, 9, 0), (1, 3, 0), (1, 2, 1)]
    )
    def test_is_half_up(self, numerator: int, denominator: int, expected: int) -> None:
        assert prices.divide_half_up(numerator, denominator) == expected

    def test_a_month_of_a_longer_interval_is_without_tax(self) -> None:
        assert prices.monthly(14_280, tax_rate_bp=1900, interval_months=12) == 1000
        assert prices.monthly(100, tax_rate_bp=0, interval_months=3) == 33


class TestTaxPart:
    def test_each_part_takes_what_the_ones_before_left(self) -> None:
        parts = [prices.tax_part(1, before_minor=before, total_minor=3, tax_minor=2) for before in range(3)]
        assert parts == [1, 0, 1]

    def test_of_nothing_there_is_none(self) -> None:
        assert prices.tax_part(0, before_minor=0, total_minor=0, tax_minor=0) == 0


class TestPartBeforeCard:
    @pytest.mark.parametrize(("asked", "has", "currency", "part"), [
        (1000, 0, "EUR", 0),
        (1000, 400, "EUR", 400),
        (1000, 950, "EUR", 950),
        (1000, 951, "EUR", 950),
        (1000, 1000, "EUR", 1000),
        (1000, 1200, "EUR", 1000),
        (50, 49, "EUR", 0),
        (30, 29, "EUR", 0),
        (20_000, 9_000, "VND", 5_000),
        (10, 9, "SEK", 9),
    ])  # fmt: skip
    def test_leaves_nothing_or_what_a_card_takes(self, asked: int, has: int, currency: str, part: int) -> None:
        assert prices.part_before_card(asked, has, currency) == part
        assert part == asked or prices.is_chargeable(asked - part, currency) or part == 0
