"""Suites of change logs follow from columns, find what cannot be, and pass what the product writes."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from ingestion.quality.captured import judged, suite_of
from ingestion.quality.judge import judge
from tests.ingestion.conftest import Captured

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
GOOD = {
    "id": "a", "email": "mia@plyo.test", "currency": "EUR", "time_zone": "Europe/Berlin", "starts_at": NOW,
    "ends_at": NOW, "duration_minutes": 50, "_op": "i", "_lsn": 7, "_seq": 0, "_committed_at": NOW, "_landed_at": NOW,
}  # fmt: skip
COLUMNS = {
    name: {str: "VARCHAR", int: "INTEGER", datetime: "TIMESTAMP WITH TIME ZONE"}[type(value)]
    for name, value in GOOD.items()
}
SUITE = suite_of("scheduling__slots", COLUMNS)


def reasons(**change: Any) -> list[str]:
    schema = pa.Table.from_pylist([GOOD]).schema
    found = judge(SUITE, pa.Table.from_pylist([GOOD, GOOD | change], schema=schema)).reasons
    return [reason for said in found.values() for reason in said]


def test_a_good_row_meets_it() -> None:
    assert reasons() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": None}, "id is missing or unreadable"),
        ({"email": "mia"}, "email is no address"),
        ({"currency": "eur"}, "currency is no currency of three letters"),
        ({"time_zone": "Berlin time"}, "time_zone is no zone of IANA"),
        ({"duration_minutes": -5}, "duration_minutes is less than 0"),
        ({"starts_at": datetime(1970, 1, 1, tzinfo=UTC)}, "starts_at is not of this century"),
        ({"ends_at": datetime(2026, 11, 26, 11, tzinfo=UTC)}, "ends_at is before starts_at"),
        ({"_op": "x"}, "_op is none of r, i, u, d, t"),
        ({"_committed_at": None}, "_committed_at is missing or unreadable"),
    ],
)
def test_what_cannot_be_is_found(change: dict[str, Any], reason: str) -> None:
    assert reasons(**change) == [reason]


def test_of_a_deleted_row_only_its_key_is_expected() -> None:
    nothing = dict.fromkeys(("email", "currency", "time_zone", "starts_at", "ends_at", "duration_minutes"))
    assert reasons(_op="d", **nothing) == []


def test_tables_are_judged_where_they_are_and_only_the_newest_rows(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: WarehouseSettings = captured.settings
    rows = [GOOD | {"_lsn": lsn, "email": "?" if lsn == 1 else "mia@plyo.test"} for lsn in range(1, 5)]
    with warehouse.writing(settings) as lake:
        lake.register("rows", pa.Table.from_pylist(rows))
        lake.execute("create table raw.main.engagement__leads as select * from rows")
    tables = ("engagement__leads", "engagement__never")
    ((table, found),) = judged(settings, tables)
    assert (table, found.rows, found.reasons) == ("engagement__leads", 4, {"email is no address": 1})
    assert found.newest == NOW.isoformat()
    monkeypatch.setattr("ingestion.quality.captured.ROWS", 3)
    assert [one.reasons for _, one in judged(settings, tables)] == [{}]
