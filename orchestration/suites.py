"""The asset check of a raw table's suite: its name, and the verdict where a table was judged before it landed."""

from collections.abc import Iterator, Sequence

import dagster as dg

CHECK = "rows_meet_the_suite"


def standing_aside(tables: Sequence[str]) -> Iterator[dg.AssetCheckResult]:
    """A verdict on each pulled table: it is met where no row of it stands aside."""
    from contracts import warehouse
    from contracts.warehouse import WarehouseSettings
    from ingestion.quality import quarantine

    with warehouse.reading(WarehouseSettings()) as lake:
        aside = quarantine.standing(lake, tables)
    for table in tables:
        yield dg.AssetCheckResult(
            check_name=CHECK,
            asset_key=["raw", table],
            passed=table not in aside,
            severity=dg.AssetCheckSeverity.WARN,  # the good rows are there; who builds on them may go on
            metadata=dict(aside.get(table, {})),
        )
