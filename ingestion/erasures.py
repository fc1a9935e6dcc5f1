"""People whose account was closed: raw forgets of them what the product has forgotten, and the lake's past with it.

The product is the first to forget (`operational_api`, on `identity.account_closed`): it deletes rows and overwrites
values. Raw keeps every version of every row, so what was forgotten is still there. Of a closed account only the newest
version of a row may stay, which is what the product itself still keeps (books, by law, and ids); the versions before
it, and rows that were deleted, go with every value. Measurements of devices go altogether: they are kept by consent,
which ends with the account. What stays equals the source, so the comparison of the lake with it still holds.

Documents of providers tell of them too (`provider_documents`). What is to go is noted before it goes (`forgotten`): who
was cut off after that goes on from there, and that it was done is noted once nothing is left, which is the proof.

Does not belong here: health data of who has an account (`withdrawals`), warehouses elsewhere (`destinations.forget`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import duckdb
import psycopg

from contracts import warehouse
from contracts.telemetry import get_logger
from ingestion import forgotten, provider_documents, withdrawals
from ingestion.forgotten import Note
from ingestion.lake_maintenance import Erased, erase
from ingestion.postgres_cdc.land import quoted
from ingestion.postgres_cdc.source import Source
from ingestion.settings import CdcSettings
from ingestion.withdrawals import MEASURED, REJECTED

EVENTS = "platform__outbox_events"
PEOPLE = ("customer_id", "account_id")
"""Columns of the product's tables that name a person."""
OWN = {
    "identity__accounts": "id",
    "training__clients": "id",
    "commerce__customers": "id",
    "scheduling__coaches": "id",
    EVENTS: "aggregate_id",
}
"""Tables that name the person otherwise."""
MAILS, ACCOUNTS = "engagement__outgoing_emails", "identity__accounts"
_WRITTEN_TO = f"""
    select account.id, mail.id from raw.main.{MAILS} as mail inner join raw.main.{ACCOUNTS} as account
    on lower(mail.recipient) = lower(account.email)
    or (mail.customer_id is null and contains(mail.dedupe_key, ':' || account.id::varchar || ':'))
    where list_contains(?, account.id)
"""
"""Mails that were written to an address and to no customer: the account's, or another about the account."""
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
        instead: By raw table, what stands for a document that stays.
        notes: What that is, by account.
    """

    rows: Mapping[str, Mapping[str, list[Any]]] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[Note] = ()

    @property
    def accounts(self) -> frozenset[UUID]:
        """Whose rows these are."""
        return frozenset(one.account_id for one in self.notes)


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
    documents = provider_documents.told(lake, closed, columns)
    rows, only, notes = dict(documents.rows), dict(documents.only), list(documents.notes)
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
            people = {UUID(str(one)): number for one, number in found}
            rows[table], only[table] = {person: list(people)}, condition
            notes += [Note(one, closed[one], table, person, number) for one, number in people.items()]
    if MAILS in keys and {MAILS, ACCOUNTS} <= columns.keys():
        written = {id_: UUID(str(one)) for one, id_ in lake.execute(_WRITTEN_TO, [list(closed)]).fetchall()}
        condition = _overwritten(MAILS, keys[MAILS])
        found = lake.execute(
            f"select id, count(*) from raw.main.{MAILS} where list_contains(?, id) and {condition} group by all",
            [list(written)],
        ).fetchall()
        if found:
            rows.setdefault(MAILS, {})["id"], only[MAILS] = [id_ for id_, _ in found], condition
            notes += [
                Note(written[id_], closed[written[id_]], MAILS, "id", number, value=str(id_)) for id_, number in found
            ]
    return Remains(rows, only, documents.instead, notes)


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
        forgotten.begin(lake, found.notes)
    log.info("erasures.forgetting", accounts=len(found.accounts), tables=sorted(found.rows))
    return erase(settings, found.rows, found.only, found.instead)


def finish(settings: CdcSettings) -> None:
    """Note what was begun as done: the proof, without anything of the person but ids.

    Raises:
        StillThere: raw holds something of them again, or still.
    """
    keys = keys_of(settings)
    with warehouse.writing(settings) as lake:
        left = remains(lake, keys)
        if still := sorted(left.accounts & forgotten.unfinished(lake).since.keys()):
            raise StillThere(f"{len(still)} closed accounts are still in {', '.join(sorted(left.rows))}")
        if withdrawn := withdrawals.remains(lake).rows:
            raise StillThere(f"what was withdrawn is still in {', '.join(sorted(withdrawn))}")
        forgotten.done(lake)


class StillThere(RuntimeError):
    """An erasure that did not erase; nothing was noted as done."""


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
