"""Maintenance takes nothing away that a reader may see, beside writers; erasure leaves no byte."""

from datetime import timedelta
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest

from contracts import warehouse
from ingestion import lake_maintenance
from ingestion.lake_maintenance import MaintenanceSettings, erase, forget_past, maintain
from ingestion.postgres_cdc import capture, compare
from ingestion.settings import CdcSettings
from tests.ingestion.histories import KEYS, TABLES, History, assert_equal
from tests.ingestion.streams import streaming, written

MARKER = "zzz-lives-at-14-larch-lane"


def maintenance(settings: CdcSettings, **given: object) -> MaintenanceSettings:
    return MaintenanceSettings(lake_catalog_url=settings.lake_catalog_url, lake_path=settings.lake_path, **given)


class TestMaintain:
    @pytest.mark.drill
    def test_nothing_is_lost_beside_a_stream(self, captured, monkeypatch):
        monkeypatch.setattr(lake_maintenance, "_LINGER", timedelta(seconds=5))
        captured.source.execute(TABLES)
        capture.ensure_ready(captured.settings)
        history = History(captured.source, 3)
        with streaming(captured.settings) as settings:
            with written(history):
                done = [maintain(maintenance(settings, lake_keep_days=3 / 86_400))["raw"] for _ in range(8)]
            assert compare.compare(settings).differing == {}
        assert sum(one.expired_snapshots for one in done) > 0
        for table in KEYS:
            assert_equal(captured.source, captured.settings, table)

    def test_gathers_files_and_keeps_the_past_that_is_promised(self, captured):
        with warehouse.writing(captured.settings) as lake:
            lake.execute("create table raw.steps (id int); create table marts.steps (id int)")
            for lake_name in warehouse.LAKES:
                for _ in range(4):
                    lake.execute(f"insert into {lake_name}.steps select n from range(500) r(n)")
            lake.execute("insert into raw.steps values (999)")
            then = warehouse.snapshot_id(lake, "raw")
            at = lake.execute("select max(snapshot_time) from raw.snapshots()").fetchone()[0]
            lake.execute("delete from raw.steps where id < 200")
        done = maintain(maintenance(captured.settings))
        assert (done["marts"].files_before, done["marts"].files_after) == (4, 1)
        assert done["raw"].files_after < done["raw"].files_before
        assert done["raw"].flushed_rows == 1
        assert done["raw"].expired_snapshots == done["raw"].deleted_files == 0
        for moment in ({"raw": then}, at):
            with warehouse.reading(captured.settings, as_of=moment) as lake:
                assert lake.execute("select count(*) from raw.steps").fetchone() == (2001,)
        maintain(maintenance(captured.settings, lake_keep_days=0))
        with warehouse.reading(captured.settings) as lake:
            assert lake.execute("select count(*) from raw.snapshots()").fetchone() == (1,)
            assert lake.execute("select count(*) from raw.steps").fetchone() == (1201,)
        with lake_maintenance._alone(captured.settings), pytest.raises(lake_maintenance.Busy):
            maintain(maintenance(captured.settings))


def places(settings: CdcSettings) -> set[str]:
    """Where the marker is: files by their bytes and by their values, and tables of the catalog by their text."""
    found = set()
    for file in Path(settings.lake_path).rglob("*"):
        if file.is_file() and MARKER.encode() in file.read_bytes():
            found.add("bytes of a file")
        if file.suffix == ".parquet" and MARKER in str(pq.read_table(file).to_pylist()):
            found.add("values of a file")
    shown = f"%{MARKER}%", f"%{MARKER.encode().hex()}%"
    with psycopg.connect(settings.lake_catalog_url.get_secret_value()) as catalog:
        tables = catalog.execute(
            "select schemaname, tablename from pg_tables where schemaname = any(%s)", [["raw", "marts"]]
        )
        for schema, table in tables.fetchall():
            held = f'select count(*) from "{schema}"."{table}" held where held::text like any(%s)'
            if catalog.execute(held, [list(shown)]).fetchone() != (0,):
                found.add(table.rstrip("0123456789_"))
    return found


class TestErase:
    def test_leaves_no_byte_of_a_person_and_all_of_the_others(self, captured, monkeypatch):
        monkeypatch.setattr(capture, "_LOCK_WAIT", "100ms")
        captured.source.execute("create table training.steps (id int primary key, note text)")
        captured.source.execute("insert into training.steps select n, 'step ' || n from generate_series(1, 300) n")
        captured.source.execute("insert into training.steps values (1000, %s)", [MARKER])
        capture.ensure_ready(captured.settings)
        captured.source.execute("update training.steps set note = %s where id = 1000", [f"{MARKER} too"])
        capture.run_once(captured.settings)
        with warehouse.writing(captured.settings) as lake:
            lake.execute("call ducklake_flush_inlined_data('raw'); call ducklake_merge_adjacent_files('raw')")
            lake.execute("create table marts.steps as select * from raw.training__steps")
        captured.source.execute("update training.steps set note = %s || '!' where id = 1000", [MARKER])
        captured.source.execute("delete from training.steps where id = 1000")
        capture.run_once(captured.settings)
        before = places(captured.settings)
        assert before > {"bytes of a file", "values of a file", "ducklake_inlined_data", "ducklake_file_column_stats"}
        with capture.Capture(captured.settings), pytest.raises(capture.AlreadyRunning):
            erase(captured.settings, {})
        erased = erase(captured.settings, {"training__steps": {"id": [1000]}})
        assert erased.rows == {"training__steps": 4}
        with warehouse.writing(captured.settings) as lake:
            lake.execute("create or replace table marts.steps as select * from raw.training__steps")
        forget_past(captured.settings, "marts")
        assert places(captured.settings) == set()
        captured.source.execute("insert into training.steps values (1001, 'after')")
        with streaming(captured.settings) as settings:
            found = compare.compare(settings)
        assert found.differing == {}
        assert found.tables["training__steps"].lake_rows == 301
