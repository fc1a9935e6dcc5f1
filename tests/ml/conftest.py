"""A real lake with synthetic churn marts whose truth is known: who is at risk, and why."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from urllib.parse import urlsplit
from uuid import UUID

import numpy as np
import polars as pl
import psycopg
import pytest
from pydantic import SecretStr

from contracts import warehouse
from contracts.ids import new_id
from contracts.relations import RELATIONS
from ml.churn import train
from ml.churn.settings import ChurnSettings
from plyo.postgres import PostgresServer

TODAY = date(2026, 11, 23)


@dataclass(frozen=True)
class Business:
    """Synthetic marts and the truth behind them.

    Attributes:
        features: Rows of retention.fct_churn_features.
        labels: Rows of retention.fct_churn_labels.
        truth: customer_id, as_of, hazard (true probability of leaving within 30 days), cause (feature or null).
    """

    features: pl.DataFrame
    labels: pl.DataFrame
    truth: pl.DataFrame


def simulate(customers: int = 240, weeks: int = 52, *, seed: int = 1, today: date = TODAY) -> Business:
    """Members whose weekly risk rises when they stop coming, change coach, pay more, or get hurt."""
    random = np.random.default_rng(seed)
    # Folds go by customer: with ids of chance, so would every close comparison of two models.
    draw = Random(seed)
    ids = [str(UUID(int=draw.getrandbits(128), version=4)) for _ in range(customers)]
    coaches = [str(UUID(int=draw.getrandbits(128), version=4)) for _ in range(6)]
    dates = [today - timedelta(weeks=weeks - 1 - week) for week in range(weeks)]
    base = random.normal(0, 0.4, customers)
    distance = random.gamma(2, 3, customers)
    days_away = random.integers(0, 6, customers).astype(float)
    since = {name: np.full(customers, 99.0) for name in ("coach", "price", "injury", "no_show")}
    adherence = random.uniform(0.6, 0.95, customers)
    fading = np.zeros(customers)
    joined = random.integers(0, weeks, customers)
    left: dict[int, date] = {}
    rows, truths = [], []
    for week, day in enumerate(dates):
        fading = np.where(random.random(customers) < 0.02, 8, np.maximum(fading - 1, 0))
        comes = random.random(customers) < np.where(fading > 0, 0.25, 0.85)
        days_away = np.where(comes, random.integers(0, 6, customers), days_away + 7)
        for name, rate in (("coach", 0.008), ("price", 0.006), ("injury", 0.008), ("no_show", 0.03)):
            since[name] = np.where(random.random(customers) < rate, 0, since[name] + 1)
        adherence_now = np.clip(adherence - 0.06 * fading + random.normal(0, 0.05, customers), 0, 1)
        parts = {
            "days_since_last_session": np.where(days_away > 9, 0.08 * np.minimum(days_away, 35), 0),
            "coach_changes_90d": np.where(since["coach"] < 9, 1.3, 0),
            "price_increase_90d": np.where(since["price"] < 9, 1.2, 0),
            "has_open_injury": np.where(since["injury"] < 6, 1.2, 0),
            "no_shows_90d": np.where(since["no_show"] < 9, 0.5, 0),
            "home_distance_km": 0.05 * (distance - 6),
        }
        weekly = 1 / (1 + np.exp(-(-4.9 + base + sum(parts.values()))))
        names = list(parts)
        strongest = np.argmax(np.stack([parts[name] for name in names]), axis=0)
        here = [one for one in range(customers) if joined[one] <= week and one not in left]
        for one in here:
            cause = names[strongest[one]] if parts[names[strongest[one]]][one] > 0.8 else None
            truths.append((ids[one], day, 1 - (1 - weekly[one]) ** (30 / 7), cause))
            rows.append({
                "customer_id": ids[one], "as_of": day, "coach_id": coaches[one % 6],
                "currency": "EUR", "plan_code": "unlimited", "interval_months": 1, "mrr_minor": 9900,
                "tenure_days": int(7 * (week - joined[one])), "days_since_last_session": int(days_away[one]),
                "sessions_attended_28d": max(0, int(8 - days_away[one] / 4)),
                "sessions_attended_90d": max(0, int(24 - days_away[one] / 3)),
                "sessions_booked_28d": max(0, int(9 - days_away[one] / 4)),
                "no_shows_90d": int(since["no_show"][one] < 9), "late_cancels_90d": int(random.random() < 0.1),
                "has_next_booking": bool(random.random() < (0.2 if fading[one] else 0.7)),
                "adherence_28d": float(adherence_now[one]),
                "adherence_drop": float(adherence[one] - adherence_now[one]),
                "workouts_28d": int(12 * adherence_now[one]), "coach_changes_90d": int(since["coach"][one] < 9),
                "price_increase_90d": 0.12 if since["price"][one] < 9 else 0.0,
                "has_open_injury": bool(since["injury"][one] < 6), "failed_payments_90d": 0,
                "home_distance_km": float(distance[one]) if one % 10 else None,
                "sleep_trend": float(random.normal(0, 0.1)) if one % 3 else None, "month_of_year": day.month,
            })  # fmt: skip
        for one in here:
            if random.random() < weekly[one]:
                left[one] = day + timedelta(days=int(random.integers(1, 7)))
    features = pl.DataFrame(rows, infer_schema_length=None)
    gone = pl.DataFrame(
        {"customer_id": [ids[one] for one in left], "churned_on": list(left.values())},
        schema={"customer_id": pl.String, "churned_on": pl.Date},
    )
    labels = (
        features.select("customer_id", "as_of")
        .join(gone, on="customer_id", how="left")
        .with_columns(
            pl.when(pl.col("as_of") + timedelta(days=30) <= today)
            .then((pl.col("churned_on") < pl.col("as_of") + timedelta(days=30)).fill_null(False))
            .alias("is_churned_30d"),
            (pl.col("as_of") + timedelta(days=30)).alias("outcome_known_on"),
        )
    )
    truth = pl.DataFrame(truths, schema=["customer_id", "as_of", "hazard", "cause"], orient="row")
    return Business(features, labels, truth)


def write(settings: ChurnSettings, business: Business) -> None:
    """Build both marts as dbt would: whole tables, replaced, with the columns the contract promises."""
    with warehouse.writing(settings) as lake:
        lake.execute("create schema if not exists marts.retention")
        for name, frame in (("fct_churn_features", business.features), ("fct_churn_labels", business.labels)):
            columns = RELATIONS[f"retention.{name}"].columns
            lake.register("frame", frame.to_arrow())
            told = ", ".join(
                f"cast({column if column in frame.columns else 'null'} as {kind}) as {column}"
                for column, kind in columns.items()
            )
            lake.execute(f"create or replace table marts.retention.{name} as select {told} from frame")
            lake.unregister("frame")


@pytest.fixture(scope="session")
def business() -> Business:
    return simulate()


@pytest.fixture(scope="session")
def empty_catalog(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> ChurnSettings:
    """A lake that was set up and holds nothing."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("create database ml_empty")
    folder = tmp_path_factory.mktemp("ml_empty")
    settings = ChurnSettings(
        lake_catalog_url=postgres.url("ml_empty"), lake_path=str(folder / "lake"), ml_path=folder / "ml"
    )
    warehouse.set_up(settings)
    return settings


