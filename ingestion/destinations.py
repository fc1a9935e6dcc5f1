"""Raw tables in a warehouse elsewhere, through dlt: PostgreSQL, Snowflake or BigQuery, by setting.

Rows are copied once each, in the order of their place in the lake: raw is only appended to, and DuckLake numbers rows
as they are committed. How far a table was copied is dlt's state, which is kept at the destination and is written after
the rows; a copy that is killed repeats what it had not noted, and the merge inserts no number that is there already.
Rows erased from the lake for a person are erased there by `forget`: what names the person and is in the lake no more.

Values that the destinations have no common type for are copied as text (uuid, interval) or JSON (lists, structs). JSON
goes to Snowflake and BigQuery as text too: Parquet has no type for it, so the one would make a variant of a text of it
and dlt refuses the other. The models read it as it is. PostgreSQL has the types that dlt does not know: copies lie in
a schema beside there, and what the models read is a view of each, with the lake's types.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")  # dlt reads it when it is imported

import dlt
import duckdb
import psycopg
import pyarrow as pa
from dlt.common.destination import Destination
from dlt.common.libs.pyarrow import py_arrow_to_table_schema_columns
from dlt.common.schema.typing import TColumnSchema
from psycopg import sql
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from ingestion.postgres_cdc.land import quoted

ROW = "_row_number"
"""Column that the destination has besides the lake's: the row's number in its raw table, the key of the merge."""
Kind = Literal["postgres", "snowflake", "bigquery"]
_ARROW_ROWS = 50_000
_AT_ONCE = 1000
_AS_TEXT = ("UUID", "INTERVAL", "ENUM", "TIME WITH TIME ZONE", "BIT", "HUGEINT", "UHUGEINT")
_TYPED = {"UUID": "uuid", "INTERVAL": "interval", "TIME WITH TIME ZONE": "timetz", "HUGEINT": "numeric"}
"""Of what is copied as text, the type that PostgreSQL has for it."""
_UNSIGNED = {"UTINYINT": "SMALLINT", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT", "UBIGINT": "BIGINT"}


class DestinationSettings(BaseSettings):
    """PLYO_DESTINATION_*.

    Args:
        kind: What it is.
        credentials: PostgreSQL or Snowflake: a URL. BigQuery: the service account's JSON.
        dataset: Schema or dataset that the models read.
        dbt: The dbt, with an adapter of this kind, that builds marts there anew after an erasure; empty: none is.
        rows_a_load: Numbers of rows that are loaded and noted at once; a copy that is killed repeats at most so many.
    """

    model_config = SettingsConfigDict(env_prefix="PLYO_DESTINATION_", extra="ignore", env_ignore_empty=True)

    kind: Kind
    credentials: SecretStr
    dataset: str = "raw"
    dbt: str = ""
    rows_a_load: int = 1_000_000

    @property
    def copies(self) -> str:
        """Schema or dataset of the copies; in PostgreSQL the models read views of them."""
        return f"{self.dataset}_copies" if self.kind == "postgres" else self.dataset


@dataclass(frozen=True)
class Column:
    """How a column is copied.

    Args:
        expression: SQL of its value.
        hint: What dlt is to be told of it, which Arrow does not say.
        type: PostgreSQL's of it, where the copy has another; empty: the copy's.
    """

    name: str
    expression: str
    hint: dict[str, Any]
    type: str = ""


def destination(settings: DestinationSettings) -> Destination[Any, Any]:
    """The destination as dlt knows it; nobody is asked yet."""
    factory = getattr(dlt.destinations, settings.kind)
    made: Destination[Any, Any] = factory(credentials=settings.credentials.get_secret_value())
    return made


def copy(lake_settings: WarehouseSettings, settings: DestinationSettings, tables: Sequence[str]) -> dict[str, int]:
    """Copy what is new in raw tables to the destination.

    Returns:
        By table, how many rows were read from the lake and sent; after a kill some of them were there already.

    Raises:
        dlt.pipeline.exceptions.PipelineStepFailed: the destination could not be reached or refused.
        duckdb.CatalogException: a table is not in raw.
    """
    if settings.kind == "postgres":
        _make_room(settings)
    # A folder of its own for each run: what an earlier one left behind is not needed, the destination knows more.
    with TemporaryDirectory(prefix="plyo-copy-") as folder, warehouse.reading(lake_settings) as lake:
        return {table: _copied(lake, settings, table, Path(folder)) for table in tables}


def _copied(lake: duckdb.DuckDBPyConnection, settings: DestinationSettings, table: str, folder: Path) -> int:
    pipeline = dlt.pipeline(
        f"plyo_{table}",
        pipelines_dir=str(folder),
        destination=destination(settings),
        dataset_name=settings.copies,
    )
    pipeline.sync_destination()
    columns = columns_of(lake, table, settings.kind)
    row = lake.execute(f"select max(rowid) from raw.main.{quoted(table)}").fetchone()
    newest = -1 if row is None or row[0] is None else int(row[0])
    if newest < 0:
        _make_empty(pipeline, lake, table, columns)
    sent = 0
    while newest >= 0:
        done = _Progress()
        pipeline.run(
            _source(lake, table, columns, newest, settings.rows_a_load, done),
            loader_file_format="parquet",
            schema_contract={"tables": "evolve", "columns": "evolve", "data_type": "freeze"},
        )
        sent += done.rows
        if done.upto >= newest:
            break
    if settings.kind == "postgres":
        _show(pipeline, settings, table, columns)
    return sent


def _make_empty(pipeline: dlt.Pipeline, lake: duckdb.DuckDBPyConnection, table: str, columns: list[Column]) -> None:
    """Have the table there before its first row, as dlt will make it: models read it."""
    selected = ", ".join(f"{column.expression} as {quoted(column.name)}" for column in columns)
    told = lake.execute(f"select rowid as {ROW}, {selected} from raw.main.{quoted(table)} limit 0").to_arrow_table()
    hints = {column.name: column.hint for column in columns}
    with pipeline.sql_client() as client:
        mapper = client.capabilities.get_type_mapper()
        declared = ", ".join(
            f"{client.escape_column_name(name)} "
            + mapper.to_destination_type(
                cast("TColumnSchema", dict(column) | hints.get(name, {})), {"name": table, "columns": {}}
            )
            for name, column in py_arrow_to_table_schema_columns(told.schema).items()
        )
        if not client.has_dataset():
            client.create_dataset()
        client.execute_sql(f"create table if not exists {client.make_qualified_table_name(table)} ({declared})")


def _make_room(settings: DestinationSettings) -> None:
    """Have the two schemas; copies that lie where the views belong, from before there were views, are moved."""
    with psycopg.connect(settings.credentials.get_secret_value(), autocommit=True) as there:
        read, copies = sql.Identifier(settings.dataset), sql.Identifier(settings.copies)
        row = there.execute(
            "select to_regclass(%s), to_regnamespace(%s)", [f"{settings.dataset}._dlt_version", settings.copies]
        ).fetchone()
        if row and row[0] is not None and row[1] is None:
            there.execute(sql.SQL("alter schema {} rename to {}").format(read, copies))
        there.execute(sql.SQL("create schema if not exists {}").format(read))


def _show(pipeline: dlt.Pipeline, settings: DestinationSettings, table: str, columns: list[Column]) -> None:
    """A view of the copies with the lake's types. Columns are in the copies' order, which only grows at its end."""
    types = {column.name: column.type for column in columns if column.type}
    with pipeline.sql_client() as client:
        told = client.execute_sql(
            "select column_name from information_schema.columns where table_schema = %s and table_name = %s "
            "and not starts_with(column_name, '_dlt_') order by ordinal_position", settings.copies, table,
        )  # fmt: skip
        names = [row[0] for row in told or []]
        shown = ", ".join(
            f"{quoted(name)}::{types[name]} as {quoted(name)}" if name in types else quoted(name) for name in names
        )
        client.execute_sql(
            f"create or replace view {quoted(settings.dataset)}.{quoted(table)} as "
            f"select {shown} from {client.make_qualified_table_name(table)}"
        )


def forget(
    lake_settings: WarehouseSettings, settings: DestinationSettings, rows: Mapping[str, Mapping[str, Sequence[Any]]]
) -> dict[str, int]:
    """Delete copies of rows that the lake has erased; build the marts there anew afterwards.

    Args:
        rows: Raw table to column to values, as `lake_maintenance.erase` was told. Copies with one of the values whose
            row the lake still has stay.

    Returns:
        Rows deleted, by table; a table that was never copied is left out.
    """
    with TemporaryDirectory(prefix="plyo-forget-") as folder, warehouse.reading(lake_settings) as lake:
        return {
            table: deleted
            for table, wanted in rows.items()
            if (deleted := _forgotten(lake, settings, table, wanted, Path(folder))) is not None
        }


def _forgotten(
    lake: duckdb.DuckDBPyConnection, settings: DestinationSettings, table: str, wanted: Mapping[str, Sequence[Any]],
    folder: Path,
) -> int | None:  # fmt: skip
    pipeline = dlt.pipeline(
        f"plyo_{table}", pipelines_dir=str(folder), destination=destination(settings), dataset_name=settings.copies
    )
    pipeline.sync_destination()
    if not pipeline.default_schema_name or table not in pipeline.default_schema.tables:
        return None
    condition = " or ".join(f"list_contains(?::varchar[], {quoted(column)}::varchar)" for column in wanted)
    values = [[str(value) for value in one] for one in wanted.values()]
    kept = {
        row[0]
        for row in lake.execute(
            f"select rowid from raw.main.{quoted(table)} where {condition}", values
        ).fetchall()
    }  # fmt: skip
    deleted = 0
    with pipeline.sql_client() as client:
        name = client.make_qualified_table_name(table)
        number = client.escape_column_name(ROW)
        for column, one in wanted.items():
            copied = client.escape_column_name(column)
            for asked in _pieces([str(value) for value in one]):
                marks = ", ".join(["%s"] * len(asked))
                told = client.execute_sql(f"select {number} from {name} where {copied} in ({marks})", *asked) or []
                for gone in _pieces([row[0] for row in told if row[0] not in kept]):
                    marks = ", ".join(["%s"] * len(gone))
                    client.execute_sql(f"delete from {name} where {number} in ({marks})", *gone)
                    deleted += len(gone)
    return deleted


def _pieces(values: list[Any]) -> Iterator[list[Any]]:
    for begin in range(0, len(values), _AT_ONCE):
        yield values[begin : begin + _AT_ONCE]


@dataclass
class _Progress:
    rows: int = 0
    upto: int = -1


def _source(
    lake: duckdb.DuckDBPyConnection, table: str, columns: list[Column], newest: int, rows_a_load: int, done: _Progress
) -> Any:
    hints: dict[str, Any] = {column.name: column.hint for column in columns if column.hint}
    hints[ROW] = {"data_type": "bigint", "nullable": False}
    selected = ", ".join(f"{column.expression} as {quoted(column.name)}" for column in columns)

    @dlt.resource(
        name=table,
        table_name=table,
        primary_key=ROW,
        write_disposition={"disposition": "merge", "strategy": "insert-only"},
        columns=hints,
    )
    def rows() -> Iterator[pa.Table]:
        state = dlt.current.resource_state()
        after = int(state.get("upto", -1))
        done.upto = min(newest, after + rows_a_load)
        found = lake.execute(
            f"""select rowid as {ROW}, {selected} from raw.main.{quoted(table)} where rowid > ? and rowid <= ?""",
            [after, done.upto],
        )
        for batch in found.to_arrow_reader(_ARROW_ROWS):
            done.rows += batch.num_rows
            yield pa.Table.from_batches([batch])
        state["upto"] = done.upto

    return rows


def columns_of(lake: duckdb.DuckDBPyConnection, table: str, kind: Kind) -> list[Column]:
    """How each column of a raw table is copied to one kind of destination.

    Raises:
        duckdb.CatalogException: the table is not in raw.
    """
    described = lake.execute(f"describe raw.main.{quoted(table)}").fetchall()
    return [_column(name, type_, has_json=kind == "postgres") for name, type_, *_ in described]


def _column(name: str, kind: str, *, has_json: bool) -> Column:
    json: dict[str, Any] = {"data_type": "json"} if has_json else {}
    if kind == "JSON":
        return Column(name, f"{quoted(name)}::varchar", json)
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
        return Column(name, f"to_json({quoted(name)})::varchar", json)
    if kind.startswith(_AS_TEXT):
        return Column(name, f"{quoted(name)}::varchar", {}, _TYPED.get(kind, ""))
    if kind == "FLOAT":  # for which dlt makes a column of twice the width, that refuses half of it
        return Column(name, f"{quoted(name)}::double", {}, "real")
    if kind in _UNSIGNED:
        return Column(name, f"{quoted(name)}::{_UNSIGNED[kind]}", {})
    if kind == "TIMESTAMP":
        return Column(name, quoted(name), {"data_type": "timestamp", "timezone": False})
    return Column(name, quoted(name), {})
