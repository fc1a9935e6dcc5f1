"""Forgetting what may no longer be kept: the op of the nightly job `forget_withdrawn`.

Health data whose owners took their word back is `ingestion.withdrawals`, people whose account was closed are
`ingestion.erasures`; here is what has to stand still and be built anew around erasing it, and the warehouse elsewhere.
"""

from datetime import UTC, datetime

import dagster as dg
from dagster_dbt import DbtCliResource

from orchestration.defs.destinations import MODELS, forget_there
from orchestration.failures import TRY_AGAIN, judged

BUILT_ON = ("source:wearables+", "source:raw.training__wearable_days+", "source:raw.compliance__consents+")
"""dbt's selection of every model that holds something made of health data."""

_ALIVE = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]


@dg.op(
    description="Erases what was withdrawn, and who closed their account, from raw; builds marts on what is left and "
    "ends their past.",
    retry_policy=TRY_AGAIN,
)
def forget(context: dg.OpExecutionContext, dbt: DbtCliResource) -> None:
    """Do nothing where there is nothing to forget; a run that was cut off anywhere is finished by the next.

    The stream is ended first, because no delete passes an insert; its sensor starts it again within seconds, and where
    it was quicker than the erasure the op is tried again.

    Raises:
        dagster.Failure: an account was closed for longer than erasing may take before it was erased.
    """
    from contracts import warehouse
    from ingestion import erasures, forgotten, lake_maintenance, told_otherwise, withdrawals
    from ingestion.settings import CdcSettings
    from ml import forgetting
    from ml.churn.settings import ChurnSettings

    with judged():
        settings, models = CdcSettings(), ChurnSettings().ml_path
        keys = erasures.keys_of(settings)
        with warehouse.reading(settings) as lake:
            is_withdrawn = bool(withdrawals.remains(lake).rows)
            is_closed = bool(erasures.remains(lake, keys).rows)
            is_begun = bool(forgotten.unfinished(lake).rows)
        unlearned = forgetting.withdrawn(settings)
        if not is_withdrawn and not is_closed and not is_begun and not unlearned:
            context.log.info("nothing is held that may not be")
            return
        _end_stream(context)
        erased = withdrawals.forget(settings)
        context.log.info(f"withdrawn and erased from raw: {dict(erased.rows) if erased else {}}")
        erased = erasures.forget(settings)
        context.log.info(f"of closed accounts erased from raw: {dict(erased.rows) if erased else {}}")
        everything = ["build", *MODELS, "--exclude", "tag:connectors"]
        dbt.cli(everything if is_closed or is_begun else ["run", "--select", *BUILT_ON]).wait()
        with warehouse.reading(settings) as lake:
            people = {*forgotten.unfinished(lake).since, *unlearned, *forgetting.withdrawn(settings)}
        learned = forgetting.forget(settings, models, people)
        context.log.info(f"rows that ml kept of them and no longer does: {learned}")
        context.log.info(f"months of metrics that are told otherwise: {told_otherwise.note(settings)}")
        snapshots, files = lake_maintenance.forget_past(settings, "marts")
        context.log.info(f"the past of the marts ended: {snapshots} snapshots, {files} files")
        with warehouse.reading(settings) as lake:
            begun = forgotten.unfinished(lake)
        forget_there(context, begun.rows)
        erasures.finish(settings)
    if overdue := begun.overdue(datetime.now(UTC)):
        raise dg.Failure(
            f"{len(overdue)} accounts: more than {forgotten.ERASED_WITHIN.days} days passed before they were erased",
            metadata={"accounts": ", ".join(str(one) for one in overdue)}, allow_retries=False,
        )  # fmt: skip


def _end_stream(context: dg.OpExecutionContext) -> None:
    streams = dg.RunsFilter(job_name="stream_changes", statuses=_ALIVE)
    for record in context.instance.get_run_records(streams):
        context.instance.run_launcher.terminate(record.dagster_run.run_id)
        context.log.info(f"ended the stream, run {record.dagster_run.run_id}")
