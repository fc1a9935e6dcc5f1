"""Rows that a suite refused: put aside with their reasons, in the transaction that lands the good ones, and driven in.

A row is in raw or here, never in both and never lost. It is put aside once however often its source sends it. Driven
in again, it is judged by the suites of today: it lands, or stays with today's reasons; one whose object was landed
anew since is dropped, for as the newest it would undo what is known.

Nothing stays here for ever: a row that nobody drove in is forgotten by its age, and with the person it tells of (its
source still has it, and sends it again when it changes or all is read anew).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa

from contracts import warehouse
from contracts.classification import Class
from contracts.warehouse import WarehouseSettings
from ingestion import landing
from ingestion.batch import Batch
from ingestion.postgres_cdc.land import quoted
from ingestion.quality import judgements
from ingestion.quality.pulled import SUITES

TABLE = "raw.main._quarantined_rows"
KEPT: Mapping[Class, timedelta] = {
    "identity": timedelta(days=30), "words": timedelta(days=30), "money": timedelta(days=365),
    "business": timedelta(days=365),
}  # fmt: skip
"""How long a row stands aside, by the class of what its table tells; files and snapshots with it end a night later."""
_CLASSES: Mapping[str, Class] = {
    "stripe__customers": "identity", "stripe__events": "identity", "stripe__products": "business",
    "stripe__prices": "business", "hubspot__contacts": "identity", "hubspot__owners": "identity",
    "hubspot__companies": "business", "hubspot__pipelines": "business", "hubspot__associations": "business",
    "hubspot__deals": "words", **{
        f"hubspot__{kind}": "words" for kind in ("calls", "emails", "meetings", "notes", "tasks", "communications")
    },
}  # fmt: skip
_TELLING = 8
"""Characters from which a value is told apart from any other text: ids and addresses, not numbers."""
_ASIDE = "_put_aside"
_SCHEMA = """(id uuid, connector varchar, stream varchar, raw_table varchar, key varchar[], changes_only boolean,
    same varchar, body json, reasons varchar[], quarantined_at timestamptz)"""


@dataclass(frozen=True)
class Sifted:
    """A batch after it was judged.

    Args:
        batch: The good rows, with the cursor of all.
        is_judged: Whether there was a suite and something to judge by it.
        bad: The others.
        reasons: Of each of the others, by its place in what was judged.
    """

    batch: Batch
    bad: pa.Table
    reasons: Mapping[int, tuple[str, ...]]
    is_judged: bool = True


@dataclass(frozen=True)
class Driven:
    """What came of driving rows in again.

    Args:
        landed: In raw now, or were there already.
        kept: Still refused.
        superseded: Dropped: raw has a later one of the same object.
    """

    landed: int = 0
    kept: int = 0
    superseded: int = 0


def sift(batch: Batch) -> Sifted:
    """Judge a batch by the suite of its table; one without a suite is good.

    Raises:
        ingestion.quality.judge.SuiteBroken: an expectation could not be judged; nothing is said about the rows.
    """
    suite = SUITES.get(batch.table)
    if suite is None or not batch.rows.num_rows:
        return Sifted(batch, batch.rows.slice(0, 0), {}, is_judged=False)
    from ingestion.quality.judge import judge  # takes seconds to import, and most pulls bring nothing

    found = judge(suite, batch.rows).reasons
    if not found:
        return Sifted(batch, batch.rows.slice(0, 0), {})
    good = pa.array([row not in found for row in range(batch.rows.num_rows)])
    bad = batch.rows.take(pa.array(list(found), pa.int64()))
    return Sifted(replace(batch, rows=batch.rows.filter(good)), bad, found)


def land(lake: duckdb.DuckDBPyConnection, connector: str, stream: str, sifted: Sifted) -> int:
    """Land the good rows and put the others aside, in one lake transaction. Raises like `landing.land`.

    Returns:
        Rows appended to raw.
    """
    if not sifted.is_judged:
        return landing.land(lake, connector, stream, sifted.batch)
    judgements.ensure(lake)
    if not sifted.reasons:
        return landing.land(lake, connector, stream, sifted.batch, also=lambda batch_id: _note(lake, sifted, batch_id))
    _ensure(lake)
    lake.register(
        _ASIDE, sifted.bad.append_column("_reasons", pa.array(list(sifted.reasons.values()), pa.list_(pa.string())))
    )

    def also(batch_id: UUID) -> None:
        _put_aside(lake, connector, stream, sifted.batch)
        _note(lake, sifted, batch_id)

    try:
        return landing.land(lake, connector, stream, sifted.batch, also=also)
    finally:
        lake.unregister(_ASIDE)


def _note(lake: duckdb.DuckDBPyConnection, sifted: Sifted, batch_id: UUID) -> None:
    refused = len(sifted.reasons)
    judgements.note(
        lake, sifted.batch.table, "before landing", rows=sifted.batch.rows.num_rows + refused, refused=refused,
        reasons=judgements.counted(list(sifted.reasons.values())), batch_id=batch_id,
    )  # fmt: skip


def standing(lake: duckdb.DuckDBPyConnection, tables: Sequence[str] | None = None) -> Mapping[str, Mapping[str, int]]:
    """By raw table, how many rows stand aside for each reason; a row with two reasons counts for both.

    Args:
        tables: Only of these; None: of all.
    """
    if not _exists(lake):
        return {}
    rows = lake.execute(
        f"""select raw_table, reason, count(*) from (select raw_table, unnest(reasons) as reason from {TABLE})
            where coalesce(list_contains(?::varchar[], raw_table), true) group by all order by all""",
        [None if tables is None else list(tables)],
    ).fetchall()
    found: dict[str, dict[str, int]] = {}
    for table, reason, count in rows:
        found.setdefault(table, {})[reason] = count
    return found


def aside(lake: duckdb.DuckDBPyConnection, table: str) -> pa.Table:
    """The rows of a raw table that stand aside, as they would be in it; none where there are none."""
    if not _exists(lake) or not landing.columns_of(lake, table):
        return pa.table({})
    rows = lake.execute(
        f"select id, body, quarantined_at from {TABLE} where raw_table = ? order by quarantined_at, id", [table]
    ).to_arrow_table()
    return _as_it_was(lake, table, rows) if rows.num_rows else pa.table({})


def drive_in(settings: WarehouseSettings, connector: str, *, raw_table: str | None = None) -> Driven:
    """Judge rows that stand aside again and land those that are good by now.

    Args:
        raw_table: Only of this table; None: of all tables of the connector.

    Raises:
        ingestion.landing.AlreadyPulling: another process pulls for this connector.
    """
    done = Driven()
    with landing.pulling(settings, connector) as lake:
        if not _exists(lake):
            return done
        groups = lake.execute(
            f"""select raw_table, stream, key, changes_only from {TABLE}
                where connector = ? and coalesce(raw_table = ?, true) group by all order by all""",
            [connector, raw_table],
        ).fetchall()
        for table, stream, key, changes_only in groups:
            one = _drive_in(lake, connector, stream, Batch(table, pa.table({}), tuple(key), None, changes_only))
            done = Driven(done.landed + one.landed, done.kept + one.kept, done.superseded + one.superseded)
    return done


def class_of(table: str) -> Class:
    """What a table's rows tell of people; of the tables of payments, unless they say otherwise, money."""
    return _CLASSES.get(table, "money")


