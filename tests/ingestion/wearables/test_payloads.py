"""Stored payloads become rows of the lake once each, whatever is repeated, cut off, out of order or erased."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

import duckdb
import pytest
from cryptography.fernet import Fernet

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from ingestion import landing
from ingestion.connectors import Outcome, backfill, pull
from ingestion.wearables.payloads import TABLE, StoredPayloads
from tests.ingestion.wearables.conftest import CUSTOMER, NOON, payload_id
from tests.ingestion.wearables.fit import workout
from tests.ingestion.wearables.test_files import LAUGHS


class Sealed:
    """Sealing with one key, as `contracts.sealing` does with several."""

    def __init__(self) -> None:
        self._key = Fernet(Fernet.generate_key())

    def seal(self, data: bytes) -> bytes:
        return self._key.encrypt(data)

    def open(self, sealed: bytes) -> bytes:
        return self._key.decrypt(sealed)


SEAL = Sealed()


def night(*, score: int | None, steps: int = 0) -> bytes:
    scores = "" if score is None else f', "scores": {{"sleep": {score}}}'
    meta = '{"start_time": "2026-07-01T23:12:00+01:00", "end_time": "2026-07-02T07:02:00+01:00", "summary_id": "n1"}'
    return f'{{"type": "sleep", "data": [{{"metadata": {meta}{scores}}}]}}'.encode()


@dataclass
class Capture:
    """A lake in which change capture has made the table of payloads, and that capture's hands on it."""

    settings: WarehouseSettings
    lake: duckdb.DuckDBPyConnection

    def store(self, lsn: int, name: str, body: bytes | None, **given: Any) -> None:
        """Land a payload, sealed."""
        told = {"source": "terra", "kind": "sleep", "ordering_at": NOON, "received_at": NOON, "op": "i"} | given
        sealed = given["sealed"] if "sealed" in given else None if body is None else SEAL.seal(body)
        known = [payload_id(name), CUSTOMER, told["source"], told["kind"], name, told["ordering_at"]]
        self.lake.execute(
            f"insert into {TABLE} values (?, ?, ?, ?, 'GARMIN', 'user-1', ?, ?, ?, ?, ?, ?, 0, 1, ?, ?)",
            [*known, told["received_at"], sealed, told["op"], lsn, NOON, NOON],
        )


@pytest.fixture
def capture(empty_lake: WarehouseSettings) -> Iterator[Capture]:
    with warehouse.writing(empty_lake) as lake:
        lake.execute(
            f"""create table {TABLE} (id uuid, customer_id uuid, source varchar, kind varchar, provider varchar,
                    external_user_id varchar, trace_id varchar, ordering_at timestamptz, received_at timestamptz,
                    body blob, _op varchar, _lsn ubigint, _seq bigint, _xid ubigint, _committed_at timestamptz,
                    _landed_at timestamptz)"""
        )
        yield Capture(empty_lake, lake)


@pytest.fixture
def settings(capture: Capture) -> WarehouseSettings:
    return capture.settings


def connector(settings: WarehouseSettings, **given: Any) -> StoredPayloads:
    return StoredPayloads(partial(warehouse.reading, settings), SEAL, **given)


def landed(settings: WarehouseSettings, query: str) -> list[tuple[Any, ...]]:
    with warehouse.reading(settings) as lake:
        return lake.execute(query).fetchall()


def counts(settings: WarehouseSettings) -> dict[str, int]:
    with warehouse.reading(settings) as lake:
        tables = lake.execute(
            """select table_name from duckdb_tables() where database_name = 'raw'
               and starts_with(table_name, 'wearables__')"""
        ).fetchall()
        found = {name: lake.execute(f"select count(*) from raw.main.{name}").fetchone() for (name,) in tables}
        return {name.removeprefix("wearables__"): row[0] for name, row in found.items() if row and row[0]}


