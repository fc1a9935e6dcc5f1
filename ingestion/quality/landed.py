"""Suites over what connectors and wearables have landed, for the page of quality: the newest rows, and those put aside.

Rows of connectors were judged before they landed (`quarantine`), values of wearables while payloads were read
(`ingestion.wearables.judge`: one payload holds hundreds of values, and one that is wrong must not cost the others).
This is the second look, on rows as they are: it finds what a changed suite, range or normaliser would refuse today.
"""

from collections.abc import Iterator, Mapping

import duckdb
import pyarrow as pa

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from ingestion import landing
from ingestion.postgres_cdc.land import quoted
from ingestion.quality import quarantine
from ingestion.quality.judged import Judged
from ingestion.quality.pulled import SUITES
from ingestion.quality.suite import Expectation, Suite, between, told
from ingestion.wearables.tables import TABLES, Table

ROWS = 20_000
"""The newest so many rows of a table are looked at."""


def measured(table: Table) -> Suite:
    """The suite that follows from a wearable table's columns: what is required is told, numbers are in their range."""
    fields = {"customer_id": "customer_id::varchar", **{name: quoted(name) for name in table.required}}
    expectations: list[Expectation] = [told("customer_id"), *map(told, table.required)]
    for column in table.columns:
        if column.kind in ("number", "count"):
            fields[column.name] = quoted(column.name)
            expectations.append(between(column.name, column.low, column.high))
    return Suite(fields, tuple(expectations))


ALL: Mapping[str, Suite] = {**SUITES, **{name: measured(table) for name, table in TABLES.items()}}
"""By raw table."""


def judged(settings: WarehouseSettings) -> Iterator[tuple[str, Judged]]:
    """Judge what is landed of each table and what stands aside of it; a table that is not there yet is left out.

    Raises:
        ingestion.quality.judge.SuiteBroken: an expectation could not be judged.
    """
    from ingestion.quality.judge import judge  # takes seconds to import

    with warehouse.reading(settings) as lake:
        for table, suite in ALL.items():
            if not landing.columns_of(lake, table):
                continue
            rows = _rows(lake, table)
            newest = lake.execute(f"select max(_landed_at) from raw.main.{quoted(table)}").fetchone()
            yield table, Judged.of(rows.num_rows, judge(suite, rows, lake), newest[0] if newest else None)


def _rows(lake: duckdb.DuckDBPyConnection, table: str) -> pa.Table:
    rows = lake.execute(
        f"""select * exclude (_batch_id, _landed_at) from raw.main.{quoted(table)}
            order by _landed_at desc limit {ROWS}"""
    ).to_arrow_table()
    aside = quarantine.aside(lake, table)
    return pa.concat_tables([rows, aside.cast(rows.schema)]) if aside.num_rows else rows
