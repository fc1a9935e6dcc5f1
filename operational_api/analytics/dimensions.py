"""What a metric is told apart by: the column that each dimension is, in the metric's own rows or one mart further.

A row that knows no plan or coach of its own has those of its customer, as of the same snapshot.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.dimensions import DIMENSIONS
from contracts.metrics import Metric
from operational_api.analytics.errors import NotAllowed

_IDS = frozenset({"coach", "location"})
_LOOKED_UP = {
    ("plan", "plan_id"): ("core.dim_plans", "any_value(plan_code)"),
    ("plan", "customer_id"): ("core.dim_customers", "any_value(plan_code)"),
    ("coach", "customer_id"): ("core.dim_customers", "any_value(coach_id)"),
    ("location", "coach_id"): ("core.dim_coaches", "any_value(location_id)"),
    ("location", "customer_id"): ("core.dim_customers", "any_value(location_id)"),
    ("city", "coach_id"): ("core.dim_coaches", "any_value(city)"),
    ("city", "customer_id"): ("core.dim_customers", "any_value(city)"),
    ("cohort", "customer_id"): ("core.dim_customers", "cast(date_trunc('month', any_value(member_since)) as date)"),
}
"""Where a dimension is looked up by a key that is not itself: mart, and expression over the key's rows."""


@dataclass(frozen=True, slots=True)
class Source:
    """What to select a metric from, with the columns that its dimensions are by name."""

    text: str
    columns: dict[str, str]


def source_of(metric: Metric, asked: Sequence[str]) -> Source:
    """The metric's rows with a column for each dimension asked for.

    Raises:
        NotAllowed: the metric cannot be told apart by one of them.
    """
    columns: dict[str, str] = {}
    joins: list[str] = []
    for name in dict.fromkeys(asked):
        if name not in metric.dimensions:
            raise NotAllowed(
                f"`{metric.name}` cannot be told apart by `{name[:40]}`.", allowed=list(metric.dimensions)
            )  # fmt: skip
        key = next(column for column in DIMENSIONS[name] if column in metric.columns - {metric.at})
        looked_up = _LOOKED_UP.get((name, key))
        if looked_up is None:
            columns[name] = key
            continue
        mart, expression = looked_up
        columns[name] = f"its_{name}"
        joins.append(f"left join (select {key}, {expression} as its_{name} from @{mart} group by {key}) using ({key})")
    if not joins:
        return Source(f"@{metric.relation}", columns)
    joined = "\n    ".join(joins)
    return Source(f"(\n    select * from @{metric.relation} as own\n    {joined}\n)", columns)


def type_of(name: str) -> str:
    """DuckDB's type of a dimension's values."""
    return "uuid" if name in _IDS else "date" if name == "cohort" else "varchar"
