"""The two tables of lifetime values in the lake's schema `marts.ml`."""

import duckdb

from ml import tables

MODELS = "marts.ml.lifetime_models"
VALUES = "marts.ml.lifetime_values"

_COLUMNS = {
    MODELS: """currency varchar, as_of date, fitted_at timestamptz, buyers bigint, repeat_buyers bigint,
        purchase_r double, purchase_alpha double, dropout_a double, dropout_b double,
        spend_p double, spend_q double, spend_v double, decision varchar""",
    VALUES: """customer_id uuid, currency varchar, as_of date, purchases bigint, first_purchased_on date,
        last_purchased_on date, mean_spend_minor double, probability_alive double, expected_purchases double,
        expected_spend_minor double, expected_value_minor double""",
}


def ensure(lake: duckdb.DuckDBPyConnection) -> None:
    """Make both unless they are there."""
    tables.ensure(lake, _COLUMNS)
