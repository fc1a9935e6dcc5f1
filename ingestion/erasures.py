"""People whose account was closed: raw forgets of them what the product has forgotten, and the lake's past with it.

The product is the first to forget (`operational_api`, on `identity.account_closed`): it deletes rows and overwrites
values. Raw keeps every version of every row, so what was forgotten is still there. Of a closed account only the newest
version of a row may stay, which is what the product itself still keeps (books, by law, and ids); the versions before
it, and rows that were deleted, go with every value. Measurements of devices go altogether: they are kept by consent,
which ends with the account. What stays equals the source, so the comparison of the lake with it still holds.

What is to go is noted in `raw.main._erasures` before it goes: for each person and table how many rows. Who was cut off
after that goes on from there; that it was done is noted once nothing is left, and is the proof.

Does not belong here: health data of who has an account (`withdrawals`), warehouses elsewhere (`destinations.forget`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import duckdb
import psycopg

from contracts import warehouse
from contracts.telemetry import get_logger
from ingestion.lake_maintenance import Erased, erase
from ingestion.postgres_cdc.land import quoted
from ingestion.postgres_cdc.source import Source
from ingestion.settings import CdcSettings
from ingestion.withdrawals import MEASURED, REJECTED

TABLE = "raw.main._erasures"
_SCHEMA = (
    "(account_id uuid, closed_at timestamptz, raw_table varchar, field varchar, rows bigint, erased_at timestamptz)"
)
"""`erased_at` is null while something of it may still be in marts, the past or a warehouse elsewhere."""
ERASED_WITHIN = timedelta(days=2)
"""From the closing of an account; the job runs each night, so two of them may fail."""

EVENTS = "platform__outbox_events"
PEOPLE = ("customer_id", "account_id")
"""Columns of the product's tables that name a person."""
OWN = {
    "identity__accounts": "id",
    "training__clients": "id",
    "commerce__customers": "id",
    "scheduling__coaches": "id",
}
"""Tables whose key is the person's."""
_CLOSED = f"""
    select aggregate_id as account_id, min(occurred_at) as closed_at from raw.main.{EVENTS}
    where type = 'identity.account_closed' and _op <> 'd' group by aggregate_id
"""
_PLACE = "(_lsn::hugeint << 62 | _seq)"

log = get_logger(__name__)


@dataclass(frozen=True)
class Remains:
    """What raw holds of closed accounts although the product does not.

    Args:
        rows: Raw table to column to values, as `lake_maintenance.erase` takes them.
        only: A further condition by raw table.
        counted: By raw table and account, how many rows that is.
        closed: When each of the accounts was closed.
    """

    rows: Mapping[str, Mapping[str, list[Any]]] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)
    counted: Mapping[str, Mapping[UUID, int]] = field(default_factory=dict)
    closed: Mapping[UUID, datetime] = field(default_factory=dict)

    @property
    def accounts(self) -> frozenset[UUID]:
        """Whose rows these are."""
        return frozenset(account for by_account in self.counted.values() for account in by_account)


@dataclass(frozen=True)
class Unfinished:
    """Erasures that have begun.

    Args:
        rows: As of `Remains`.
        closed: When each of the accounts was closed.
    """

    rows: Mapping[str, Mapping[str, list[UUID]]]
    closed: Mapping[UUID, datetime]

    def overdue(self, now: datetime) -> list[UUID]:
        """Accounts that should have been forgotten by now."""
        return sorted(one for one, at in self.closed.items() if at < now - ERASED_WITHIN)


def keys_of(settings: CdcSettings) -> dict[str, tuple[str, ...]]:
    """Columns that identify a row, by raw table, as the product's database says."""
    with psycopg.connect(settings.cdc_url.get_secret_value(), autocommit=True) as control:
        relations = Source(control, settings.cdc_publication).relations()
    return {name: tuple(column.name for column in relation.key) for name, relation in relations.items()}


def remains(lake: duckdb.DuckDBPyConnection, keys: Mapping[str, Sequence[str]]) -> Remains:
    """What is to be forgotten; nothing where no account was closed or the stream has not told of one.

    Args:
        keys: As `keys_of` tells.
    """
    columns = _columns(lake)
    if EVENTS not in columns:
        return Remains()
    closed = {UUID(str(one)): at for one, at in lake.execute(_CLOSED).fetchall()}
    if not closed:
        return Remains()
    rows: dict[str, dict[str, list[Any]]] = {}
    only: dict[str, str] = {}
    counted: dict[str, dict[UUID, int]] = {}
    for table, names in sorted(columns.items()):
        person = OWN.get(table) or next((one for one in PEOPLE if one in names), None)
        if person is None:
            continue
        if table in (*MEASURED.values(), REJECTED):
            condition = "true"
        elif table in keys and names.issuperset(keys[table]):
            condition = _overwritten(table, keys[table])
        else:
            continue
        found = lake.execute(
            f"""select {quoted(person)}, count(*) from raw.main.{quoted(table)}
                where list_contains(?, {quoted(person)}) and {condition} group by all""",
            [list(closed)],
        ).fetchall()
        if found:
            counted[table] = {UUID(str(one)): number for one, number in found}
            rows[table], only[table] = {person: list(counted[table])}, condition
    return Remains(rows, only, counted, closed)


