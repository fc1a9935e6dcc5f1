"""How what was told of a metric has changed since an older snapshot, and why."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from contracts import metric_sql
from contracts.metrics import Metric
from contracts.relations import RELATIONS
from operational_api.analytics import metrics
from operational_api.analytics.lake import Lake, rows
from operational_api.analytics.metrics import Asked, Compiled
from operational_api.analytics.query import Query, of_then
from operational_api.core.principal import Principal

WHY = {
    "rows_added": "late rows: they arrived after this was told",
    "rows_removed": "rows that were taken back, or moved to another period",
    "rows_changed": "rows that were corrected",
}


def found(
    lake: Lake, principal: Principal, metric: Metric, asked: Asked, *, then: int, now: int, told_at: datetime
) -> list[dict[str, Any]]:
    """Points that say something else now than at an older snapshot, with how many rows behind them are the cause.

    Periods that began after the older snapshot's last one are no restatement: nothing had been told about them.

    Args:
        told_at: When the older snapshot was looked at: the definition of then is what was told by.

    Returns:
        at, currency (null without), dimensions, then, now, rows_added, rows_removed, rows_changed, why (texts: rows
        late, taken back, corrected; the changed definition with its reason); oldest first.
    """
    told_by = metrics.as_known(metric, told_at)
    new, old = (metrics.compiled(principal, one, asked) for one in (metric, told_by))
    names = [column.rpartition(" ")[2] for column in new.by]
    # A mart may have gained columns since: what it did not have then cannot be compared.
    columns = lake.ask(Query(f"select * from @{metric.relation} limit 0"), snapshot_id=then).table.column_names
    key = ", ".join(column for column in RELATIONS[metric.relation].key if column in columns)
    at = 'coalesce(told."at", known."at")'
    named = {name: f"coalesce(told.{name}, known.{name})" for name in names}
    same = " and ".join(['told."at" = known."at"', *(f"told.{n} is not distinct from known.{n}" for n in names)])
    shown = [f"{named['currency']} as currency" if "currency" in named else "cast(null as varchar) as currency"]
    shown += [f"{value} as {name}" for name, value in named.items() if name != "currency"]
    text = f"""
with told as ({of_then(_series(told_by, old))}),
known as ({_series(metric, new)}),
paired as (
    select old.point as old_point, new.point as new_point, old.contents as old_contents, new.contents as new_contents
    from ({of_then(_rows_behind(told_by, old, columns))}) as old
    full join ({_rows_behind(metric, new, columns)}) as new using ({key})
),
causes as (
    select new_point as point, 1 as added, 0 as removed, 0 as changed from paired
    where new_point is not null and new_point is distinct from old_point
    union all
    select old_point, 0, 1, 0 from paired where old_point is not null and new_point is distinct from old_point
    union all
    select new_point, 0, 0, 1 from paired where new_point = old_point and new_contents <> old_contents
)
select
    {at} as "at", {", ".join(shown)}, told."value" as "then", known."value" as "now",
    coalesce(sum(added), 0)::bigint as rows_added, coalesce(sum(removed), 0)::bigint as rows_removed,
    coalesce(sum(changed), 0)::bigint as rows_changed
from told full join known on {same}
left join causes on causes.point = {_point(at, list(named.values()))}
where told."value" is distinct from known."value" and {at} <= (select max("at") from told)
group by all
order by all"""
    items = rows(lake.ask(Query(text, new.parameters, then=then, is_shared=new.is_shared), snapshot_id=now).table)
    definitions = [
        f"changed definition ({one.until[:10]}): {one.reason}"
        for one in metric.former
        if told_at < datetime.fromisoformat(one.until)
    ]
    return [one | {"why": [why for name, why in WHY.items() if one[name]] + definitions} for one in items]


def _series(metric: Metric, pieces: Compiled) -> str:
    return metric_sql.series(
        metric, source=pieces.source, period=pieces.period, conditions=pieces.conditions, by=pieces.by
    )


def _rows_behind(metric: Metric, pieces: Compiled, known: Collection[str]) -> str:
    """Key, point and a hash of everything else, of each row the metric counts; of the columns that are known."""
    relation = RELATIONS[metric.relation]
    key = [column for column in relation.key if column in known]
    contents = ", ".join(column for column in relation.columns if column in known and column not in key)
    columns = [column.partition(" as ")[0] for column in pieces.by]
    where = [*([f"({metric.where})"] if metric.where else []), *pieces.conditions, f"{metric.at} is not null"]
    return (
        f"select {', '.join(key)}, {_point(pieces.period, columns)} as point, hash({contents}) as contents "
        f"from {pieces.source} where {' and '.join(where)}"
    )


def _point(at: str, series: list[str]) -> str:
    return "concat_ws(' ', " + ", ".join([at, *(f"coalesce(cast({one} as varchar), '?')" for one in series)]) + ")"
