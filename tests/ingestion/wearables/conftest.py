"""Payloads to normalise, and Terra's official examples where they are beside the checkout."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pyarrow as pa
import pytest

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from ingestion.wearables.normalise import PAYLOADS
from ingestion.wearables.tables import REJECTIONS
from tests.ingestion.conftest import Captured

CUSTOMER = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
NOON = datetime(2026, 7, 2, 12, tzinfo=UTC)


def payload(body: Any, kind: str, *, source: str = "terra", name: str = "p1", **given: Any) -> dict[str, Any]:
    """One stored payload that is fine in every way the test does not mention; `body` is bytes or becomes JSON."""
    return {
        "payload_id": payload_id(name).bytes,
        "customer_id": CUSTOMER.bytes,
        "source": source,
        "kind": kind,
        "provider": "GARMIN",
        "external_user_id": "user-1",
        "ordering_at": NOON,
        "received_at": NOON,
        "body": body if isinstance(body, bytes | None) else json.dumps(body).encode(),
    } | given


def payload_id(name: str) -> UUID:
    """The id of the payload that a test calls so."""
    return uuid5(CUSTOMER, name)


def payloads(*stored: dict[str, Any]) -> pa.Table:
    """What `normalise` takes."""
    columns = {name: [one[name] for one in stored] for name in PAYLOADS.names}
    return pa.table([_array(columns[field.name], field.type) for field in PAYLOADS], schema=PAYLOADS)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if kind == pa.uuid():
        return pa.ExtensionArray.from_storage(kind, pa.array(values, pa.binary(16)))
    return pa.array(values, kind)


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """A table's rows without what is null."""
    return [{name: value for name, value in one.items() if value is not None} for one in table.to_pylist()]


def reasons(tables: dict[str, pa.Table]) -> dict[tuple[str, str], str]:
    """Why values were kept out, by position and field."""
    return {(one["position"], one["field"]): one["reason"] for one in tables[REJECTIONS].to_pylist()}


@pytest.fixture
def empty_lake(captured_once: Captured) -> WarehouseSettings:
    """A module's lake, without what its other tests landed."""
    with warehouse.writing(captured_once.settings) as lake:
        landed = "select table_name from duckdb_tables() where database_name = 'raw' and schema_name = 'main'"
        for (table,) in lake.execute(landed).fetchall():
            lake.execute(f"drop table raw.main.{table}")
    return captured_once.settings


def _shared_data() -> Path | None:
    given = os.environ.get("PLYO_SHARED_DATA")
    candidates = [folder / "shared/data" for folder in Path(__file__).resolve().parents]
    return next((folder for folder in ([Path(given)] if given else candidates) if folder.is_dir()), None)


@pytest.fixture(scope="session")
def terra_examples() -> dict[str, bytes]:
    """Terra's twenty official webhooks and answers, by file name, as published."""
    shared = _shared_data()
    if shared is None or not (shared / "terra/examples").is_dir():
        pytest.skip("Terra's examples are not beside this checkout; PLYO_SHARED_DATA says where they are")
    return {file.stem: file.read_bytes() for file in sorted((shared / "terra/examples").glob("*.json"))}
