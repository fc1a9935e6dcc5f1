"""Keeping both lakes small and quick, and making raw forget a person. Plain functions for an orchestrator.

DuckLake keeps everything until it is told otherwise: a file per write, a snapshot per commit, files that no snapshot
needs any more. Maintenance takes nothing away that a reader of the last `lake_keep_days` can see, and takes its turn
behind whoever writes: a step that meets a writer is tried again, then left for the next night. Erasure takes all away.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from contracts import warehouse
from contracts.telemetry import get_logger
from contracts.warehouse import LAKES, Lake, WarehouseSettings
from ingestion.postgres_cdc import parked
from ingestion.postgres_cdc.capture import Capture
from ingestion.postgres_cdc.land import quoted
from ingestion.quality import quarantine
from ingestion.settings import CdcSettings
from ingestion.turns import turn

# Files that nothing needs stay this long: a reader may be under way, and a file just written is not in a snapshot yet.
_LINGER = timedelta(days=1)
_REWRITE_FROM = 0.3  # share of a file's rows that are deleted

_LOCK = "plyo.lake_maintenance"

log = get_logger(__name__)


class MaintenanceSettings(WarehouseSettings):
    """The lake as `lake_writer`, and how long its past is kept.

    Args:
        lake_keep_days: The lake can be seen as it was at any time in so many days.
    """

    lake_keep_days: float = 30


class Busy(RuntimeError):
    """Maintenance or an erasure is under way already; one would delete the files that the other is writing."""


class TableBlocked(RuntimeError):
    """A table has changes that were put aside; the message names it."""


@dataclass(frozen=True)
class Maintained:
    """What maintenance did to one lake.

    Args:
        files_before: Parquet files that the newest snapshot needs, before.
        bytes_before: Their size. What lies on disk is more: files of older snapshots, and files that linger for a day.
        flushed_rows: Rows that were in the catalog and are in files now.
        expired_snapshots: Snapshots that nobody can see any more.
        deleted_files: Files deleted from disk.
        left_out: Steps that met a writer each time they were tried; they are for the next time.
    """

    files_before: int
    bytes_before: int
    files_after: int
    bytes_after: int
    flushed_rows: int
    expired_snapshots: int
    deleted_files: int
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Erased:
    """Rows erased by raw table, snapshots that went with them, files deleted from disk, and rows that stood aside."""

    rows: Mapping[str, int]
    expired_snapshots: int
    deleted_files: int
    aside: int = 0


def maintain(settings: MaintenanceSettings) -> dict[Lake, Maintained]:
    """Gather small files and inlined rows, forget snapshots past their days, delete what nothing needs.

    Safe beside a stream, builds and readers.

    Raises:
        Busy: it is under way elsewhere.
    """
    with _alone(settings), warehouse.writing(settings) as lake:
        return {name: _maintain(lake, name, timedelta(days=settings.lake_keep_days)) for name in LAKES}


def erase(
    settings: CdcSettings,
    rows: Mapping[str, Mapping[str, Sequence[Any]]],
    only: Mapping[str, str] | None = None,
    instead: Mapping[str, str] | None = None,
) -> Erased:
    """Make raw forget rows, with all their history: no file and no row of the catalog holds their values afterwards.

    The source must have forgotten them first, and the capture be stopped: DuckLake lets no delete pass an insert. All
    older snapshots of raw end, since they need the old files; raw's history is its rows, and those of others stay. Rows
    that stand aside go too, where they are of these rows or name one of the values.
    Marts still know: build them, then call `forget_past`. An erasure that was cut off is finished by the same call.

    Args:
        rows: Raw table to column to values: rows with one of the values in one of the columns. Deletes are landed with
            their key only, so name keys.
        only: A further condition by raw table, as SQL of ours; rows that do not meet it stay.
        instead: By raw table, SQL of the `document` with which a row that goes is written anew; null: it only goes. The
            new row has a number of its own, so that copies elsewhere take it for another.

    Raises:
        ingestion.postgres_cdc.capture.AlreadyRunning: the capture is running.
        Busy: maintenance is under way.
        TableBlocked: a table's changes are not all landed, so it cannot be told what is the person's.
        duckdb.BinderException: a column is not in its table; nothing was erased.
    """
    with Capture(settings) as capture, _alone(settings), warehouse.writing(settings) as lake:
        if blocked := sorted(rows.keys() & capture.blocked().keys()):
            raise TableBlocked(f"{', '.join(blocked)}: changes were put aside and not landed; resume it first")
        with warehouse.transaction(lake):
            counted = {
                table: _delete(lake, table, wanted, (only or {}).get(table), (instead or {}).get(table))
                for table, wanted in rows.items()
            }
            for table in rows:
                lake.execute(f"delete from {parked.TABLE} where raw_table = ?", [table])
            aside = quarantine.forget_person(lake, rows)
        for table in (*rows, parked.TABLE.rsplit(".", 1)[-1]):
            lake.execute("call ducklake_flush_inlined_data('raw', schema_name => 'main', table_name => ?)", [table])
            lake.execute("call ducklake_rewrite_data_files('raw', ?, schema => 'main', delete_threshold => 0)", [table])
        quarantine.rewrite(lake)
        erased = Erased(counted, *_forget(lake, "raw"), aside)
    log.info("lake.erased", tables=len(counted), rows=sum(counted.values()), files=erased.deleted_files)
    return erased


def forget_past(settings: WarehouseSettings, lake: Lake) -> tuple[int, int]:
    """Leave a lake as it is now and nothing of its past. A reader of the past, even one under way, fails.

    Returns:
        Snapshots that ended, and files deleted from disk.

    Raises:
        Busy: maintenance or an erasure is under way.
    """
    with _alone(settings), warehouse.writing(settings) as connection:
        return _forget(connection, lake)


def _maintain(lake: duckdb.DuckDBPyConnection, name: Lake, keep: timedelta) -> Maintained:
    now = datetime.now(UTC)
    files_before, bytes_before = _size(lake, name)
    left_out: list[str] = []

    def step(function: str, options: str = "", *values: object) -> list[Any]:
        def call() -> list[Any]:
            return lake.execute(f"call {function}('{name}'{options})", values).fetchall()

        try:
            return _repeated(call)
        except duckdb.TransactionException as error:
            log.warning("lake.step_left_out", lake=name, step=function, reason=str(error))
            left_out.append(function)
            return []

    flushed = step("ducklake_flush_inlined_data")
    expired = step("ducklake_expire_snapshots", ", older_than => ?", now - keep)
    step("ducklake_rewrite_data_files", f", delete_threshold => {_REWRITE_FROM}")
    step("ducklake_merge_adjacent_files")
    deleted = step("ducklake_cleanup_old_files", ", older_than => ?", now - _LINGER)
    deleted += step("ducklake_delete_orphaned_files", ", older_than => ?", now - _LINGER)
    return Maintained(
        files_before,
        bytes_before,
        *_size(lake, name),
        flushed_rows=sum(rows for _, _, rows in flushed),
        expired_snapshots=len(expired),
        deleted_files=len(deleted),
        left_out=tuple(left_out),
    )


def _repeated(call: Callable[[], list[Any]], attempts: int = 5) -> list[Any]:
    # These commit by themselves, some of them more than once, so they are not for `warehouse.in_transaction`.
    for _ in range(attempts - 1):
        try:
            return call()
        except duckdb.TransactionException:
            continue
    return call()


def _size(lake: duckdb.DuckDBPyConnection, name: Lake) -> tuple[int, int]:
    row = lake.execute(
        f"""select coalesce(sum(file_count + delete_file_count), 0)::bigint,
                   coalesce(sum(file_size_bytes + delete_file_size_bytes), 0)::bigint
            from ducklake_table_info('{name}')"""
    ).fetchone()
    return row if row else (0, 0)


def _delete(
    lake: duckdb.DuckDBPyConnection, table: str, wanted: Mapping[str, Sequence[Any]], only: str | None,
    instead: str | None,
) -> int:  # fmt: skip
    named, values = f"raw.main.{quoted(table)}", [list(values) for values in wanted.values()]
    condition = " or ".join(f"list_contains(?, {quoted(column)})" for column in wanted)
    going = f"({condition}) and {only or 'true'}"
    if instead:
        lake.execute(
            f"""create or replace temp table _instead as
                select * replace ({instead} as document) from {named} as told where {going}""",
            values,
        )
    row = lake.execute(f"delete from {named} as told where {going}", values).fetchone()
    if instead:
        lake.execute(f"insert into {named} select * from _instead where document is not null")
        lake.execute("drop table _instead")
    return int(row[0]) if row else 0


def _forget(lake: duckdb.DuckDBPyConnection, name: Lake) -> tuple[int, int]:
    expired = lake.execute(f"call ducklake_expire_snapshots('{name}', older_than => now())").fetchall()
    deleted = lake.execute(f"call ducklake_cleanup_old_files('{name}', cleanup_all => true)").fetchall()
    # What a killed writer left is in no snapshot. A writer of marts may be under way, of raw none is.
    options = "cleanup_all => true" if name == "raw" else "older_than => now() - interval 1 hour"
    deleted += lake.execute(f"call ducklake_delete_orphaned_files('{name}', {options})").fetchall()
    return len(expired), len(deleted)


@contextmanager
def _alone(settings: WarehouseSettings) -> Iterator[None]:
    with turn(settings, _LOCK, application_name="plyo-lake-maintenance") as is_ours:
        if not is_ours:
            raise Busy("the lake is being maintained by another process")
        yield
