"""Tables in which change capture keeps its own books, in `raw` beside what it lands. Their meaning is each module's.

Nothing else is made here, and nothing is read.
"""

import duckdb

from contracts import warehouse
from ingestion.postgres_cdc import parked, parts, progress, requests

COLUMNS = {
    progress.WATERMARKS: progress.WATERMARKS_COLUMNS,
    progress.TABLES: progress.TABLES_COLUMNS,
    parked.TABLE: parked.COLUMNS,
    requests.TABLE: requests.COLUMNS,
    parts.TABLE: parts.COLUMNS,
}
"""Each table's columns with their types. A column that is added here is added to lakes that were made before it."""


def ensure(lake: duckdb.DuckDBPyConnection) -> None:
    """Make what is missing, in one lake transaction; where nothing is, look once and commit nothing."""
    found = lake.execute(
        "select 'raw.main.' || table_name, column_name from duckdb_columns() "
        "where database_name = 'raw' and schema_name = 'main' and starts_with(table_name, '_cdc_')"
    ).fetchall()
    held = {table for table, _ in found}
    missing = [
        f"create table if not exists {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})"
        if table not in held
        else "; ".join(f"alter table {table} add column {n} {k}" for n, k in columns.items() if (table, n) not in found)
        for table, columns in COLUMNS.items()
    ]
    if any(missing):
        with warehouse.transaction(lake):
            for statement in filter(None, missing):
                lake.execute(statement)
