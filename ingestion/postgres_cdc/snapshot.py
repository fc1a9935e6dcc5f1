"""Copying whole tables into raw as of one exact point of the source's log.

PostgreSQL exports the snapshot that belongs to the point where a new slot starts; DuckDB's postgres scanner adopts it,
on all its connections. So the rows copied are exactly those of transactions that committed before that point, and the
stream continues from it: no gap, no overlap, nothing locked.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import unquote, urlsplit

import duckdb

from ingestion.postgres_cdc.land import RawTables, quoted
from ingestion.postgres_cdc.progress import TableState, set_state
from ingestion.postgres_cdc.relation import Column, Relation, TableStopped
from ingestion.postgres_cdc.slot import ExportedSnapshot

SOURCE = "cdc_source"


@contextmanager
def source_attached(lake: duckdb.DuckDBPyConnection, url: str) -> Iterator[None]:
    """Let a lake connection read the source's tables, read-only, during a block."""
    parts = urlsplit(url)
    given = {
        "host": parts.hostname or "127.0.0.1",
        "port": str(parts.port or 5432),
        "database": unquote(parts.path.strip("/")),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }
    options = ", ".join(f"{name} {_literal(value)}" for name, value in given.items() if value)
    lake.execute(f"create or replace secret {SOURCE} (type postgres, {options})")
    lake.execute(f"attach '' as {SOURCE} (type postgres, secret {SOURCE}, read_only)")
    try:
        yield
    finally:
        lake.execute(f"detach {SOURCE}")


def copy_tables(
    lake: duckdb.DuckDBPyConnection,
    raw: RawTables,
    relations: Sequence[Relation],
    snapshot: ExportedSnapshot,
    *,
    slot: str,
    taken_at: datetime,
) -> dict[str, int]:
    """Append every row of some tables to raw, as `_op` `r` at the snapshot's LSN, and call the tables live from there.

    A table that had rows in raw keeps its history; rows that are no longer in the source get a delete. To be called in
    a lake transaction, which is lost when it raises.

    Args:
        taken_at: Time of the snapshot, the rows' `_committed_at`.

    Returns:
        Rows copied, by raw table.

    Raises:
        TableStopped: a table has a type or a value that cannot be landed.
    """
    adopt(lake, snapshot)
    copied = {}
    for relation in relations:
        had_rows = raw.prepare(relation, for_snapshot=True)
        refuse_not_a_number(lake, relation)
        try:
            rows = _copy(lake, relation, snapshot, taken_at)
        except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
            raise TableStopped(relation, str(error)) from error
        if had_rows:
            _remove_vanished(lake, raw, relation, snapshot, taken_at)
        set_state(lake, slot, relation.raw_table, TableState("live", snapshot.lsn, relation.oid), rows=rows)
        copied[relation.raw_table] = rows
    return copied


def adopt(lake: duckdb.DuckDBPyConnection, snapshot: ExportedSnapshot) -> None:
    """Have the attached source read as of a snapshot, to the end of the lake's transaction; before any other read."""
    statement = f"set transaction snapshot {_literal(snapshot.name)}"
    lake.execute(f"call postgres_execute('{SOURCE}', {_literal(statement)})")


def _copy(lake: duckdb.DuckDBPyConnection, relation: Relation, snapshot: ExportedSnapshot, taken_at: datetime) -> int:
    counted = lake.execute(
        f"""insert into raw.main.{quoted(relation.raw_table)} by name
            select {", ".join(quoted(column.name) for column in relation.columns)},
                   'r' as _op, ?::ubigint as _lsn, 0 as _seq, 0 as _xid, ?::timestamptz as _committed_at,
                   current_timestamp as _landed_at
            from {rows_of(relation)}""",
        [snapshot.lsn, taken_at],
    ).fetchone()
    return int(counted[0]) if counted else 0


def rows_of(relation: Relation) -> str:
    """SQL of the attached source's rows of a table, its published columns as themselves or as text to be cast."""
    if all(column.is_plain and column.lake_type.is_natural for column in relation.columns):
        return f"{SOURCE}.{quoted(relation.schema)}.{quoted(relation.table)}"  # read in parallel
    columns = ", ".join(_cast(column) for column in relation.columns)
    query = f"select {columns} from {quoted(relation.schema)}.{quoted(relation.table)}"
    return f"postgres_query('{SOURCE}', {_literal(query)})"


def _cast(column: Column) -> str:
    if column.is_plain and column.lake_type.is_natural:
        return quoted(column.name)
    array = "[]" if column.lake_type.name.endswith("[]") else ""
    return f"{quoted(column.name)}::text{array}"


def refuse_not_a_number(lake: duckdb.DuckDBPyConnection, relation: Relation) -> None:
    """Raise TableStopped where the attached source's table has NaN in a decimal, which the lake cannot hold."""
    # The scanner reads NaN in a decimal as 0.00, without a word.
    kinds = {quoted(column.name): column.lake_type.name for column in relation.columns}
    decimals = [name for name, kind in kinds.items() if kind.startswith("DECIMAL(") and not kind.endswith("[]")]
    if decimals:
        has_nan = " or ".join(f"{column} = 'NaN'" for column in decimals)
        query = f"select 1 from {quoted(relation.schema)}.{quoted(relation.table)} where {has_nan} limit 1"
        if lake.execute(f"from postgres_query('{SOURCE}', {_literal(query)})").fetchone():
            raise TableStopped(relation, f"NaN does not fit a decimal, in one of {', '.join(decimals)}")


def _remove_vanished(
    lake: duckdb.DuckDBPyConnection,
    raw: RawTables,
    relation: Relation,
    snapshot: ExportedSnapshot,
    taken_at: datetime,
) -> None:
    keys = ", ".join(quoted(column.name) for column in relation.key)
    lake.execute(
        f"""insert into raw.main.{quoted(relation.raw_table)} by name
            select {keys}, 'd' as _op, ?::ubigint as _lsn, 0 as _seq, 0 as _xid, ?::timestamptz as _committed_at,
                   current_timestamp as _landed_at
            from ({raw.today(relation)}) where _lsn < ?""",
        [snapshot.lsn, taken_at, snapshot.lsn],
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
