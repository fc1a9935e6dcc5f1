"""The two tables of churn in the lake's schema `marts.ml`: trained models and scores."""

import duckdb

from ml import tables

MODELS = "marts.ml.churn_models"
SCORES = "marts.ml.churn_scores"

_COLUMNS = {
    MODELS: """model_id varchar, trained_at timestamptz, is_current boolean, algorithm varchar, metrics json,
        decision varchar, seed integer, labelled_rows bigint, leavers bigint, trained_through date,
        marts_snapshot_id bigint, data_hash varchar, definitions varchar""",
    SCORES: """customer_id uuid, as_of date, scored_at timestamptz, model_id varchar, probability double,
        probability_low double, probability_high double, base_value double, reasons json, contributions json,
        inputs json""",
}


def ensure(lake: duckdb.DuckDBPyConnection) -> None:
    """Make both tables unless they are there, and columns that an older lake lacks. Commits nothing when all is
    there."""
    tables.ensure(lake, _COLUMNS)
    columns = {row[0] for row in lake.execute(f"describe {MODELS}").fetchall()}
    if "definitions" not in columns:
        lake.execute(f"alter table {MODELS} add column definitions varchar")
