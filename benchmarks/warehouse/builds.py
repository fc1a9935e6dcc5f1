"""Builds timed: dbt as it is run, and the SQL it compiled run bare in one connection."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.warehouse.business import Business
from contracts import warehouse

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "dbt_project"


def dbt(business: Business, target: Path, *options: str) -> float:
    """Seconds of `dbt build` in a process of its own, its start and its data tests included.

    Raises:
        RuntimeError: the build failed.
    """
    known = os.environ | business.environment | {
        "PYTHONPATH": str(ROOT), "DBT_TARGET_PATH": str(target), "DBT_LOG_PATH": str(target / "logs"),
    }  # fmt: skip
    command = [
        sys.executable, "-m", "dbt.cli.main", "build", "--exclude-resource-type", "unit_test",
        "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), *options,
    ]  # fmt: skip
    began = time.perf_counter()
    done = subprocess.run(command, env=known, cwd=ROOT, text=True, capture_output=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:])
    return took


def bare(business: Business, target: Path) -> float:
    """Seconds of what dbt compiled in its last full build, run in that order in one connection: models and tests."""
    manifest = json.loads((target / "manifest.json").read_text())
    results = json.loads((target / "run_results.json").read_text())["results"]
    began = time.perf_counter()
    with warehouse.writing(business.cdc) as lake:
        for result in results:
            node, code = manifest["nodes"].get(result["unique_id"]), result.get("compiled_code")
            if node is None or not code:
                continue
            if node["resource_type"] == "model":
                kind = node["config"]["materialized"]
                lake.execute(f"create or replace {kind} {node['relation_name']} as {code}")
            else:
                lake.execute(f"select count(*) from ({code})").fetchone()
    return time.perf_counter() - began