def forget(settings: CdcSettings) -> Erased | None:
    """Erase what remains of closed accounts from raw, with rows that stand aside, and all of raw's snapshots before.

    Marts still know: build them, call `lake_maintenance.forget_past`, then `finish`. Doing it again is harmless.

    Returns:
        What was erased; None: there was nothing.

    Raises:
        ingestion.postgres_cdc.capture.AlreadyRunning: the capture is running.
        ingestion.lake_maintenance.Busy: maintenance is under way.
    """
    keys = keys_of(settings)
    with warehouse.writing(settings) as lake:
        found = remains(lake, keys)
        if not found.rows:
            return None
        warehouse.in_transaction(lake, lambda: _begin(lake, found))
    log.info("erasures.forgetting", accounts=len(found.accounts), tables=sorted(found.rows))
    return erase(settings, found.rows, found.only)


def unfinished(lake: duckdb.DuckDBPyConnection) -> Unfinished:
    """What was begun and is not known to be done."""
    rows: dict[str, dict[str, list[UUID]]] = {}
    closed: dict[UUID, datetime] = {}
    for account, at, table, column in _noted(
        lake, "distinct account_id, closed_at, raw_table, field", "erased_at is null"
    ):
        closed[UUID(str(account))] = at
        rows.setdefault(table, {}).setdefault(column, []).append(UUID(str(account)))
    return Unfinished(rows, closed)


def finish(settings: CdcSettings) -> None:
    """Note what was begun as done: the proof, without anything of the person but the id.

    Raises:
        StillThere: raw holds something of them again, or still.
    """
    keys = keys_of(settings)
    with warehouse.writing(settings) as lake:
        left = remains(lake, keys)
        if still := sorted(left.accounts & unfinished(lake).closed.keys()):
            raise StillThere(f"{len(still)} closed accounts are still in {', '.join(sorted(left.rows))}")
        warehouse.in_transaction(
            lake,
            lambda: lake.execute(f"update {TABLE} set erased_at = ? where erased_at is null", [datetime.now(UTC)]),
        )


class StillThere(RuntimeError):
    """An erasure that did not erase; nothing was noted as done."""


def proofs(lake: duckdb.DuckDBPyConnection, accounts: Sequence[UUID]) -> list[tuple[UUID, datetime, str, int]]:
    """What was erased of these: account, when, raw table, rows."""
    found = _noted(
        lake, "account_id, erased_at, raw_table, rows", "erased_at is not null and list_contains(?, account_id)",
        list(accounts),
    )  # fmt: skip
    return [(UUID(str(one)), at, table, rows) for one, at, table, rows in found]


def _noted(lake: duckdb.DuckDBPyConnection, columns: str, where: str, *values: object) -> list[tuple[Any, ...]]:
    try:
        return lake.execute(f"select {columns} from {TABLE} where {where} order by all", list(values)).fetchall()
    except duckdb.CatalogException:
        return []


def _begin(lake: duckdb.DuckDBPyConnection, found: Remains) -> None:
    lake.execute(f"create table if not exists {TABLE} {_SCHEMA}")
    for table, by_account in found.counted.items():
        [column] = found.rows[table]
        lake.executemany(
            f"insert into {TABLE} values (?, ?, ?, ?, ?, null)",
            [[one, found.closed[one], table, column, number] for one, number in by_account.items()],
        )


def _overwritten(table: str, columns: Sequence[str]) -> str:
    """The condition of versions that are not the newest of their row; of a deleted row that is all that tell of it."""
    key = ", ".join(quoted(column) for column in columns)
    return f"""_op <> 't' and (({key}), {_PLACE}) not in (
        select ({key}), max({_PLACE}) from raw.main.{quoted(table)} where _op <> 't' group by {key})"""


def _columns(lake: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for table, column in lake.execute(
        "select table_name, column_name from duckdb_columns() where database_name = 'raw' and schema_name = 'main' "
        "and not starts_with(table_name, '_')"
    ).fetchall():
        found.setdefault(table, set()).add(column)
    return found
