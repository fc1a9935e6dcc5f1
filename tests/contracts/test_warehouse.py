"""The door to the lake, with its catalog in a real PostgreSQL."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import psycopg
import pytest

from contracts import warehouse
from contracts.ids import new_id
from contracts.warehouse import LakeMissing, WarehouseSettings
from plyo.postgres import PostgresServer


@pytest.fixture(scope="module")
def reader_role(postgres: PostgresServer) -> str:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        if connection.execute("select from pg_roles where rolname = 'warehouse_test_reader'").fetchone() is None:
            connection.execute("create role warehouse_test_reader login password 'only-looks'")
    return "warehouse_test_reader"


@pytest.fixture
def empty_settings(postgres: PostgresServer, tmp_path: Path) -> Iterator[WarehouseSettings]:
    name = f"lake_{new_id().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    yield WarehouseSettings(lake_catalog_url=postgres.url(name), lake_path=str(tmp_path / "lake"))
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def settings(empty_settings: WarehouseSettings, reader_role: str) -> WarehouseSettings:
    warehouse.set_up(empty_settings, reader_role=reader_role)
    return empty_settings


class TestSetUp:
    def test_is_harmless_when_repeated(self, settings, reader_role):
        with warehouse.writing(settings) as lake:
            lake.execute("create table raw.sets (kg decimal(6, 2)); insert into raw.sets values (102.5)")
            lake.execute("create view raw.heavy as from raw.sets where kg > 100")
        warehouse.set_up(settings, reader_role=reader_role)
        with warehouse.reading(settings) as lake:
            assert lake.execute("select count(*) from raw.heavy").fetchone() == (1,)

    def test_processes_that_start_at_once_all_succeed(self, empty_settings):
        code = (
            "import sys; from contracts.warehouse import *\n"
            "s = WarehouseSettings(lake_catalog_url=sys.argv[1], lake_path=sys.argv[2]); set_up(s)\n"
            "with writing(s) as c: c.execute('create or replace table raw.t' + sys.argv[3] + ' as select 1 as one')"
        )
        url = empty_settings.lake_catalog_url.get_secret_value()
        running = [
            subprocess.Popen(
                [sys.executable, "-c", code, url, empty_settings.lake_path, str(n)], stderr=subprocess.PIPE
            )
            for n in range(3)
        ]
        failures = [process.communicate(timeout=60)[1].decode() for process in running]
        assert [process.returncode for process in running] == [0, 0, 0], failures
        with warehouse.reading(empty_settings) as lake:
            assert len(lake.execute("show tables from raw").fetchall()) == 3

    def test_a_lake_never_set_up_says_what_to_do(self, empty_settings):
        with pytest.raises(LakeMissing, match="make run"), warehouse.reading(empty_settings):
            pass


class TestConnect:
    def test_marts_and_raw_are_lakes_of_their_own(self, settings):
        with warehouse.writing(settings) as lake:
            before = warehouse.snapshot_id(lake, "marts")
            lake.execute("create table raw.things as select 1 as one")
            assert warehouse.snapshot_id(lake, "marts") == before
            assert (Path(settings.lake_path) / "marts").is_dir()

    def test_readers_cannot_write(self, settings):
        with warehouse.reading(settings) as lake, pytest.raises(duckdb.Error, match="read-only"):
            lake.execute("create table raw.mine (one int)")

    def test_the_readers_role_sees_what_is_made_after_it_was_let_in(self, settings, reader_role):
        with warehouse.writing(settings) as lake:
            lake.execute("create schema marts.finance; create table marts.finance.fct_mrr as select 42 as mrr_minor")
            lake.execute("create table raw.inlined as select 7 as seven")
        url = settings.lake_catalog_url.get_secret_value().replace(
            "postgres:test-superuser", f"{reader_role}:only-looks"
        )
        role = settings.model_copy(update={"lake_catalog_url": type(settings.lake_catalog_url)(url)})
        with warehouse.reading(role) as lake, psycopg.connect(url) as catalog:
            for one in warehouse.LAKES:
                newest = catalog.execute(warehouse.newest_snapshot(one)).fetchone()
                assert newest == (warehouse.snapshot_id(lake, one),)
            assert catalog.execute(warehouse.row_counts("marts")).fetchall() == [("finance.fct_mrr", 1)]
            assert lake.execute("select mrr_minor, seven from marts.finance.fct_mrr, raw.inlined").fetchone() == (42, 7)
        with warehouse.writing(role) as lake, pytest.raises(duckdb.Error, match="permission denied"):
            lake.execute("insert into raw.inlined values (8)")

    def test_times_are_utc(self, settings):
        with warehouse.reading(settings) as lake:
            assert lake.execute("select current_setting('TimeZone')").fetchone() == ("UTC",)

    def test_small_writes_leave_no_file(self, settings):
        with warehouse.writing(settings) as lake:
            lake.execute("create table raw.few as select 1 as one; insert into raw.few values (2)")
            assert lake.execute("select count(*) from raw.few").fetchone() == (2,)
        assert not list(Path(settings.lake_path).rglob("*.parquet"))

    def test_a_wrong_password_is_not_repeated_in_the_error(self, settings):
        url = settings.lake_catalog_url.get_secret_value().replace("test-superuser", "not-the-secret")
        wrong = settings.model_copy(update={"lake_catalog_url": type(settings.lake_catalog_url)(url)})
        with pytest.raises(duckdb.Error) as failure, warehouse.reading(wrong):
            pass
        assert "not-the-secret" not in str(failure.value)


class TestAsOf:
    def test_a_snapshot_id_shows_the_lake_as_it_was(self, settings):
        with warehouse.writing(settings) as lake:
            lake.execute("create table raw.plans as select 'gold' as code")
            then = warehouse.snapshot_id(lake, "raw")
            lake.execute("insert into raw.plans values ('silver')")
            assert warehouse.snapshot_id(lake, "raw") == then + 1
        with warehouse.reading(settings, as_of={"raw": then}) as lake:
            assert lake.execute("select code from raw.plans").fetchall() == [("gold",)]

    def test_so_does_a_time(self, settings):
        with warehouse.writing(settings) as lake:
            lake.execute("create table raw.plans as select 'gold' as code")
            then = datetime.now(UTC)
            lake.execute("delete from raw.plans")
        with warehouse.reading(settings, as_of=then) as lake:
            assert lake.execute("select code from raw.plans").fetchall() == [("gold",)]


class TestInTransaction:
    def test_nothing_is_kept_of_work_that_raised(self, settings):
        with warehouse.writing(settings) as lake:
            lake.execute("create table raw.things (one int)")

            def work() -> None:
                lake.execute("insert into raw.things values (1)")
                raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                warehouse.in_transaction(lake, work)
            assert lake.execute("from raw.things").fetchall() == []

    def test_work_that_lost_to_another_writer_is_done_again(self, settings):
        attempts = []
        with warehouse.writing(settings) as lake, warehouse.writing(settings) as other:
            lake.execute("create table raw.counter as select 0 as value")

            def work() -> None:
                lake.execute("update raw.counter set value = value + 1")
                attempts.append(1)
                if len(attempts) == 1:
                    other.execute("update raw.counter set value = value + 10")

            warehouse.in_transaction(lake, work)
            assert lake.execute("from raw.counter").fetchall() == [(11,)]
        assert len(attempts) == 2