@contextmanager
def copy_of(postgres: PostgresServer, lake: ChurnSettings, folder: Path) -> Iterator[ChurnSettings]:
    """Another lake with the same contents, in the same folder of files, none of which is ever changed; its registry
    is empty."""
    name = f"lake_{new_id().hex}"
    template = urlsplit(lake.lake_catalog_url.get_secret_value()).path.strip("/")
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}")
    yield lake.model_copy(update={"lake_catalog_url": SecretStr(postgres.url(name)), "ml_path": folder / "ml"})
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def catalog_of_business(
    postgres: PostgresServer, empty_catalog: ChurnSettings, business: Business, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChurnSettings]:
    """A lake with a year of marts."""
    with copy_of(postgres, empty_catalog, tmp_path_factory.mktemp("ml_business")) as settings:
        write(settings, business)
        yield settings


@pytest.fixture
def settings(postgres: PostgresServer, empty_catalog: ChurnSettings, tmp_path: Path) -> Iterator[ChurnSettings]:
    """An empty lake and an empty registry."""
    with copy_of(postgres, empty_catalog, tmp_path) as settings:
        yield settings


@pytest.fixture(scope="session")
def trained_models(
    postgres: PostgresServer, catalog_of_business: ChurnSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A registry with the model of `business`, to copy where a test is not about training."""
    with copy_of(postgres, catalog_of_business, tmp_path_factory.mktemp("trained")) as settings:
        train.run(settings)
        yield settings.ml_path


@pytest.fixture
def built(postgres: PostgresServer, catalog_of_business: ChurnSettings, tmp_path: Path) -> Iterator[ChurnSettings]:
    """A lake with a year of marts, and an empty registry."""
    with copy_of(postgres, catalog_of_business, tmp_path) as settings:
        yield settings
