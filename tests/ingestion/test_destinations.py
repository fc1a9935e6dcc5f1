"""Raw tables in a real PostgreSQL elsewhere: every row once, every value the same, whatever is repeated or killed.

Snowflake and BigQuery cannot be reached from here: their configuration is resolved and nothing is sent.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from dlt.common.exceptions import TerminalValueError

from contracts import warehouse
from contracts.ids import new_id
from contracts.warehouse import WarehouseSettings
from ingestion.destinations import DestinationSettings, Kind, columns_of, copy, destination
from plyo.postgres import PostgresServer
from tests.dbt_project.lake import ROOT
from tests.ingestion.conftest import Captured

MAKE = """
    create table raw.main.shop__things (
        id varchar, document json, price decimal(38, 9), seen_at timestamptz, local timestamp, day date, tags varchar[],
        key uuid, weight float, photo blob, is_new boolean, ratio double, big bigint, _lsn ubigint,
        nested struct(a int, b varchar))
"""
ROWS = """
    insert into raw.main.shop__things
    select 'o' || n, json_object('n', n, 'name', 'Mía "Ünlü"', 'list', [1, null]),
        n + 0.123456789, timestamptz '2026-11-02 10:00:00.123456+00' + n * interval 1 second,
        timestamp '2026-11-02 10:00:00.5', date '2026-11-02', ['a', 'b,"c"', null],
        '0190a0b0-0000-7000-8000-000000000001'::uuid, n + 0.1, '\\x00\\xFF,"'::blob, n % 2 = 0, n / 3.0,
        9223372036854775807 - n, 18446744073709::ubigint + n, {'a': n::int, 'b': 'x'}
    from range(?, ?) as made (n)
