"""Batches are landed once each, with their cursor, whatever is repeated, cut off or tried at the same time."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from ingestion import landing
from ingestion.batch import DOCUMENTS, Batch, Document, documents, facts, snapshots
from ingestion.connectors import Outcome, backfill, pull
from tests.ingestion.conftest import Captured

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def settings(captured: Captured) -> WarehouseSettings:
    return captured.settings


@pytest.fixture
def lake(settings: WarehouseSettings) -> Iterator[duckdb.DuckDBPyConnection]:
    with landing.pulling(settings, "shop") as connection:
        yield connection


def body(n: int, **more: Any) -> dict[str, Any]:
    return {"id": f"o{n}", "total": n} | more


def held(lake: duckdb.DuckDBPyConnection, table: str = "shop__orders") -> list[tuple[Any, ...]]:
    return lake.execute(
        f"select id, document->>'total', _deleted from raw.main.{table} order by _batch_id, id"
    ).fetchall()


def test_each_version_is_landed_once_with_its_cursor(lake: duckdb.DuckDBPyConnection) -> None:
    first = documents("shop__orders", [Document("o1", body(1), MONDAY), Document("o2", body(2), MONDAY)], cursor="a")
    later = documents("shop__orders", [Document("o1", body(9), MONDAY + timedelta(1))], cursor="b")
    assert [landing.land(lake, "shop", "orders", batch) for batch in (first, later)] == [2, 1]
    assert landing.cursor_of(lake, "shop", "orders") == "b"
    assert [landing.land(lake, "shop", "orders", batch) for batch in (first, later)] == [0, 0]
    assert held(lake) == [("o1", "1", False), ("o2", "2", False), ("o1", "9", False)]


def test_objects_without_a_time_are_landed_when_they_differ_from_the_newest(lake: duckdb.DuckDBPyConnection) -> None:
    states = [body(1), body(1), body(7), body(1)]
    landed = [landing.land(lake, "shop", "orders", snapshots("shop__orders", [Document("o1", one)])) for one in states]
    assert landed == [1, 0, 1, 1]
    assert [total for _, total, _ in held(lake)] == ["1", "7", "1"]


def test_what_happened_once_is_landed_as_it_was_first_seen(lake: duckdb.DuckDBPyConnection) -> None:
    seen = [facts("shop__orders", [Document("o1", body(total), MONDAY)]) for total in (1, 2)]
    assert [landing.land(lake, "shop", "orders", batch) for batch in seen] == [1, 0]
    assert held(lake) == [("o1", "1", False)]


def test_a_deletion_is_a_row_of_its_own(lake: duckdb.DuckDBPyConnection) -> None:
    for is_deleted in (False, True, True):
        landing.land(lake, "shop", "orders", snapshots("shop__orders", [Document("o1", body(1), deleted=is_deleted)]))
    assert [gone for _, _, gone in held(lake)] == [False, True]


def test_the_last_of_an_object_in_a_batch_is_its_newest(lake: duckdb.DuckDBPyConnection) -> None:
    pages = [Document("o1", body(1)), Document("o1", body(2))]
    assert landing.land(lake, "shop", "orders", snapshots("shop__orders", pages)) == 1
    assert held(lake) == [("o1", "2", False)]


def test_a_batch_without_rows_moves_the_cursor_and_one_without_a_cursor_keeps_it(
    lake: duckdb.DuckDBPyConnection,
) -> None:
    assert landing.cursor_of(lake, "shop", "orders") is None
    assert landing.land(lake, "shop", "orders", documents("shop__orders", [], cursor="a")) == 0
    landing.land(lake, "shop", "orders", documents("shop__orders", [Document("o1", body(1), MONDAY)]))
    assert landing.cursor_of(lake, "shop", "orders") == "a"


def test_a_new_column_is_added_and_another_type_is_refused_whole(lake: duckdb.DuckDBPyConnection) -> None:
    def batch(**columns: Any) -> Batch:
        return Batch("shop__visits", pa.table(columns), ("id",), cursor=str(columns["id"][0]))

    landing.land(lake, "shop", "visits", batch(id=[1]))
    landing.land(lake, "shop", "visits", batch(id=[2], page=["home"]))
    with pytest.raises(landing.ColumnRetyped, match=r"shop__visits\.page is VARCHAR in raw and arrives as BIGINT"):
        landing.land(lake, "shop", "visits", batch(id=[3], page=[4]))
    assert lake.execute("select id, page from raw.main.shop__visits order by id").fetchall() == [(1, None), (2, "home")]
    assert landing.cursor_of(lake, "shop", "visits") == "2"


def test_two_pulls_of_one_connector_refuse_each_other(settings: WarehouseSettings) -> None:
    with landing.pulling(settings, "shop"):
        with pytest.raises(landing.AlreadyPulling), landing.pulling(settings, "shop"):
            pass
        with landing.pulling(settings, "other"):
            pass


class Shop:
    """A source of two streams; `orders` are numbered and read ten at a time, `refunds` cannot be reached."""

    name = "shop"
    streams = ("refunds", "orders")
    tables = {"shop__orders": DOCUMENTS}

    def __init__(self, size: int) -> None:
        self.size = size
        self.asked: list[str | None] = []

    def pull(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        self.asked.append(cursor)
        if stream == "refunds":
            raise ConnectionError("no route to the shop")
        for start in range(int(cursor or 0), self.size, 10):
            yield self._page(start, min(start + 10, self.size))

    def window(self, stream: str, start: datetime, end: datetime) -> Iterator[Batch]:
        if stream == "orders":
            page = self._page((start - MONDAY).days, (end - MONDAY).days)
            yield Batch(page.table, page.rows, page.key)

    def _page(self, start: int, end: int) -> Batch:
        found = [Document(f"o{n}", body(n), MONDAY + timedelta(n)) for n in range(start, end)]
        return documents("shop__orders", found, cursor=str(end))


def test_a_stream_that_fails_is_told_and_holds_back_no_other(settings: WarehouseSettings) -> None:
    failed = Outcome("refunds", 0, None, "ConnectionError: no route to the shop")
    assert pull(settings, Shop(25)) == [failed, Outcome("orders", 25, "25")]
    again = Shop(27)
    assert pull(settings, again) == [failed, Outcome("orders", 2, "27")]
    assert again.asked == [None, "25"]


def test_a_resync_begins_again_and_lands_nothing_twice(settings: WarehouseSettings) -> None:
    pull(settings, Shop(25), streams=["orders"])
    assert pull(settings, Shop(26), streams=["orders"], resync=True) == [Outcome("orders", 1, "26")]
    with warehouse.reading(settings) as lake:
        assert len(held(lake)) == 26


def test_a_backfill_fills_a_gap_once_and_keeps_the_cursor(settings: WarehouseSettings) -> None:
    pull(settings, Shop(5), streams=["orders"])
    week = MONDAY + timedelta(3), MONDAY + timedelta(10)
    for rows in (5, 0):
        assert backfill(settings, Shop(0), *week, streams=["orders"]) == [Outcome("orders", rows, "5")]


class Register(Shop):
    """The same shop, read whole each time; orders can be taken off its books, and one is only hidden."""

    streams = ("orders",)

    def pull(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        yield snapshots("shop__orders", [Document("o0", body(0))])
        yield snapshots("shop__orders", [Document(f"o{n}", body(n)) for n in range(2, self.size)])

    def is_whole(self, stream: str, cursor: str | None) -> bool:
        return cursor is None

    def vanished(self, stream: str, ids: Sequence[str]) -> Iterator[Batch]:
        self.asked.extend(ids)
        yield snapshots("shop__orders", [Document(one, {"id": one}, deleted=True) for one in ids if one != "o3"])


def test_what_a_whole_pull_does_not_bring_is_gone_once_the_source_says_so(settings: WarehouseSettings) -> None:
    pull(settings, Register(5))
    again = Register(3)
    assert pull(settings, again) == [Outcome("orders", 1, None)]
    assert again.asked == ["o3", "o4"]
    assert pull(settings, again) == [Outcome("orders", 0, None)]
    assert again.asked[2:] == ["o3"]
    with warehouse.reading(settings) as lake:
        assert [id_ for id_, _, is_gone in held(lake) if is_gone] == ["o4"]


def test_tables_are_there_before_their_first_row(settings: WarehouseSettings) -> None:
    assert pull(settings, Shop(0), streams=["orders"]) == [Outcome("orders", 0, None)]
    with warehouse.reading(settings) as lake:
        assert held(lake) == []
