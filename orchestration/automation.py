"""When things run: sensors and schedules, each with the reason for its condition. What runs is `jobs`."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import duckdb

from contracts.warehouse import LakeMissing
from orchestration.connectors import pull_schedule, resync_sensor
from orchestration.defs import churn, destinations, watch
from orchestration.jobs import (
    RESYNCS,
    compare_lake,
    copy_to_warehouse,
    document_marts,
    first_pipeline,
    forget_quarantined,
    forget_withdrawn,
    judge_raw,
    maintain_lake,
    pull_hubspot,
    pull_momo,
    pull_stripe_events,
    reconcile_hubspot,
    reconcile_momo,
    reconcile_stripe,
    reconcile_terra,
    refresh_marts,
    retrain,
    stream_changes,
    watch_distributions,
)
from orchestration.resources import Lake

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
SILENCE = timedelta(minutes=3)
"""The stream notes even a quiet source every 30 seconds: so long without a note, it is dead, whatever its run says."""


def changes_since_build(connection: duckdb.DuckDBPyConnection) -> tuple[int, int] | None:
    """How much landed after the marts were built: (changes, newest LSN). None before the first build."""
    try:
        row = connection.execute(
            """
            select coalesce(sum(mark.changes), 0), max(mark.lsn)
            from raw._cdc_watermarks as mark, marts.core.fct_builds as build where mark.lsn > build.lsn
            """
        ).fetchone()
    except duckdb.CatalogException:
        return None
    return (int(row[0]), int(row[1] or 0)) if row else None


def last_note(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """When capture last wrote to the lake; None when it never has."""
    try:
        row = connection.execute("select max(landed_at) from raw._cdc_watermarks").fetchone()
    except duckdb.CatalogException:
        return None
    return row[0] if row else None


def half_copied(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Raw tables of which a part is there: a model of one would be a number of half the rows."""
    try:
        rows = connection.execute(
            """
            select raw_table from raw._cdc_tables
            qualify row_number() over (partition by slot, raw_table order by noted_at desc) = 1 and state = 'copying'
            order by raw_table
            """
        ).fetchall()
    except duckdb.CatalogException:
        return []
    return [row[0] for row in rows]


def _under_way(context: dg.SensorEvaluationContext, *names: str) -> list[dg.RunRecord]:
    return [
        record
        for name in names
        for record in context.instance.get_run_records(dg.RunsFilter(job_name=name, statuses=UNDER_WAY), limit=5)
    ]


@dg.sensor(job=stream_changes, minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def keep_streaming(context: dg.SensorEvaluationContext, lake: Lake) -> dg.SensorResult | dg.SkipReason:
    """Start the stream whenever none is alive, once the first pipeline has taken the first snapshot.

    A run whose machine was killed stays `STARTED` for ever. The lake tells the truth: a stream that has written nothing
    for three minutes is dead, its run is called failed, and the next tick starts another. The first pipeline captures
    by itself, and two captures refuse each other, so the stream waits for it.
    """
    if _under_way(context, first_pipeline.name):
        return dg.SkipReason("the first pipeline captures by itself")
    runs = _under_way(context, stream_changes.name)
    try:
        with lake.reading() as connection:
            note = last_note(connection)
    except LakeMissing:
        note = None
    if note is None:
        return dg.SkipReason("nothing was captured yet: run first_pipeline")
    now = datetime.now(UTC)
    if not runs:
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"stream {now.isoformat()}")])
    if now - max(note, *(record.create_timestamp for record in runs)) < SILENCE:
        return dg.SkipReason(f"the stream is alive: it wrote to the lake at {note:%H:%M:%S}")
    for record in runs:
        context.instance.report_run_failed(record.dagster_run, "The stream fell silent; its process is gone.")
    return dg.SkipReason("a silent stream was given up; the next tick starts another")


@dg.sensor(job=refresh_marts, minimum_interval_seconds=20, default_status=dg.DefaultSensorStatus.RUNNING)
def new_changes(context: dg.SensorEvaluationContext, lake: Lake) -> dg.SensorResult | dg.SkipReason:
    """Build the marts again when changes have landed since the last build, never two builds at once.

    Heartbeats of a quiet source carry no changes and build nothing. The run key is the newest LSN, so a build that
    failed is not tried again on the same data; the next change does that.
    """
    if busy := _under_way(context, refresh_marts.name, first_pipeline.name, retrain.name):
        return dg.SkipReason(f"{busy[0].dagster_run.job_name} is writing the marts")
    try:
        with lake.reading() as connection:
            since, halves = changes_since_build(connection), half_copied(connection)
    except LakeMissing:
        since, halves = None, []
    if since is None:
        return dg.SkipReason("the marts were never built: run first_pipeline")
    if halves:
        return dg.SkipReason(f"still being copied: {', '.join(halves)}")
    changes, lsn = since
    if not changes:
        return dg.SkipReason("nothing changed since the marts were built")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"lsn {lsn}", tags={"plyo/changes": str(changes)})])


