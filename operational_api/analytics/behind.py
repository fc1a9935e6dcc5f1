"""The rows behind a number: those of its mart that its own definition counts, for whoever may read them row by row.

A number may be told where its rows may not: what all trained is a number for admins, who trained is for their coach.
Which rows count says the metric; who may see a row says its mart's dataset. Both hold here.
"""

from dataclasses import dataclass, replace
from typing import Any

from contracts import metric_sql
from contracts.metrics import Metric
from contracts.relations import RELATIONS
from operational_api.analytics import metrics
from operational_api.analytics.catalogue import DATASETS, Dataset
from operational_api.analytics.lake import Lake, one, rows
from operational_api.analytics.metrics import Asked
from operational_api.analytics.periods import Period
from operational_api.analytics.query import Query
from operational_api.core.principal import Principal


@dataclass(frozen=True, slots=True)
class Behind:
    """What a number is made of.

    Attributes:
        dataset: The mart's, narrowed to the rows that count for the one who asks.
        number: The query of the number itself: a point each, or one a series for a whole period.
        counted: The query that counts the rows.
        key: Columns that tell a row from every other; how it is asked where a row comes from.
    """

    dataset: Dataset
    number: Query
    counted: Query
    key: tuple[str, ...]


def a_number(principal: Principal, metric: Metric, asked: Asked, period: Period | None) -> Behind:
    """What is behind a metric, asked as `metrics` is asked.

    Args:
        period: Days that are told as one number; None for each point of the series.

    Raises:
        As `metrics.series`.
    """
    is_total = period is not None
    if period is not None:
        asked = metrics.within(asked, period)
    pieces = metrics.compiled(principal, metric, asked, is_total=is_total)
    text = metric_sql.rows(
        metric, source=pieces.source, period=pieces.period, conditions=pieces.conditions, without=pieces.joined
    )  # fmt: skip
    mart, definition = DATASETS[metric.relation], RELATIONS[metric.relation]
    dataset = replace(
        mart, name=f"rows of {metric.name}", definition=f"{definition.grain} Those that `{metric.name}` counts.",
        text=text.replace("\n", "\n    "), filters=(), day=None, values=pieces.parameters,
        kinds=mart.kinds or metrics.kinds_of(metric),
    )  # fmt: skip
    return Behind(
        dataset, metrics.compile_series(principal, metric, asked, is_total=is_total),
        Query(f"select count(*) as counted from (\n{text}\n)", pieces.parameters),
        definition.key,
    )  # fmt: skip


def described(lake: Lake, behind: Behind, metric: Metric, *, snapshot_id: int) -> dict[str, Any]:
    """The number, how many rows make it, and how to ask where one of them comes from."""
    counted = one(lake.ask(behind.counted, snapshot_id=snapshot_id).table) or {"counted": 0}
    number = lake.ask(behind.number, snapshot_id=snapshot_id)
    return {
        "metric": metric.name, "relation": metric.relation, "expression": metric.expression, "where": metric.where,
        "number": {"items": rows(number.table), "sql": number.sql}, "counted": counted["counted"],
        "key": list(behind.key), "trace": f"/api/analytics/rows/{metric.relation}",
    }  # fmt: skip
