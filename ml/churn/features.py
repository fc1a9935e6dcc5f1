"""What a model may look at: the features by name, which way they may push, and how rows become a matrix.

The columns are computed by dbt, each from what was known before `as_of`. Left out on purpose: `currency`, `plan_code`
and `mrr_minor` (prices of three countries do not compare), `month_of_year` (with a year of history it is a name for
"that month", not a season), ids. Does not belong here: what a feature is called for people (`explain`).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml.churn.labels import LABELLED, TARGET
from ml.marts import MartsMissing

Matrix = NDArray[np.float64]

FEATURES: dict[str, int] = {
    "tenure_days": -1,
    "interval_months": 0,
    "sessions_booked_28d": -1,
    "sessions_attended_28d": -1,
    "sessions_attended_90d": -1,
    "attendance_trend": -1,
    "no_shows_90d": 1,
    "late_cancels_90d": 1,
    "days_since_last_session": 1,
    "has_next_booking": -1,
    "adherence_28d": -1,
    "adherence_drop": 1,
    "workouts_28d": -1,
    "days_since_last_workout": 1,
    "volume_trend": 0,
    "session_rpe_28d": 0,
    "coach_changes_90d": 1,
    "price_increase_90d": 1,
    "failed_payments_90d": 1,
    "messages_sent_28d": 0,
    "days_since_last_message": 0,
    "has_open_injury": 1,
    "home_distance_km": 1,
    "sleep_trend": 0,
    "hrv_trend": 0,
}
"""Name to direction: +1 may only raise the risk, -1 only lower it, 0 is free. A direction is given where the opposite
would be nonsense to a coach ("leaves because he came more often"), so small data cannot teach it."""

NAMES = tuple(FEATURES)


@dataclass(frozen=True, slots=True)
class Rows:
    """Customers at dates, ordered by date and customer.

    Attributes:
        keys: customer_id (String), as_of (Date), coach_id (String, null without a coach).
        x: Shape (rows, features) in the order of `NAMES`; NaN is unknown.
        y: Shape (rows,): 1.0 left within the horizon, 0.0 stayed; None where outcomes were not asked for.
    """

    keys: pl.DataFrame
    x: Matrix
    y: Matrix | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def as_of(self) -> NDArray[np.datetime64]:
        return self.keys["as_of"].to_numpy()

    @property
    def target(self) -> Matrix:
        """Outcomes of rows that have them."""
        if self.y is None:
            raise ValueError("these rows were read without outcomes")
        return self.y

    def where(self, mask: NDArray[np.bool_]) -> "Rows":
        return Rows(self.keys.filter(pl.Series(mask)), self.x[mask], None if self.y is None else self.y[mask])

    def fingerprint(self) -> str:
        """Hash of all values: the data part of a model's identity."""
        digest = hashlib.sha256(self.keys.select(pl.format("{}|{}", "customer_id", "as_of")).write_csv().encode())
        digest.update(json.dumps(NAMES).encode() + self.x.tobytes() + self.target.tobytes())
        return digest.hexdigest()


def labelled(lake: duckdb.DuckDBPyConnection) -> Rows:
    """Every row whose outcome is known.

    Raises:
        MartsMissing: the marts are not built yet.
    """
    frame = _read(lake, f"{_columns(TARGET)} from ({LABELLED})", [])
    return Rows(_keys(frame), _matrix(frame), frame[TARGET].cast(pl.Float64).to_numpy().copy())


def at(lake: duckdb.DuckDBPyConnection, as_of: date | None = None) -> Rows:
    """All active members at one date, by default the newest there is; empty when the date has no row.

    Raises:
        MartsMissing: the marts are not built yet.
    """
    newest = "(select max(as_of) from marts.retention.fct_churn_features)"
    frame = _read(
        lake,
        f"{_columns()} from marts.retention.fct_churn_features where as_of = coalesce(?, {newest})",
        [as_of],
    )
    return Rows(_keys(frame), _matrix(frame))


def rewritten(lake: duckdb.DuckDBPyConnection, *, since_snapshot: int, names: Sequence[str] = NAMES) -> dict[str, int]:
    """How many past rows of each feature say something else now than at an older snapshot of the marts.

    A feature computed from what was known before `as_of` never changes for dates that had passed by then. One that
    does has looked into the future (or its source was corrected): do not train on it before somebody knew why.

    Args:
        since_snapshot: Snapshot of `marts` to compare with; only rows it has are compared.

    Returns:
        Feature to number of rows that differ; features without a difference are left out.
    """
    now, then = (
        "marts.retention.fct_churn_features",
        f"marts.retention.fct_churn_features at (version => {since_snapshot:d})",
    )
    counts = ", ".join(f"count(*) filter (now.{name} is distinct from before.{name}) as {name}" for name in names)
    differing = lake.execute(
        f"select {counts} from (from {then}) as before inner join (from {now}) as now using (customer_id, as_of)"
    ).pl()
    return {name: count for name, count in differing.row(0, named=True).items() if count}


def _columns(*more: str) -> str:
    named = [f"cast({name} as double) as {name}" for name in NAMES]
    return "select " + ", ".join(
        ["cast(customer_id as varchar) as customer_id", "as_of", "cast(coach_id as varchar) as coach_id", *named, *more]
    )


def _read(lake: duckdb.DuckDBPyConnection, query: str, parameters: list[object]) -> pl.DataFrame:
    try:
        return lake.execute(f"{query} order by as_of, customer_id", parameters).pl()
    except duckdb.CatalogException as error:
        raise MartsMissing from error


def _keys(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("customer_id", "as_of", "coach_id")


def _matrix(frame: pl.DataFrame) -> Matrix:
    return np.ascontiguousarray(frame.select(pl.col(NAMES).cast(pl.Float64).fill_null(float("nan"))).to_numpy())
