"""Lines of MoMo's settlement on their way to operations: the newest word of each transaction, and only what is news."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from contracts import warehouse
from contracts.ids import new_id
from ingestion.payments import momo_settlement
from operational_api.commerce.books import SettlementCreate
from orchestration.defs.settlements import news
from tests.ingestion.conftest import Captured

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def lake(captured: Captured) -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse.writing(captured.settings) as connection:
        yield connection


def landed(lake: duckdb.DuckDBPyConnection, *lines: dict[str, Any]) -> None:
    """A file of these lines; what they do not say is as of a payment of 500,000 dong."""
    usual = {
        "file_hash": new_id().hex, "file_name": "settlement.csv", "partner_code": "PLYO", "order_id": "order-1",
        "request_id": None, "trans_id": "1", "original_trans_id": None, "kind": "payment", "status": "succeeded",
        "order_info": None, "amount_minor": 500_000, "fee_minor": 9_000, "currency": "VND", "paid_at": NOON,
        "extra": None,
    }  # fmt: skip
    rows = [usual | {"line_number": n} | line for n, line in enumerate(lines, 1)]
    lake.register("lines", pa.Table.from_pylist(rows, schema=momo_settlement.SETTLEMENTS))
    batch = [new_id(), NOON]
    made = "select *, ?::uuid as _batch_id, ?::timestamptz as _landed_at from lines"
    try:
        lake.execute(f"insert into raw.main.momo__settlements by name {made}", batch)
    except duckdb.CatalogException:
        lake.execute(f"create table raw.main.momo__settlements as {made}", batch)


def held(lake: duckdb.DuckDBPyConnection, *rows: tuple[str, int, int, int]) -> None:
    """The change log of what operations have: (id, amount, fee, LSN)."""
    lake.execute(
        """create table raw.main.commerce__provider_movements (
               provider varchar, id varchar, amount_minor bigint, fee_minor bigint, _op varchar, _lsn ubigint,
               _seq bigint
           )"""
    )
    for row in rows:
        lake.execute("insert into raw.main.commerce__provider_movements values ('momo', ?, ?, ?, 'i', ?, 0)", list(row))


def test_before_the_first_file_there_is_nothing(lake: duckdb.DuckDBPyConnection) -> None:
    assert list(news(lake)) == []


def test_lines_are_as_operations_read_them_and_payments_come_first(lake: duckdb.DuckDBPyConnection) -> None:
    landed(
        lake,
        {"kind": "refund", "trans_id": "2", "original_trans_id": "1", "amount_minor": -500_000, "fee_minor": None},
        {}, {"trans_id": "3", "status": "failed"},
    )  # fmt: skip
    found = list(news(lake))
    assert [(one["kind"], one["transaction_id"], one["fee_minor"]) for one in found] == [
        ("payment", "1", 9_000), ("refund", "2", 0),
    ]  # fmt: skip
    assert len(SettlementCreate(provider="momo", lines=found).lines) == 2


def test_a_corrected_file_replaces_what_it_corrects(lake: duckdb.DuckDBPyConnection) -> None:
    landed(lake, {"fee_minor": 1})
    landed(lake, {"fee_minor": 2})
    assert [one["fee_minor"] for one in news(lake)] == [2]


def test_what_operations_have_is_no_news_until_it_changes(lake: duckdb.DuckDBPyConnection) -> None:
    landed(lake, {}, {"trans_id": "2"}, {"trans_id": "3"})
    held(lake, ("payment-1", 500_000, 9_000, 1), ("payment-2", 500_000, 9_000, 1), ("payment-2", 500_000, 8_000, 2))
    assert [one["transaction_id"] for one in news(lake)] == ["2", "3"]
