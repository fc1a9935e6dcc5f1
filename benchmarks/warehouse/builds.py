"""Builds timed: dbt as orchestration runs it, and the SQL it compiled run bare in one connection."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from benchmarks import cpu
from benchmarks.warehouse.business import Business
from contracts import warehouse
from orchestration import build, dbt_builder

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "dbt_project"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a build took: seconds by the clock, and of processor by dbt, by whoever planned it and by PostgreSQL."""

    seconds: float
    cpu_seconds: float


@contextmanager
def ready(business: Business, target: Path) -> Iterator[None]:
    """Parse the project into `target`, as a deployment does once, and have a builder stand by, as after any build."""
    builder = target / "builder"
    _dbt(business, target, "parse")
    while not dbt_builder.is_ready(builder):  # parsing started it
        time.sleep(0.1)
    try:
        yield
    finally:
        dbt_builder.end(builder)


def dbt(business: Business, target: Path, *, full: bool = False) -> Cost:
    """A build of everything as orchestration starts it: its plan, its start and its data tests included.

    Args:
        full: Make every model anew.

    Raises:
        RuntimeError: the build failed.
    """
    options = [*build.OPTIONS, *(["--full-refresh"] if full else [])]
    with _spending(target) as costs, build.awaited() as tell, _started(business, target, "build", *options) as process:
        manifest = _read(target, "manifest.json")
        with warehouse.writing(business.cdc) as lake:
            planned = build.plan(lake, manifest, PROJECT, whole=full)
            tell(planned)
            _succeeded(process)
            build.remember(lake, planned)
    return costs[0]


def bare(business: Business, target: Path) -> Cost:
    """What a full build runs, in that order in one connection: models and tests."""
    _dbt(business, target, "compile", "--full-refresh")
    manifest, results = _read(target, "manifest.json"), _read(target, "run_results.json")["results"]
    with _spending(target) as costs, warehouse.writing(business.cdc) as lake:
        for result in results:
            node, code = manifest["nodes"].get(result["unique_id"]), result.get("compiled_code")
            if node is None or not code or node["config"]["materialized"] == "ephemeral":
                continue
            if node["resource_type"] == "operation":  # dbt's own of a run: what it notes of raw and of its tables
                continue
            if node["resource_type"] == "model":
                kind = node["config"]["materialized"]
                lake.execute(f"create or replace {kind} {node['relation_name']} as {code}")
            else:
                lake.execute(f"select count(*) from ({code})").fetchone()
    return costs[0]


@contextmanager
def _spending(target: Path) -> Iterator[list[Cost]]:
    """What the block costs, once it is left: us and our children, PostgreSQL one of them, and the builder's builds."""
    costs: list[Cost] = []
    with _builds_cpu(target) as of_builds:
        began, before = time.perf_counter(), cpu.seconds_of([os.getpid()])
        yield costs
        seconds, ours = time.perf_counter() - began, cpu.seconds_of([os.getpid()]) - before
    costs.append(Cost(seconds, ours + sum(of_builds)))


@contextmanager
def _builds_cpu(target: Path) -> Iterator[list[float]]:
    """Processor seconds of a builder's build. Nobody is told them when it ends, so it is looked at while it runs."""
    found, is_over = [0.0], Event()
    builder = dbt_builder.pid_of(target / "builder")

    def watch(pid: int) -> None:
        before = cpu.seconds_of([pid])
        while not is_over.wait(0.05):
            found[0] = max(found[0], cpu.seconds_of([pid]) - before)

    watching = Thread(target=watch, args=[builder]) if builder else None
    if watching is not None:
        watching.start()
    try:
        yield found
    finally:
        is_over.set()
        if watching is not None:
            watching.join()


def _dbt(business: Business, target: Path, *arguments: str) -> None:
    with _started(business, target, *arguments) as process:
        _succeeded(process)


def _started(business: Business, target: Path, *arguments: str) -> subprocess.Popen[str]:
    known = os.environ | business.environment | {
        "PYTHONPATH": str(ROOT), "DBT_TARGET_PATH": str(target), "DBT_LOG_PATH": str(target / "logs"),
        "DBT_PROJECT_DIR": str(PROJECT), "DBT_PROFILES_DIR": str(PROJECT), dbt_builder.PLACE: str(target / "builder"),
    }  # fmt: skip
    command = [sys.executable, "-m", "orchestration.dbt_process", "--log-level-file", "none", *arguments]
    return subprocess.Popen(command, env=known, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _succeeded(process: subprocess.Popen[str]) -> None:
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(said[-3000:])


def _read(target: Path, name: str) -> Any:
    return json.loads((target / name).read_text())
