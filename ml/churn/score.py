"""Score active members with the current model, and tell which scores changed.

One row per customer, date and model in `marts.ml.churn_scores`. Scoring a date again writes only what differs, so it
may run as often as it likes; `inputs` keeps the feature values a score was made of, the log that training is checked
against.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import polars as pl

from contracts import warehouse
from contracts.telemetry import get_logger
from ml.churn import artefact, definitions, explain, features, tables
from ml.churn.features import NAMES, Rows
from ml.churn.settings import ChurnSettings
from ml.churn.train import registry

log = get_logger(__name__)
NOTICEABLE = 0.01
"""A change of probability smaller than this is not news."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What a scoring run came to.

    Attributes:
        rows: Customers scored.
        model_id: By which model.
        as_of: For which date; None when nobody is an active member.
        scored_at: When.
        changed: Customers whose score is news: new, or moved by a point or more since their last score, as
            {customer_id, coach_id, as_of, scored_at, probability, probability_low, probability_high, reasons},
            riskiest first.
        is_stale: Its features mean something else by now than what it learned: train before deciding by it.
    """

    rows: int
    model_id: str
    as_of: date | None
    scored_at: datetime
    changed: list[dict[str, Any]] = field(default_factory=list)
    is_stale: bool = False


def run(settings: ChurnSettings, as_of: date | None = None) -> Scored:
    """Score every active member at a date (default: the newest in the marts) and write the scores.

    Raises:
        NoModel: none has been trained yet.
        MartsMissing: the marts are not built yet.
    """
    models = registry(settings)
    model_id = models.current()
    model = artefact.load(models.folder(model_id))
    is_stale = definitions.is_stale(models)
    if is_stale:
        log.warning("churn_model_is_stale", model_id=model_id)
    scored_at = datetime.now(UTC)
    with warehouse.writing(settings) as lake:
        tables.ensure(lake)
        rows = features.at(lake, as_of)
        if not len(rows):
            return Scored(0, model_id, as_of, scored_at, is_stale=is_stale)
        frame = _frame(rows, model, model_id, scored_at)
        day: date = frame["as_of"][0]
        before = _last_known(lake, before_or_on=day)
        _write(lake, frame, model_id, day)
    news = (
        frame.join(before, on="customer_id", how="left")
        .filter(((pl.col("probability") - pl.col("last_probability")).abs() >= NOTICEABLE).fill_null(True))
        .sort("probability", "customer_id", descending=[True, False])
    )
    log.info("churn_scored", model_id=model_id, as_of=str(day), rows=len(rows), changed=len(news))
    changed = [_told(row) for row in news.iter_rows(named=True)]
    return Scored(len(rows), model_id, day, scored_at, changed, is_stale)


def latest(settings: ChurnSettings) -> list[dict[str, Any]]:
    """The newest score of the current model for every active member, riskiest first, shaped as `Scored.changed`.

    Raises:
        NoModel: none has been trained yet.
    """
    model_id = registry(settings).current()
    with warehouse.reading(settings) as lake:
        try:
            frame = lake.execute(
                f"""
                select cast(scores.customer_id as varchar) as customer_id,
                    cast(members.coach_id as varchar) as coach_id, scores.* exclude (customer_id)
                from {tables.SCORES} as scores
                left join marts.retention.fct_churn_features as members using (customer_id, as_of)
                where model_id = $id and as_of = (select max(as_of) from {tables.SCORES} where model_id = $id)
                order by probability desc, customer_id""",
                {"id": model_id},
            ).pl()
        except duckdb.CatalogException:
            return []
    return [_told(row) for row in frame.iter_rows(named=True)]


def rewritten_since_served(lake: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many served scores were made of other feature values than the marts now tell for the same customer and date.

    Returns:
        Feature to number of rows; features that agree everywhere are left out.
    """
    served = ", ".join(f"cast(json_extract(inputs, '$.{name}') as double) as {name}" for name in NAMES)
    differing = ", ".join(
        f"""count(*) filter (abs(coalesce(served.{name}, -1e9) - coalesce(cast(now.{name} as double), -1e9)) > 1e-9)
            as {name}"""
        for name in NAMES
    )
    counts = lake.execute(
        f"""select {differing} from (select customer_id, as_of, {served} from {tables.SCORES}) as served
        inner join marts.retention.fct_churn_features as now using (customer_id, as_of)"""
    ).pl()
    return {name: count for name, count in counts.row(0, named=True).items() if count}


def _frame(rows: Rows, model: artefact.ChurnModel, model_id: str, scored_at: datetime) -> pl.DataFrame:
    scores = model.score(rows.x)
    return rows.keys.with_columns(
        pl.lit(scored_at).cast(pl.Datetime("us", "UTC")).alias("scored_at"),
        pl.lit(model_id).alias("model_id"),
        pl.Series("probability", scores.probability),
        pl.Series("probability_low", scores.low),
        pl.Series("probability_high", scores.high),
        pl.lit(scores.base).alias("base_value"),
        pl.Series("reasons", explain.reasons(rows.x, scores.contributions), dtype=pl.String),
        pl.Series("contributions", explain.named(scores.contributions), dtype=pl.String),
        pl.Series("inputs", explain.named(rows.x), dtype=pl.String),
    )


def _last_known(lake: duckdb.DuckDBPyConnection, *, before_or_on: date) -> pl.DataFrame:
    return lake.execute(
        f"""select cast(customer_id as varchar) as customer_id,
            arg_max(probability, (as_of, scored_at)) as last_probability
        from {tables.SCORES} where as_of <= ? group by all""",
        [before_or_on],
    ).pl()


def _write(lake: duckdb.DuckDBPyConnection, frame: pl.DataFrame, model_id: str, day: date) -> None:
    """Make the rows of this date and model equal to `frame`, touching only those that differ."""
    columns = ["probability", "probability_low", "probability_high", "base_value", "reasons", "inputs"]
    there = lake.execute(
        f"""select cast(customer_id as varchar) as customer_id, {", ".join(columns)}
        from {tables.SCORES} where as_of = ? and model_id = ?""",
        [day, model_id],
    ).pl()
    fresh = frame.join(there, on=["customer_id", *columns], how="anti", nulls_equal=True)
    gone = there.join(frame, on=["customer_id", *columns], how="anti", nulls_equal=True)
    if fresh.is_empty() and gone.is_empty():
        return

    def write() -> None:
        if not gone.is_empty():
            lake.execute(
                f"""delete from {tables.SCORES} where as_of = ? and model_id = ?
                and customer_id in (select cast(unnest(?) as uuid))""",
                [day, model_id, gone["customer_id"].to_list()],
            )
        lake.execute(f"insert into {tables.SCORES} by name select * exclude (coach_id) from fresh_scores")

    lake.register("fresh_scores", fresh.to_arrow())
    try:
        warehouse.in_transaction(lake, write)
    finally:
        lake.unregister("fresh_scores")


def _told(row: dict[str, Any]) -> dict[str, Any]:
    keys = ("customer_id", "coach_id", "as_of", "scored_at", "probability", "probability_low", "probability_high")
    return {key: row[key] for key in keys} | {"reasons": json.loads(row["reasons"])}
