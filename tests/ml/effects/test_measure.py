"""Effects on a real lake, against a regression by hand: differences and intervals that count clients."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import numpy as np
import polars as pl
import pytest

from contracts import warehouse
from contracts.ids import new_id
from ml.churn.settings import ChurnSettings
from ml.effects import measure
from ml.marts import MartsMissing
from tests.ml import marts

FIRST = date(2026, 6, 1)


def business(
    settings: ChurnSettings, *, clients: int = 40, days: int = 90, effect: float = 0.3, seed: int = 1,
    allow: bool = True, restless: float = 0.4,
) -> pl.DataFrame:  # fmt: skip
    """Clients of whom some often train too much and, whatever they do, miss more sessions; the day after too much
    another `effect` of the sessions is missed. Returns what was planted: client, day, acwr, no_show."""
    random = np.random.default_rng(seed)
    level = random.uniform(0.02, restless, clients)
    rows = []
    for one in range(clients):
        for n in range(days):
            spike = random.random() < 0.1 + level[one]
            rows.append({
                "customer_id": str(UUID(int=one)), "day": FIRST + timedelta(days=n), "acwr": 1.6 if spike else 1.0,
                "monotony_7d": float(random.uniform(1, 3)), "readiness": float(random.uniform(0, 100)),
                "missed": bool(random.random() < level[one] + effect * spike),
            })  # fmt: skip
    planted = pl.DataFrame(rows)
    booked = planted.with_columns(
        pl.lit(str(UUID(int=0))).alias("booking_id"), (pl.col("day") + timedelta(days=1)).alias("local_day"),
        pl.when("missed").then(pl.lit("no_show")).otherwise(pl.lit("attended")).alias("status"),
    )  # fmt: skip
    elsewhere = booked.head(50).with_columns(pl.lit("cancelled").alias("status"))
    weekly = planted.filter(pl.col("day").dt.weekday() == 7).with_columns(
        (pl.col("day") + timedelta(days=1)).alias("as_of"), pl.col("missed").alias("is_churned_30d")
    )
    marts.write(
        settings,
        scheduling__fct_bookings=pl.concat([booked, elsewhere]),
        training__fct_training_days=planted,
        training__fct_wearable_days=planted,
        retention__fct_churn_labels=weekly,
        core__fct_consents=planted.select("customer_id").unique().with_columns(
            pl.lit("daily").alias("data_kind"), pl.lit("modelling").alias("purpose"), pl.lit(allow).alias("is_given"),
            pl.lit(True).alias("is_current"), pl.lit(str(new_id())).alias("decision_id"),
        ),
        core__fct_builds=pl.DataFrame({"data_as_of": [datetime(2026, 11, 23, 9, tzinfo=UTC)]}),
    )  # fmt: skip
    return planted


def effect(settings: ChurnSettings, state: str, outcome: str = "no_show") -> dict[str, object]:
    with warehouse.reading(settings) as lake:
        rows = lake.execute("select * from marts.ml.training_effects").pl()
    return rows.row(by_predicate=(pl.col("state") == state) & (pl.col("outcome") == outcome), named=True)


def clustered(x: np.ndarray, y: np.ndarray, clusters: np.ndarray, columns: int) -> tuple[float, float]:
    """Coefficient of the first column of a least-squares fit and its standard error, clusters counted."""
    bread = np.linalg.pinv(x.T @ x)
    beta = bread @ x.T @ y
    left = y - x @ beta
    sums = np.stack([x[clusters == one].T @ left[clusters == one] for one in np.unique(clusters)])
    meat = sums.T @ sums * len(sums) / (len(sums) - 1)
    return float(beta[0]), float(np.sqrt((bread @ meat @ bread)[0, 0]))


class TestNoShow:
    def test_difference_and_interval_are_those_of_a_regression_with_clusters(self, settings):
        planted = business(settings)
        measure.run(settings)
        told = effect(settings, "load_spike")
        spike = (planted["acwr"] > 1.3).to_numpy().astype(float)
        y, who = planted["missed"].to_numpy().astype(float), planted["customer_id"].to_numpy()
        middle, error = clustered(np.column_stack([spike, np.ones_like(spike)]), y, who, 2)
        assert told["difference"] == pytest.approx(middle, abs=1e-9)
        assert told["difference_low"] == pytest.approx(middle - 1.959964 * error, abs=1e-6)
        assert told["difference_high"] == pytest.approx(middle + 1.959964 * error, abs=1e-6)
        assert told["rate_in_state"] == pytest.approx(y[spike == 1].mean())
        assert (told["observed_in_state"], told["events_in_state"]) == (spike.sum(), y[spike == 1].sum())

    def test_each_client_is_compared_with_themselves_too(self, settings):
        planted = business(settings)
        measure.run(settings)
        told = effect(settings, "load_spike")
        spike = (planted["acwr"] > 1.3).to_numpy().astype(float)
        y, who = planted["missed"].to_numpy().astype(float), planted["customer_id"].to_numpy()
        own = (who[:, None] == np.unique(who)[None, :]).astype(float)
        middle, error = clustered(np.column_stack([spike, own]), y, who, 1 + own.shape[1])
        assert told["within_difference"] == pytest.approx(middle, abs=1e-9)
        assert told["within_low"] == pytest.approx(middle - 1.959964 * error, abs=1e-6)
        assert told["within_low"] < 0.3 < told["within_high"], "what was planted"
        assert told["difference"] > told["within_difference"], "who trains too much also misses more anyway"

    def test_where_nothing_was_planted_clients_alone_are_told_apart(self, settings):
        business(settings, effect=0.0, seed=5)
        measure.run(settings)
        told = effect(settings, "load_spike")
        assert told["difference_low"] > 0, "unruly clients do both"
        assert told["within_low"] < 0 < told["within_high"]

    def test_cancelled_sessions_do_not_count(self, settings):
        planted = business(settings)
        measure.run(settings)
        told = effect(settings, "load_spike")
        assert told["observed_in_state"] + told["observed_else"] == len(planted)


class TestLeaving:
    def test_weeks_with_known_outcomes_are_compared(self, settings):
        planted = business(settings)
        measure.run(settings)
        told = effect(settings, "load_spike", "left_in_30_days")
        sundays = planted.filter(pl.col("day").dt.weekday() == 7)
        assert told["observed_in_state"] + told["observed_else"] == len(sundays)
        assert told["within_difference"] is None, "nobody leaves twice"
        assert told["difference"] is not None


class TestWhoCounts:
    def test_readiness_only_of_who_lets_us_learn_from_it(self, settings):
        business(settings, allow=False)
        clients = measure.run(settings)
        assert not [name for name in clients if name.startswith("low_readiness")]
        business(settings, allow=True)
        assert measure.run(settings)["low_readiness/no_show"] == 40

    def test_few_clients_are_no_difference(self, settings):
        business(settings, clients=9)
        measure.run(settings)
        told = effect(settings, "load_spike")
        assert told["clients"] == 9
        assert told["difference"] is told["rate_in_state"] is told["within_low"] is None

    def test_a_state_nobody_was_in_is_no_difference(self, settings):
        business(settings)
        measure.run(settings)
        told = effect(settings, "load_drop")
        assert (told["clients_in_state"], told["difference"]) == (0, None)

    def test_again_writes_nothing(self, settings):
        business(settings)
        measure.run(settings)
        with warehouse.reading(settings) as lake:
            before = warehouse.snapshot_id(lake, "marts")
        measure.run(settings)
        with warehouse.reading(settings) as lake:
            assert warehouse.snapshot_id(lake, "marts") == before

    def test_without_marts_it_says_so(self, settings):
        with pytest.raises(MartsMissing, match="not built yet"):
            measure.run(settings)
