"""People of whom nothing may be kept any more: what ml holds of them beside the marts, which dbt builds anew.

Scores, values and backtests have a customer's id, and scores what they were made of, health data too. They go
altogether; who still is a customer is scored again without what they no longer let us use. Whom it is about is told by
the caller (`ingestion.forgotten`). Models are sums over everybody; a training looks at what the marts then hold.
"""

from collections.abc import Collection
from pathlib import Path
from uuid import UUID

import duckdb
import polars as pl

from contracts import warehouse
from contracts.telemetry import get_logger
from ml import tables
from ml.churn.artefact import BACKTEST
from ml.churn.tables import SCORES

log = get_logger(__name__)
_LEARNED_FROM = {"sleep": "sleep_trend", "daily": "hrv_trend"}
"""What a score keeps of measurements of each kind."""


def withdrawn(settings: warehouse.WarehouseSettings) -> list[UUID]:
    """Customers of whom a score still has measurements that they no longer let us learn from, by the marts as built."""
    told = " or ".join(
        f"(consent.data_kind = '{kind}' and json_extract_string(score.inputs, '$.{name}') is not null)"
        for kind, name in _LEARNED_FROM.items()
    )
    with warehouse.reading(settings) as lake:
        try:
            rows = lake.execute(
                f"""select distinct score.customer_id from {SCORES} as score
                inner join marts.core.fct_consents as consent on score.customer_id = consent.customer_id
                where consent.purpose = 'modelling' and consent.is_current and not consent.is_given and ({told})
                order by all"""
            ).fetchall()
        except duckdb.CatalogException:  # nothing is scored yet
            return []
    return [UUID(str(row[0])) for row in rows]


def forget(settings: warehouse.WarehouseSettings, models: Path, people: Collection[UUID]) -> dict[str, int]:
    """Delete every row about these people from `marts.ml` and from backtests of models. Doing it again is harmless.

    Past snapshots of the marts still have them: `lake_maintenance.forget_past` ends those.

    Args:
        models: PLYO_ML_PATH.

    Returns:
        Rows deleted, by table or file; those without any are left out.
    """
    gone = dict[str, int]()
    if not people:
        return gone
    ids = sorted(str(one) for one in people)
    with warehouse.writing(settings) as lake:

        def delete() -> None:
            gone.clear()
            for table in tables.known(lake):
                if "customer_id" in {row[0] for row in lake.execute(f"describe {table}").fetchall()}:
                    which = f"from {table} where list_contains(?, cast(customer_id as varchar))"
                    found = lake.execute(f"select count(*) {which}", [ids]).fetchone()
                    if found and found[0]:
                        lake.execute(f"delete {which}", [ids])
                        gone[table] = int(found[0])

        warehouse.in_transaction(lake, delete)
    for file in sorted(models.glob(f"*/{BACKTEST}")):
        rows = pl.read_parquet(file)
        kept = rows.filter(~pl.col("customer_id").is_in(ids))
        if len(kept) < len(rows):
            fresh = file.with_suffix(".new")
            kept.write_parquet(fresh)
            fresh.replace(file)
            gone[f"{file.parent.name}/{BACKTEST}"] = len(rows) - len(kept)
    log.info("ml_forgot", people=len(people), rows=gone)
    return gone
