"""How a connector's streams become assets, backfills and schedules. Which and when: `defs/`, `jobs`, `automation`.

`run` and `fill` are the only ways in which orchestration pulls: they ask operations whether an admin wants it, and tell
them how it went. `ingestion` is imported when it runs: providers' SDKs take seconds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, UUID, uuid5

import dagster as dg
import httpx

from contracts.telemetry import get_logger
from orchestration.failures import TRY_AGAIN, judged
from orchestration.resources import ConnectorOrders, OperationalApi
from orchestration.suites import CHECK, standing_aside

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

    from ingestion.connectors import Outcome
    from ingestion.wearables.terra_api import ConnectedUser

DAYS = dg.DailyPartitionsDefinition(start_date="2024-01-01", timezone="UTC")
"""Days that can be filled in; a source may not go back so far, and then has nothing to give."""
HOPELESS = ("AuthenticationError", "PermissionError", "401 Client Error", "403 Client Error", "FileNotFoundError")
"""Words of problems that come back however often we try."""


log = get_logger(__name__)


class NotWanted(RuntimeError):
    """An admin has paused the connector or never connected it; the message says which."""


class Pull(dg.Config):
    """How a connector is pulled.

    Args:
        resync: Read every stream from its beginning, also to find what is gone; nothing is landed twice.
    """

    resync: bool = False


class Backfill(dg.Config):
    """What of a connector is filled in.

    Args:
        streams: Only these; none: all.
    """

    streams: list[str] = []


def run(connector: str, streams: Sequence[str], *, resync: bool, api: OperationalApi, run_id: UUID) -> "list[Outcome]":
    """Pull streams of a connector as the environment sets it up, if an admin wants it, and tell operations.

    Args:
        resync: Read every stream from its beginning.
        run_id: Under which operations are told; the same again changes nothing there.

    Raises:
        NotWanted: see there.
        ingestion.registry.NotConfigured: the environment does not set it up.
        ingestion.landing.AlreadyPulling: another process pulls for it.
    """
    from contracts.warehouse import WarehouseSettings
    from ingestion import connectors, registry

    made = registry.connector(connector, lambda: connected_people(api))

    def pull() -> "list[Outcome]":
        return connectors.pull(WarehouseSettings(), made, streams=streams or None, resync=resync)

    return _told_of(connector, "resync" if resync else "pull", pull, api, run_id)


def fill(
    connector: str, streams: Sequence[str], start: datetime, end: datetime, *, api: OperationalApi, run_id: UUID
) -> "list[Outcome]":
    """Bring what streams of a connector hold of a span. Raises like `run`."""
    from contracts.warehouse import WarehouseSettings
    from ingestion import connectors, registry

    made = registry.connector(connector, lambda: connected_people(api))

    def backfill() -> "list[Outcome]":
        return connectors.backfill(WarehouseSettings(), made, start, end, streams=streams or None)

    return _told_of(connector, "backfill", backfill, api, run_id)


def orders_for(connector: str, api: OperationalApi) -> ConnectorOrders:
    """What an admin wants; a data platform without operations pulls what is configured."""
    return api.connector_orders(connector) if api.is_known else ConnectorOrders(pull=True)


def connected_people(api: OperationalApi) -> "Iterator[ConnectedUser]":
    """Who has connected a wearable, with the kinds of data that may be kept of them."""
    from ingestion.wearables.terra_api import ConnectedUser

    for link in api.wearable_links() if api.is_known else ():
        yield ConnectedUser(
            user_id=link["external_user_id"],
            customer_id=UUID(link["customer_id"]),
            provider=link["provider"],
            kinds=frozenset(link["data_kinds"]),
        )


def _told_of(
    connector: str, kind: str, pull: "Callable[[], list[Outcome]]", api: OperationalApi, run_id: UUID
) -> "list[Outcome]":
    orders = orders_for(connector, api)
    if not orders.pull:
        raise NotWanted(f"{connector} is {orders.reason}: see Connectors in the admin console")
    started_at = datetime.now(UTC)
    outcomes = pull()
    if api.is_known:
        try:
            api.post_connector_run(
                connector, run_id=run_id, kind=kind, started_at=started_at, finished_at=datetime.now(UTC),
                streams=[asdict(one) for one in outcomes],
            )  # fmt: skip
        except httpx.HTTPError:  # what was landed is landed; the next pull tells again
            log.exception("connector.run_not_told", connector=connector)
    return outcomes


def run_id_of(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> UUID:
    """An id of this attempt of this step."""
    step = context.op_execution_context if isinstance(context, dg.AssetExecutionContext) else context
    return uuid5(NAMESPACE_URL, f"{step.run_id} {step.op_handle} {step.retry_number}")


def tags(connector: str) -> Mapping[str, str]:
    """Tag of runs that pull for a connector; `dagster.yaml` lets one of them run at a time."""
    return {"plyo/pulls": connector}


def raw_assets(connector: str, tables: Mapping[str, Sequence[str]], *, group: str) -> dg.AssetsDefinition:
    """An asset for each raw table of a connector, materialized by pulling the streams that land in it.

    A stream that fails keeps back its own tables; the others are told as materialized before the step fails.

    Args:
        tables: Raw table to its streams.
    """

    @dg.multi_asset(
        name=f"{connector}_raw",
        specs=[
            dg.AssetSpec(
                ["raw", table],
                group_name=group,
                owners=["team:data"],
                kinds={"ducklake"},
                skippable=True,
                description=f"{table.partition('__')[2].replace('_', ' ').capitalize()} of {connector}, append-only.",
            )
            for table in tables
        ],
        check_specs=[
            dg.AssetCheckSpec(CHECK, asset=["raw", table], description="No row stands aside that its suite refused.")
            for table in tables
        ],
        can_subset=True,
        retry_policy=TRY_AGAIN,
    )
    def pulled(
        context: dg.AssetExecutionContext, config: Pull, api: OperationalApi
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """Bring what is new. Running it again lands nothing twice."""
        from ingestion.registry import NotConfigured

        wanted = {key.path[-1]: tables[key.path[-1]] for key in context.selected_asset_keys}
        streams = list(dict.fromkeys(stream for table in tables if table in wanted for stream in wanted[table]))
        with judged(NotConfigured, NotWanted):
            # A second try goes on where the first ended; only the first begins again.
            resync = config.resync and context.retry_number == 0
            outcomes = run(connector, streams, resync=resync, api=api, run_id=run_id_of(context))
        yield from told(outcomes, wanted)
        yield from standing_aside([key.asset_key.path[-1] for key in context.selected_asset_check_keys])
        fail_for(outcomes)

    return pulled


def told(outcomes: "Sequence[Outcome]", tables: Mapping[str, Sequence[str]]) -> Iterator[dg.MaterializeResult[None]]:
    """A materialization of each table whose streams all went well."""
    by_stream = {one.stream: one for one in outcomes}
    for table, streams in tables.items():
        mine = [by_stream[stream] for stream in streams]
        if all(one.problem is None for one in mine):
            yield dg.MaterializeResult(
                asset_key=["raw", table],
                metadata={
                    "rows_landed": sum(one.rows for one in mine),
                    "rows_put_aside": sum(one.quarantined for one in mine),
                    "cursor": ", ".join(one.cursor for one in mine if one.cursor) or "none",
                },
            )


def fail_for(outcomes: "Sequence[Outcome]") -> None:
    """Fail the step where a stream failed, naming each; what no retry mends is not tried again."""
    failed = {one.stream: one.problem for one in outcomes if one.problem}
    if failed:
        raise dg.Failure(
            "; ".join(f"{stream}: {problem}" for stream, problem in failed.items()),
            allow_retries=not all(any(word in problem for word in HOPELESS) for problem in failed.values()),
        )


def backfill_job(connector: str) -> dg.JobDefinition:
    """A job that fills in days of a connector: a partition is a day, and doing it again adds nothing."""

    @dg.op(name=f"fill_{connector}", retry_policy=TRY_AGAIN)
    def fill_day(context: dg.OpExecutionContext, config: Backfill, api: OperationalApi) -> None:
        """Land what the source holds of the partition's day."""
        from ingestion.registry import NotConfigured

        day = context.partition_time_window
        with judged(NotConfigured, NotWanted):
            outcomes = fill(connector, config.streams, day.start, day.end, api=api, run_id=run_id_of(context))
        context.log.info(", ".join(f"{one.stream}: {one.rows} rows" for one in outcomes))
        fail_for(outcomes)

    @dg.job(
        name=f"backfill_{connector}",
        partitions_def=DAYS,
        executor_def=dg.in_process_executor,
        tags=tags(connector),
        description=f"Fill in what {connector} holds of a day, or of many; cursors stay where they are.",
    )
    def backfill() -> None:
        fill_day()

    return backfill


