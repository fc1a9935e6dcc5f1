"""Tables that ml writes into the lake's schema `marts.ml`: making them, and rows that equal what was found.

Which tables there are, and their columns, is each question's (`churn.tables`, `lifetime.tables`, `effects.tables`).
"""

from collections.abc import Mapping

import duckdb
import polars as pl

SCHEMA = "marts.ml"


def ensure(lake: duckdb.DuckDBPyConnection, tables: Mapping[str, str]) -> None:
    """Make the schema and the tables that are not there. Commits nothing when all are.

    Args:
        tables: Columns with their types, as SQL, by name with lake and schema.
    """
    there = set(known(lake))
    if missing := [name for name in tables if name not in there]:
        lake.execute(f"create schema if not exists {SCHEMA}")
        for name in missing:
            lake.execute(f"create table if not exists {name} ({tables[name]})")


def known(lake: duckdb.DuckDBPyConnection) -> list[str]:
    """Every table of the schema that is there, with lake and schema."""
    return [
        f"{SCHEMA}.{row[0]}"
        for row in lake.execute(
            "select table_name from duckdb_tables() where database_name = 'marts' and schema_name = 'ml' order by 1"
        ).fetchall()
    ]


def make_equal(lake: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, *, but: tuple[str, ...] = ()) -> None:
    """Make a small table hold just these rows, in the caller's transaction. Writes nothing where it does already.

    Args:
        but: Columns that say when it was looked, which by themselves are no news.
    """
    compared = ", ".join(name for name in frame.columns if name not in but)
    lake.register("fresh_rows", frame.to_arrow())
    try:
        differs = lake.execute(
            f"""select exists (select {compared} from fresh_rows except all select {compared} from {table})
                or exists (select {compared} from {table} except all select {compared} from fresh_rows)"""
        ).fetchone()
        if differs and differs[0]:
            lake.execute(f"delete from {table}")
            lake.execute(f"insert into {table} by name select * from fresh_rows")
    finally:
        lake.unregister("fresh_rows")
