"""What raw still holds of health data that its owners no longer let us keep, and forgetting it for good.

Operations forget at once (`integrations.wearable_payloads` loses the body); raw keeps every version of every row, and
what was made of it, until this is run. Who decided what, and when, stays: that is the record. What is to go is noted
before it goes (`forgotten`), for marts, their past and copies elsewhere still have it then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import duckdb

from contracts import warehouse
from contracts.telemetry import get_logger
from ingestion import forgotten
from ingestion.forgotten import Note
from ingestion.lake_maintenance import Erased, erase
from ingestion.settings import CdcSettings

CONSENTS = "compliance__consents"
PAYLOADS = "integrations__wearable_payloads"
MEASURED = {
    "activity": "wearables__activities",
    "sleep": "wearables__sleeps",
    "daily": "wearables__days",
    "body": "wearables__bodies",
}
"""Raw table of what was made of each kind of data."""
REJECTED = "wearables__rejections"
DAYS = "training__wearable_days"
DAY_COLUMNS = {"sleep": ("sleep_minutes",), "daily": ("hrv_rmssd_ms", "resting_heart_rate_bpm", "steps")}
"""Of the days that operations hold, the columns of each kind; operations emptied them in the newest version."""

_WITHDRAWN = """
    select customer_id, data_kind, decided_at from (
        select customer_id, data_kind, arg_max(is_given, (decided_at, id)) as is_given, max(decided_at) as decided_at
        from raw.main.compliance__consents where purpose = 'coaching' and _op not in ('d', 't')
        group by customer_id, data_kind)
    where not is_given
"""

# Payloads with versions that have their body although the newest has none: those from before it was forgotten.
_BODIES = f"""
    select id from raw.main.{PAYLOADS} where _op <> 't'
    group by id having arg_max(coalesce(octet_length(body), 0), (_lsn, _seq)) = 0 and bool_or(body is not null)
"""

log = get_logger(__name__)


@dataclass(frozen=True)
class Remains:
    """What is to be forgotten.

    Args:
        rows: Raw table to column to values, as `lake_maintenance.erase` takes them.
        only: A further condition by raw table.
    """

    rows: Mapping[str, Mapping[str, list[Any]]] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)


def remains(lake: duckdb.DuckDBPyConnection) -> Remains:
    """What raw still holds that may no longer be kept."""
    held = _held(lake)
    rows: dict[str, dict[str, list[Any]]] = {}
    only: dict[str, str] = {}
    if PAYLOADS in held and (bodies := _values(lake, _BODIES)):
        rows[PAYLOADS], only[PAYLOADS] = {"id": bodies}, "body is not null"
    if CONSENTS not in held:
        return Remains(rows, only)
    for kind, table in MEASURED.items():
        query = f"""select distinct customer_id from raw.main.{table}
                    where customer_id in (select customer_id from ({_WITHDRAWN}) where data_kind = '{kind}')"""
        if table in held and (customers := _values(lake, query)):
            rows[table] = {"customer_id": customers}
    if DAYS in held:
        told = [_told(lake, kind, columns) for kind, columns in DAY_COLUMNS.items()]
        if customers := sorted({customer for found, _ in told for customer in found}):
            rows[DAYS] = {"customer_id": customers}
            only[DAYS] = f"({' or '.join(condition for found, condition in told if found)})"
    if REJECTED in held:
        # Makers have their own words for kinds; what Terra's API answered has no stored payload, and ours.
        sent = f"select id, any_value(data_kind) as data_kind from raw.main.{PAYLOADS} group by id"
        nothing = "select null::uuid as id, null::varchar as data_kind"
        query = f"""select distinct payload_id from raw.main.{REJECTED} as rejected
                    left join ({sent if PAYLOADS in held else nothing}) as sent
                    on sent.id::varchar = rejected.payload_id::varchar
                    semi join ({_WITHDRAWN}) as withdrawn
                    on rejected.customer_id = withdrawn.customer_id
                    and coalesce(sent.data_kind, rejected.kind) = withdrawn.data_kind"""
        if payloads := _values(lake, query):
            rows[REJECTED] = {"payload_id": payloads}
    return Remains(rows, only)


def forget(settings: CdcSettings) -> Erased | None:
    """Erase what may no longer be kept from raw, and all of raw's snapshots before.

    Marts still know: build them, call `lake_maintenance.forget_past`, then `erasures.finish`.

    Returns:
        What was erased; None: there was nothing.

    Raises:
        ingestion.postgres_cdc.capture.AlreadyRunning: the capture is running.
        ingestion.lake_maintenance.Busy: maintenance is under way.
    """
    with warehouse.writing(settings) as lake:
        found = remains(lake)
        if not found.rows:
            return None
        forgotten.begin(lake, _notes(lake, found))
    log.info("withdrawals.forgetting", tables=sorted(found.rows))
    return erase(settings, found.rows, found.only)


def _notes(lake: duckdb.DuckDBPyConnection, found: Remains) -> list[Note]:
    # A row may not be kept since the word was taken back, or since it came, if that was later; a body, since raw heard
    # that operations have none.
    notes = list[Note]()
    words = f"select customer_id, max(decided_at) as decided_at from ({_WITHDRAWN}) group by all"
    for table, columns in found.rows.items():
        condition = " or ".join(f"list_contains(?, {column})" for column in columns)
        if table == PAYLOADS:
            since, joined = "max(_landed_at)", ""
        else:
            since = "greatest(max(decided_at), min(_landed_at) filter (where is_told))"
            joined = f"inner join ({words}) as word using (customer_id)"
        rows = lake.execute(
            f"""select customer_id, count(*) filter (where is_told), {since}
                from (
                    select customer_id, _landed_at, {found.only.get(table, "true")} as is_told from raw.main.{table}
                    where customer_id is not null and ({condition})
                ) as held {joined} group by all having count(*) filter (where is_told) > 0""",
            list(columns.values()),
        ).fetchall()
        notes += [Note(UUID(str(one)), at, table, "customer_id", number) for one, number, at in rows]
    return notes


def _held(lake: duckdb.DuckDBPyConnection) -> set[str]:
    query = "select table_name from duckdb_tables() where database_name = 'raw'"
    return {row[0] for row in lake.execute(query).fetchall()}


def _told(lake: duckdb.DuckDBPyConnection, kind: str, columns: tuple[str, ...]) -> tuple[list[Any], str]:
    # Customers with versions of a day that tell what they withdrew, and the condition of such versions.
    tells = f"({' or '.join(f'{column} is not null' for column in columns)})"
    query = f"""select distinct customer_id from raw.main.{DAYS}
                where {tells} and customer_id in (select customer_id from ({_WITHDRAWN}) where data_kind = '{kind}')"""
    found = _values(lake, query)
    listed = ", ".join(f"'{customer}'" for customer in found)
    return found, f"(customer_id in ({listed}) and {tells})"


def _values(lake: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    return [row[0] for row in lake.execute(query).fetchall()]
