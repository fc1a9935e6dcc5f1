"""What can be run as a whole, by hand, by the first start or by a sensor. When it is run: `automation`."""

from typing import Any

import dagster as dg

from orchestration import connectors
from orchestration.defs import (
    activation,
    churn,
    crm,
    dbt,
    effects,
    freshness,
    lifetime,
    maintenance,
    payments,
    quality,
    settlements,
    watch,
    wearables,
)
from orchestration.defs.destinations import copy_raw
from orchestration.defs.postgres_cdc import follow_changes, raw_change_logs
from orchestration.defs.resumption import resume
from orchestration.defs.withdrawals import forget

MARTS_WRITER = {"plyo/writes": "marts"}
"""Tag of runs that write marts; `dagster.yaml` lets one of them run at a time."""

LEARNED = (*churn.ASSETS, lifetime.lifetime_values, effects.training_effects)
"""What `ml` learns from all of the marts, which changes by the week."""

OF_THEIR_OWN = dg.AssetSelection.checks(
    watch.lag_checks, quality.change_log_suites, quality.distributions, freshness.source_freshness
)
"""Checks that have a time of their own, and are told by `watch_lag`, `judge_raw` and `watch_distributions`."""


def assets(*selected: Any) -> dg.AssetSelection:
    """Assets with those of their checks that are told when they are made."""
    return dg.AssetSelection.assets(*selected) - OF_THEIR_OWN


first_pipeline = dg.define_asset_job(
    "first_pipeline",
    selection=assets(raw_change_logs, wearables.wearable_measurements, dbt.marts, *LEARNED, activation.churn_scores),
    tags=MARTS_WRITER,
    description="Everything once: land what is committed, build and check the marts, train, score, tell operations.",
)

refresh_marts = dg.define_asset_job(
    "refresh_marts",
    selection=assets(wearables.wearable_measurements, dbt.marts, churn.churn_scores, activation.churn_scores),
    tags=MARTS_WRITER,
    description="Marts and scores of what has landed since; the model stays.",
)

retrain = dg.define_asset_job(
    "retrain",
    selection=assets(*LEARNED, activation.churn_scores),
    tags=MARTS_WRITER,
    description="Learn from all that is known by now: train, promote if better, score and tell operations; value pack "
    "buyers, and measure what follows training load.",
)


@dg.job(
    name="stream_changes",
    executor_def=dg.in_process_executor,
    tags={"dagster/max_retries": "0"},  # `keep_streaming` starts another; a retry would be a second one
    description="Follow the write-ahead log continuously: changes are in the lake within seconds.",
)
def stream_changes() -> None:
    """One op that goes on until it is told to stop."""
    follow_changes()


@dg.job(description="Take up a table that was blocked: say what its new shape means, or nothing for a new snapshot.")
def resume_table() -> None:
    """One op; the launchpad asks for the table."""
    resume()


compare_lake = dg.define_asset_job(
    "compare_lake",
    selection=assets(watch.comparison_with_source),
    description="Compare every row and value of raw with the operational database; changes nothing.",
)


@dg.job(
    executor_def=dg.in_process_executor,
    tags=MARTS_WRITER,  # dbt writes its manifest anew, which a build would read
    description="Write dbt's page of models, columns, tests and lineage, which /warehouse/docs shows.",
)
def document_marts() -> None:
    """One op."""
    dbt.write_docs()


judge_raw = dg.define_asset_job(
    "judge_raw",
    selection=dg.AssetSelection.checks(quality.change_log_suites, freshness.source_freshness),
    description="Judge the newest rows of every table and how fresh each source is, and write /warehouse/quality.",
)

watch_distributions = dg.define_asset_job(
    "watch_distributions",
    selection=dg.AssetSelection.checks(quality.distributions),
    description="Compare how watched columns are distributed with the eight weeks before, and keep what was found.",
)


@dg.job(executor_def=dg.in_process_executor, description="Forget rows that have stood aside for longer than they may.")
def forget_quarantined() -> None:
    """One op."""
    quality.forget_aside()


@dg.job(
    executor_def=dg.in_process_executor, description="Drive rows that a suite refused in again, after it was mended."
)
def redrive() -> None:
    """One op; the launchpad asks for the connector."""
    quality.drive_in_again()