@dg.sensor(minimum_interval_seconds=120, default_status=dg.DefaultSensorStatus.RUNNING)
def watch_lag() -> dg.SensorResult | dg.SkipReason:
    """Report the alarms of the capture every two minutes, without a run: a run costs seconds, the figures none."""
    try:
        return dg.SensorResult(asset_events=watch.evaluations())
    except LakeMissing:
        return dg.SkipReason("there is no lake yet")


@dg.schedule(job=compare_lake, cron_schedule="10 2 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly_comparison() -> dg.RunRequest:
    """Compare at night: every row of the source is read once, and its snapshot holds back vacuum meanwhile."""
    return dg.RunRequest()


@dg.schedule(job=document_marts, cron_schedule="50 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly_documentation() -> dg.RunRequest:
    """Write the page at night: models change with releases, and dbt reads every column of the lake for it."""
    return dg.RunRequest()


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[first_pipeline],
    request_job=document_marts,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def documented_from_the_start() -> dg.RunRequest:
    """Write the page when everything was built for the first time: nobody waits a night for it."""
    return dg.RunRequest(run_key="first")


@dg.schedule(job=judge_raw, cron_schedule="25 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def hourly_judgement() -> dg.RunRequest:
    """Judge every hour: Great Expectations takes seconds to load, and only a migration can make change logs wrong."""
    return dg.RunRequest()


@dg.schedule(job=watch_distributions, cron_schedule="5 4 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly_distributions() -> dg.RunRequest:
    """Measure once a night: a week moves by a day, and a day has one entry in the history."""
    return dg.RunRequest()


@dg.schedule(job=forget_quarantined, cron_schedule="35 2 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly_forgetting_aside() -> dg.RunRequest:
    """Forget just before the lake is maintained, which ends the snapshots that still know."""
    return dg.RunRequest()


@dg.schedule(job=forget_withdrawn, cron_schedule="25 2 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly_forgetting() -> dg.RunRequest:
    """Forget at night: the stream stands still meanwhile, and nobody is shown an older state of the marts after it."""
    return dg.RunRequest()


@dg.schedule(job=maintain_lake, cron_schedule="40 2 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly_maintenance() -> dg.RunRequest:
    """Maintain at night, after the comparison: builds wait for it."""
    return dg.RunRequest()


@dg.schedule(job=retrain, cron_schedule="30 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def weekly_training(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Train on Mondays before work: labels come by the week, so more often would learn nothing. On other days only a
    model whose features mean something else by now."""
    if context.scheduled_execution_time.isoweekday() == 1:
        return dg.RunRequest()
    if churn.is_stale():
        return dg.RunRequest(tags={"plyo/because": "features mean something else than the model learned"})
    return dg.SkipReason("labels come by the week, and features mean what the model learned")


@dg.schedule(job=copy_to_warehouse, cron_schedule="35 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def hourly_copy() -> dg.RunRequest | dg.SkipReason:
    """Copy every hour where a warehouse is set up: each load costs it a merge, whatever it brings."""
    return dg.RunRequest() if destinations.is_set_up() else dg.SkipReason("no warehouse is set up")


CONNECTORS = [
    pull_schedule(
        pull_stripe_events, "stripe", "*/5 * * * *",
        "Every five minutes: webhooks tell within seconds, this finds what they missed.",
    ),
    pull_schedule(
        reconcile_stripe, "stripe", "20 1 * * *",
        "At night: every object is read, and Stripe's limits are the day's customers' first.",
    ),
    pull_schedule(
        pull_momo, "momo", "7 * * * *",
        "Every hour: files come once a day, at no promised time; looking costs a listing.",
    ),
    pull_schedule(
        reconcile_momo, "momo", "15 1 * * *",
        "At night: a file that was put in another's place is found, and models are built.", resync=True,
    ),
    pull_schedule(
        pull_hubspot, "hubspot", "*/15 * * * *",
        "Every quarter of an hour: a search costs little, and a lead is fresh for about as long.",
    ),
    pull_schedule(
        reconcile_hubspot, "hubspot", "45 1 * * *",
        "At night: every object is read by the account's daily allowance, when nobody else uses it.", resync=True,
    ),
    pull_schedule(
        reconcile_terra, "terra", "50 */6 * * *",
        "Every six hours: Terra tries a webhook again for a day, and gives the days of everybody to who asks.",
        op="ask_terra",
    ),
]  # fmt: skip
"""Pulls of sources outside. One that is not configured is skipped, and says so."""

RESYNC_SENSORS = [
    resync_sensor(name, job, "ask_terra" if name == "terra" else f"{name}_raw") for name, job in RESYNCS.items()
]

SENSORS = [keep_streaming, new_changes, watch_lag, documented_from_the_start, *RESYNC_SENSORS]
SCHEDULES = [
    hourly_copy, hourly_judgement, nightly_comparison, nightly_distributions, nightly_documentation, nightly_forgetting,
    nightly_forgetting_aside, nightly_maintenance, weekly_training, *CONNECTORS,
]  # fmt: skip
