"""The lake against its source: every row and every value of every published table, at one exact point of the log.

A judge, not a repairer: it only reads, takes no lock of the capture, and works beside a running stream. The source is
read as of an exported snapshot, raw as of the snapshot's LSN, so changes that go on meanwhile are no differences.

Both sides are cut into chunks by the hash of the key, and a chunk is one number a side, summed from the hashes of its
rows. Only chunks that disagree are looked at row by row, one at a time.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
import psycopg

from contracts import warehouse
from ingestion.postgres_cdc import progress, slot, snapshot
from ingestion.postgres_cdc.land import quoted
from ingestion.postgres_cdc.progress import TableState
from ingestion.postgres_cdc.relation import Relation, TableStopped
from ingestion.postgres_cdc.source import Source
from ingestion.settings import CdcSettings

_CHUNK_ROWS = 500_000
_EXAMPLES = 10
_WAIT_SECONDS = 120.0
_REWRITTEN = "it was truncated or rewritten while it was compared"


@dataclass(frozen=True)
class Compared:
    """One table on both sides.

    Args:
        source_rows: Rows in the source; of a table without a key, distinct rows.
        lake_rows: Rows of raw that are there at that point: the newest of each key, deletes left out.
        missing: Rows in the source only.
        extra: Rows in the lake only.
        different: Rows on both sides whose values differ.
        examples: Up to ten keys of each kind, as column to value: under `missing`, `extra` and `different`.
        awaited_columns: Columns that the lake does not know, so were not compared: they come with their first change.
        skipped: Why the table was not compared: it is blocked, due for a snapshot, or was truncated meanwhile.
        is_blocked: It was skipped because it stands still until somebody resumes it.
    """

    source_rows: int = 0
    lake_rows: int = 0
    missing: int = 0
    extra: int = 0
    different: int = 0
    examples: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    awaited_columns: tuple[str, ...] = ()
    skipped: str | None = None
    is_blocked: bool = False

    @property
    def is_equal(self) -> bool:
        """Whether no difference was found; also true of a table that was skipped."""
        return not (self.missing or self.extra or self.different)


@dataclass(frozen=True)
class Comparison:
    """The lake against its source at `lsn`; tables by raw name, every published one."""

    lsn: int
    tables: Mapping[str, Compared]

    @property
    def differing(self) -> Mapping[str, Compared]:
        """The tables that are not the same on both sides."""
        return {name: table for name, table in self.tables.items() if not table.is_equal}


def compare(settings: CdcSettings, *, wait_seconds: float = _WAIT_SECONDS) -> Comparison:
    """Compare every published table. The source keeps one snapshot open for as long as it takes.

    Args:
        wait_seconds: How long the lake may take to reach the point of the comparison; a quiet source is noted there
            with the stream's next heartbeat.

    Raises:
        ingestion.postgres_cdc.progress.LakeBehind: it took longer.
        contracts.warehouse.LakeMissing: the lake was never set up.
    """
    url = settings.cdc_url.get_secret_value()
    with (
        psycopg.connect(url, autocommit=True, application_name="plyo-cdc-compare") as control,
        slot.exported_snapshot(url, f"{settings.cdc_slot}_compare_{os.getpid()}") as exported,
        warehouse.reading(settings) as lake,
        snapshot.source_attached(lake, url),
    ):
        relations = Source(control, settings.cdc_publication).relations()
        progress.await_watermark(lake, settings.cdc_slot, exported.lsn, seconds=wait_seconds)
        tables = {}
        for name, relation in relations.items():
            with warehouse.transaction(lake):  # of its own: the scanner's lock on a table lasts as long
                snapshot.adopt(lake, exported)
                state = progress.table_states(lake, settings.cdc_slot).get(name)
                tables[name] = _compare_table(lake, control, relation, exported.lsn, state)
    return Comparison(exported.lsn, tables)


def _compare_table(
    lake: duckdb.DuckDBPyConnection,
    control: psycopg.Connection[Any],
    relation: Relation,
    lsn: int,
    state: TableState | None,
) -> Compared:
    if state and state.state == "blocked":
        return Compared(skipped=state.reason or "blocked", is_blocked=True)
    if state is None or state.state in ("due", "copying") or state.oid != relation.oid or state.lsn > lsn:
        return Compared(skipped="its snapshot comes, or came after the point of the comparison")
    try:
        snapshot.refuse_what_does_not_fit(lake, relation)
    except TableStopped as stopped:
        return Compared(skipped=stopped.reason, is_blocked=True)
    sides = _Sides(lake, relation, lsn)
    there, here = sides.chunks()
    if _is_rewritten(lake, control, relation):
        return Compared(skipped=_REWRITTEN)
    found = {"missing": 0, "extra": 0, "different": 0}
    examples: dict[str, list[Mapping[str, Any]]] = {kind: [] for kind in found}
    for chunk in sorted(chunk for chunk in there.keys() | here.keys() if there.get(chunk) != here.get(chunk)):
        for kind, rows, keys in sides.differences(chunk):
            found[kind] += rows
            examples[kind] += keys[: _EXAMPLES - len(examples[kind])]
    return Compared(
        source_rows=sum(rows for rows, _ in there.values()),
        lake_rows=sum(rows for rows, _ in here.values()),
        missing=found["missing"],
        extra=found["extra"],
        different=found["different"],
        examples={kind: tuple(keys) for kind, keys in examples.items() if keys},
        awaited_columns=sides.awaited,
    )


def _is_rewritten(lake: duckdb.DuckDBPyConnection, control: psycopg.Connection[Any], relation: Relation) -> bool:
    # Truncating, and what rewrites a table, takes the old rows from snapshots that are open, too. The catalog as of the
    # snapshot against the catalog now, which the scanner's lock keeps as it was when the rows were read.
    query = f"select relfilenode::bigint from pg_class where oid = {relation.oid:d}"
    then = lake.execute(f"from postgres_query('{snapshot.SOURCE}', '{query}')").fetchone()
    now = control.execute("select relfilenode::bigint from pg_class where oid = %s", [relation.oid]).fetchone()
    return then != now


class _Sides:
    # One table in both places, as SQL of the same shape: key columns, and the hash of all values as `_row`.

    def __init__(self, lake: duckdb.DuckDBPyConnection, relation: Relation, lsn: int) -> None:
        self._lake = lake
        target = f"raw.main.{quoted(relation.raw_table)}"
        known = {row[0] for row in lake.execute(f"describe {target}").fetchall()}
        self.awaited = tuple(column.name for column in relation.columns if column.name not in known)
        typed = {
            column.name: f"cast({quoted(column.name)} as {column.lake_type.name})"
            for column in relation.columns
            if column.name in known
        }
        self._keys = [column.name for column in relation.key if column.name in known]
        keys = ", ".join(f"{typed[name]} as {quoted(name)}" for name in self._keys)
        row = f"hash({', '.join(typed.values())})"
        sent = ", ".join(snapshot.received(column) for column in relation.columns)
        self._there = f"select {keys}, {row} as _row from (select {sent} from {snapshot.rows_of(relation)})"
        if not any(column.is_key for column in relation.columns):
            self._there = f"select distinct * from ({self._there})"
        # The newest row of a key as of the point: a snapshot taken there is part of it, a transaction is not.
        self._here = f"""
            select * from (
                select {keys}, arg_max_null(case when _op <> 'd' then {row} end, _lsn::hugeint << 62 | _seq) as _row
                from {target} where _lsn < {lsn:d} or (_lsn = {lsn:d} and _xid = 0) group by all)
            where _row is not null"""
        rows = lake.execute(f"select count(*) from {target}").fetchone()
        self._chunks = max(1, -(-(rows[0] if rows else 0) // _CHUNK_ROWS))

    def chunks(self) -> tuple[dict[int, tuple[int, int]], dict[int, tuple[int, int]]]:
        """Rows and the sum of their hashes by chunk, in the source and in the lake."""
        there, here = (
            self._lake.execute(
                f"select {self._chunk} as chunk, count(*), sum(_row::hugeint) from ({side}) group by 1"
            ).fetchall()
            for side in (self._there, self._here)
        )
        return {at: (rows, total) for at, rows, total in there}, {at: (rows, total) for at, rows, total in here}

    def differences(self, chunk: int) -> Iterator[tuple[str, int, list[Mapping[str, Any]]]]:
        """How many rows of a chunk differ, by kind, and some of their keys."""
        keys = ", ".join(quoted(name) for name in self._keys)
        self._lake.execute(
            f"""create or replace temp table _differing as
                select {keys}, case when max(_here) is null then 'missing' when max(_there) is null then 'extra'
                                    else 'different' end as _kind
                from (select {keys}, _row as _there, null::ubigint as _here from ({self._there})
                      where {self._chunk} = {chunk:d}
                      union all
                      select {keys}, null, _row from ({self._here}) where {self._chunk} = {chunk:d})
                group by {keys} having max(_there) is distinct from max(_here)"""
        )
        for kind, rows in self._lake.execute("select _kind, count(*) from _differing group by 1").fetchall():
            examples = self._lake.execute(
                f"select {keys} from _differing where _kind = ? order by all limit {_EXAMPLES}", [kind]
            ).fetchall()
            yield kind, rows, [dict(zip(self._keys, values, strict=True)) for values in examples]

    @property
    def _chunk(self) -> str:
        return f"hash({', '.join(quoted(name) for name in self._keys)}) % {self._chunks}"
