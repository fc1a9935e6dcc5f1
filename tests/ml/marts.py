"""Marts written by hand for what `ml` reads, as dbt would build them."""

import polars as pl

from contracts import warehouse
from contracts.relations import RELATIONS
from contracts.warehouse import WarehouseSettings


def write(settings: WarehouseSettings, **marts: pl.DataFrame) -> None:
    """Whole tables, replaced, with the columns that the contract promises; `schema__table=frame`, absent ones null."""
    with warehouse.writing(settings) as lake:
        for told, frame in marts.items():
            name = told.replace("__", ".", 1)
            lake.execute(f"create schema if not exists marts.{RELATIONS[name].schema}")
            lake.register("frame", frame.to_arrow())
            columns = ", ".join(
                f"cast({column if column in frame.columns else 'null'} as {kind}) as {column}"
                for column, kind in RELATIONS[name].columns.items()
            )
            lake.execute(f"create or replace table {RELATIONS[name].path} as select {columns} from frame")
            lake.unregister("frame")
