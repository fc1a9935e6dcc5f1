"""Copying rows of the source into raw as of one exact point of its log: the SQL of it, and what must be refused.

PostgreSQL exports the snapshot that belongs to the point where a new slot starts; DuckDB's postgres scanner adopts it,
on all its connections. So the rows copied are exactly those of transactions that committed before that point, and the
stream continues from it: no gap, no overlap, nothing locked. Which rows are copied when is `copying`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import duckdb

from ingestion.postgres_cdc.columns import NOT_A_NUMBER, REMEDY, SHAPELESS, TOO_LATE
from ingestion.postgres_cdc.land import RawTables, first_line, quoted
from ingestion.postgres_cdc.moment import Moment
from ingestion.postgres_cdc.relation import Column, Relation, TableStopped
from ingestion.postgres_cdc.slot import ExportedSnapshot
from ingestion.postgres_cdc.source import TEXT_OPTIONS
from ingestion.postgres_cdc.texts import text_of

SOURCE = "cdc_source"
_LAST_TIME = "294247-01-10 04:00:54.775806"  # that DuckDB can say


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
    session = _literal(f"options={_literal(TEXT_OPTIONS)}")
    lake.execute(f"attach {session} as {SOURCE} (type postgres, secret {SOURCE}, read_only)")
    try:
        yield
    finally:
        lake.execute(f"detach {SOURCE}")


def copy_rows(
    lake: duckdb.DuckDBPyConnection,
    relation: Relation,
    moment: Moment,
    *,
    place: str = "",
    condition: str = "",
) -> int:
    """Append rows of a table to raw, as `_op` `r` at the moment's LSN. To be called in a lake transaction of its.

    In the order of their keys, so that who asks for some keys reads a few row groups: most ids grow with time.

    Args:
        place: SQL of a part of the table; the whole by default.
        condition: SQL of which rows of it; all by default.

    Returns:
        How many.

    Raises:
        TableStopped: the table has a value that cannot be landed.
    """
    refuse_what_does_not_fit(lake, relation, place=place, condition=condition)
    try:
        counted = lake.execute(
            f"""insert into raw.main.{quoted(relation.raw_table)} by name
                select {", ".join(received(column) for column in relation.columns)},
                       'r' as _op, ?::ubigint as _lsn, 0 as _seq, 0 as _xid, ?::timestamptz as _committed_at,
                       current_timestamp as _landed_at
                from {rows_of(relation, place=place, condition=condition)}
                order by {", ".join(quoted(column.name) for column in relation.key)}""",
            [moment.lsn, moment.taken_at],
        ).fetchone()
    except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
        raise TableStopped(relation, f"{first_line(error)}: {REMEDY}") from error
    _refuse_what_wrapped(lake, relation, moment.lsn)
    return int(counted[0]) if counted else 0


def adopt(lake: duckdb.DuckDBPyConnection, snapshot: ExportedSnapshot) -> None:
    """Have the attached source read as of a snapshot, to the end of the lake's transaction; before any other read."""
    statement = f"set transaction snapshot {_literal(snapshot.name)}"
    lake.execute(f"call postgres_execute('{SOURCE}', {_literal(statement)})")


def rows_of(relation: Relation, *, place: str = "", condition: str = "") -> str:
    """SQL of the attached source's rows of a table: published columns, to be taken as `received` says."""
    is_plain = all(column.is_plain and column.lake_type.is_natural for column in relation.columns)
    if is_plain and not (relation.has_heirs or place or condition):
        return f"{SOURCE}.{quoted(relation.schema)}.{quoted(relation.table)}"  # read in parallel
    columns = ", ".join(_cast(column) for column in relation.columns)
    query = f"select {columns} from {place or _table(relation)} where {condition or 'true'}"
    return f"postgres_query('{SOURCE}', {_literal(query)})"


def _table(relation: Relation) -> str:
    return f"{'only ' if relation.has_heirs else ''}{quoted(relation.schema)}.{quoted(relation.table)}"


