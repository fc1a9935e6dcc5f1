"""What suites, distributions and freshness found reaches Dagster and the page of quality."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from contracts import warehouse
from ingestion.postgres_cdc import capture, progress
from ingestion.quality import drift
from operational_api.analytics.settings import AnalyticsSettings
from orchestration.defs import freshness, quality
from orchestration.resources import DBT_PROJECT, RESOURCES
from tests.ingestion.conftest import Captured


def checked(check: dg.AssetChecksDefinition) -> dict[str, dg.AssetCheckEvaluation]:
    """Asset to what a check says of it now."""
    job = dg.Definitions(asset_checks=[check], resources=RESOURCES).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process()
    assert result.success
    return {one.asset_key.path[-1]: one for one in result.get_asset_check_evaluations()}


class TestSuites:
    def test_a_wrong_row_is_told_by_its_check_and_on_the_page(
        self, captured_environment: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(quality, "PAGES", str(tmp_path / "quality"))
        captured_environment.source.execute(
            "create table training.goals (id uuid primary key, note text); "
            "insert into training.goals values (gen_random_uuid(), 'a secret wish')"
        )
        capture.ensure_ready(captured_environment.settings)
        capture.run_once(captured_environment.settings)
        with warehouse.writing(captured_environment.settings) as lake:
            lake.execute(
                "insert into raw.training__goals by name select * replace (null as id) from raw.training__goals"
            )
        found = checked(quality.change_log_suites)
        assert {name for name, one in found.items() if not one.passed} == {"training__goals"}
        assert found["training__goals"].severity == dg.AssetCheckSeverity.WARN
        summary = json.loads((tmp_path / "quality" / "summary.json").read_text())
        told = {one["table"]: one for one in summary["tables"]}
        assert told["training__goals"]["reasons"] == {"id is missing or unreadable": 1}
        page = (tmp_path / "quality" / summary["pages"] / "training__goals.html").read_text()
        assert "1 unexpected values found" in page
        assert "a secret wish" not in page
        assert "<script" not in page
        assert "http" not in page.replace("http://www.w3.org", "")


class TestDistributions:
    def test_what_is_not_there_is_not_told_and_what_drifted_warns(self, captured_environment: Captured) -> None:
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        with warehouse.writing(captured_environment.settings) as lake:
            lake.execute("create schema marts.engagement")
            lake.execute(
                """create table marts.engagement.fct_messages as
                select ?::timestamptz - to_hours(n * 3 + 1) as sent_at, if(n < 50, 'nudge', 'chat') as kind
                from range(480) as series (n)""",
                [today - timedelta(hours=1)],
            )
            lake.execute("insert into marts.engagement.fct_messages select sent_at, kind from "
                         "marts.engagement.fct_messages, range(3)")  # fmt: skip
        found = checked(quality.distributions)
        assert {name: one.passed for name, one in found.items()} == {"fct_messages": False}
        assert found["fct_messages"].severity == dg.AssetCheckSeverity.WARN
        with warehouse.reading(captured_environment.settings) as lake:
            assert [one.is_drift for one in drift.newest(lake)] == [True]


class TestFreshness:
    def test_every_raw_table_of_dbt_has_a_limit_and_it_is_what_readers_are_told(self) -> None:
        promised = AnalyticsSettings.model_fields
        sources = json.loads(DBT_PROJECT.manifest_path.read_text())["sources"].values()
        watched = [one for one in sources if one["unique_id"] in freshness.SOURCES]
        # Drift is measured by us, once a night: its age says nothing about a source.
        assert {one["name"] for one in sources if one not in watched} == {"_column_distances", "_suite_judgements"}
        for node in watched:
            kind = "marts" if node["source_name"] == "raw" else "connectors"
            for level, name in (("warn", "late"), ("error", "stale")):
                limit = freshness._seconds(node["freshness"][f"{level}_after"])
                assert limit == promised[f"{kind}_{name}_seconds"].default, node["unique_id"]

    def test_a_table_that_stands_still_is_late_then_stale_and_the_others_are_fresh(
        self, captured_environment: Captured
    ) -> None:
        capture.run_once(captured_environment.settings)
        now = datetime.now(UTC)
        with warehouse.writing(captured_environment.settings) as lake:
            columns = [row[0] for row in lake.execute(f"describe {progress.TABLES}").fetchall()]
            for table, age in (("commerce__plans", 20), ("training__clients", 120)):
                given = {"raw_table": f"'{table}'", "state": "'blocked'", "noted_at": "$at"}
                picked = ", ".join(given.get(column, column) for column in columns)
                lake.execute(
                    f"insert into {progress.TABLES} select {picked} from {progress.TABLES} limit 1",
                    {"at": now - timedelta(minutes=age)},
                )
                lake.execute(
                    f"update {progress.TABLES} set noted_at = $at where raw_table = '{table}' and state = 'live'",
                    {"at": now - timedelta(days=1)},
                )
        found = checked(freshness.source_freshness)
        assert {name: one.severity for name, one in found.items() if not one.passed} == {
            "commerce__plans": dg.AssetCheckSeverity.WARN, "training__clients": dg.AssetCheckSeverity.ERROR,
        }  # fmt: skip
        assert len(found) == sum(key[-1].partition("__")[0] not in CONNECTORS for key in freshness.SOURCES.values())


CONNECTORS = ("stripe", "momo", "hubspot", "wearables")
