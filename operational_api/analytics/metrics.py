"""Metrics over time and in all, compiled from `contracts.metrics`, compared with another period.

No formula is written here: a metric's meaning comes from its definition alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, get_args
from uuid import UUID

from contracts import metric_sql
from contracts.metrics import DOMAINS, METRICS, Grain, Metric
from contracts.relations import RELATIONS
from operational_api.analytics import dimensions, periods, scope, withheld
from operational_api.analytics.errors import AcrossCurrencies, NotAllowed, UnknownMetric
from operational_api.analytics.lake import Answer, Lake, one, rows
from operational_api.analytics.periods import Period
from operational_api.analytics.query import Query, Value, literal
from operational_api.core.policy import Resource, require
from operational_api.core.principal import Principal

GRAINS: tuple[str, ...] = get_args(Grain)
FILTERS = ("coach_id", "customer_id", "location_id")
ALL_CURRENCIES = "all"
MOST_DIMENSIONS = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a metric.

    Attributes:
        grain: day, week (from Monday) or month; None for the finest the metric has.
        since: First date, inclusive.
        until: Last date, inclusive.
        currency: ISO code for one, `all` to count across them (never for money), None for a series each.
        filters: Column to id.
        by: Dimensions that make a series each.
        only: Dimension to the values that count.
    """

    grain: str | None = None
    since: date | None = None
    until: date | None = None
    currency: str | None = None
    filters: tuple[tuple[str, UUID], ...] = ()
    by: tuple[str, ...] = ()
    only: tuple[tuple[str, tuple[str, ...]], ...] = ()


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
        "filters": [name for name in FILTERS if name in metric.columns], "dimensions": list(metric.dimensions),
        "is_by_currency": metric.has_currency, "domain": DOMAINS[metric.name], "better": metric.better,
        "former": [{"until": one.until, "expression": one.expression, "where": one.where, "reason": one.reason}
                   for one in metric.former],
    }  # fmt: skip


def series(lake: Lake, principal: Principal, metric: Metric, asked: Asked, *, snapshot_id: int | None = None) -> Answer:
    """The metric's points, oldest first: at (date a period begins on), currency where it has one, dimensions, value.

    Raises:
        NotAllowed: the metric has no such grain, filter or dimension.
        AcrossCurrencies: money was asked for across currencies.
        WholeBusiness: the principal may not see it.
    """
    return lake.ask(compile_series(principal, metric, asked), snapshot_id=snapshot_id)


def total(
    lake: Lake, principal: Principal, metric: Metric, asked: Asked, period: Period, *, snapshot_id: int | None = None
) -> Answer:
    """One number for a whole period, for each series: a ratio over all its rows, a stock as of its last day.

    Raises:
        As `series`.
    """
    query = compile_series(principal, metric, within(asked, period), is_total=True)
    return lake.ask(query, snapshot_id=snapshot_id)


def period_of(metric: Metric, period: Period, today: date) -> Period:
    """The period as the metric can tell it: one known by month is told of whole months, the running one so far."""
    return periods.widened(period, metric.grains[0], today)


def within(asked: Asked, period: Period) -> Asked:
    """The same question about the days of a period."""
    return replace(asked, since=period.since, until=period.until)


def changes(told: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each series' number beside another period's.

    Returns:
        The series' columns; value, compared, change (absolute) and relative_change (of |compared|; None where that is
        0 or missing). A series that only one of the periods has is told with None for the other.
    """

    def keyed(items: list[dict[str, Any]]) -> dict[tuple[object, ...], dict[str, Any]]:
        return {tuple(value for name, value in one.items() if name not in ("at", "value")): one for one in items}

    now, then = keyed(told), keyed(before)
    found = []
    for key in dict.fromkeys((*now, *then)):
        one = now.get(key) or then[key]
        value, compared = (each.get(key, {}).get("value") for each in (now, then))
        change = None if value is None or compared is None else value - compared
        names = {name: one[name] for name in one if name not in ("at", "value")}
        found.append(
            names | {
                "value": value, "compared": compared, "change": change,
                "relative_change": change / abs(compared) if change is not None and compared else None,
            }
        )  # fmt: skip
    return found


def compared(
    lake: Lake, principal: Principal, metric: Metric, asked: Asked, period: Period | None,
    comparison: str | None, *, today: date, snapshot_id: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The number of a whole period, and what it is compared with.

    Args:
        period: As it is meant; its number is that of `period_of`.

    Raises:
        As `series`; NotAllowed: there is no such comparison, or no period that it could be made with.
    """
    if period is None:
        raise NotAllowed("A comparison needs a period.", allowed=["period", "from, to"])
    whole = period_of(metric, period, today)
    answer = total(lake, principal, metric, asked, whole, snapshot_id=snapshot_id)
    told = rows(answer.table)
    found: dict[str, Any] = {"total": {"from": whole.since, "to": whole.until, "items": told, "sql": answer.sql}}
    if comparison is not None:
        other = period_of(metric, periods.compared(period, comparison, metric.grains[0]), today)
        before = total(lake, principal, metric, asked, other, snapshot_id=snapshot_id)
        found["comparison"] = {
            "name": comparison, "from": other.since, "to": other.until, "sql": before.sql,
            "items": changes(told, rows(before.table)),
        }  # fmt: skip
    return found


