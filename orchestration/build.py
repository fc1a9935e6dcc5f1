"""What a build of the warehouse has to look at: the nodes of dbt's graph that something has reached since the last one.

dbt by itself makes nothing anew that did not move (`dbt_project/macros/lake_changes.sql`), but it visits every model to
find out, and runs every data test. A build through this module leaves out what cannot say anything new: models of whose
ancestors nothing moved, and data tests of which no parent is visited. It knows from one note in the lake, the view
`marts.main.last_build`, written after a build of everything in which every data test passed. Without the note, after a
change of the project or an erasure, everything is visited.

How models are made and when builds run do not belong here.
"""

import fcntl
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import duckdb

from contracts import warehouse

Manifest = Mapping[str, Any]
"""dbt's manifest as it is written, with `nodes`, `sources`, `macros` and `child_map`."""

OPTIONS = ("--exclude-resource-type", "unit_test", "--exclude-resource-type", "exposure", "--no-write-json")
"""Of every build: unit tests belong to development, exposures are not built, and the manifest is there already."""
BUILDABLE = ["--indirect-selection", "buildable"]
"""Part of the graph can be built into an empty lake: a test between two models runs where both are there."""
PLAN = "PLYO_BUILD_PLAN"
"""Environment variable for dbt's process: the file with its plan, which is whole when nobody holds its lock."""
CONNECTORS = "tag:connectors"
"""Models of sources outside, which are no part of a build of everything."""
TESTED_RAW_SNAPSHOT, TESTED_SNAPSHOT = "PLYO_LAKE_TESTED_RAW_SNAPSHOT", "PLYO_LAKE_TESTED_SNAPSHOT"
"""Environment variables for dbt: the snapshots of raw and of marts on which all data tests had passed."""
_SIDE_BY_SIDE = 4
"""Most models made at once by a build after another, each by one of DuckDB's threads."""
_BUILT = ("model", "seed", "snapshot")
_NOTE = "marts.main.last_build"
_DATA_CHANGES = "('inserted_into_table', 'deleted_from_table', 'inlined_insert', 'inlined_delete', 'rewrite_delete')"


@dataclass(frozen=True)
class State:
    """What a build saw.

    Args:
        project: Fingerprint of the project's files and of dbt.
        raw: Snapshot of raw that it reads, whatever lands meanwhile.
        marts: Snapshot of marts; in a note, the one after its last commit.
        at: When, UTC.
    """

    project: str
    raw: int
    marts: int
    at: datetime


@dataclass(frozen=True)
class Plan:
    """A build of everything, before it begins.

    Args:
        state: What it sees.
        before: What the last build of everything saw; none where everything is visited.
        left_out: Unique ids of models and seeds that are not visited. What they are made of is left out as well.
        ends: Those of them of which nothing is made that is left out.
    """

    state: State
    before: State | None = None
    left_out: frozenset[str] = frozenset()
    ends: frozenset[str] = frozenset()

    @property
    def options(self) -> list[str]:
        """For `dbt build`. Where little is made, models are made side by side."""
        threads = min(_SIDE_BY_SIDE, os.cpu_count() or 1) if self.before else 1
        return [*self.selection, "--threads", str(threads)]

    @property
    def selection(self) -> list[str]:
        """What dbt is to visit. A data test is left out when all that it looks at is.

        dbt compares each name that it is given with all of the project, three times, so only ends are named.
        """
        if not self.left_out:
            return BUILDABLE
        names = sorted(f"+{unique_id.split('.')[2]}" for unique_id in self.ends)
        return ["--indirect-selection", "cautious", "--exclude", " ".join([CONNECTORS, *names])]

    def leaves_out(self, node: Mapping[str, Any]) -> bool:
        """Whether a data test of the manifest looks at nothing but what is left out."""
        looked_at = node["depends_on"]["nodes"] if node["resource_type"] == "test" else []
        return bool(looked_at) and self.left_out.issuperset(looked_at)

    @property
    def environment(self) -> dict[str, str]:
        """For dbt's process: it reads raw as the plan saw it, so that all models agree.

        Data tests are told what they need not look at again.
        """
        told = {warehouse.RAW_SNAPSHOT: str(self.state.raw)}
        if self.before:
            told |= {TESTED_RAW_SNAPSHOT: str(self.before.raw), TESTED_SNAPSHOT: str(self.before.marts)}
            told[warehouse.THREADS] = "1"  # who reads little waits for a second thread longer than it helps (ADR 0046)
        return told


