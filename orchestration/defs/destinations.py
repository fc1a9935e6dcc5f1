"""A warehouse elsewhere: the op of the job `copy_to_warehouse`, and what an erasure takes from it.

How copies are made and deleted is `ingestion.destinations`.
"""

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster_dbt import DbtCliResource

from orchestration.failures import TRY_AGAIN, judged
from orchestration.resources import DBT_PROJECT

MODELS = ("--resource-type", "model", "--resource-type", "seed")
"""dbt's selection of all that holds rows, without tests."""

READ_BY_MODELS = ("_cdc_watermarks", "_column_distances", "_suite_judgements")
"""The loader's own tables that marts are made of; a test holds them to the dbt project's sources."""


class Copied(dg.Config):
    """What is copied.

    Args:
        tables: Raw tables; none: all of them, but for the loader's own that no model reads.
    """

    tables: list[str] = []


def is_set_up() -> bool:
    """Whether PLYO_DESTINATION_* names a warehouse."""
    from pydantic import ValidationError

    from ingestion.destinations import DestinationSettings

    try:
        DestinationSettings()
    except ValidationError:
        return False
    return True


@dg.op(description="Copies what is new in raw to the warehouse that PLYO_DESTINATION_* names.", retry_policy=TRY_AGAIN)
def copy_raw(context: dg.OpExecutionContext, config: Copied) -> None:
    """Copy each row once. A run that is killed goes on where it was."""
    from contracts import warehouse
    from contracts.warehouse import WarehouseSettings
    from ingestion import destinations

    with judged():
        lake_settings, settings = WarehouseSettings(), destinations.DestinationSettings()
        tables = config.tables
        if not tables:
            with warehouse.reading(lake_settings) as lake:
                found = lake.execute(
                    """select table_name from duckdb_tables() where database_name = 'raw' and schema_name = 'main'
                       and (not starts_with(table_name, '_') or list_contains(?, table_name)) order by 1""",
                    [list(READ_BY_MODELS)],
                ).fetchall()
            tables = [row[0] for row in found]
        for table in tables:
            [rows] = destinations.copy(lake_settings, settings, [table]).values()
            context.log.info(f"{table}: {rows} rows")


def forget_there(context: dg.OpExecutionContext, rows: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    """Delete copies of what the lake has erased, and build the marts there anew; nothing without a warehouse elsewhere.

    Args:
        rows: Raw table to column to values.
    """
    from contracts.warehouse import WarehouseSettings
    from ingestion import destinations

    if not rows or not is_set_up():
        return
    settings = destinations.DestinationSettings()
    context.log.info(f"deleted elsewhere: {destinations.forget(WarehouseSettings(), settings, rows)}")
    if not settings.dbt:
        context.log.warning("nothing is told to build marts elsewhere (PLYO_DESTINATION_DBT): build them anew there")
        return
    target = DBT_PROJECT.target_path / settings.kind
    DbtCliResource(project_dir=DBT_PROJECT, dbt_executable=settings.dbt).cli(
        ["build", *MODELS, "--exclude", "tag:connectors", "--target", settings.kind], target_path=target
    ).wait()
