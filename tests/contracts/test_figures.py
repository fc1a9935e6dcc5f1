"""Figures as people read them: every unit of the dictionary, by one function."""

from typing import get_args

import pytest

from contracts.figures import difference, percent, written
from contracts.metrics import METRICS, Unit
from contracts.money import UnknownCurrency


class TestWritten:
    @pytest.mark.parametrize(
        ("value", "unit", "words"),
        [
            (1234, "count", "1,234"), (0.1234, "ratio", "12.3 %"), (-0.021, "ratio", "-2.1 %"),
            (1.0, "ratio", "100.0 %"),
            (0.0002, "ratio", "under 0.1 %"), (0, "ratio", "0.0 %"), (1.4286, "number", "1.43"),
            (61.54, "number", "61.5"), (12400.4, "number", "12,400"), (-33.3, "number", "-33.3"),
            (-0.001, "number", "0.00"), (3.04, "days", "3.0 days"), (18.25, "months", "18.2 months"),
            (5.5, "hours", "5.5 h"),
            (116.67, "kg", "116.7 kg"), (48210.2, "kg", "48,210 kg"),
        ],
    )  # fmt: skip
    def test_in_its_unit(self, value: float, unit: Unit, words: str) -> None:
        assert written(value, unit) == words

    @pytest.mark.parametrize(
        ("currency", "words"),
        [("EUR", "€4,900.01"), ("VND", "490,001 ₫"), ("KWD", "490.001 KWD"), ("USD", "$4,900.01")],
    )
    def test_money_follows_the_currency(self, currency: str, words: str) -> None:
        assert written(490001, "money", currency) == words

    @pytest.mark.parametrize("unit", get_args(Unit))
    def test_what_is_not_known_is_a_dash_in_every_unit(self, unit: Unit) -> None:
        assert written(None, unit, "EUR") == "–"
        assert written(1, unit, "EUR") not in ("", "–")

    def test_an_amount_of_no_known_currency_is_not_guessed(self) -> None:
        with pytest.raises(ValueError, match="currency"):
            written(1, "money")
        with pytest.raises(UnknownCurrency):
            written(1, "money", "XXX")

    def test_every_metric_has_a_unit_that_is_written(self) -> None:
        assert {metric.unit for metric in METRICS.values()} == set(get_args(Unit))


class TestDifference:
    @pytest.mark.parametrize(
        ("change", "relative", "unit", "told"),
        [
            (12000, 0.042, "money", ("+€120.00", "+4.2 %")), (-12000, -0.042, "money", ("-€120.00", "-4.2 %")),
            (0.021, 0.4, "ratio", ("+2.1 points", "+40.0 %")), (0, 0.0, "count", ("0", "0.0 %")),
            (-0.00001, -0.00001, "ratio", ("0.0 points", "0.0 %")), (7, None, "count", ("+7", "–")),
            (None, None, "kg", ("–", "–")), (-1.5, -0.5, "hours", ("-1.5 h", "-50.0 %")),
        ],
    )  # fmt: skip
    def test_has_a_sign_and_both_sizes(
        self, change: float | None, relative: float | None, unit: Unit, told: tuple[str, str]
    ) -> None:
        assert difference(change, relative, unit, "EUR") == told


class TestPercent:
    @pytest.mark.parametrize(
        ("value", "digits", "words"),
        [(0.25, 0, "25 %"), (0.0007, 0, "under 1 %"), (0.0007, 1, "0.1 %"), (0.0, 0, "0 %"), (None, 0, "–")],
    )
    def test_a_little_is_not_nothing(self, value: float | None, digits: int, words: str) -> None:
        assert percent(value, digits) == words


def test_where_people_stop_setting_up_is_told_by_step() -> None:
    assert "step" in METRICS["onboarding_drop_off"].dimensions
