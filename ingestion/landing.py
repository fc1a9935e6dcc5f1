"""Appending batches to raw, each row once, together with the cursor that says how far its source was read.

Rows and cursor are ONE lake transaction: a pull that was killed goes on where it was, and what it brings a second time
is recognised by its key. Change logs of PostgreSQL are landed by `postgres_cdc`; reading sources is the connectors'.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

import duckdb
import pyarrow as pa

from contracts import warehouse
from contracts.ids import new_id
from contracts.warehouse import WarehouseSettings
from ingestion.batch import Batch
from ingestion.postgres_cdc.land import quoted
from ingestion.turns import turn

CURSORS = "raw.main._ingestion_cursors"
_BATCH = "_arriving"


class AlreadyPulling(RuntimeError):
    """Another process pulls for this connector; both would land what the other has not committed yet."""


class ColumnRetyped(RuntimeError):
    """A batch has a column of another type than raw has; the message names it. Nothing was landed."""


@contextmanager
def pulling(settings: WarehouseSettings, connector: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """The lake for writing what one connector brings; nobody else can meanwhile.

    Raises:
        AlreadyPulling: another process does.
        LakeMissing: the lake was never set up.
    """
    with turn(settings, f"plyo.pull.{connector}", application_name=f"plyo-pull-{connector}") as is_ours:
        if not is_ours:
            raise AlreadyPulling(f"another process pulls for {connector}")
        with warehouse.writing(settings) as lake:
            lake.execute(
                f"""create table if not exists {CURSORS} (connector varchar, stream varchar, cursor varchar,
                        rows bigint, batch_id uuid, landed_at timestamptz)"""
            )
            yield lake


def cursor_of(lake: duckdb.DuckDBPyConnection, connector: str, stream: str) -> str | None:
    """Where a stream goes on; None: at its beginning."""
    row = lake.execute(
        f"select cursor from {CURSORS} where connector = ? and stream = ? order by batch_id desc limit 1",
        [connector, stream],
    ).fetchone()
    return row[0] if row else None


def cursors_of(lake: duckdb.DuckDBPyConnection, connector: str) -> dict[str, str | None]:
    """Where each stream of a connector goes on, by stream; one that is missing was never begun."""
    rows = lake.execute(
        f"select stream, arg_max_null(cursor, batch_id) from {CURSORS} where connector = ? group by stream", [connector]
    )
    return dict(rows.fetchall())


def rewind(lake: duckdb.DuckDBPyConnection, connector: str, stream: str) -> None:
    """Have a stream begin again; what raw holds already is recognised and not landed twice."""
    lake.execute(
        f"insert into {CURSORS} values (?, ?, null, 0, ?, ?)", [connector, stream, new_id(), datetime.now(UTC)]
    )


def ensure_tables(lake: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Schema]) -> None:
    """Make raw tables that are not there yet, empty: what is built on them can be built before the first row."""
    held = {
        row[0] for row in lake.execute("select table_name from duckdb_tables() where database_name = 'raw'").fetchall()
    }
    missing = {table: schema for table, schema in tables.items() if table not in held}

    def make() -> None:
        for table, schema in missing.items():
            lake.register(_BATCH, schema.empty_table())
            _prepare(lake, table)

    if missing:
        warehouse.in_transaction(lake, make)
        lake.unregister(_BATCH)


def absent(lake: duckdb.DuckDBPyConnection, table: str, seen: Sequence[pa.ChunkedArray]) -> list[str]:
    """Ids of documents that raw holds, not deleted, and that are not among those seen.

    Args:
        table: Of the documents; one that does not exist holds none.
        seen: Ids, in pieces.
    """
    if not columns_of(lake, table):
        return []
    chunks = [chunk for piece in seen for chunk in piece.chunks]
    lake.register(_BATCH, pa.table({"id": pa.chunked_array(chunks, pa.string())}))
    try:
        rows = lake.execute(
            f"""select id from (
                    select id, arg_max(_deleted, (coalesce(_version, _landed_at), _batch_id)) as is_gone
                    from raw.main.{quoted(table)} group by id)
                where not is_gone and id not in (select id from {_BATCH}) order by id"""
        ).fetchall()
    finally:
        lake.unregister(_BATCH)
    return [row[0] for row in rows]


def land(
    lake: duckdb.DuckDBPyConnection,
    connector: str,
    stream: str,
    batch: Batch,
    *,
    also: Callable[[UUID], None] = lambda _: None,
) -> int:
    """Append what is new in a batch, and note the cursor, in one lake transaction.

    Args:
        also: What else that transaction does, told the batch's id; said again where it is tried again.

    Returns:
        Rows appended.

    Raises:
        ColumnRetyped: see there. A new column is added by itself; a missing one is null.
        duckdb.TransactionException: another writer changed the same table in every attempt.
    """
    lake.register(_BATCH, batch.rows)
    try:
        return warehouse.in_transaction(lake, lambda: _land(lake, connector, stream, batch, also))
    finally:
        lake.unregister(_BATCH)


def _land(
    lake: duckdb.DuckDBPyConnection, connector: str, stream: str, batch: Batch, also: Callable[[UUID], None]
) -> int:
    batch_id, now = new_id(), datetime.now(UTC)
    appended = 0
    if batch.rows.num_rows:
        _prepare(lake, batch.table)
        appended = _append(lake, batch, [batch_id, now])
    also(batch_id)
    cursor = batch.cursor if batch.cursor is not None else cursor_of(lake, connector, stream)
    lake.execute(
        f"insert into {CURSORS} values (?, ?, ?, ?, ?, ?)", [connector, stream, cursor, appended, batch_id, now]
    )
    return appended


def columns_of(lake: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Columns of a raw table with their types, as DuckDB names them; none where there is no such table."""
    try:  # ten times as fast as duckdb_columns(), which looks at every table of both lakes
        rows = lake.execute(f"describe raw.main.{quoted(table)}").fetchall()
    except duckdb.CatalogException:
        return {}
    return {name: kind for name, kind, *_ in rows}