@contextmanager
def awaited() -> Iterator[Callable[[Plan], None]]:
    """Let a dbt process (`dbt_process.py`) that is started inside begin, and plan meanwhile what it looks at.

    The plan is given to what this yields. A process that has none when the block ends does nothing.
    """
    with NamedTemporaryFile("w", prefix="plyo-plan-") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def tell(planned: Plan) -> None:
            json.dump({"environment": planned.environment, "options": planned.options}, file)
            file.flush()
            fcntl.flock(file, fcntl.LOCK_UN)

        os.environ[PLAN] = file.name
        try:
            yield tell
        finally:
            del os.environ[PLAN]


def told() -> dict[str, Any] | None:
    """What dbt's process is told, as soon as it is: `environment` and `options`; none where no plan comes any more."""
    try:
        with Path(os.environ[PLAN]).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            text = file.read()
    except FileNotFoundError:
        return None
    return dict(json.loads(text)) if text else None


def plan(lake: duckdb.DuckDBPyConnection, manifest: Manifest, project: Path, *, whole: bool = False) -> Plan:
    """What a build that begins now visits.

    Args:
        lake: Both lakes.
        project: Folder of the dbt project.
        whole: Visit everything, whatever the last build noted.
    """
    now = datetime.now(UTC)
    seen = State(fingerprint(project), warehouse.snapshot_id(lake, "raw"), warehouse.snapshot_id(lake, "marts"), now)
    before = None if whole else noted(lake)
    if before is None or before.project != seen.project or before.at > now or not _is_kept(lake, before):
        return Plan(seen)
    built = {unique_id for unique_id, node in manifest["nodes"].items() if node["resource_type"] in _BUILT}
    reached = _reached(manifest, _moved(lake, manifest, before) | _asking_the_clock(lake, manifest, before, now))
    left_out = built - reached - _of_connectors(manifest)
    ends = {unique_id for unique_id in left_out if left_out.isdisjoint(manifest["child_map"].get(unique_id, []))}
    return Plan(seen, before, frozenset(left_out), frozenset(ends))


def remember(lake: duckdb.DuckDBPyConnection, done: Plan) -> None:
    """Note a build of everything that was planned so, after all of it succeeded and every data test passed."""
    seen, marts = done.state, warehouse.snapshot_id(lake, "marts")
    lake.execute(
        f"create or replace view {_NOTE} as select '{seen.project}' as project, {seen.raw} as raw_snapshot_id, "
        f"{marts} as marts_snapshot_id, timestamptz '{seen.at.isoformat()}' as planned_at"
    )


def noted(lake: duckdb.DuckDBPyConnection) -> State | None:
    """What the last build of everything saw; none where there was none."""
    if ("main", "last_build") not in _changed(lake, "marts", -1):
        return None
    row = lake.execute(f"from {_NOTE}").fetchone()
    return State(*row) if row else None


@cache
def fingerprint(project: Path) -> str:
    """Of everything that decides what the models say: the project's files, dbt and its adapter."""
    told = sha256("".join(version(name) for name in ("dbt-core", "dbt-duckdb", "duckdb")).encode())
    for file in sorted(path for kind in ("sql", "yml", "csv", "md") for path in project.rglob(f"*.{kind}")):
        if "target" not in file.relative_to(project).parts:
            told.update(str(file.relative_to(project)).encode() + b"\0" + file.read_bytes())
    return told.hexdigest()


def clock_of(manifest: Manifest, unique_id: str) -> str | None:
    """How far a model asks what time it is, by the macros that it calls: `now`, only the `day`, or not at all."""
    asked, seen = set(), set()
    waiting = list(manifest["nodes"][unique_id]["depends_on"].get("macros", []))
    while waiting:
        macro = waiting.pop()
        if macro in seen:
            continue
        seen.add(macro)
        if macro == "macro.plyo.now":
            asked.add("now")
        elif macro == "macro.plyo.today":
            asked.add("day")
        elif macro.startswith("macro.plyo."):
            waiting += manifest["macros"][macro]["depends_on"]["macros"]
    return "now" if "now" in asked else next(iter(asked), None)