"""


@pytest.fixture
def lake(captured: Captured) -> WarehouseSettings:
    with warehouse.writing(captured.settings) as connection:
        connection.execute(MAKE)
        connection.execute(ROWS, [0, 1000])
    return captured.settings


@pytest.fixture
def elsewhere(postgres: PostgresServer) -> Iterator[str]:
    """URL of an empty database."""
    name = f"elsewhere_{new_id().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as server:
        server.execute(f"create database {name}")
    yield postgres.url(name)
    with psycopg.connect(postgres.url(), autocommit=True) as server:
        server.execute(f"drop database {name} with (force)")


def settings(url: str, **given: Any) -> DestinationSettings:
    return DestinationSettings(kind="postgres", credentials=url, **given)


def held(url: str, what: str, order: str = "") -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(f"select {what} from raw.shop__things {order}").fetchall()


def add(lake: WarehouseSettings, start: int, end: int) -> None:
    with warehouse.writing(lake) as connection:
        connection.execute(ROWS, [start, end])


class TestCopy:
    def test_every_value_arrives_as_it_was(self, lake: WarehouseSettings, elsewhere: str) -> None:
        assert copy(lake, settings(elsewhere), ["shop__things"]) == {"shop__things": 1000}
        columns = "id, document, price, seen_at, local, day, tags, key, weight, photo, is_new, ratio, big, _lsn, nested"
        assert held(elsewhere, columns, "where id = 'o7'") == [
            (
                "o7", {"n": 7, "name": 'Mía "Ünlü"', "list": [1, None]}, Decimal("7.123456789"),
                datetime(2026, 11, 2, 10, 0, 7, 123456, tzinfo=UTC), datetime(2026, 11, 2, 10, 0, 0, 500000),  # noqa: DTZ001
                datetime(2026, 11, 2, tzinfo=UTC).date(), ["a", 'b,"c"', None],
                UUID("0190a0b0-0000-7000-8000-000000000001"), pytest.approx(7.1), b'\x00\xff,"', False, 7 / 3,
                9223372036854775800, 18446744073716, {"a": 7, "b": "x"},
            )
        ]  # fmt: skip

    def test_a_table_without_rows_is_there_and_takes_its_first_ones(
        self, lake: WarehouseSettings, elsewhere: str
    ) -> None:
        with warehouse.writing(lake) as connection:
            connection.execute("delete from raw.main.shop__things")
            connection.execute("create table raw.main.shop__empty as select * from raw.main.shop__things")
        assert copy(lake, settings(elsewhere), ["shop__empty"]) == {"shop__empty": 0}
        with psycopg.connect(elsewhere) as there:
            assert there.execute("select id, key from raw.shop__empty").fetchall() == []
        with warehouse.writing(lake) as connection:
            connection.execute(ROWS.replace("shop__things", "shop__empty"), [0, 5])
        assert copy(lake, settings(elsewhere), ["shop__empty"]) == {"shop__empty": 5}
        with psycopg.connect(elsewhere) as there:
            assert there.execute("select count(*), min(pg_typeof(key)::text) from raw.shop__empty").fetchone() == (
                5,
                "uuid",
            )

    def test_copies_from_before_there_were_views_go_on(self, lake: WarehouseSettings, elsewhere: str) -> None:
        copy(lake, settings(elsewhere), ["shop__things"])
        with psycopg.connect(elsewhere) as connection:
            connection.execute("drop schema raw cascade; alter schema raw_copies rename to raw")
        add(lake, 1000, 1010)
        assert copy(lake, settings(elsewhere), ["shop__things"]) == {"shop__things": 10}
        assert held(elsewhere, "count(*), count(distinct id)") == [(1010, 1010)]

    def test_only_what_is_new_is_sent_also_by_another_machine(self, lake: WarehouseSettings, elsewhere: str) -> None:
        copy(lake, settings(elsewhere), ["shop__things"])
        assert copy(lake, settings(elsewhere), ["shop__things"]) == {"shop__things": 0}
        add(lake, 1000, 1250)
        assert copy(lake, settings(elsewhere, rows_a_load=100), ["shop__things"]) == {"shop__things": 250}
        assert held(elsewhere, "count(*), count(distinct id), count(distinct _row_number)") == [(1250, 1250, 1250)]

    def test_what_was_sent_and_not_noted_is_not_doubled(self, lake: WarehouseSettings, elsewhere: str) -> None:
        copy(lake, settings(elsewhere), ["shop__things"])
        with psycopg.connect(elsewhere) as connection:
            connection.execute("delete from raw_copies._dlt_pipeline_state")
        add(lake, 1000, 1100)
        assert copy(lake, settings(elsewhere), ["shop__things"]) == {"shop__things": 1100}
        assert held(elsewhere, "count(*), count(distinct id)") == [(1100, 1100)]

    def test_a_new_column_is_there_too(self, lake: WarehouseSettings, elsewhere: str) -> None:
        copy(lake, settings(elsewhere), ["shop__things"])
        with warehouse.writing(lake) as connection:
            connection.execute("alter table raw.main.shop__things add column colour varchar")
            connection.execute("insert into raw.main.shop__things by name select 'o1000' as id, 'red' as colour")
        copy(lake, settings(elsewhere), ["shop__things"])
        assert held(elsewhere, "colour", "where colour is not null") == [("red",)]

    @pytest.mark.drill
    def test_killed_at_any_time_nothing_is_lost_or_doubled(self, lake: WarehouseSettings, elsewhere: str) -> None:
        add(lake, 1000, 9_000)
        code = (
            "from contracts.warehouse import WarehouseSettings\n"
            "from ingestion.destinations import DestinationSettings, copy\n"
            "copy(WarehouseSettings(), DestinationSettings(), ['shop__things'])\n"
        )
        environment = os.environ | {
            "PLYO_LAKE_CATALOG_URL": lake.lake_catalog_url.get_secret_value(),
            "PLYO_LAKE_PATH": lake.lake_path,
            "PLYO_DESTINATION_KIND": "postgres",
            "PLYO_DESTINATION_CREDENTIALS": elsewhere,
            "PLYO_DESTINATION_ROWS_A_LOAD": "2000",
        }
        for loads in (1, 3):
            process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment)
            while process.poll() is None and _loads(elsewhere) < loads:
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            process.wait()
        sent = copy(lake, settings(elsewhere), ["shop__things"])["shop__things"]
        assert 0 < sent < 9_000
        assert held(elsewhere, "count(*), count(distinct id)") == [(9_000, 9_000)]


def _loads(url: str) -> int:
    with psycopg.connect(url) as connection:
        if connection.execute("select to_regclass('raw_copies._dlt_loads')").fetchone() == (None,):
            return 0
        row = connection.execute("select count(*) from raw_copies._dlt_loads").fetchone()
        return int(row[0]) if row else 0


class TestDestination:
    def test_snowflake_takes_a_url(self) -> None:
        url = "snowflake://loader:secret@account/warehouse_db?warehouse=load&role=loader"
        made = destination(DestinationSettings(kind="snowflake", credentials=url))
        resolved = made.configuration(made.spec()._bind_dataset_name(dataset_name="raw"))
        told = resolved.credentials
        assert (told.username, told.host, told.database, told.warehouse) == (
            "loader", "account", "warehouse_db", "load",
        )  # fmt: skip

    def test_bigquery_takes_the_json_of_a_service_account(self) -> None:
        key = '{"type": "service_account", "project_id": "plyo", "private_key": "k", "client_email": "l@example.test"}'
        made = destination(DestinationSettings(kind="bigquery", credentials=key))
        resolved = made.configuration(made.spec()._bind_dataset_name(dataset_name="raw"))
        assert (resolved.credentials.project_id, resolved.credentials.client_email) == ("plyo", "l@example.test")

    @pytest.mark.parametrize(
        ("kind", "credentials"),
        [
            ("snowflake", "snowflake://loader:secret@account/warehouse_db"),
            (
                "bigquery",
                '{"type": "service_account", "project_id": "p", "private_key": "k", "client_email": "l@e.test"}',
            ),
        ],
    )
    def test_every_column_can_be_told_in_parquet(self, lake: WarehouseSettings, kind: Kind, credentials: str) -> None:
        types = destination(DestinationSettings(kind=kind, credentials=credentials)).capabilities().get_type_mapper()
        with warehouse.reading(lake) as connection:
            columns = columns_of(connection, "shop__things", kind)
        hinted = {column.name: column.hint for column in columns if column.hint}
        assert hinted == {"local": {"data_type": "timestamp", "timezone": False}}  # JSON, lists and structs are text
        for name, hint in hinted.items():
            types.ensure_supported_type({"name": name, **hint}, {"name": "shop__things"}, "parquet")
        if kind == "bigquery":
            with pytest.raises(TerminalValueError):  # as JSON would be
                types.ensure_supported_type(
                    {"name": "document", "data_type": "json"}, {"name": "shop__things"}, "parquet"
                )
