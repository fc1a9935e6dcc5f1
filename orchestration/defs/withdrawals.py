"""Forgetting health data that customers no longer let us keep: the op of the nightly job `forget_withdrawn`.

What may no longer be kept, and erasing it, is `ingestion.withdrawals`; here is what has to stand still and be built
anew around it.
"""

import dagster as dg
from dagster_dbt import DbtCliResource

from orchestration.failures import TRY_AGAIN, judged

BUILT_ON = ("source:wearables+", "source:raw.training__wearable_days+", "source:raw.compliance__consents+")
"""dbt's selection of every model that holds something made of health data."""

_ALIVE = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]


@dg.op(
    description="Erases what was withdrawn from raw, builds the marts on what is left, and ends their past.",
    retry_policy=TRY_AGAIN,
)
def forget(context: dg.OpExecutionContext, dbt: DbtCliResource) -> None:
    """Do nothing where nothing was withdrawn; a run that was cut off is finished by the next.

    The stream is ended first, because no delete passes an insert; its sensor starts it again within seconds, and where
    it was quicker than the erasure the op is tried again.
    """
    from contracts import warehouse
    from ingestion import lake_maintenance, withdrawals
    from ingestion.settings import CdcSettings

    with judged():
        settings = CdcSettings()
        with warehouse.reading(settings) as lake:
            is_anything = bool(withdrawals.remains(lake).rows)
        if not is_anything:
            context.log.info("nothing is held that was withdrawn")
            return
        _end_stream(context)
        erased = withdrawals.forget(settings)
        context.log.info(f"erased from raw: {dict(erased.rows) if erased else {}}")
        dbt.cli(["run", "--select", *BUILT_ON]).wait()
        snapshots, files = lake_maintenance.forget_past(settings, "marts")
        context.log.info(f"the past of the marts ended: {snapshots} snapshots, {files} files")


def _end_stream(context: dg.OpExecutionContext) -> None:
    streams = dg.RunsFilter(job_name="stream_changes", statuses=_ALIVE)
    for record in context.instance.get_run_records(streams):
        context.instance.run_launcher.terminate(record.dagster_run.run_id)
        context.log.info(f"ended the stream, run {record.dagster_run.run_id}")
