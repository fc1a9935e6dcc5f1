"""Taking up a table whose changes could not be landed, once a person says how: the job `resume_table`, run by hand."""

import time
from typing import TYPE_CHECKING

import dagster as dg

from orchestration.failures import judged

if TYPE_CHECKING:
    from ingestion.settings import CdcSettings

WAIT_SECONDS = 120


class ResumeTable(dg.Config):
    """Which blocked table to take up again, and what its new shape means; with nothing said, a new snapshot is taken.

    Args:
        raw_table: Like `training__workouts`.
        dropped: Columns that are gone for good.
        renamed: New name by old.
        retyped: DuckDB expression of the new value by column, in which `old` is the old value.
    """

    raw_table: str
    dropped: list[str] = []
    renamed: dict[str, str] = {}
    retyped: dict[str, str] = {}


@dg.op(description="Takes up a table that was blocked, from the changes put aside or with a new snapshot.")
def resume(context: dg.OpExecutionContext, config: ResumeTable) -> None:
    """Ask for it, and wait until whoever captures has done it."""
    from ingestion.postgres_cdc import capture
    from ingestion.postgres_cdc.relation import Reshape
    from ingestion.settings import CdcSettings

    told = Reshape(dropped=config.dropped, renamed=config.renamed, retyped=config.retyped)
    with judged(capture.UnknownTable):
        settings = CdcSettings()
        try:
            blocked = capture.resume(settings, config.raw_table, None if told == Reshape() else told).blocked
        except capture.AlreadyRunning:
            context.log.info("the stream is running and takes it up")
            blocked = _await_answer(settings, config.raw_table)
    if reason := blocked.get(config.raw_table):
        raise dg.Failure(f"{config.raw_table} is still blocked: {reason}", allow_retries=False)


def _await_answer(settings: "CdcSettings", raw_table: str) -> dict[str, str]:
    from contracts import warehouse
    from ingestion.postgres_cdc import progress, requests

    deadline = time.monotonic() + WAIT_SECONDS
    with warehouse.reading(settings) as lake:
        while any(asked == raw_table for _, asked, _ in requests.asked(lake, settings.cdc_slot)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"nobody has taken up {raw_table} in {WAIT_SECONDS} seconds")
            time.sleep(1)
        states = progress.table_states(lake, settings.cdc_slot)
    return {table: state.reason or "" for table, state in states.items() if state.state == "blocked"}