def forget_aged(settings: WarehouseSettings, *, now: datetime | None = None) -> Mapping[str, int]:
    """Forget rows that have stood aside for longer than their class may.

    Files are written without them here; the lake's older snapshots, which still know them, end with maintenance.

    Returns:
        Rows forgotten, by raw table.
    """
    at = now or datetime.now(UTC)
    with warehouse.writing(settings) as lake:
        if not _exists(lake):
            return {}
        tables = [row[0] for row in lake.execute(f"select distinct raw_table from {TABLE} order by 1").fetchall()]

        def forget() -> dict[str, int]:
            found = {}
            for table in tables:
                row = lake.execute(
                    f"delete from {TABLE} where raw_table = ? and quarantined_at < ?",
                    [table, at - KEPT[class_of(table)]],
                ).fetchone()
                if row and row[0]:
                    found[table] = int(row[0])
            return found

        forgotten = warehouse.in_transaction(lake, forget)
        if forgotten:
            rewrite(lake)
    return forgotten


def forget_person(lake: duckdb.DuckDBPyConnection, rows: Mapping[str, Mapping[str, Sequence[Any]]]) -> int:
    """Forget rows aside that would be erased in raw, and those of any table that name one of the values; no file yet.

    Args:
        rows: Raw table to column to values, as `lake_maintenance.erase` takes them.

    Returns:
        Rows forgotten.
    """
    if not _exists(lake):
        return 0
    conditions, values = ["false"], list[Any]()
    for table, columns in rows.items():
        for column, wanted in columns.items():
            conditions.append(f"(raw_table = ? and list_contains(?::varchar[], body->>'$.\"{column}\"'))")
            values += [table, [str(one) for one in wanted]]
    told = sorted({str(one) for columns in rows.values() for wanted in columns.values() for one in wanted})
    conditions.append("len(list_filter(?::varchar[], lambda one: contains(body::varchar, one))) > 0")
    values.append([one for one in told if len(one) >= _TELLING])
    row = lake.execute(f"delete from {TABLE} where {' or '.join(conditions)}", values).fetchone()
    return int(row[0]) if row else 0


def rewrite(lake: duckdb.DuckDBPyConnection) -> None:
    """Write the files of the quarantine without what was deleted."""
    if _exists(lake):
        name = TABLE.rsplit(".", 1)[-1]
        lake.execute("call ducklake_flush_inlined_data('raw', schema_name => 'main', table_name => ?)", [name])
        lake.execute("call ducklake_rewrite_data_files('raw', ?, schema => 'main', delete_threshold => 0)", [name])


