"""The lake becomes the source, whatever happens there."""

import time
from datetime import UTC, datetime

import pytest

from contracts import warehouse
from ingestion.postgres_cdc import capture, progress
from ingestion.postgres_cdc.lag import lag
from ingestion.postgres_cdc.landed import Landed
from tests.ingestion.histories import TABLES, History, Witness, assert_equal, assert_exactly_once


class TestRunOnce:
    @pytest.mark.parametrize(("seed", "transactions", "batch_changes"), [(1, 4, 1), (2, 40, 250_000)])
    def test_random_histories_arrive_row_by_row(self, captured, seed, transactions, batch_changes):
        captured.source.execute(TABLES)
        history = History(captured.source, seed)
        for _ in range(20):
            history.transaction()
        capture.ensure_ready(captured.settings)
        witness = Witness(captured.source, f"witness_{captured.settings.cdc_slot}")
        settings = captured.settings.model_copy(update={"cdc_batch_changes": batch_changes})
        for _ in range(2):
            for _ in range(transactions):
                history.transaction()
            history.add_column()
            for _ in range(transactions):
                history.transaction()
            capture.run_once(settings)
            for table in ("kinds", "pairs", "loose"):
                assert_equal(captured.source, captured.settings, table)
        for table in ("kinds", "pairs", "loose"):
            assert_exactly_once(captured.settings, witness, table)


class TestStream:
    def test_lands_changes_as_they_come_and_notes_a_quiet_source(self, captured):
        captured.source.execute("create table training.steps (id int primary key generated always as identity)")
        settings = captured.settings.model_copy(update={"cdc_heartbeat_seconds": 0.5})
        landed: list[Landed] = []
        deadline = time.monotonic() + 60

        def change_and_stop() -> bool:
            if len(landed) < 4:
                captured.source.execute("insert into training.steps default values")
            return time.monotonic() > deadline or len(landed) >= 4

        capture.stream(settings, stop=change_and_stop, on_batch=landed.append)
        assert landed[0].snapshots == {"training__steps": 0}
        assert sum(batch.rows["training__steps"] for batch in landed[1:]) > 0
        capture.run_once(settings)
        quiet_since, asked_at = datetime.now(UTC), []

        def stop_when_quiet_for_long() -> bool:
            asked_at.append(time.monotonic())
            return asked_at[-1] > asked_at[0] + 2

        capture.stream(settings, stop=stop_when_quiet_for_long)
        with warehouse.reading(settings) as lake:
            noted = progress.watermark(lake, settings.cdc_slot)
        assert noted.landed_at > quiet_since
        assert noted.committed_at > quiet_since
        now = lag(settings)
        assert (now.is_slot_lost, now.is_slot_in_danger, now.blocked) == (False, False, {})
        assert now.changes_lately >= now.batches_lately >= len(landed) - 1

    @pytest.mark.parametrize("is_granted", [True, False])
    def test_what_was_landed_is_not_read_again_where_we_may_say_so(self, captured, monkeypatch, is_granted):
        monkeypatch.setattr(capture, "_NOTE_SECONDS", 0)
        captured.source.execute("create table training.steps (id int primary key)")
        if not is_granted:
            captured.source.execute("revoke execute on function pg_log_standby_snapshot() from plyo_cdc")
        read_from = []
        with capture.Capture(captured.settings) as running:
            running.get_ready()
            for number in range(3):
                captured.source.execute("insert into training.steps values (%s)", [number])
                assert [landed.rows for landed in running.batches()] == [{"training__steps": 1}]
                found = captured.source.execute(
                    """select restart_lsn - '0/0' from pg_replication_slots
                       where temporary and database = current_database()"""
                )
                read_from += [int(row[0]) for row in found]
        assert (read_from[-1] > read_from[0]) is is_granted

    def test_a_source_never_captured_has_no_age(self, captured):
        assert lag(captured.settings).seconds is None
        assert lag(captured.settings).is_slot_lost
