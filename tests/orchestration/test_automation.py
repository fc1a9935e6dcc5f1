"""When things run: sensors read the lake, and never start what is already under way."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from contracts import warehouse
from ingestion.postgres_cdc import own_tables, progress
from ingestion.postgres_cdc.progress import TableState
from operational_api.analytics.freshness import PULLED_EVERY_SECONDS
from operational_api.analytics.settings import AnalyticsSettings
from orchestration import automation
from orchestration.jobs import refresh_marts, stream_changes
from orchestration.resources import Lake


@pytest.fixture
def lake(lake_environment):
    """The business lake with a build that has read everything, and nothing else."""
    with warehouse.writing(lake_environment) as connection:
        connection.execute("create schema if not exists marts.core")
        connection.execute(
            "create or replace table marts.core.fct_builds as select now() as built_at, cast(5000 as bigint) as lsn"
        )
    return lake_environment


def landed(lake, *, lsn: int, changes: int, at: datetime | None = None) -> None:
    with warehouse.writing(lake) as connection:
        at = at or datetime.now(UTC)
        connection.execute("insert into raw._cdc_watermarks values ('plyo', ?, ?, ?, ?)", [lsn, at, at, changes])


def tick(sensor, instance: dg.DagsterInstance):
    return sensor(dg.build_sensor_context(instance=instance, resources={"lake": Lake()}))


class TestNewChanges:
    def test_a_heartbeat_builds_nothing_and_a_change_builds_once(self, lake):
        with dg.DagsterInstance.ephemeral() as instance:
            landed(lake, lsn=5001, changes=0)
            assert isinstance(tick(automation.new_changes, instance), dg.SkipReason)
            landed(lake, lsn=5002, changes=3)
            first = tick(automation.new_changes, instance)
            again = tick(automation.new_changes, instance)
            assert first.run_requests[0].run_key == again.run_requests[0].run_key == "lsn 5002"

    def test_never_two_builds_at_once(self, lake):
        landed(lake, lsn=5003, changes=1)
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_run(dg.DagsterRun(refresh_marts.name, run_id=dg_run_id(), status=dg.DagsterRunStatus.STARTED))
            assert "is writing the marts" in str(tick(automation.new_changes, instance).skip_message)


class TestKeepStreaming:
    def test_starts_a_stream_when_none_runs(self, lake):
        with dg.DagsterInstance.ephemeral() as instance:
            assert tick(automation.keep_streaming, instance).run_requests

    def test_leaves_a_stream_alone_that_writes(self, lake):
        landed(lake, lsn=5004, changes=0)
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_run(dg.DagsterRun(stream_changes.name, run_id=dg_run_id(), status=dg.DagsterRunStatus.STARTED))
            assert "alive" in str(tick(automation.keep_streaming, instance).skip_message)

    def test_gives_up_a_stream_that_fell_silent(self, lake, monkeypatch):
        monkeypatch.setattr(automation, "SILENCE", timedelta(0))
        with dg.DagsterInstance.ephemeral() as instance:
            run = dg.DagsterRun(stream_changes.name, run_id=dg_run_id(), status=dg.DagsterRunStatus.STARTED)
            instance.add_run(run)
            assert "given up" in str(tick(automation.keep_streaming, instance).skip_message)
            assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE
            assert tick(automation.keep_streaming, instance).run_requests


def dg_run_id() -> str:
    from uuid import uuid4

    return str(uuid4())


class TestHalfCopied:
    def test_no_marts_are_built_on_a_part_of_a_table(self, lake):
        with warehouse.writing(lake) as connection:
            own_tables.ensure(connection)
            state = TableState("copying", 10, 1)
            progress.set_state(connection, "plyo_cdc", "training__steps", state)
            assert automation.half_copied(connection) == ["training__steps"]
            progress.set_state(connection, "plyo_cdc", "training__steps", TableState("live", 10, 1), rows=3)
            assert automation.half_copied(connection) == []


class TestPulls:
    def test_one_may_be_missed_before_what_it_brings_is_told_as_late(self):
        """Of each connector its most frequent pull; those of which two fit into the usual promise need no other."""
        gaps: dict[str, float] = {}
        for schedule in automation.CONNECTORS:
            ticks = dg.TimeWindowPartitionsDefinition(
                start="2026-01-01-00:00", fmt="%Y-%m-%d-%H:%M", cron_schedule=str(schedule.cron_schedule)
            )
            first = ticks.get_first_partition_window()
            connector = schedule.job_name.rpartition("_")[2].removesuffix("s")
            connector = "stripe" if connector == "event" else connector
            gaps[connector] = min(gaps.get(connector, 1e9), (first.end - first.start).total_seconds())
        promised = AnalyticsSettings.model_fields["connectors_late_seconds"].default
        assert {name: gap for name, gap in gaps.items() if 2 * gap > promised} == PULLED_EVERY_SECONDS
