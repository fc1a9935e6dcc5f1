"""Whether the lake is its source, and how far behind: alarms as asset checks. The judging is `ingestion.postgres_cdc`.

The figures of the lag are reported by a sensor (`automation.watch_lag`), because a run would cost seconds of processor
time every few minutes to ask four questions; the same checks can be run by hand. Mending does not belong here.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import dagster as dg

from orchestration.defs.postgres_cdc import WATERMARKS
from orchestration.failures import TRY_AGAIN, judged

if TYPE_CHECKING:
    from ingestion.postgres_cdc.compare import Comparison
    from ingestion.postgres_cdc.lag import Finding, Lag

COMPARISON = dg.AssetKey(["raw", "comparison_with_source"])

LAG_CHECKS = [
    dg.AssetCheckSpec("lake_is_fresh", asset=WATERMARKS, description="The lake holds all but the last minute."),
    dg.AssetCheckSpec(
        "slot_is_safe", asset=WATERMARKS, description="PostgreSQL keeps the log that we have yet to read."
    ),
    dg.AssetCheckSpec("no_table_stands_still", asset=WATERMARKS, description="Changes of every table are landed."),
]


@dg.asset(
    key=COMPARISON,
    deps=[WATERMARKS],
    group_name="raw",
    owners=["team:data"],
    kinds={"ducklake", "postgres"},
    check_specs=[
        dg.AssetCheckSpec(
            "lake_agrees_with_source",
            asset=COMPARISON,
            description="Every row and value of every published table is the same in raw. Blocks nothing.",
        )
    ],
    retry_policy=TRY_AGAIN,
)
def comparison_with_source() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Raw compared with the operational database, value by value, at one point of the log."""
    from ingestion.postgres_cdc.compare import compare
    from ingestion.settings import CdcSettings

    with judged():
        comparison = compare(CdcSettings())
    yield dg.MaterializeResult(
        asset_key=COMPARISON, metadata={"lsn": comparison.lsn, "tables": table_of_tables(comparison)}
    )
    yield dg.AssetCheckResult(
        check_name="lake_agrees_with_source",
        asset_key=COMPARISON,
        passed=not comparison.differing,
        metadata={
            "skipped": {name: table.skipped for name, table in comparison.tables.items() if table.skipped},
            **{
                name: {kind: [str(key) for key in keys] for kind, keys in table.examples.items()}
                for name, table in comparison.differing.items()
            },
        },
    )


def table_of_tables(comparison: "Comparison") -> dg.TableMetadataValue:
    """A row per table, those that differ first."""
    worst_first = sorted(comparison.tables.items(), key=lambda item: (item[1].is_equal, item[0]))
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "table": name,
                    "in source": table.source_rows,
                    "in lake": table.lake_rows,
                    "missing": table.missing,
                    "extra": table.extra,
                    "different": table.different,
                    "note": table.skipped or ", ".join(f"awaits {column}" for column in table.awaited_columns),
                }
            )
            for name, table in worst_first
        ],
        schema=dg.TableSchema(
            [dg.TableColumn("table")]
            + [dg.TableColumn(name, "int") for name in ("in source", "in lake", "missing", "extra", "different")]
            + [dg.TableColumn("note")]
        ),
    )


@dg.multi_asset_check(name="lag_checks", specs=LAG_CHECKS)
def lag_checks() -> Iterator[dg.AssetCheckResult]:
    """The three alarms of the capture, now."""
    with judged():
        lag, findings = look()
    for finding in findings:
        yield dg.AssetCheckResult(**_verdict(lag, finding))


def look() -> "tuple[Lag, list[Finding]]":
    """The lag now and what it means."""
    from ingestion.postgres_cdc.lag import judge, lag
    from ingestion.settings import CdcSettings

    settings = CdcSettings()
    figures = lag(settings)
    return figures, judge(figures, objective_seconds=settings.cdc_objective_seconds)


def evaluations() -> list[dg.AssetCheckEvaluation]:
    """The same verdicts for a sensor to report, without a run."""
    lag, findings = look()
    return [dg.AssetCheckEvaluation(**_verdict(lag, finding)) for finding in findings]


def _verdict(lag: "Lag", finding: "Finding") -> dict[str, Any]:
    figures = {name: value for name, value in asdict(lag).items() if value is not None and name != "blocked"}
    return {
        "asset_key": WATERMARKS,
        "check_name": finding.name,
        "passed": finding.problem is None,
        "severity": dg.AssetCheckSeverity.WARN if finding.level == "warn" else dg.AssetCheckSeverity.ERROR,
        "description": finding.problem,
        "metadata": figures | {f"blocked {table}": reason for table, reason in lag.blocked.items()},
    }
