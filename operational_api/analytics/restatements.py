"""How what was told of a metric has changed since an older snapshot, and why.

An erasure ends the past of the marts: what was told before it is held no more, as the difference would be what was
erased. Of months that are told otherwise because of it only that is noted, by the night that erased (`erased`).
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts import metric_sql
from contracts.metrics import Metric
from contracts.relations import RELATIONS
from operational_api.analytics import metrics, scope
from operational_api.analytics.errors import NotThatLongAgo
from operational_api.analytics.lake import Lake, rows
from operational_api.analytics.metrics import Asked, Compiled
from operational_api.analytics.query import Query, literal, of_then
from operational_api.core.principal import Principal

WHY = {
    "rows_since": "the period had not ended when this was told",
    "rows_added": "late rows: they arrived after this was told",
    "rows_removed": "rows that were taken back, or moved to another period",
    "rows_changed": "rows that were corrected",
    "rows_erased": "people who closed their account or took back their consent: what told of them was erased",
}
# Of rows taken back or corrected, those of these people are erased; a day's word may have been given again since.
_CLOSED = """
    select aggregate_id as person from raw.main.platform__outbox_events
    where type = 'identity.account_closed' and _op <> 'd' and occurred_at > $since
"""
_TAKEN_BACK = """
    select customer_id as person from raw.main.compliance__consents
    where purpose = 'coaching' and _op not in ('d', 't') and decided_at > $since and not is_given
"""
_ERASED = """
    select month, max(noted_at) from raw.main._told_otherwise
    where metric = $metric and noted_at > $since group by month order by month
"""


def found(
    lake: Lake, principal: Principal, metric: Metric, asked: Asked, *, then: int, now: int, told_at: datetime
) -> list[dict[str, Any]]:
    """Points that say something else now than at an older snapshot, with how many rows behind them are the cause.

    Periods that began after the older snapshot's last one are no restatement: nothing had been told about them.

    Args:
        told_at: When the older snapshot was looked at: the definition of then is what was told by.

    Returns:
        at, currency (null without), dimensions, then, now, rows_added, rows_removed, rows_changed, rows_erased (how
        many of the two before are of people who had to be forgotten), rows_since (none of these: of days, weeks or
        months that had not ended then), why (texts: a period that ran on, rows late, taken back, corrected, erased;
        the changed definition with its reason); oldest first.
    """
    told_by = metric.as_known(told_at)
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
    running = literal((told_at.astimezone(UTC) + timedelta(microseconds=1)).date())  # not over then
    ran_on = f"date_trunc('{metric.grains[0]}', {{}}) >= date_trunc('{metric.grains[0]}', {running})"
    forgotten = ", ".join(literal(one) for one in _forgotten(lake, told_at)) or "cast(null as uuid)"
    text = f"""
with told as ({of_then(_series(told_by, old))}),
known as ({_series(metric, new)}),
paired as (
    select old.point as old_point, new.point as new_point, old.contents as old_contents, new.contents as new_contents,
        coalesce(old.person in ({forgotten}), false)::integer as is_erased,
        ({ran_on.format("coalesce(new.placed, old.placed)")})::integer as is_since
    from ({of_then(_rows_behind(told_by, old, columns))}) as old
    full join ({_rows_behind(metric, new, columns)}) as new using ({key})
),
caused as (
    select new_point as point, 1 as added, 0 as removed, 0 as changed, 0 as erased, is_since from paired
    where new_point is not null and new_point is distinct from old_point
    union all
    select old_point, 0, 1, 0, is_erased, is_since from paired
    where old_point is not null and new_point is distinct from old_point
    union all
    select new_point, 0, 0, 1, is_erased, is_since from paired
    where new_point = old_point and new_contents <> old_contents
),
causes as (
    select point, added * counts as added, removed * counts as removed, changed * counts as changed, erased,
        1 - counts as since
    from (select *, case when is_since = 1 and erased = 0 then 0 else 1 end as counts from caused)
)
select
    {at} as "at", {", ".join(shown)}, told."value" as "then", known."value" as "now",
    coalesce(sum(added), 0)::bigint as rows_added, coalesce(sum(removed), 0)::bigint as rows_removed,
    coalesce(sum(changed), 0)::bigint as rows_changed, coalesce(sum(erased), 0)::bigint as rows_erased,
    coalesce(sum(since), 0)::bigint as rows_since
from told full join known on {same}
left join causes on causes.point = {_point(at, list(named.values()))}
where told."value" is distinct from known."value" and {at} <= (select max("at") from told)
group by all
order by all"""
    items = rows(lake.ask(Query(text, new.parameters, then=then), snapshot_id=now).table)
    definitions = [
        f"changed definition ({one.until[:10]}): {one.reason}"
        for one in metric.former
        if told_at < datetime.fromisoformat(one.until)
    ]
    return [one | {"why": _why(one) + definitions} for one in items]


def snapshot_to_compare(lake: Lake, moment: datetime) -> int:
    """The snapshot of a moment; the oldest that is kept, where an erasure has ended the past that it was in.

    Raises:
        NotThatLongAgo: it is not kept, and no erasure is why.
    """
    try:
        return lake.snapshot_at(moment)
    except NotThatLongAgo:
        if lake.erased_since(moment) is None:
            raise
        return lake.first_after(moment)


def erased(lake: Lake, principal: Principal, metric: Metric, *, since: datetime) -> list[dict[str, Any]]:
    """Months that are told otherwise than at a moment because of people who were forgotten since, their past with them.

    What was told of them then is not held: beside what is told now it would be what was erased.

    Returns:
        at (first of the month), erased_at, why; oldest first. Nothing for who does not see all of the metric's rows.
    """
    if scope.of(principal, metric.columns, schema=metric.relation.split(".")[0]).condition:
        return []
    told = lake.raw(_ERASED, {"metric": metric.name, "since": since})
    return [{"at": month, "erased_at": at, "why": [WHY["rows_erased"]]} for month, at in told]


def _forgotten(lake: Lake, since: datetime) -> list[UUID]:
    people = [*lake.raw(_CLOSED, {"since": since}), *lake.raw(_TAKEN_BACK, {"since": since})]
    return sorted({UUID(str(person)) for (person,) in people if person is not None})


def _why(one: dict[str, Any]) -> list[str]:
    """The causes of a restated point: what was erased was neither taken back nor corrected."""
    is_erased_only = one["rows_removed"] + one["rows_changed"] == one["rows_erased"]
    left_out = ("rows_removed", "rows_changed") if is_erased_only else ()
    return [why for name, why in WHY.items() if one[name] and name not in left_out]


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
    where = [f"({one})" for one in (metric.where, metric.counts) if one]
    where += [*pieces.conditions, f"{metric.at} is not null"]
    person = "customer_id" if "customer_id" in relation.columns and "customer_id" in known else "cast(null as uuid)"
    return (
        f"select {', '.join(key)}, {_point(pieces.period, columns)} as point, {person} as person, "
        f"{metric.at} as placed, hash({contents}) as contents "
        f"from {pieces.source} where {' and '.join(where)}"
    )


def _point(at: str, series: list[str]) -> str:
    return "concat_ws(' ', " + ", ".join([at, *(f"coalesce(cast({one} as varchar), '?')" for one in series)]) + ")"
