"""Metrics over time, compiled from `contracts.metrics`, and how what was told has changed since.

No formula is written here: a metric's meaning comes from its definition alone.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, get_args
from uuid import UUID

from contracts.metrics import METRICS, Grain, Metric
from contracts.relations import RELATIONS
from operational_api.analytics import scope, withheld
from operational_api.analytics.errors import AcrossCurrencies, NotAllowed, UnknownMetric
from operational_api.analytics.lake import Answer, Lake, rows
from operational_api.analytics.query import Query, Value
from operational_api.core.policy import Resource, require
from operational_api.core.principal import Principal

GRAINS: tuple[str, ...] = get_args(Grain)
FILTERS = ("coach_id", "customer_id", "location_id")
ALL_CURRENCIES = "all"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a metric.

    Attributes:
        grain: day, week (from Monday) or month; None for the finest the metric has.
        since: First date, inclusive.
        until: Last date, inclusive.
        currency: ISO code for one, `all` to count across them (never for money), None for a series each.
        filters: Column to id.
    """

    grain: str | None = None
    since: date | None = None
    until: date | None = None
    currency: str | None = None
    filters: tuple[tuple[str, UUID], ...] = ()


def metric(name: str) -> Metric:
    """The definition.

    Raises:
        UnknownMetric: there is none of that name.
    """
    try:
        return METRICS[name]
    except KeyError:
        raise UnknownMetric(f"There is no metric `{name[:60]}`.", allowed=sorted(METRICS)) from None


def described(metric: Metric) -> dict[str, Any]:
    """A metric's entry in the dictionary."""
    return {
        "name": metric.name, "label": metric.label, "definition": metric.definition, "unit": metric.unit,
        "kind": metric.kind, "grain": metric.grains[0], "grains": list(metric.grains), "exclusions": metric.exclusions,
        "owner": metric.owner, "relation": metric.relation, "relation_grain": RELATIONS[metric.relation].grain,
        "expression": metric.expression, "where": metric.where, "at": metric.at,
        "filters": [name for name in FILTERS if name in metric.columns],
        "is_by_currency": metric.has_currency,
    }  # fmt: skip


def series(lake: Lake, principal: Principal, metric: Metric, asked: Asked, *, snapshot_id: int | None = None) -> Answer:
    """The metric's points, oldest first: at (date a period begins on), currency where it has one, value.

    Raises:
        NotAllowed: the metric has no such grain or filter.
        AcrossCurrencies: money was asked for across currencies.
        WholeBusiness: the principal may not see it.
    """
    return lake.ask(compile_series(principal, metric, asked), snapshot_id=snapshot_id)


def require_shown(principal: Principal, metric: Metric, asked: Asked, shown: withheld.Shown) -> None:
    """Let a metric of training pass that is narrowed to one customer, where they do not withhold it.

    Raises:
        NotFound: they do, or nobody knows them.
    """
    for name, value in asked.filters:
        if name == "customer_id" and metric.relation.startswith("training.") and value != principal.account_id:
            client = Resource(
                "Client", value, customer_id=value, coach_id=principal.account_id, data_kind="training",
                consents=shown([value])[value],
            )  # fmt: skip
            require(principal, "analytics.read_client", client)


def compile_series(principal: Principal, metric: Metric, asked: Asked) -> Query:
    """The query of `series`."""
    grain = _grain(metric, asked.grain)
    conditions, parameters = _conditions(principal, metric, asked)
    period = f"cast(date_trunc('{grain}', {metric.at}) as date)"
    source = f"@{metric.relation}"
    where = f"\nwhere {' and '.join(conditions)}"
    if metric.kind == "stock" and grain != "day":
        newest = f"qualify {metric.at} = max({metric.at}) over (partition by {period})"
        source = f"(\n    select *\n    from {source}\n    {where.strip()}\n    {newest}\n)"
        where = ""
    by_currency = "currency, " if _is_by_currency(metric, asked) else ""
    text = (
        f'select {period} as "at", {by_currency}{_typed(metric)} as "value"\n'
        f"from {source}{where}\ngroup by all\norder by all"
    )
    return Query(text, parameters)


