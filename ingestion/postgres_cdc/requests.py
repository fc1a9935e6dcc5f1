"""What people ask of whoever captures: take up a blocked table, and how. One append-only table of `raw`.

Only the process that captures may write raw's change logs, so others leave their wish here and it answers.
"""

import json
from dataclasses import asdict
from uuid import UUID

import duckdb

from contracts.ids import new_id
from ingestion.postgres_cdc.relation import Reshape

TABLE = "raw.main._cdc_requests"
COLUMNS = {"slot": "varchar", "id": "uuid", "raw_table": "varchar", "reshape": "json", "is_answered": "boolean"}


def ask(lake: duckdb.DuckDBPyConnection, slot: str, raw_table: str, reshape: Reshape | None) -> None:
    """Ask whoever captures to take a table up again; None: with a new snapshot."""
    told = None if reshape is None else json.dumps(asdict(reshape))
    lake.execute(f"insert into {TABLE} values (?, ?, ?, ?, false)", [slot, new_id(), raw_table, told])


def asked(lake: duckdb.DuckDBPyConnection, slot: str) -> list[tuple[UUID, str, Reshape | None]]:
    """What was asked and is not answered, oldest first: its id, the raw table, how to follow its new shape."""
    found = lake.execute(
        f"""select id, any_value(raw_table), any_value(reshape) from {TABLE} where slot = ?
            group by id having not bool_or(is_answered) order by id""",
        [slot],
    ).fetchall()
    return [(one, raw_table, Reshape(**json.loads(told)) if told else None) for one, raw_table, told in found]


def answered(lake: duckdb.DuckDBPyConnection, slot: str, request: UUID) -> None:
    """Note that a request was dealt with: by one more row, because a delete and somebody's insert refuse each other."""
    lake.execute(f"insert into {TABLE} (slot, id, is_answered) values (?, ?, true)", [slot, request])
