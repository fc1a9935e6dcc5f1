"""How a connector's streams become assets, backfills and schedules. Which and when: `defs/`, `jobs`, `automation`.

`run` is the one way in which orchestration pulls. `ingestion` is imported when it runs: providers' SDKs take seconds.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg

from orchestration.failures import TRY_AGAIN, judged

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

    from ingestion.connectors import Outcome

DAYS = dg.DailyPartitionsDefinition(start_date="2024-01-01", timezone="UTC")
"""Days that can be filled in; a source may not go back so far, and then has nothing to give."""
HOPELESS = ("AuthenticationError", "PermissionError", "401 Client Error", "403 Client Error", "FileNotFoundError")
"""Words of problems that come back however often we try."""


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


def run(connector: str, streams: Sequence[str], *, resync: bool) -> "list[Outcome]":
    """Pull streams of a connector as the environment sets it up.

    Raises:
        ingestion.registry.NotConfigured: it does not.
        ingestion.landing.AlreadyPulling: another process pulls for it.
    """
    from contracts.warehouse import WarehouseSettings
    from ingestion import connectors, registry

    return connectors.pull(WarehouseSettings(), registry.connector(connector), streams=streams, resync=resync)


def fill(connector: str, streams: Sequence[str], start: datetime, end: datetime) -> "list[Outcome]":
    """Bring what streams of a connector hold of a span. Raises like `run`."""
    from contracts.warehouse import WarehouseSettings
    from ingestion import connectors, registry

    return connectors.backfill(WarehouseSettings(), registry.connector(connector), start, end, streams=streams or None)


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
        can_subset=True,
        retry_policy=TRY_AGAIN,
    )
    def pulled(context: dg.AssetExecutionContext, config: Pull) -> Iterator[dg.MaterializeResult[None]]:
        """Bring what is new. Running it again lands nothing twice."""
        from ingestion.registry import NotConfigured

        wanted = {key.path[-1]: tables[key.path[-1]] for key in context.selected_asset_keys}
        streams = list(dict.fromkeys(stream for table in tables if table in wanted for stream in wanted[table]))
        with judged(NotConfigured):
            # A second try goes on where the first ended; only the first begins again.
            outcomes = run(connector, streams, resync=config.resync and context.retry_number == 0)
        yield from told(outcomes, wanted)
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
    def fill_day(context: dg.OpExecutionContext, config: Backfill) -> None:
        """Land what the source holds of the partition's day."""
        from ingestion.registry import NotConfigured

        day = context.partition_time_window
        with judged(NotConfigured):
            outcomes = fill(connector, config.streams, day.start, day.end)
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
    job: "UnresolvedAssetJobDefinition",
    connector: str,
    cron: str,
    why: str,
    *,
    resync: bool = False,
) -> dg.ScheduleDefinition:
    """A schedule that pulls where the connector is configured, and says so where it is not.

    Args:
        why: The reason for the times; the schedule's description.
        resync: Each run reads every stream from its beginning.
    """
    config = {"ops": {f"{connector}_raw": {"config": {"resync": resync}}}}

    @dg.schedule(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cron,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=why,
    )
    def due() -> dg.RunRequest | dg.SkipReason:
        from ingestion import registry

        if not registry.configured(connector):
            return dg.SkipReason(f"{connector} is not configured")
        return dg.RunRequest(run_config=config)

    return due
