"""The comparison finds what differs, exactly, and nothing where nothing does; beside a stream that goes on."""

from typing import Any

import pytest

from contracts import warehouse
from ingestion.postgres_cdc import capture, compare, progress
from ingestion.settings import CdcSettings
from tests.ingestion.histories import TABLES, History
from tests.ingestion.streams import streaming, written


def compared(settings: CdcSettings) -> compare.Comparison:
    with streaming(settings) as quick:
        return compare.compare(quick)


def fault(settings: CdcSettings, *statements: str) -> None:
    with warehouse.writing(settings) as lake:
        for statement in statements:
            lake.execute(statement)


class TestCompare:
    @pytest.mark.drill
    def test_random_histories_are_equal_while_they_go_on(self, captured, monkeypatch):
        monkeypatch.setattr(compare, "_CHUNK_ROWS", 40)
        captured.source.execute(TABLES)
        history = History(captured.source, 5)
        for _ in range(20):
            history.transaction()
        capture.ensure_ready(captured.settings)
        with streaming(captured.settings) as settings:
            with written(history):
                found = [compare.compare(settings)]
            history.add_column()
            found.append(compare.compare(settings))
            history.insert()
            found.append(compare.compare(settings))
        for comparison in found:
            assert comparison.differing == {}
            assert set(comparison.tables) == {"training__kinds", "training__pairs", "training__loose"}
            assert {table.skipped for table in comparison.tables.values()} <= {None, compare._REWRITTEN}
        assert found[-2].tables["training__kinds"].awaited_columns == ("extra_1",)
        assert found[-1].tables["training__kinds"].awaited_columns == ()
        assert all(table.source_rows == table.lake_rows for table in found[-1].tables.values())
        assert found[-1].tables["training__kinds"].lake_rows > 0

    def test_a_truncate_after_the_point_is_no_difference(self, captured, monkeypatch):
        captured.source.execute("create table training.steps (id int primary key)")
        captured.source.execute("insert into training.steps values (1)")
        capture.ensure_ready(captured.settings)
        await_lake = progress.await_watermark

        def truncate_meanwhile(*of: Any, seconds: float) -> None:
            await_lake(*of, seconds=seconds)
            captured.source.execute("truncate training.steps")

        monkeypatch.setattr(progress, "await_watermark", truncate_meanwhile)
        steps = compared(captured.settings).tables["training__steps"]
        assert (steps.skipped, steps.is_equal) == (compare._REWRITTEN, True)

    def test_every_planted_fault_is_found_and_nothing_else(self, captured, monkeypatch):
        monkeypatch.setattr(compare, "_CHUNK_ROWS", 7)
        captured.source.execute(
            """create table training.steps (id int primary key, weight numeric(6, 2), note text, tags text[]);
               create table training.others (id int primary key);
               insert into training.steps select n, n, 'step ' || n, array['a', n::text] from generate_series(1, 50) n;
               insert into training.others values (1);
               create table training.weights (id int primary key, weight numeric(6, 2))"""
        )
        capture.run_once(captured.settings)
        captured.source.execute("delete from training.steps where id = 5")
        captured.source.execute("update training.steps set note = 'new' where id = 6")
        captured.source.execute("insert into training.weights values (1, 'NaN')")
        capture.run_once(captured.settings)
        with pytest.raises(progress.LakeBehind):  # nobody captures
            compare.compare(captured.settings, wait_seconds=0)
        fault(
            captured.settings,
            "delete from raw.training__steps where id = 1",
            "insert into raw.training__steps select * replace (999 as id) from raw.training__steps where id = 2",
            "update raw.training__steps set tags = ['a', '33'] where id = 3",
            "update raw.training__steps set note = null where id = 4",
            "delete from raw.training__steps where id = 5 and _op = 'd'",
        )
        found = compared(captured.settings)
        assert set(found.differing) == {"training__steps"}
        assert found.tables["training__weights"].is_blocked
        assert "NaN" in found.tables["training__weights"].skipped
        steps = found.tables["training__steps"]
        assert (steps.source_rows, steps.lake_rows, steps.missing, steps.extra, steps.different) == (49, 50, 1, 2, 2)
        told = {kind: sorted(key["id"] for key in keys) for kind, keys in steps.examples.items()}
        assert told == {"missing": [1], "extra": [5, 999], "different": [3, 4]}
        capture.resume(captured.settings, "training__steps")
        assert compared(captured.settings).differing == {}
