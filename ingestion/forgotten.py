"""What was begun to be forgotten, noted before anything goes, and the proof once all of it is gone.

`raw.main._erasures` has a row for each person and raw table: how many rows were to go, and since when they may not be
kept. Whoever was cut off, by kill -9 too, finds there what to go on with; the proof has nothing of a person but ids.

Does not belong here: what may no longer be kept (`erasures`, `withdrawals`), and taking it away (`lake_maintenance`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import duckdb

from contracts import warehouse

TABLE = "raw.main._erasures"
_SCHEMA = """(account_id uuid, closed_at timestamptz, raw_table varchar, field varchar, rows bigint,
    erased_at timestamptz, value varchar)"""
"""`erased_at` is null while something of it may still be in marts, the past or a warehouse elsewhere; `closed_at` is
when the account was closed or the word was taken back. `value` finds the rows by `field`; null: the account does."""
ERASED_WITHIN = timedelta(days=2)
"""From then on; the job runs each night, so two of them may fail."""


@dataclass(frozen=True)
class Note:
    """Rows of one raw table that are to go.

    Args:
        value: By which `field` finds them; None: by the account.
        rows: How many.
    """

    account_id: UUID
    since: datetime
    table: str
    field: str
    rows: int
    value: str | None = None


@dataclass(frozen=True)
class Unfinished:
    """Erasures that have begun.

    Args:
        rows: Raw table to column to values.
        since: By account, since when they may not be kept.
    """

    rows: Mapping[str, Mapping[str, list[str]]]
    since: Mapping[UUID, datetime]

    def overdue(self, now: datetime) -> list[UUID]:
        """Whose rows should have been gone by now."""
        return sorted(one for one, at in self.since.items() if at < now - ERASED_WITHIN)


def begin(lake: duckdb.DuckDBPyConnection, notes: Collection[Note]) -> None:
    """Note what is to go, in a transaction of its own. Whoever was cut off before it went notes the same once more, and
    has waited since the first time."""

    def note() -> None:
        lake.execute(f"create table if not exists {TABLE} {_SCHEMA}")
        lake.execute(f"alter table {TABLE} add column if not exists value varchar")
        first = {
            (UUID(str(account)), table, value): at
            for account, table, value, at in _noted(
                lake, "account_id, raw_table, value, min(closed_at)", "erased_at is null group by all"
            )
        }
        if notes:
            lake.executemany(
                f"""delete from {TABLE} where erased_at is null and account_id = ? and raw_table = ?
                    and value is not distinct from ?""",
                [[one.account_id, one.table, one.value] for one in notes],
            )
            lake.executemany(
                f"insert into {TABLE} values (?, ?, ?, ?, ?, null, ?)",
                [
                    [
                        one.account_id,
                        min(one.since, first.get((one.account_id, one.table, one.value), one.since)),
                        one.table,
                        one.field,
                        one.rows,
                        one.value,
                    ]
                    for one in notes
                ],
            )

    warehouse.in_transaction(lake, note)


def unfinished(lake: duckdb.DuckDBPyConnection) -> Unfinished:
    """What was begun and is not known to be done."""
    since: dict[UUID, datetime] = {}
    rows: dict[str, dict[str, list[str]]] = {}
    for account, at, table, field, value in _noted(
        lake, "distinct account_id, closed_at, raw_table, field, value", "erased_at is null"
    ):
        one = UUID(str(account))
        since[one] = min(at, since.get(one, at))
        values = rows.setdefault(table, {}).setdefault(field, [])
        if (found := value or str(one)) not in values:
            values.append(found)
    return Unfinished(rows, since)


def done(lake: duckdb.DuckDBPyConnection) -> None:
    """Note what was begun as done; the caller has seen that nothing is left."""
    if unfinished(lake).rows:
        warehouse.in_transaction(
            lake,
            lambda: lake.execute(f"update {TABLE} set erased_at = ? where erased_at is null", [datetime.now(UTC)]),
        )


def values(lake: duckdb.DuckDBPyConnection, table: str) -> Iterator[tuple[UUID, str]]:
    """By which values rows of a table were ever found, and whose: what brings them again is to go again."""
    for account, value in _noted(
        lake, "distinct account_id, value", "raw_table = ? and value is not null", table
    ):  # fmt: skip
        yield UUID(str(account)), value


def proofs(lake: duckdb.DuckDBPyConnection, accounts: Sequence[UUID]) -> list[tuple[UUID, datetime, str, int]]:
    """What was erased of these: account, when, raw table, rows."""
    found = _noted(
        lake, "account_id, erased_at, raw_table, sum(rows)::bigint",
        "erased_at is not null and list_contains(?, account_id) group by all", list(accounts),
    )  # fmt: skip
    return [(UUID(str(one)), at, table, rows) for one, at, table, rows in found]


def _noted(lake: duckdb.DuckDBPyConnection, columns: str, where: str, *values: object) -> list[tuple[Any, ...]]:
    try:
        return lake.execute(f"select {columns} from {TABLE} where {where} order by all", list(values)).fetchall()
    except duckdb.CatalogException:
        return []
    except duckdb.BinderException:  # from before there was `value`
        return lake.execute(
            f"select {columns} from (select *, null::varchar as value from {TABLE}) where {where} order by all",
            list(values),
        ).fetchall()