def _prepare(lake: duckdb.DuckDBPyConnection, table: str) -> None:
    target = f"raw.main.{quoted(table)}"
    have = columns_of(lake, table)
    wanted = {name: kind for name, kind, *_ in lake.execute(f"describe {_BATCH}").fetchall()}
    if not have:
        columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in wanted.items())
        lake.execute(f"create table {target} ({columns}, _batch_id uuid, _landed_at timestamptz)")
        return
    for name, kind in wanted.items():
        if name not in have:
            lake.execute(f"alter table {target} add column {quoted(name)} {kind}")
        elif have[name] != kind:
            raise ColumnRetyped(f"{table}.{name} is {have[name]} in raw and arrives as {kind}")


def _append(lake: duckdb.DuckDBPyConnection, batch: Batch, own: list[object]) -> int:
    target = f"raw.main.{quoted(batch.table)}"
    keys = ", ".join(quoted(name) for name in batch.key)
    if batch.changes_only:
        known = f"""not exists (
            from (select {keys}, arg_max(_hash, (_batch_id, _landed_at)) as _hash from {target} group by {keys}) as held
            where {_same("held", batch.key)} and held._hash = arriving._hash)"""
    else:
        known = f"not exists (from {target} as held where {_same('held', batch.key)})"
    # The last of a key in the batch: pages of a source that is being written overlap.
    arriving = f"""(select * exclude (_place) from (select *, row_number() over () as _place from {_BATCH})
                    qualify row_number() over (partition by {keys} order by _place desc) = 1)"""
    row = lake.execute(
        f"""insert into {target} by name
            select *, ?::uuid as _batch_id, ?::timestamptz as _landed_at from {arriving} as arriving where {known}""",
        own,
    ).fetchone()
    return int(row[0]) if row else 0


def _same(held: str, key: tuple[str, ...]) -> str:
    return " and ".join(f"{held}.{quoted(name)} is not distinct from arriving.{quoted(name)}" for name in key)
