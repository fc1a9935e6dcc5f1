"""The plan of a build: what it is made of agrees with what dbt compiles and with what is in the lake."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts import warehouse
from orchestration import build
from tests.dbt_project import lake as lakes
from tests.dbt_project.lake import NOW, PROJECT


@pytest.fixture(scope="module")
def manifest(built_lake, target: Path) -> dict:
    """The manifest of the build, with compiled SQL."""
    return json.loads((target / "manifest.json").read_text())


class TestClockOf:
    def test_a_model_asks_the_clock_where_its_compiled_sql_does(self, manifest):
        asked: dict[str | None, set[str]] = {"now": set(), "day": set(), None: set()}
        for unique_id, node in manifest["nodes"].items():
            if node["resource_type"] != "model" or "connectors" in node["tags"]:
                continue
            times, days = node["compiled_code"].count(f"'{NOW}'"), node["compiled_code"].count(f"cast(cast('{NOW}'")
            asked["now" if times > days else "day" if days else None].add(node["name"])
            told = build.clock_of(manifest, unique_id)
            # `now` is visited in every build, so what asks for the day alone may be taken for it, never the other way.
            assert told == "now" or node["name"] not in asked["now"], node["name"]
            assert told is not None or node["name"] in asked[None], node["name"]
        assert asked["now"]
        assert asked["day"]
        assert asked[None]


class TestAwaited:
    def test_who_began_before_is_told_the_plan_when_it_is_made(self):
        planned = build.Plan(build.State("project", 7, 3, datetime(2026, 6, 17, tzinfo=UTC)))
        with build.awaited() as tell, ThreadPoolExecutor() as pool:
            told = pool.submit(build.told)
            assert not told.done()
            tell(planned)
            assert told.result(30) == {
                "environment": {"PLYO_LAKE_RAW_SNAPSHOT": "7"},
                "options": ["--indirect-selection", "buildable", "--threads", "1"],
            }
        assert build.PLAN not in os.environ

    @pytest.mark.parametrize(("processors", "models"), [(1, 1), (2, 2), (32, 4), (None, 1)])
    def test_models_are_made_side_by_side_after_a_build_before(self, monkeypatch, processors, models):
        seen = build.State("project", 7, 3, datetime(2026, 6, 17, tzinfo=UTC))
        monkeypatch.setattr(os, "cpu_count", lambda: processors)
        assert build.Plan(seen, before=seen).options[-2:] == ["--threads", str(models)]

    def test_what_is_told_after_a_build_before_names_its_snapshots_and_one_thread(self, monkeypatch):
        before = build.State("project", 6, 2, datetime(2026, 6, 16, tzinfo=UTC))
        planned = build.Plan(build.State("project", 7, 3, datetime(2026, 6, 17, tzinfo=UTC)), before=before)
        for name, value in planned.environment.items():
            monkeypatch.setenv(name, value)
        settings = warehouse.WarehouseSettings(lake_catalog_url="postgresql://nowhere/lake", lake_path="lake")
        assert (settings.lake_raw_snapshot, settings.lake_threads) == (7, 1)
        assert {planned.environment[name] for name in (build.TESTED_RAW_SNAPSHOT, build.TESTED_SNAPSHOT)} == {"6", "2"}

    def test_a_process_whose_plan_never_comes_does_nothing(self):
        with build.awaited():
            process = subprocess.Popen([sys.executable, "-m", "orchestration.dbt_process", "build"], cwd=PROJECT.parent)
        assert process.wait(120) == 3


class TestPlan:
    @pytest.fixture
    def remembered(self, built_lake, postgres, manifest):
        """A connection to a copy of the lake, after a build that was remembered."""
        with warehouse.writing(lakes.copied(built_lake, postgres)) as lake:
            build.remember(lake, build.plan(lake, manifest, PROJECT, whole=True))
            yield lake

    def left_out(self, lake, manifest, project=PROJECT) -> set[str]:
        return {unique_id.split(".")[2] for unique_id in build.plan(lake, manifest, project).left_out}

    def test_leaves_nothing_out_where_no_build_was_remembered(self, built_lake, manifest):
        with warehouse.reading(built_lake) as lake:
            assert build.noted(lake) is None
            assert self.left_out(lake, manifest) == set()

    def test_leaves_out_what_nothing_reached(self, remembered, manifest):
        found = self.left_out(remembered, manifest)
        assert {"fct_invoices", "stg_commerce__invoices", "survey_answers"} <= found
        assert "fct_builds" not in found
        assert not any(name.startswith("stg_stripe__") for name in found)

    def test_visits_what_reads_a_raw_table_that_moved(self, remembered, manifest):
        before = self.left_out(remembered, manifest)
        remembered.execute("update raw.commerce__invoices set _lsn = _lsn where true")
        moved = before - self.left_out(remembered, manifest)
        assert {"stg_commerce__invoices", "fct_invoices"} <= moved
        assert "fct_workouts" not in moved

    def test_tells_dbt_to_leave_out_just_that(self, remembered, manifest, target):
        remembered.execute("update raw.commerce__invoices set _lsn = _lsn where true")
        planned = build.plan(remembered, manifest, PROJECT)
        kinds = [word for kind in ("model", "seed", "test") for word in ("--resource-type", kind)]
        listed = lakes.dbt(
            "list", "--no-write-json", "--quiet", "--output", "json", "--output-keys", "unique_id", *kinds,
            *planned.selection, target=target,
        )  # fmt: skip
        visited = {json.loads(line)["unique_id"] for line in listed.stdout.splitlines()}
        of_connectors = {unique_id for unique_id, node in manifest["nodes"].items() if "connectors" in node["tags"]}
        expected = {
            unique_id
            for unique_id, node in manifest["nodes"].items()
            if node["resource_type"] in ("model", "seed", "test")
            and not (unique_id in planned.left_out or planned.leaves_out(node))
            and of_connectors.isdisjoint([unique_id, *node["depends_on"]["nodes"]])
        }
        assert visited == expected
        assert planned.ends < planned.left_out

    def test_visits_a_mart_that_somebody_else_changed_and_one_that_is_missing(self, remembered, manifest):
        assert {"fct_leads", "fct_survey_answers"} <= self.left_out(remembered, manifest)
        remembered.execute("delete from marts.engagement.fct_leads")
        remembered.execute("alter table marts.engagement.fct_survey_answers rename to set_aside")
        assert not {"fct_leads", "fct_survey_answers"} & self.left_out(remembered, manifest)

    def test_visits_everything_after_a_change_of_the_project(self, remembered, manifest, tmp_path):
        changed = tmp_path / "dbt_project"
        shutil.copytree(PROJECT, changed, ignore=shutil.ignore_patterns("target", "logs"))
        assert self.left_out(remembered, manifest, changed)
        (changed / "macros" / "time.sql").write_text("{# nothing #}")
        build.fingerprint.cache_clear()
        assert self.left_out(remembered, manifest, changed) == set()

    def test_visits_everything_after_an_erasure_ended_the_snapshots(self, remembered, manifest):
        remembered.execute("call ducklake_expire_snapshots('marts', older_than => now())")
        remembered.execute("delete from marts.engagement.fct_leads")
        note = build.noted(remembered)
        kept = remembered.execute("select snapshot_id from marts.snapshots()").fetchall()
        assert note is not None
        assert (note.marts,) not in kept
        assert self.left_out(remembered, manifest) == set()
