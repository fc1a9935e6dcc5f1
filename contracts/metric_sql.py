"""How a metric of `contracts.metrics` becomes SQL: the one place, for the analytics service and for notebooks.

The text names the rows to read as the caller writes them (a bound mart, a view); who may see which rows is the caller's
to add as conditions. No SQL is run here.
"""

from collections.abc import Sequence

from contracts.metrics import Metric


def series(
    metric: Metric,
    *,
    source: str,
    period: str,
    conditions: Sequence[str] = (),
    by: Sequence[str] = (),
) -> str:
    """The metric's points: "at" where its period begins, the columns of `by`, "value"; in order.

    Args:
        source: What to select from; it has the columns of the metric's relation and those of `by`.
        period: SQL expression for the first day of the period that a row is in; a constant for one number in all.
        conditions: Further conditions on rows.
        by: Columns that make a series each.
    """
    where = _counted(metric, conditions)
    if metric.kind == "stock":
        source = f"(\n    select *\n    from {source}\n    where {where}\n    {_newest(metric, period)}\n)"  # noqa: S608 - out of definitions
        where = ""
    chosen = "".join(f"{column}, " for column in by)
    return (  # the words are a definition's, never a person's
        f'select {period} as "at", {chosen}{typed(metric)} as "value"\n'
        f"from {source}" + (f"\nwhere {where}" if where else "") + "\ngroup by all\norder by all"
    )


def rows(
    metric: Metric, *, source: str, period: str, conditions: Sequence[str] = (), without: Sequence[str] = ()
) -> str:
    """The rows that the metric's points are made of: all of them and no other.

    The metric's expression over these rows is the number that `series` tells with the same arguments.

    Args:
        without: Columns of the source that are not the relation's.
    """
    columns = f"* exclude ({', '.join(without)})" if without else "*"
    newest = f"\n{_newest(metric, period)}" if metric.kind == "stock" else ""
    text = f"select {columns}\nfrom {source}\nwhere {_counted(metric, conditions)}{newest}"
    return f"select *\nfrom (\n{text}\n)\nwhere {metric.counts}" if metric.counts else text


def typed(metric: Metric) -> str:
    """The metric's expression as the type its unit is told in: whole numbers for money and counts."""
    if metric.unit in ("money", "count"):
        return f"cast(round({metric.expression}) as bigint)"
    return f"cast({metric.expression} as double)"


def period_of(metric: Metric, grain: str) -> str:
    """The expression for the first day of the grain's period that a row of the metric is in."""
    return f"cast(date_trunc({grain}, {metric.at}) as date)"


def _counted(metric: Metric, conditions: Sequence[str]) -> str:
    """The condition on rows that count."""
    return " and ".join([*([f"({metric.where})"] if metric.where else []), *conditions, f"{metric.at} is not null"])


def _newest(metric: Metric, period: str) -> str:
    """Of a stock only the last day of a period counts."""
    return f"qualify {metric.at} = max({metric.at}) over (partition by {period})"