def restatements(
    lake: Lake, principal: Principal, metric: Metric, asked: Asked, *, then: int, now: int
) -> list[dict[str, Any]]:
    """Points that say something else now than at an older snapshot, with how many rows behind them are the cause.

    Periods that began after the older snapshot's last one are no restatement: nothing had been told about them.

    Returns:
        at, currency (null without), then, now, rows_added, rows_removed, rows_changed; oldest first.
    """
    series = compile_series(principal, metric, asked)
    key = ", ".join(RELATIONS[metric.relation].key)
    currency = "currency" if _is_by_currency(metric, asked) else "cast(null as varchar)"
    rows_behind = _rows_behind(principal, metric, asked, currency)
    at = 'coalesce(told."at", known."at")'
    text = f"""
with told as (select "at", {currency} as currency, "value" from ({_then(series.text)})),
known as (select "at", {currency} as currency, "value" from ({series.text})),
paired as (
    select old.point as old_point, new.point as new_point, old.contents as old_contents, new.contents as new_contents
    from ({_then(rows_behind)}) as old full join ({rows_behind}) as new using ({key})
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
    {at} as "at", coalesce(told.currency, known.currency) as currency,
    told."value" as "then", known."value" as "now",
    coalesce(sum(added), 0)::bigint as rows_added, coalesce(sum(removed), 0)::bigint as rows_removed,
    coalesce(sum(changed), 0)::bigint as rows_changed
from told full join known on told."at" = known."at" and told.currency is not distinct from known.currency
left join causes on causes.point = {_point(at, "coalesce(told.currency, known.currency)")}
where told."value" is distinct from known."value" and {at} <= (select max("at") from told)
group by all
order by all"""
    return rows(lake.ask(Query(text, series.parameters, then=then), snapshot_id=now).table)


def _rows_behind(principal: Principal, metric: Metric, asked: Asked, currency: str) -> str:
    """Key, point and a hash of everything else, of each row the metric counts."""
    relation = RELATIONS[metric.relation]
    conditions, _ = _conditions(principal, metric, asked)
    period = f"cast(date_trunc('{_grain(metric, asked.grain)}', {metric.at}) as date)"
    contents = ", ".join(column for column in relation.columns if column not in relation.key)
    return (
        f"select {', '.join(relation.key)}, {_point(period, currency)} as point, hash({contents}) as contents "
        f"from @{metric.relation} where {' and '.join(conditions)}"
    )


def _point(at: str, currency: str) -> str:
    return f"concat({at}, ' ', {currency})"


def _then(text: str) -> str:
    return text.replace("@", "@then:")


def _is_by_currency(metric: Metric, asked: Asked) -> bool:
    return metric.has_currency and asked.currency != ALL_CURRENCIES


def _grain(metric: Metric, asked: str | None) -> str:
    if asked is None:
        return metric.grains[0]
    if asked not in metric.grains:
        raise NotAllowed(f"`{metric.name}` is not known by {asked[:20]}.", allowed=list(metric.grains))
    return asked


def _conditions(principal: Principal, metric: Metric, asked: Asked) -> tuple[list[str], dict[str, Value]]:
    allowed = scope.of(principal, metric.columns, schema=metric.relation.split(".")[0])
    conditions = [f"({metric.where})"] if metric.where else []
    parameters: dict[str, Value] = {}
    for column, value in asked.filters:
        if column not in metric.columns:
            can = [name for name in FILTERS if name in metric.columns]
            raise NotAllowed(f"`{metric.name}` cannot be told apart by `{column}`.", allowed=can)
        conditions.append(f"{column} = ${column}")
        parameters[column] = value
    if asked.currency == ALL_CURRENCIES:
        if metric.unit == "money":
            raise AcrossCurrencies
    elif asked.currency is not None:
        if "currency" not in metric.columns:
            raise NotAllowed(f"`{metric.name}` has no currency.", allowed=[])
        conditions.append("currency = $currency")
        parameters["currency"] = asked.currency
    for sign, name, value_of in ((">=", "since", asked.since), ("<=", "until", asked.until)):
        if value_of is not None:
            conditions.append(f"{metric.at} {sign} ${name}")
            parameters[name] = value_of
    conditions.append(f"{metric.at} is not null")
    if allowed.condition:
        conditions.append(allowed.condition)
    return conditions, parameters | allowed.parameters


def _typed(metric: Metric) -> str:
    if metric.unit in ("money", "count"):
        return f"cast(round({metric.expression}) as bigint)"
    return f"cast({metric.expression} as double)"
