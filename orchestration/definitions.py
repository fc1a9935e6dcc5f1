"""Dagster's way in (`workspace.yaml`): merges what `defs/` defines. Loads with an empty environment.

Nothing is computed here, and no sensor, condition or check is defined here.
"""

import dagster as dg

from orchestration import automation, jobs, resources
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
    postgres_cdc,
    quality,
    settlements,
    watch,
    wearables,
)

defs = dg.Definitions(
    assets=[
        *postgres_cdc.SOURCES,
        postgres_cdc.raw_change_logs,
        wearables.wearable_measurements,
        watch.comparison_with_source,
        maintenance.lake_files,
        dbt.marts,
        *churn.ASSETS,
        lifetime.lifetime_values,
        effects.training_effects,
        activation.churn_scores,
        *payments.ASSETS,
        settlements.momo_settlements,
        *crm.ASSETS,
    ],
    asset_checks=[
        watch.lag_checks,
        quality.change_log_suites,
        quality.distributions,
        freshness.source_freshness,
    ],
    jobs=jobs.JOBS,
    sensors=automation.SENSORS,
    schedules=automation.SCHEDULES,
    resources=resources.RESOURCES,
    # A process per step would import dbt, DuckDB and LightGBM anew for each: seconds of CPU, for nothing.
    executor=dg.in_process_executor,
)