maintain_lake = dg.define_asset_job(
    "maintain_lake",
    selection=assets(maintenance.lake_files),
    tags=MARTS_WRITER,  # not beside a build: of two that change a table, one would have to begin again
    description="Gather small files, forget snapshots past their days, delete files that nothing needs.",
)


@dg.job(
    executor_def=dg.in_process_executor,
    tags=MARTS_WRITER,
    description="Erase health data that customers no longer let us keep from raw, marts and their past.",
)
def forget_withdrawn() -> None:
    """One op; it does nothing where nothing was withdrawn."""
    forget()


pull_stripe_events = dg.define_asset_job(
    "pull_stripe_events",
    selection=assets(["raw", payments.EVENTS]),
    tags=connectors.tags("stripe"),
    description="Land what happened at Stripe since the last pull.",
)

reconcile_stripe = dg.define_asset_job(
    "reconcile_stripe",
    selection=assets(*(["raw", table] for table in payments.OBJECTS)) | assets(payments.stripe_staging),
    tags={**connectors.tags("stripe"), **MARTS_WRITER},
    description="Compare every object of Stripe with raw, land what differs, mark what is gone, and stage it.",
)

pull_momo = dg.define_asset_job(
    "pull_momo",
    selection=assets(payments.momo_raw, settlements.momo_settlements),
    tags=connectors.tags("momo"),
    description="Land the settlement files that MoMo has put there since the last pull, and hand on their lines.",
)

reconcile_momo = dg.define_asset_job(
    "reconcile_momo",
    selection=assets(payments.momo_raw, payments.momo_staging, settlements.momo_settlements),
    tags={**connectors.tags("momo"), **MARTS_WRITER},
    config={"ops": {"momo_raw": {"config": {"resync": True}}}},
    description="Read every settlement file again, land what was missed, and stage it.",
)

pull_hubspot = dg.define_asset_job(
    "pull_hubspot",
    selection=assets(crm.hubspot_raw),
    tags=connectors.tags("hubspot"),
    description="Land what changed in HubSpot since the last pull.",
)

reconcile_hubspot = dg.define_asset_job(
    "reconcile_hubspot",
    selection=assets(crm.hubspot_raw, crm.hubspot_staging),
    tags={**connectors.tags("hubspot"), **MARTS_WRITER},
    config={"ops": {"hubspot_raw": {"config": {"resync": True}}}},
    description="Read all of HubSpot again, land what differs, mark what is gone or was merged, and stage it.",
)


@dg.job(
    executor_def=dg.in_process_executor,
    tags=connectors.tags("terra"),
    description="Land what Terra's webhooks may have missed of everybody's last days.",
)
def reconcile_terra() -> None:
    """One op."""
    wearables.ask_terra()


@dg.job(
    executor_def=dg.in_process_executor,
    tags={"plyo/copies": "raw"},
    description="Copy what is new in raw to the PostgreSQL, Snowflake or BigQuery warehouse that is set up.",
)
def copy_to_warehouse() -> None:
    """One op."""
    copy_raw()


RESYNCS: dict[str, Any] = {
    "stripe": dg.define_asset_job(
        "resync_stripe",
        selection=assets(payments.stripe_raw, payments.stripe_staging),
        tags={**connectors.tags("stripe"), **MARTS_WRITER},
        config={"ops": {"stripe_raw": {"config": {"resync": True}}}},
        description="Read all of Stripe again, as an admin asked: nothing is landed twice.",
    ),
    "momo": reconcile_momo,
    "hubspot": reconcile_hubspot,
    "terra": reconcile_terra,
}
"""The job that reads all of a connector again, by connector."""

BACKFILLS = [connectors.backfill_job(name) for name in ("stripe", "momo", "hubspot", "terra")]

JOBS: list[Any] = [
    first_pipeline,
    refresh_marts,
    retrain,
    stream_changes,
    resume_table,
    compare_lake,
    document_marts,
    judge_raw,
    watch_distributions,
    redrive,
    forget_quarantined,
    maintain_lake,
    forget_withdrawn,
    copy_to_warehouse,
    pull_stripe_events,
    reconcile_stripe,
    pull_momo,
    reconcile_momo,
    pull_hubspot,
    reconcile_hubspot,
    reconcile_terra,
    RESYNCS["stripe"],
    *BACKFILLS,
]
