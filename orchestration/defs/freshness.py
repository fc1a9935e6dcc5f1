"""How fresh the sources of dbt are, as asset checks: `dbt source freshness`, with the limits that stand beside sources.

Late is a warning and stale an error, as the analytics service tells readers about the numbers made of them.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource

from orchestration.failures import judged
from orchestration.resources import DBT_PROJECT, Lake

CHECK = "source_is_fresh"


def _watched() -> Mapping[str, tuple[str, ...]]:
    """dbt's id of every source table with a limit, and the key of its asset."""
    sources = json.loads(DBT_PROJECT.manifest_path.read_text())["sources"]
    return {
        node["unique_id"]: tuple(node["config"]["meta"]["dagster"]["asset_key"])
        for node in sources.values()
        if node.get("freshness") and node["freshness"].get("error_after", {}).get("count")
    }


SOURCES = _watched()


@dg.multi_asset_check(
    name="source_freshness",
    specs=[
        dg.AssetCheckSpec(CHECK, asset=list(key), description="Its source was heard of within what is promised.")
        for key in SOURCES.values()
    ],
    can_subset=True,
)
def source_freshness(
    context: dg.AssetCheckExecutionContext, dbt: DbtCliResource, lake: Lake
) -> Iterator[dg.AssetCheckResult]:
    """Ask dbt. What was never captured or pulled is not asked about: nothing is promised of it."""
    with judged(), lake.reading() as connection:
        selected = [f"source:{name}" for name in heard(connection)]
        if not selected:
            context.log.info("nothing was captured or pulled yet")
            return
        invocation = dbt.cli(["source", "freshness", "--select", *selected], raise_on_error=False).wait()
        found = invocation.get_artifact("sources.json")["results"]
    broken = [f"{one['unique_id']}: {one['error']}" for one in found if one["status"] == "runtime error"]
    asked = {tuple(key.asset_key.path) for key in context.selected_asset_check_keys}
    for one in found:
        if one["status"] != "runtime error" and SOURCES[one["unique_id"]] in asked:
            yield verdict(one)
    if broken:
        raise dg.Failure(f"dbt could not tell how fresh {len(broken)} sources are: {broken[0]}")


def heard(connection: Any) -> list[str]:
    """Sources of dbt that were heard of at least once: `raw` where there is a capture, connectors that have pulled."""
    rows = connection.execute(
        """select table_name from duckdb_tables() where database_name = 'raw' and schema_name = 'main'
            and table_name in ('_cdc_tables', '_ingestion_cursors')"""
    ).fetchall()
    held = {name for (name,) in rows}
    found = ["raw"] if "_cdc_tables" in held else []
    if "_ingestion_cursors" in held:
        known = {key[-1].partition("__")[0] for key in SOURCES.values()}
        pulls = connection.execute("select distinct connector from raw.main._ingestion_cursors order by 1").fetchall()
        found += [name for (name,) in pulls if name in known]
    return found


def verdict(result: Mapping[str, Any]) -> dg.AssetCheckResult:
    """The check's result of one source table, out of dbt's."""
    limits = {level: _seconds(result["criteria"][f"{level}_after"]) for level in ("warn", "error")}
    return dg.AssetCheckResult(
        check_name=CHECK,
        asset_key=list(SOURCES[result["unique_id"]]),
        passed=result["status"] == "pass",
        severity=dg.AssetCheckSeverity.ERROR if result["status"] == "error" else dg.AssetCheckSeverity.WARN,
        metadata={
            "heard_at": result["max_loaded_at"],
            "age_seconds": round(result["max_loaded_at_time_ago_in_s"], 1),
            "late_after_seconds": limits["warn"],
            "stale_after_seconds": limits["error"],
        },
    )


def _seconds(limit: Mapping[str, Any]) -> float:
    return timedelta(**{f"{limit['period']}s": limit["count"]}).total_seconds()
