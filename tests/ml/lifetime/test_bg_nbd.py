"""The model on a purchase log from outside: CDs bought at CDNOW in 1997, whose numbers are published."""

from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from lifetimes import BetaGeoFitter, GammaGammaFitter

from ml.lifetime.bg_nbd import BgNbd, NotFitted
from ml.lifetime.spend import GammaGamma


@pytest.fixture(scope="module")
def bought() -> pd.DataFrame:
    """2,357 people who first bought in the first twelve weeks of 1997, in weeks."""
    return cdnow("cdnow_customers_summary.csv")


def cdnow(name: str) -> pd.DataFrame:
    """A file that `lifetimes` brings; its own functions to read them want a module that setuptools no longer has."""
    with (files("lifetimes") / "datasets" / name).open() as file:
        return pd.read_csv(file)


def columns(frame: pd.DataFrame, *names: str) -> list[np.ndarray]:
    return [frame[name].to_numpy(float) for name in names]


class TestPurchases:
    def test_the_numbers_are_the_published_ones_to_three_digits(self, bought):
        told = columns(bought, "frequency", "recency", "T")
        model = BgNbd.fit(*told)
        # Fader, Hardie and Lee (2005), table 2
        assert [round(one, 3) for one in (model.r, model.alpha, model.a, model.b)] == [0.243, 4.414, 0.793, 2.426]
        assert round(model.log_likelihood(*told), 1) == -9582.4

    def test_what_is_expected_of_each_is_what_the_library_expects(self, bought):
        told = columns(bought, "frequency", "recency", "T")
        model, library = BgNbd.fit(*told), BetaGeoFitter().fit(bought["frequency"], bought["recency"], bought["T"])
        asked = bought["frequency"], bought["recency"], bought["T"]
        assert model.expected_purchases(39, *told) == pytest.approx(
            library.conditional_expected_number_of_purchases_up_to_time(39, *asked), rel=1e-3
        )
        assert model.probability_alive(*told) == pytest.approx(library.conditional_probability_alive(*asked), rel=1e-3)

    def test_the_unit_of_time_does_not_matter(self, bought):
        frequency, recency, age = columns(bought, "frequency", "recency", "T")
        weeks, days = BgNbd.fit(frequency, recency, age), BgNbd.fit(frequency, 7 * recency, 7 * age)
        assert days.alpha == pytest.approx(7 * weeks.alpha, rel=1e-3)
        assert days.expected_purchases(365, frequency, 7 * recency, 7 * age) == pytest.approx(
            weeks.expected_purchases(365 / 7, frequency, recency, age), rel=1e-3
        )

    def test_silence_is_told_by_ones_own_pace(self, bought):
        model = BgNbd.fit(*columns(bought, "frequency", "recency", "T"))
        often, seldom, once = np.array([20.0]), np.array([2.0]), np.array([0.0])
        last, now = np.array([20.0]), np.array([38.0])
        assert model.probability_alive(often, last, now) < 0.01 < 0.5 < model.probability_alive(seldom, last, now)
        assert model.probability_alive(once, np.zeros(1), now) == 1

    def test_planted_numbers_are_found_again(self):
        random, people, age = np.random.default_rng(4), 6000, 104.0
        rates, chances = random.gamma(0.8, 1 / 6.0, people), random.beta(1.2, 3.0, people)
        frequency, recency = np.zeros(people), np.zeros(people)
        for one in range(people):
            day = 0.0
            while random.random() > chances[one] or frequency[one] == 0:
                day += random.exponential(1 / rates[one])
                if day > age:
                    break
                frequency[one], recency[one] = frequency[one] + 1, day
        found = BgNbd.fit(frequency, recency, np.full(people, age))
        assert found.r == pytest.approx(0.8, rel=0.15)
        assert found.alpha == pytest.approx(6.0, rel=0.15)
        assert found.a / (found.a + found.b) == pytest.approx(1.2 / 4.2, rel=0.1)

    def test_people_who_are_all_alike_are_told_too(self):
        random, people, age = np.random.default_rng(0), 4000, 52.0
        frequency, recency, left = np.zeros(people), np.zeros(people), np.zeros(people, bool)
        ahead = np.zeros(people)
        for one in range(people):
            day = 0.0
            while True:
                if frequency[one] and random.random() < 0.1:
                    break
                day += random.exponential(5.0)
                if day <= age:
                    frequency[one], recency[one] = frequency[one] + 1, day
                elif day <= 2 * age:
                    ahead[one] += 1
                else:
                    break
            left[one] = day <= age
        told = frequency, recency, np.full(people, age)
        model = BgNbd.fit(*told)
        assert model.a / (model.a + model.b) == pytest.approx(0.1, rel=0.15)
        assert model.expected_purchases(age, *told).sum() == pytest.approx(ahead.sum(), rel=0.1)
        assert (1 - model.probability_alive(*told)).sum() == pytest.approx(left.sum(), rel=0.1)

    def test_nobody_who_bought_twice_tells_nothing(self):
        with pytest.raises(NotFitted, match="nobody bought twice"):
            BgNbd.fit(np.zeros(50), np.zeros(50), np.full(50, 20.0))


class TestSpend:
    def test_the_numbers_are_the_published_ones(self):
        spent = cdnow("cdnow_customers_summary_with_transactions.csv")
        again = spent.rename(columns={"x": "frequency", "zbar": "monetary_value"}).query("frequency > 0")
        told = columns(again, "frequency", "monetary_value")
        model = GammaGamma.fit(*told)
        # Fader and Hardie, The Gamma-Gamma Model of Monetary Value (2013), section 3: p, q and gamma
        assert [round(one, 2) for one in (model.p, model.q)] == [6.25, 3.74]
        assert model.v == pytest.approx(15.44, abs=0.02)
        library = GammaGammaFitter().fit(again["frequency"], again["monetary_value"])
        assert model.expected_mean(*told) == pytest.approx(
            library.conditional_expected_average_profit(again["frequency"], again["monetary_value"]), rel=1e-3
        )

    def test_of_whom_nothing_is_known_everybody_is_told(self):
        model = GammaGamma(p=6.25, q=3.74, v=15.44)
        assert model.expected_mean(np.zeros(1), np.zeros(1)) == pytest.approx(6.25 * 15.44 / 2.74)
        one, many = (model.expected_mean(np.array([x]), np.array([500.0])) for x in (1.0, 50.0))
        assert 35.2 < one < many < 500

    def test_all_alike_tell_no_spread(self):
        with pytest.raises(NotFitted, match="the same"):
            GammaGamma.fit(np.full(20, 3.0), np.full(20, 99.0))
