"""The lake kept small, as an asset whose metadata tells what was won. Maintaining is `ingestion.lake_maintenance`.

Erasure of a person is not here: it is asked for by people, never by a schedule.
"""

from dataclasses import asdict

import dagster as dg

from orchestration.failures import TRY_AGAIN, judged

LAKE_FILES = dg.AssetKey(["lake", "files"])


@dg.asset(
    key=LAKE_FILES, group_name="lake", owners=["team:data"], kinds={"ducklake", "parquet"}, retry_policy=TRY_AGAIN
)
def lake_files() -> dg.MaterializeResult[None]:
    """Small files gathered, snapshots past their days forgotten, files that nothing needs deleted, in both lakes."""
    from ingestion.lake_maintenance import MaintenanceSettings, maintain

    with judged():
        done = maintain(MaintenanceSettings())
    return dg.MaterializeResult(
        metadata={
            f"{lake}/{name}": ", ".join(figure) if isinstance(figure, tuple) else figure
            for lake, maintained in done.items()
            for name, figure in asdict(maintained).items()
        }
    )