def _drive_in(lake: duckdb.DuckDBPyConnection, connector: str, stream: str, like: Batch) -> Driven:
    aside = lake.execute(
        f"select id, body, quarantined_at from {TABLE} where raw_table = ? and stream = ? order by quarantined_at, id",
        [like.table, stream],
    ).to_arrow_table()
    newer = set(_superseded(lake, like, stream)) if like.changes_only else set()
    ids: list[UUID] = [UUID(str(one)) for one in aside["id"].to_pylist()]
    current = pa.array([id_ not in newer for id_ in ids], pa.bool_())
    known = [id_ for id_ in ids if id_ not in newer]
    sifted = sift(replace(like, rows=_as_it_was(lake, like.table, aside).filter(current)))
    gone = [*newer, *(id_ for place, id_ in enumerate(known) if place not in sifted.reasons)]

    judgements.ensure(lake)

    def released(batch_id: UUID) -> None:
        lake.execute(f"delete from {TABLE} where list_contains(?::uuid[], id)", [gone])
        for place, reasons in sifted.reasons.items():
            lake.execute(f"update {TABLE} set reasons = ? where id = ?", [list(reasons), known[place]])
        if sifted.is_judged:
            _note(lake, sifted, batch_id)

    landing.land(lake, connector, stream, sifted.batch, also=released)
    return Driven(landed=len(gone) - len(newer), kept=len(sifted.reasons), superseded=len(newer))


def _superseded(lake: duckdb.DuckDBPyConnection, like: Batch, stream: str) -> list[UUID]:
    name = quoted(like.key[0])
    rows = lake.execute(
        f"""select aside.id from {TABLE} as aside where raw_table = ? and stream = ? and exists (
                from raw.main.{quoted(like.table)} as held
                where held.{name} = (aside.body->>?) and held._landed_at > aside.quarantined_at)""",
        [like.table, stream, f"$.{like.key[0]}"],
    ).fetchall()
    return [row[0] for row in rows]


def _as_it_was(lake: duckdb.DuckDBPyConnection, table: str, aside: pa.Table) -> pa.Table:
    """The rows with the columns and types of their raw table."""
    columns = lake.execute(f"describe raw.main.{quoted(table)}").fetchall()
    fields = ", ".join(
        f"""(body->'$."{name}"') as {quoted(name)}""" if kind == "JSON"
        else f"""(body->>'$."{name}"')::{kind} as {quoted(name)}"""
        for name, kind, *_ in columns
        if name not in ("_batch_id", "_landed_at")
    )  # fmt: skip
    lake.register(_ASIDE, aside)
    try:
        # Qualified: the rows may have an `id` of their own.
        order = f"{_ASIDE}.quarantined_at, {_ASIDE}.id"
        rows = lake.execute(f"select {fields} from {_ASIDE} order by {order}").to_arrow_table()
    finally:
        lake.unregister(_ASIDE)
    for name, kind, *_ in columns:
        if kind == "JSON":  # which Arrow calls text
            column = rows[name].cast(pa.string()).cast(pa.json_(pa.string()))
            rows = rows.set_column(rows.column_names.index(name), name, column)
    return rows


def _put_aside(lake: duckdb.DuckDBPyConnection, connector: str, stream: str, batch: Batch) -> None:
    sameness = [*batch.key, *(["_hash"] if batch.changes_only else [])]
    same = "to_json([" + ", ".join(f"arriving.{quoted(name)}::varchar" for name in sameness) + "])::varchar"
    columns = [name for name, *_ in lake.execute(f"describe {_ASIDE}").fetchall() if name != "_reasons"]
    body = "{" + ", ".join(f"'{name}': arriving.{quoted(name)}" for name in columns) + "}"
    lake.execute(
        f"""insert into {TABLE}
            select uuidv7(), ?, ?, ?, ?, ?, {same}, to_json({body}), arriving._reasons, ?::timestamptz
            from (select *, row_number() over () as _place from {_ASIDE}) as arriving
            where not exists (from {TABLE} as held where held.raw_table = ? and held.same = {same})
            qualify row_number() over (partition by {same} order by arriving._place desc) = 1""",
        [connector, stream, batch.table, list(batch.key), batch.changes_only, datetime.now(UTC), batch.table],
    )


def _ensure(lake: duckdb.DuckDBPyConnection) -> None:
    if not _exists(lake):
        warehouse.in_transaction(lake, lambda: lake.execute(f"create table if not exists {TABLE} {_SCHEMA}"))


def _exists(lake: duckdb.DuckDBPyConnection) -> bool:
    try:
        lake.execute(f"describe {TABLE}")
    except duckdb.CatalogException:
        return False
    return True