def pull_schedule(
    job: "UnresolvedAssetJobDefinition | dg.JobDefinition",
    connector: str,
    cron: str,
    why: str,
    *,
    op: str | None = None,
    resync: bool = False,
) -> dg.ScheduleDefinition:
    """A schedule that pulls where the connector is configured and wanted, and says so where it is not.

    Args:
        why: The reason for the times; the schedule's description.
        op: That pulls; the connector's raw assets unless another is named.
        resync: Each run reads every stream from its beginning.
    """
    config = {"ops": {op or f"{connector}_raw": {"config": {"resync": resync}}}}

    @dg.schedule(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cron,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=why,
    )
    def due(api: OperationalApi) -> dg.RunRequest | dg.SkipReason:
        refusal = why_not(connector, api)
        return dg.SkipReason(refusal) if refusal else dg.RunRequest(run_config=config)

    return due


def why_not(connector: str, api: OperationalApi) -> str | None:
    """Why a connector is not to be pulled now, in words; None: it is."""
    from ingestion import registry

    if not registry.configured(connector):
        return f"{connector} is not configured"
    try:
        orders = orders_for(connector, api)
    except httpx.HTTPError as error:
        return f"operations do not answer whether {connector} is wanted: {error}"
    return None if orders.pull else f"{connector} is {orders.reason}"


def resync_sensor(
    connector: str, job: "UnresolvedAssetJobDefinition | dg.JobDefinition", op: str
) -> dg.SensorDefinition:
    """A sensor that starts a resync when an admin has asked for one; asked for once, it is done once.

    A run that fails leaves the wish standing with operations, and the next one that succeeds answers it.
    """

    @dg.sensor(
        name=f"resync_{connector}_asked",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Reads all of {connector} again when an admin asks for it.",
    )
    def asked(api: OperationalApi) -> dg.RunRequest | dg.SkipReason:
        if refusal := why_not(connector, api):
            return dg.SkipReason(refusal)
        orders = orders_for(connector, api)
        if orders.resync_asked_at is None:
            return dg.SkipReason("nobody asks for a resync")
        config = {"ops": {op: {"config": {"resync": True}}}}
        return dg.RunRequest(run_key=f"resync {connector} {orders.resync_asked_at}", run_config=config)

    return asked
