"""What wearables measured, made of what they sent. Reading payloads is `ingestion.wearables`.

The payloads come through change capture like every other row, so these assets lie between it and dbt: a refresh of
the marts reads what has arrived since the last one.
"""

from collections.abc import Iterator
from functools import partial

import dagster as dg

from orchestration import connectors
from orchestration.defs.postgres_cdc import raw_key
from orchestration.failures import TRY_AGAIN, judged
from orchestration.resources import OperationalApi

TABLES = {
    "wearables__activities": "Workouts that a watch, an app or a file told of; one row per payload and workout.",
    "wearables__sleeps": "Nights and naps; one row per payload and sleep.",
    "wearables__days": "Sums and means of a day; one row per payload and day.",
    "wearables__bodies": "Weight, blood pressure and the like; one row per payload and measurement.",
    "wearables__rejections": "Values that are no measurement of a person, each with its reason.",
}
MEASURED = tuple(table for table in TABLES if table != "wearables__rejections")
"""Those that a suite judges; the other is what was refused already."""


@dg.multi_asset(
    name="wearable_measurements",
    specs=[
        dg.AssetSpec(
            ["raw", table],
            deps=[raw_key("integrations", "wearable_payloads")],
            group_name="raw",
            owners=["team:data"],
            kinds={"ducklake"},
            description=f"{what} Append-only.",
        )
        for table, what in TABLES.items()
    ],
    retry_policy=TRY_AGAIN,
)
def wearable_measurements(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
    """Read the payloads that arrived since the last time. Running it again lands nothing twice."""
    from contracts import warehouse
    from contracts.warehouse import WarehouseSettings
    from ingestion.connectors import pull
    from ingestion.wearables.payloads import StoredPayloads
    from ingestion.wearables.settings import HealthDataSettings

    with judged():
        settings = WarehouseSettings()
        connector = StoredPayloads(partial(warehouse.reading, settings), HealthDataSettings().opener())
        [outcome] = pull(settings, connector)
    if outcome.problem:
        raise dg.Failure(
            f"payloads after {outcome.cursor or 'the beginning'}: {outcome.problem}",
            allow_retries="KeysMissing" not in outcome.problem,  # keys do not come by themselves
        )
    context.log.info(f"{outcome.rows} rows of wearables, up to payload {outcome.cursor}")
    for table in TABLES:
        yield dg.MaterializeResult(asset_key=["raw", table], metadata={"cursor": outcome.cursor or "none yet"})


class Ask(dg.Config):
    """How Terra is asked.

    Args:
        resync: From the beginning of what it gives, not from the last pull on.
    """

    resync: bool = False


@dg.op(description="Asks Terra for what its webhooks may have missed.", retry_policy=TRY_AGAIN)
def ask_terra(context: dg.OpExecutionContext, config: Ask, api: OperationalApi) -> None:
    """Land the last days of everybody who is connected, as far as they allow; what is known already is not landed.

    An op and not assets of its own: it lands in the tables that the payloads of webhooks become.
    """
    from ingestion.registry import NotConfigured

    with judged(NotConfigured, connectors.NotWanted):
        outcomes = connectors.run(
            "terra", (), resync=config.resync and context.retry_number == 0, api=api,
            run_id=connectors.run_id_of(context),
        )  # fmt: skip
    for outcome in outcomes:
        if outcome.problem is None:
            context.log.info(f"{outcome.stream}: {outcome.rows} rows")
    connectors.fail_for(outcomes)
