"""What suites say of change logs, as asset checks, and rows that stand aside driven in again.

Judging is `ingestion.quality`. Tables that connectors fill have their check beside their asset (`connectors`).
"""

from collections.abc import Iterator

import dagster as dg

from orchestration.defs.postgres_cdc import CAPTURED, raw_key
from orchestration.failures import judged
from orchestration.suites import CHECK

CHANGE_LOGS = tuple(raw_key(context, table).path[-1] for context, tables in CAPTURED.items() for table in tables)


@dg.multi_asset_check(
    name="change_log_suites",
    specs=[
        dg.AssetCheckSpec(CHECK, asset=["raw", table], description="The newest changes can be what they say.")
        for table in CHANGE_LOGS
    ],
)
def change_log_suites() -> Iterator[dg.AssetCheckResult]:
    """The Great Expectations suites of all change logs. A table that was never captured is not judged."""
    from contracts.warehouse import WarehouseSettings
    from ingestion.quality import captured

    with judged():
        for table, found in captured.judged(WarehouseSettings(), CHANGE_LOGS):
            yield dg.AssetCheckResult(
                check_name=CHECK,
                asset_key=["raw", table],
                passed=not found.reasons,
                severity=dg.AssetCheckSeverity.WARN,  # raw is the log of its source, whatever that says
                metadata={"rows": found.rows, "newest": found.newest or "none", **found.reasons},
            )


class DriveIn(dg.Config):
    """What is driven in again.

    Args:
        connector: Whose rows.
        raw_table: Only of this table; empty for all of the connector's.
    """

    connector: str
    raw_table: str = ""


@dg.op(description="Judges rows that stand aside by the suites of today, and lands those that are good by now.")
def drive_in_again(context: dg.OpExecutionContext, config: DriveIn) -> None:
    """Say what came of it in the log."""
    from contracts.warehouse import WarehouseSettings
    from ingestion import landing
    from ingestion.quality import quarantine

    with judged(landing.AlreadyPulling):
        done = quarantine.drive_in(WarehouseSettings(), config.connector, raw_table=config.raw_table or None)
    context.log.info(f"landed {done.landed}, kept aside {done.kept}, overtaken by later rows {done.superseded}")
