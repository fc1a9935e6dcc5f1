"""The lake for somebody who writes SQL: read-only, people masked, every metric as a table function.

    from contracts import notebook
    lake = notebook.open_lake()
    lake.sql("select * from metrics.mrr(grain := 'month')").df()

Marts are views under their own names (`finance.fct_payments`), with what tells of a person empty. The role and the
folder of the files decide what can be read at all: the views keep an analyst from meeting a person by accident, they
do not keep anybody out. Who must not see people asks the analytics service, whose masks hold for every format.
"""

from collections.abc import Mapping
from datetime import datetime

import duckdb

from contracts import metric_sql, warehouse
from contracts.classification import masked
from contracts.metrics import METRICS
from contracts.relations import RELATIONS, Relation
from contracts.warehouse import Lake, LakeMissing, WarehouseSettings


def open_lake(
    settings: WarehouseSettings | None = None, *, as_of: datetime | Mapping[Lake, int] | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection whose marts are masked views and whose metrics are functions of a grain.

    Args:
        settings: Where the lake is; from PLYO_LAKE_CATALOG_URL (as `lake_reader`) and PLYO_LAKE_PATH by default.
        as_of: See `contracts.warehouse.connect`. Metrics are those of then too.

    Raises:
        LakeMissing: no lake is in the catalog yet, or no mart in the lake.
    """
    connection = warehouse.connect(settings or WarehouseSettings(), as_of=as_of)
    built = {
        f"{schema}.{table}"
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'marts'"
        ).fetchall()
    }
    if not built:
        connection.close()
        raise LakeMissing("No mart is built yet: the first pipeline run has to end, which takes a minute or two")
    for relation in RELATIONS.values():
        if relation.name in built:
            connection.execute(f"create schema if not exists {relation.schema}")
            connection.execute(f"create view {relation.name} as {_masked(relation)}")
    connection.execute("create schema metrics")
    moment = _moment(connection, as_of)
    for metric in (one.as_known(moment) for one in METRICS.values()):
        if metric.relation not in built:
            continue
        by = ["currency"] if metric.has_currency else []
        period = metric_sql.period_of(metric, "grain")
        text = metric_sql.series(metric, source=RELATIONS[metric.relation].path, period=period, by=by)
        connection.execute(f"create macro metrics.{metric.name}(grain := '{metric.grains[0]}') as table {text}")
    return connection


def _moment(
    connection: duckdb.DuckDBPyConnection, as_of: datetime | Mapping[Lake, int] | None
) -> datetime | None:  # fmt: skip
    if as_of is None or isinstance(as_of, datetime):
        return as_of
    made = connection.execute(
        "select snapshot_time from marts.snapshots() where snapshot_id = ?", [as_of.get("marts")]
    ).fetchone()
    return made[0] if made else None


def _masked(relation: Relation) -> str:
    hidden = [f"cast(null as {relation.columns[name]}) as {name}" for name in masked(relation)]
    chosen = f"* replace ({', '.join(hidden)})" if hidden else "*"
    return f"select {chosen} from {relation.path}"  # noqa: S608 - out of the promise
