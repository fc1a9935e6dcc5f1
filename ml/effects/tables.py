"""The table of effects in the lake's schema `marts.ml`."""

import duckdb

from ml import tables

EFFECTS = "marts.ml.training_effects"

_COLUMNS = {
    EFFECTS: """state varchar, outcome varchar, compared_with varchar, as_of date, measured_at timestamptz,
        clients bigint, clients_in_state bigint, observed_in_state bigint, events_in_state bigint, observed_else bigint,
        events_else bigint, rate_in_state double, rate_else double, difference double, difference_low double,
        difference_high double, within_difference double, within_low double, within_high double"""
}


def ensure(lake: duckdb.DuckDBPyConnection) -> None:
    """Make it unless it is there."""
    tables.ensure(lake, _COLUMNS)
