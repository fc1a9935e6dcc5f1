"""What suites say of raw, whether distributions hold, and rows that stand aside driven in again or forgotten.

Judging and measuring is `ingestion.quality`. Tables that connectors fill have their check beside their asset
(`connectors`), for their rows are judged before they land.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from ingestion.quality.watched import WATCHED, asset_of
from orchestration.defs.postgres_cdc import CAPTURED, raw_key
from orchestration.defs.wearables import MEASURED
from orchestration.failures import TRY_AGAIN, judged
from orchestration.resources import DBT_PROJECT
from orchestration.suites import CHECK

CHANGE_LOGS = tuple(raw_key(context, table).path[-1] for context, tables in CAPTURED.items() for table in tables)
PAGES = "quality"
"""Folder of the page in dbt's target folder; the API is told where that is (PLYO_WAREHOUSE_QUALITY)."""
DISTRIBUTIONS = "distributions_hold"
WATCHED_ASSETS = tuple(dict.fromkeys(asset_of(one.relation) for one in WATCHED))


@dg.multi_asset_check(
    name="change_log_suites",
    specs=[
        dg.AssetCheckSpec(CHECK, asset=["raw", table], description="The newest rows can be what they say.")
        for table in (*CHANGE_LOGS, *MEASURED)
    ],
    can_subset=True,  # else one whose table is not there yet would have to be told too
)
def change_log_suites(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """The Great Expectations suites of what has landed, and the page of all. What is not there is not judged."""
    from contracts import warehouse
    from contracts.warehouse import WarehouseSettings
    from ingestion.quality import captured, drift, judgements, landed, page, quarantine

    with judged():
        settings = WarehouseSettings()
        found = dict(captured.judged(settings, CHANGE_LOGS)) | dict(landed.judged(settings))
        judgements.note_all(settings, found)
        asked = {key.asset_key.path[-1] for key in context.selected_asset_check_keys}
        for table, one in found.items():
            if table in asked:
                yield dg.AssetCheckResult(
                    check_name=CHECK,
                    asset_key=["raw", table],
                    passed=not one.reasons,
                    severity=dg.AssetCheckSeverity.WARN,  # raw is the log of its source, whatever that says
                    metadata={"rows": one.rows, "newest": one.newest or "none", **one.reasons},
                )
        with warehouse.reading(settings) as lake:
            aside, distances = quarantine.standing(lake), drift.newest(lake)
        page.write(Path(DBT_PROJECT.target_path) / PAGES, found, aside, distances)
    context.log.info(f"the page is at {page.HOME}")


@dg.multi_asset_check(
    name="distributions",
    specs=[
        dg.AssetCheckSpec(
            DISTRIBUTIONS, asset=list(key), description="The last week is distributed like the eight before it."
        )
        for key in WATCHED_ASSETS
    ],
    can_subset=True,
)
def distributions(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """How far watched columns have moved, added to their history. A table that is not there is not measured."""
    from contracts.warehouse import WarehouseSettings
    from ingestion.quality import drift

    with judged():
        found = drift.watch(WarehouseSettings())
    asked = {tuple(key.asset_key.path) for key in context.selected_asset_check_keys}
    for key in (one for one in WATCHED_ASSETS if one in asked):
        mine = [one for one in found if asset_of(one.relation) == key]
        if mine:
            yield dg.AssetCheckResult(
                check_name=DISTRIBUTIONS,
                asset_key=list(key),
                passed=not any(one.is_drift for one in mine),
                severity=dg.AssetCheckSeverity.WARN,  # the business may have changed, and nobody waits for a why
                metadata={
                    one.field: f"{one.distance:.3f} of {one.allowed:.3f} allowed; {one.moved}"
                    if one.distance is not None else f"too few rows ({one.before_rows} before, {one.now_rows} now)"
                    for one in mine
                },
            )  # fmt: skip


@dg.op(description="Forgets rows that have stood aside for longer than their class may.", retry_policy=TRY_AGAIN)
def forget_aside(context: dg.OpExecutionContext) -> None:
    """Say in the log what was forgotten."""
    from contracts.warehouse import WarehouseSettings
    from ingestion.quality import quarantine

    with judged():
        context.log.info(f"forgotten: {dict(quarantine.forget_aged(WarehouseSettings())) or 'nothing'}")


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