def require_shown(principal: Principal, metric: Metric, asked: Asked, shown: withheld.Shown) -> None:
    """Let a metric that tells of training or health pass where it is narrowed to one customer who does not withhold it.

    Raises:
        NotFound: they do, or nobody knows them.
    """
    for name, value in asked.filters:
        if name == "customer_id" and value != principal.account_id:
            for kind in kinds_of(metric):
                client = Resource(
                    "Client", value, customer_id=value, coach_id=principal.account_id, data_kind=kind,
                    consents=shown([value])[value],
                )  # fmt: skip
                require(principal, "analytics.read_client", client)


def kinds_of(metric: Metric) -> tuple[str, ...]:
    """The kinds of data that a customer's own number tells of: also which rows count says what stands in them."""
    if "customer_id" not in metric.columns:
        return ()
    if metric.relation.startswith("training."):
        return ("training",)
    return withheld.kinds_in(f"{metric.expression} {metric.where}")


def require_own(lake: Lake, principal: Principal, metric: Metric, asked: Asked, *, newest: int) -> None:
    """Let the past of one customer's numbers pass for a coach whose client they are today.

    Raises:
        NotFound: they are not.
    """
    if not scope.of(principal, metric.columns, schema=metric.relation.split(".")[0]).is_of_own_clients:
        return
    for name, value in asked.filters:
        if name == "customer_id":
            text = "select coach_id from @core.dim_customers where customer_id = $customer_id"
            found = one(lake.ask(Query(text, {"customer_id": value}), snapshot_id=newest).table)
            coach_id = UUID(str(found["coach_id"])) if found and found["coach_id"] else None
            require(principal, "analytics.read_client", Resource("Client", value, customer_id=value, coach_id=coach_id))


@dataclass(frozen=True, slots=True)
class Compiled:
    """Pieces of a metric's query: where its rows come from, which count, and what they are told apart by.

    Attributes:
        joined: Columns of the source that are not the relation's own.
    """

    source: str
    conditions: list[str]
    parameters: Mapping[str, Value]
    by: list[str]
    period: str
    joined: tuple[str, ...]


def compile_series(principal: Principal, metric: Metric, asked: Asked, *, is_total: bool = False) -> Query:
    """The query of `series`, or of `total` where `asked` has both ends."""
    pieces = compiled(principal, metric, asked, is_total=is_total)
    text = metric_sql.series(
        metric, source=pieces.source, period=pieces.period, conditions=pieces.conditions, by=pieces.by
    )
    return Query(text, pieces.parameters)


def compiled(principal: Principal, metric: Metric, asked: Asked, *, is_total: bool = False) -> Compiled:
    """The pieces of `compile_series`, with the row policy among the conditions."""
    allowed = scope.of(principal, metric.columns, schema=metric.relation.split(".")[0])
    if len(set(asked.by)) > MOST_DIMENSIONS:
        raise NotAllowed(f"At most {MOST_DIMENSIONS} dimensions at once.", allowed=list(metric.dimensions))
    source = dimensions.source_of(metric, [*asked.by, *(name for name, _ in asked.only)])
    conditions, parameters = _conditions(metric, asked)
    for name, values in asked.only:
        marks = []
        for number, value in enumerate(values):
            _check(name, value)
            parameters[f"{name}_{number}"] = value
            marks.append(f"cast(${name}_{number} as {dimensions.type_of(name)})")
        conditions.append(f"{source.columns[name]} in ({', '.join(marks)})")
    if allowed.condition:
        conditions.append(allowed.condition)
    by = ["currency"] if metric.has_currency and asked.currency != ALL_CURRENCIES else []
    by += [
        source.columns[name] if source.columns[name] == name else f"{source.columns[name]} as {name}"
        for name in dict.fromkeys(asked.by)
        if name != "currency" or not by
    ]
    period = literal(asked.since) if is_total and asked.since else metric_sql.period_of(metric, _grain(metric, asked))
    return Compiled(
        source.text, conditions, parameters | allowed.parameters, by, period,
        joined=tuple(name for name in source.columns.values() if name not in metric.columns),
    )  # fmt: skip


def _check(name: str, value: str) -> None:
    """A value that no row can have is a mistake, not an answer without rows."""
    try:
        if dimensions.type_of(name) == "uuid":
            UUID(value)
        elif dimensions.type_of(name) == "date":
            date.fromisoformat(value)
    except ValueError:
        raise NotAllowed(f"`{name}` is no {dimensions.type_of(name)}.", allowed=[dimensions.type_of(name)]) from None


def _grain(metric: Metric, asked: Asked) -> str:
    grain = asked.grain or metric.grains[0]
    if grain not in metric.grains:
        raise NotAllowed(f"`{metric.name}` is not known by {grain[:20]}.", allowed=list(metric.grains))
    return f"'{grain}'"


def _conditions(metric: Metric, asked: Asked) -> tuple[list[str], dict[str, Value]]:
    conditions: list[str] = []
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
    return conditions, parameters
