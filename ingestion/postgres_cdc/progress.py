"""What the lake knows of the capture: how far it is, and how each table stands. Two append-only tables of `raw`.

They are written in the same lake transaction as the rows they speak of, so they cannot disagree with them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any, Literal

import duckdb

from ingestion.postgres_cdc.slot import SlotState, lsn_text

State = Literal["live", "due", "copying", "blocked"]

WATERMARKS = "raw.main._cdc_watermarks"
WATERMARKS_COLUMNS = {
    "slot": "varchar", "lsn": "ubigint", "committed_at": "timestamptz", "landed_at": "timestamptz", "changes": "bigint",
}  # fmt: skip
TABLES = "raw.main._cdc_tables"
TABLES_COLUMNS = {
    "slot": "varchar", "raw_table": "varchar", "state": "varchar", "lsn": "ubigint", "oid": "bigint",
    "reason": "varchar", "rows": "bigint", "noted_at": "timestamptz", "gone": "varchar[]",
}  # fmt: skip


class LakeBehind(TimeoutError):
    """The lake did not reach a point of the log in time: nobody captures, or the capture is far behind."""


@dataclass(frozen=True)
class TableState:
    """How one raw table stands.

    Args:
        state: `live`: it holds a snapshot and every change from `lsn` on. `due`: a new snapshot is to come; changes
            wait for it. `copying`: it holds every change from `lsn` on and a part of the snapshot. `blocked`: its
            changes cannot be landed; they are put aside until somebody resumes it.
        lsn: Where the state began; 0 for a blocked table whose changes are not all there, so that it needs a snapshot.
        oid: Of the table in the source; another table of the same name needs a snapshot of its own.
        reason: Why it is due or blocked.
        gone: Columns that the source no longer has, which people know.
    """

    state: State
    lsn: int
    oid: int
    reason: str | None = None
    gone: tuple[str, ...] = ()


@dataclass(frozen=True)
class Watermark:
    """Everything that committed in the source before `lsn` is in the lake; the last of it at `committed_at`."""

    lsn: int
    committed_at: datetime
    landed_at: datetime


def watermark(lake: duckdb.DuckDBPyConnection, slot: str) -> Watermark | None:
    """The newest watermark of a slot, None before its first snapshot."""
    rows = _told(
        lake,
        f"""select lsn, committed_at, landed_at from {WATERMARKS} where slot = ?
            order by lsn desc, landed_at desc limit 1""",
        [slot],
    )
    return Watermark(*rows[0]) if rows else None


def await_watermark(lake: duckdb.DuckDBPyConnection, slot: str, lsn: int, *, seconds: float) -> Watermark:
    """The watermark once it is at `lsn`, to which somebody else brings it.

    Raises:
        LakeBehind: it was not there in so many seconds.
    """
    until = monotonic() + seconds
    while (mark := watermark(lake, slot)) is None or mark.lsn < lsn:
        if monotonic() > until:
            held = lsn_text(mark.lsn) if mark else "nothing"
            raise LakeBehind(f"the lake has not reached {lsn_text(lsn)} in {seconds:.0f} s; it holds {held}")
        sleep(0.2)
    return mark


def move_watermark(
    lake: duckdb.DuckDBPyConnection, slot: str, *, lsn: int, committed_at: datetime, changes: int
) -> Watermark:
    """Note that everything before `lsn` is in the lake once this transaction commits."""
    moved = Watermark(lsn, committed_at, datetime.now(UTC))
    lake.execute(
        f"insert into {WATERMARKS} values (?, ?, ?, ?, ?)",
        [slot, moved.lsn, moved.committed_at, moved.landed_at, changes],
    )
    return moved


def landed_since(lake: duckdb.DuckDBPyConnection, slot: str, at: datetime) -> tuple[int, int]:
    """Changes landed since a time, and the lake commits that brought them."""
    rows = _told(
        lake,
        f"select coalesce(sum(changes), 0)::bigint, count(*) from {WATERMARKS} "
        "where slot = ? and landed_at >= ? and changes > 0",
        [slot, at],
    )
    return rows[0] if rows else (0, 0)


def table_states(lake: duckdb.DuckDBPyConnection, slot: str) -> Mapping[str, TableState]:
    """State of every table that had one, by raw name."""
    found = _told(
        lake,
        f"""select raw_table, state, lsn, oid, reason, coalesce(gone, []) from {TABLES} where slot = ?
            qualify row_number() over (partition by raw_table order by noted_at desc) = 1""",
        [slot],
    )
    return {
        raw_table: TableState(state, lsn, oid, reason, tuple(gone))
        for raw_table, state, lsn, oid, reason, gone in found
    }


def set_state(
    lake: duckdb.DuckDBPyConnection, slot: str, raw_table: str, state: TableState, *, rows: int | None = None
) -> None:
    """Note a table's new state; `rows` of the snapshot that made it live."""
    lake.execute(
        f"insert into {TABLES} values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            slot,
            raw_table,
            state.state,
            state.lsn,
            state.oid,
            state.reason,
            rows,
            datetime.now(UTC),
            list(state.gone),
        ],
    )


def problem_of(anchor: SlotState | None, mark: Watermark | None) -> str | None:
    """Why everything must be copied anew; None when changes can be read from where the lake is."""
    if mark is None:
        return "nothing was captured yet"
    if anchor is None:
        return "the slot is gone"
    if anchor.is_lost:
        return "the slot was given up: the log it held grew too large"
    if anchor.confirmed_lsn > mark.lsn:
        return "the slot is ahead of the lake"
    return None


def _told(lake: duckdb.DuckDBPyConnection, query: str, values: list[Any]) -> list[tuple[Any, ...]]:
    try:
        return lake.execute(query, values).fetchall()
    except duckdb.CatalogException:  # nothing was captured yet
        return []