class TestPull:
    def test_nothing_stored_yet(self, empty_lake: WarehouseSettings) -> None:
        assert pull(empty_lake, connector(empty_lake)) == [Outcome("payloads", 0, None)]

    def test_each_payload_once_with_the_cursor_after_it(self, capture: Capture, settings: WarehouseSettings) -> None:
        capture.store(10, "night", night(score=80))
        capture.store(20, "run", workout(NOON - timedelta(hours=3)), source="file", kind="fit")
        capture.store(30, "evil", LAUGHS.encode(), source="file", kind="gpx")
        assert pull(settings, connector(settings)) == [Outcome("payloads", 3, "30:0")]
        assert counts(settings) == {"sleeps": 1, "activities": 1, "rejections": 1}
        assert pull(settings, connector(settings)) == [Outcome("payloads", 0, "30:0")]
        assert pull(settings, connector(settings), resync=True) == [Outcome("payloads", 0, "30:0")]

    def test_groups_are_bounded_and_end_with_the_same_rows(self, capture: Capture, settings: WarehouseSettings) -> None:
        for n in range(5):
            capture.store(n, f"night-{n}", night(score=n))
        groups = [
            batch.cursor for batch in connector(settings, group_payloads=2).pull("payloads", None) if batch.cursor
        ]
        assert groups == ["1:0", "3:0", "4:0"]
        by_size = [batch.cursor for batch in connector(settings, group_bytes=1).pull("payloads", None) if batch.cursor]
        assert by_size == [f"{n}:0" for n in range(5)]
        assert pull(settings, connector(settings, group_payloads=2)) == [Outcome("payloads", 5, "4:0")]

    def test_a_kill_between_the_tables_of_a_group_repeats_it(
        self, capture: Capture, settings: WarehouseSettings
    ) -> None:
        capture.store(10, "run", workout(NOON), source="file", kind="fit")
        capture.store(20, "night", night(score=80))
        with landing.pulling(settings, "wearables") as lake:
            for batch in islice(connector(settings).pull("payloads", None), 1):
                landing.land(lake, "wearables", "payloads", batch)
            assert landing.cursor_of(lake, "wearables", "payloads") is None
        assert counts(settings) == {"activities": 1}
        assert pull(settings, connector(settings)) == [Outcome("payloads", 1, "20:0")]
        assert counts(settings) == {"activities": 1, "sleeps": 1}

    def test_what_the_models_need_to_choose_is_there(self, capture: Capture, settings: WarehouseSettings) -> None:
        capture.store(10, "newer", night(score=None), ordering_at=NOON)
        capture.store(20, "older", night(score=77), ordering_at=NOON - timedelta(hours=1))
        pull(settings, connector(settings))
        same = "partition by customer_id, source, external_user_id, kind, identity"
        newest = landed(
            settings,
            f"""select payload_id, score, last_value(score ignore nulls) over ({same} order by ordering_at, received_at
                       rows between unbounded preceding and unbounded following)
                from raw.main.wearables__sleeps
                qualify row_number() over ({same} order by ordering_at desc, received_at desc) = 1""",
        )
        assert newest == [(payload_id("newer"), None, 77)]

    def test_text_that_postgres_refuses_is_landed_without_it(
        self, capture: Capture, settings: WarehouseSettings
    ) -> None:
        meta = b'{"start_time": "2026-07-01T10:00:00Z", "type": 8, "name": "Run\\u0000 \\ud83c\\udfc3"}'
        capture.store(10, "odd", b'{"data": [{"metadata": ' + meta + b"}]}", kind="activity")
        assert pull(settings, connector(settings)) == [Outcome("payloads", 1, "10:0")]
        assert landed(settings, "select name from raw.main.wearables__activities") == [("Run  \U0001f3c3",)]


class TestErasure:
    def test_what_was_erased_before_it_was_read_is_not_read(
        self, capture: Capture, settings: WarehouseSettings
    ) -> None:
        capture.store(10, "deleted", night(score=1))
        capture.store(11, "emptied", night(score=2))
        capture.store(12, "kept", night(score=3))
        capture.store(20, "deleted", None, op="d")
        capture.store(21, "emptied", None, op="u")
        assert pull(settings, connector(settings)) == [Outcome("payloads", 1, "21:0")]
        assert landed(settings, "select score from raw.main.wearables__sleeps") == [(3,)]


class TestSeals:
    def test_a_payload_that_no_key_opens_is_counted(self, capture: Capture, settings: WarehouseSettings) -> None:
        capture.store(10, "broken", b"", sealed=b"not sealed")
        capture.store(20, "night", night(score=80))
        assert pull(settings, connector(settings)) == [Outcome("payloads", 2, "20:0")]
        query = "select payload_id, reason, value from raw.main.wearables__rejections"
        assert landed(settings, query) == [(payload_id("broken"), "no key opens it", None)]

    def test_wrong_keys_skip_nothing(self, capture: Capture, settings: WarehouseSettings) -> None:
        capture.store(10, "night", night(score=80))
        stranger = StoredPayloads(partial(warehouse.reading, settings), Sealed())
        (outcome,) = pull(settings, stranger)
        assert (outcome.rows, outcome.cursor) == (0, None)
        assert "KeysMissing" in str(outcome.problem)
        assert pull(settings, connector(settings)) == [Outcome("payloads", 1, "10:0")]


def test_a_backfill_takes_what_was_received_in_its_span(capture: Capture, settings: WarehouseSettings) -> None:
    for n in range(4):
        capture.store(n, f"night-{n}", night(score=n), received_at=NOON + timedelta(days=n))
    span = datetime(2026, 7, 3, tzinfo=UTC), datetime(2026, 7, 5, tzinfo=UTC)
    for rows in (2, 0):
        assert backfill(settings, connector(settings, group_payloads=1), *span) == [Outcome("payloads", rows, None)]
    assert landed(settings, "select score from raw.main.wearables__sleeps order by 1") == [(1,), (2,)]


def test_reading_needs_no_right_to_write(capture: Capture, settings: WarehouseSettings) -> None:
    capture.store(10, "night", night(score=80))
    with warehouse.reading(settings) as lake, pytest.raises(duckdb.Error, match="read-only"):
        lake.execute(f"delete from {TABLE}")
