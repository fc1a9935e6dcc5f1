"""What suites said, kept: of each batch before it landed, and of what lies in raw each time it is looked at.

A judgement has a row for the suite as a whole, and one for each expectation that rows did not meet. What rows held is
not in it. Rows that stand aside are `quarantine`'s, distributions `drift`'s.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

import duckdb

from contracts import warehouse
from contracts.ids import new_id
from contracts.warehouse import WarehouseSettings
from ingestion.quality.judged import Judged

TABLE = "raw.main._suite_judgements"
_SCHEMA = """(judgement_id uuid, judged_at timestamptz, raw_table varchar, judged_where varchar, batch_id uuid,
    expectation varchar, judged_rows bigint, refused_rows bigint)"""
WHOLE = "the suite"
"""Instead of an expectation, of the suite as a whole: rows that meet all of it, or do not."""
KEPT = timedelta(days=90)
Where = Literal["before landing", "in raw"]


def ensure(lake: duckdb.DuckDBPyConnection) -> None:
    """Make the table, empty, unless it is there."""
    lake.execute(f"create table if not exists {TABLE} {_SCHEMA}")


def note(
    lake: duckdb.DuckDBPyConnection, table: str, where: Where, *, rows: int, refused: int, reasons: Mapping[str, int],
    batch_id: UUID | None = None, now: datetime | None = None,
) -> None:  # fmt: skip
    """Write one judgement; the caller's transaction has it, or not at all.

    Args:
        table: Raw table.
        rows: That were judged.
        refused: Of them, with something against them.
        reasons: What, with how many rows.
    """
    judgement_id, at = new_id(), now or datetime.now(UTC)
    told = {WHOLE: refused, **reasons}
    lake.executemany(
        f"insert into {TABLE} values (?, ?, ?, ?, ?, ?, ?, ?)",
        [[judgement_id, at, table, where, batch_id, one, rows, number] for one, number in told.items()],
    )


def note_all(settings: WarehouseSettings, found: Mapping[str, Judged], *, now: datetime | None = None) -> None:
    """Write what was said of tables in raw, and forget what is older than 90 days."""
    at = now or datetime.now(UTC)
    with warehouse.writing(settings) as lake:

        def write() -> None:
            ensure(lake)
            lake.execute(f"delete from {TABLE} where judged_at < ?", [at - KEPT])
            for table, one in found.items():
                note(lake, table, "in raw", rows=one.rows, refused=one.refused, reasons=one.reasons, now=at)

        warehouse.in_transaction(lake, write)


def counted(reasons: Sequence[tuple[str, ...]]) -> dict[str, int]:
    """By reason, how many of the rows have it."""
    found: dict[str, int] = {}
    for one in (reason for of_row in reasons for reason in of_row):
        found[one] = found.get(one, 0) + 1
    return found