def _is_kept(lake: duckdb.DuckDBPyConnection, before: State) -> bool:
    """Whether both snapshots are still there. An erasure ends them."""
    for name, snapshot in (("raw", before.raw), ("marts", before.marts)):
        query = f"select 1 from {_catalog(name)}ducklake_snapshot where snapshot_id = {snapshot}"  # noqa: S608
        if lake.execute(query).fetchone() is None:
            return False
    return True


def _moved(lake: duckdb.DuckDBPyConnection, manifest: Manifest, before: State) -> set[str]:
    """Sources, models and seeds whose rows changed since, that are others than then, or that are not there."""
    changed = {("raw", *name) for name in _changed(lake, "raw", before.raw)}
    changed |= {("marts", *name) for name in _changed(lake, "marts", before.marts)}
    there = {("marts", *name) for name in _changed(lake, "marts", -1)}
    moved = set()
    for unique_id, thing in (*manifest["sources"].items(), *manifest["nodes"].items()):
        name = (thing["database"], thing["schema"], thing.get("identifier") or thing.get("alias"))
        kind = thing["resource_type"]
        is_gone = kind in _BUILT and thing["config"].get("materialized") != "ephemeral" and name not in there
        if (kind == "source" or kind in _BUILT) and (name in changed or is_gone):
            moved.add(unique_id)
    return moved


def _changed(lake: duckdb.DuckDBPyConnection, name: str, since: int) -> list[tuple[str, str]]:
    """Schema and name of the tables and views of a lake that are there and moved after a snapshot."""
    catalog = _catalog(name)
    return lake.execute(
        rf"""with done as (
            select unnest(regexp_extract_all(changes_made, '[a-z_]+:\d+')) as what
            from {catalog}ducklake_snapshot_changes where snapshot_id > {since}
        ), written as (
            select distinct split_part(what, ':', 2) as id from done where split_part(what, ':', 1) in {_DATA_CHANGES}
        ), things as (
            select schema_id, cast(table_id as varchar) as id, table_name as name, begin_snapshot
            from {catalog}ducklake_table where end_snapshot is null
            union all
            select schema_id, 'view', view_name, begin_snapshot from {catalog}ducklake_view where end_snapshot is null
        )
        select place.schema_name, things.name
        from things inner join {catalog}ducklake_schema as place using (schema_id)
        where place.end_snapshot is null and (things.begin_snapshot > {since} or id in (from written))"""  # noqa: S608
    ).fetchall()


def _asking_the_clock(lake: duckdb.DuckDBPyConnection, manifest: Manifest, before: State, now: datetime) -> set[str]:
    """Models that time alone may have changed: those of a day, once it is over in UTC or where a customer lives."""
    clocks = {
        unique_id: clock
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and (clock := clock_of(manifest, unique_id))
    }
    try:
        row = lake.execute(
            """select bool_or(cast($then at time zone zone as date) <> cast($now at time zone zone as date))
            from (select time_zone as zone from marts.intermediate.int_customers union select 'UTC')""",
            {"then": before.at, "now": now},
        ).fetchone()
        is_another_day = bool(row and row[0])
    except duckdb.CatalogException:
        is_another_day = True
    return {unique_id for unique_id, clock in clocks.items() if clock == "now" or is_another_day}


def _reached(manifest: Manifest, moved: Collection[str]) -> set[str]:
    reached: set[str] = set()
    waiting = list(moved)
    while waiting:
        unique_id = waiting.pop()
        if unique_id not in reached:
            reached.add(unique_id)
            waiting += manifest["child_map"].get(unique_id, [])
    return reached


def _of_connectors(manifest: Manifest) -> set[str]:
    return {unique_id for unique_id, node in manifest["nodes"].items() if "connectors" in node.get("tags", [])}


def _catalog(name: str) -> str:
    return f"__ducklake_metadata_{name}.{name}."
