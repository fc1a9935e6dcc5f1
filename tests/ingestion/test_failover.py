"""A standby is promoted: the capture goes on there, from the slot PostgreSQL kept for it, with every change once."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from contracts import warehouse
from contracts.ids import new_id
from ingestion.postgres_cdc import capture, compare, publication, slot
from ingestion.settings import CdcSettings
from plyo.postgres import PostgresServer, free_port, run_tool
from tests.ingestion.streams import streaming

STANDBY = "standby"


pytestmark = pytest.mark.drill


@dataclass
class Pair:
    """A primary with its source, its standby, and a lake that is on neither."""

    primary: PostgresServer
    standby: PostgresServer
    settings: CdcSettings


def server(folder: Path) -> PostgresServer:
    return PostgresServer(folder, free_port(), "test-superuser", durable=False, dies_with_parent=True)


@pytest.fixture
def pair(postgres: PostgresServer, tmp_path: Path) -> Iterator[Pair]:
    """What docs/operations.md says of standbys, done."""
    primary, standby = server(tmp_path / "primary"), server(tmp_path / "standby")
    primary.create()
    primary.start()
    try:
        with psycopg.connect(primary.url(), autocommit=True) as connection:
            connection.execute("create database source")
        with psycopg.connect(primary.url("source"), autocommit=True) as source:
            source.execute("create schema training; create table training.steps (id int primary key, note text)")
            publication.create(source)
            run_tool(
                "pg_basebackup", "-D", str(standby.folder), "-d", primary.url("source"), "-R", "-X", "stream",
                "-C", "-S", STANDBY, "-c", "fast", "--no-sync",
            )  # fmt: skip
            with (standby.folder / "postgresql.auto.conf").open("a") as written:
                written.write("sync_replication_slots = on\nhot_standby_feedback = on\n")
            # Only there: a promoted standby has no standby to wait for.
            source.execute(f"alter system set synchronized_standby_slots = '{STANDBY}'")
            source.execute("select pg_reload_conf()")
        standby.start()
        name = f"lake_{new_id().hex}"
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(f"create database {name}")
        settings = CdcSettings(
            cdc_url=primary.url("source"),
            cdc_slot="plyo_test",
            lake_catalog_url=postgres.url(name),
            lake_path=str(tmp_path / "lake"),
            cdc_period_seconds=0.2,
        )
        warehouse.set_up(settings)
        yield Pair(primary, standby, settings)
    finally:
        primary.stop()
        standby.stop()


def wait(until: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 90
    while not until():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.2)


class TestPromotedStandby:
    def test_goes_on_with_every_change_once(self, pair: Pair) -> None:
        with (
            psycopg.connect(pair.primary.url("source"), autocommit=True) as source,
            psycopg.connect(pair.standby.url("source"), autocommit=True) as standby,
        ):
            source.execute("insert into training.steps select n, 'first' from generate_series(1, 100) n")
            capture.ensure_ready(pair.settings)

            turns = 0

            def is_synchronised() -> bool:
                # The standby keeps the slot for good once the capture has moved it past where the standby began.
                nonlocal turns
                turns += 1
                source.execute("update training.steps set note = 'turn' where id = 1; select pg_log_standby_snapshot()")
                wait(lambda: slot.readable_lsn(source) >= slot.current_lsn(source), "the standby has the changes")
                capture.run_once(pair.settings)
                return standby.execute(
                    "select from pg_replication_slots where slot_name = 'plyo_test' and synced and not temporary"
                ).fetchone() is not None  # fmt: skip

            wait(is_synchronised, "the standby has the slot")
            source.execute("insert into training.steps select n, 'second' from generate_series(101, 200) n")
            wait(lambda: slot.readable_lsn(source) >= slot.current_lsn(source), "the standby has the changes")
            assert capture.run_once(pair.settings).rows == {"training__steps": 100}
            source.execute("update training.steps set note = 'third' where id <= 50")
            ended = slot.current_lsn(source)

            def has_all() -> bool:
                [(behind,)] = standby.execute("select pg_last_wal_replay_lsn() - '0/0'::pg_lsn").fetchall()
                return bool(behind >= ended)

            wait(has_all, "the standby has the last change")
        pair.primary.stop()
        with psycopg.connect(pair.standby.url("source"), autocommit=True) as promoted:
            promoted.execute("select pg_promote()")
            promoted.execute("delete from training.steps where id = 200")
            settings = pair.settings.model_copy(update={"cdc_url": SecretStr(pair.standby.url("source"))})
            landed = capture.run_once(settings)
            assert (landed.rows, landed.snapshots) == ({"training__steps": 51}, {})
            promoted.execute("insert into training.steps values (1000, 'after')")
            with streaming(settings) as quick:
                found = compare.compare(quick)
        assert found.differing == {}
        assert found.tables["training__steps"].lake_rows == 200
        with warehouse.reading(settings) as lake:
            assert dict(lake.execute("select _op, count(*) from raw.training__steps group by 1").fetchall()) == {
                "r": 100, "i": 101, "u": 50 + turns, "d": 1,
            }  # fmt: skip


class TestStandbyThatIsBehind:
    def test_nothing_is_landed_that_it_does_not_have(self, pair: Pair) -> None:
        with psycopg.connect(pair.primary.url("source"), autocommit=True) as source:
            capture.ensure_ready(pair.settings)
            wait(lambda: slot.readable_lsn(source) >= slot.current_lsn(source), "the standby has caught up")
            pair.standby.stop()
            source.execute("insert into training.steps values (1, 'too new')")
            assert slot.readable_lsn(source) < slot.current_lsn(source)
            with capture.Capture(pair.settings) as running:
                running.get_ready()
                assert list(running.batches()) == []
            pair.standby.start()
            wait(lambda: slot.readable_lsn(source) >= slot.current_lsn(source), "the standby has caught up")
            assert capture.run_once(pair.settings).rows == {"training__steps": 1}


class TestOlderSlot:
    def test_is_given_to_standbys_too(self, pair: Pair) -> None:
        with psycopg.connect(pair.primary.url("source"), autocommit=True) as source:
            capture.ensure_ready(pair.settings)
            source.execute("select pg_drop_replication_slot('plyo_test')")
            source.execute("select pg_create_logical_replication_slot('plyo_test', 'pgoutput')")
            capture.ensure_ready(pair.settings)
            assert slot.state(source, "plyo_test").is_on_standbys