def _cast(column: Column) -> str:
    name = quoted(column.name)
    if column.lake_type.build is None:
        return f"{text_of(name)} as {name}"
    if column.lake_type.is_natural:
        return name if column.is_plain else f"{name}::{column.type_name} as {name}"
    array = "[]" if column.lake_type.name.endswith("[]") else ""
    return f"{name}::text{array} as {name}"


def received(column: Column) -> str:
    """SQL of a column of `rows_of` as raw has it, but for its type where that was sent as text."""
    name = quoted(column.name)
    if column.lake_type.name == "BLOB[]":
        return f"list_transform({name}, lambda item: unhex(substr(item, 3))) as {name}"
    return name


def refuse_what_does_not_fit(
    lake: duckdb.DuckDBPyConnection, relation: Relation, *, place: str = "", condition: str = ""
) -> None:
    """Raise TableStopped where the attached source's table has values that the lake cannot hold."""
    # The scanner reads NaN in a decimal as 0.00 and forgets where an array starts, without a word.
    found = [(column, *doubt) for column in relation.columns for doubt in _doubts(column)]
    if not found:
        return
    counted = ", ".join(
        f"count(*) filter (where {condition}) as doubt_{n}" for n, (_, condition, _) in enumerate(found)
    )
    query = f"select {counted} from {place or _table(relation)} where {condition or 'true'}"
    counts = lake.execute(f"from postgres_query('{SOURCE}', {_literal(query)})").fetchone() or ()
    for (column, _, complaint), rows in zip(found, counts, strict=True):
        if rows:
            raise TableStopped(relation, f"column {column.name}: {complaint} ({rows} rows): {REMEDY}")


def _doubts(column: Column) -> Iterator[tuple[str, str]]:
    # Conditions of the source for values that do not fit, and what is wrong with them.
    name, kind = quoted(column.name), column.lake_type.name
    if kind.endswith("[]"):
        yield f"array_ndims({name}) > 1 or array_lower({name}, 1) <> 1", SHAPELESS
    if kind.startswith("DECIMAL("):
        yield (f"'NaN' = any({name})" if kind.endswith("[]") else f"{name} = 'NaN'"), NOT_A_NUMBER
    if kind.startswith("TIMESTAMP") and kind.endswith("[]"):
        item = f"item > '{_LAST_TIME}' and isfinite(item)"
        yield f"exists (select from unnest({name}) item where {item})", TOO_LATE


def _refuse_what_wrapped(lake: duckdb.DuckDBPyConnection, relation: Relation, lsn: int) -> None:
    # Too late a time comes out of the scanner as one long before PostgreSQL's first, 4713 BC. Asked of the lake, which
    # is quick, because most tables have times and almost none has such a one.
    for column in relation.columns:
        if column.lake_type.name.startswith("TIMESTAMP") and not column.lake_type.name.endswith("[]"):
            name = quoted(column.name)
            wrapped = lake.execute(
                f"""from raw.main.{quoted(relation.raw_table)}
                    where _lsn = ? and _op = 'r' and _landed_at = current_timestamp
                    and {name} < '5000-01-01 (BC)' and isfinite({name}) limit 1""",
                [lsn],
            ).fetchone()
            if wrapped:
                raise TableStopped(relation, f"column {column.name}: {TOO_LATE}: {REMEDY}")


def remove_vanished(
    lake: duckdb.DuckDBPyConnection, raw: RawTables, relation: Relation, moment: Moment, since_lsn: int
) -> None:
    """Append a delete of every row that was there before a snapshot and was not seen by it or by a change since."""
    target = f"raw.main.{quoted(relation.raw_table)}"
    if not lake.execute(f"select 1 from {target} where _lsn < ? limit 1", [since_lsn]).fetchone():
        return
    keys = ", ".join(quoted(column.name) for column in relation.key)
    lake.execute(
        f"""insert into {target} by name
            select {keys}, 'd' as _op, ?::ubigint as _lsn, 0 as _seq, 0 as _xid, ?::timestamptz as _committed_at,
                   current_timestamp as _landed_at
            from ({raw.today(relation)}) where _lsn < ?""",
        [since_lsn, moment.taken_at, since_lsn],
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
