"""HTTP to numbers and back: parameters in; JSON, files or streams out. What is allowed is decided in what it calls."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Header, Query, Request, Response

from contracts.metrics import METRICS
from operational_api.analytics import answers, behind, datasets, formats, metrics, restatements, scope, tags, traces
from operational_api.analytics import asked as asking_for
from operational_api.analytics.asked import ASKED, asked_of, known_at, moment_of, only, seen, seen_if_one, shown
from operational_api.analytics.asking import while_connected
from operational_api.analytics.catalogue import DATASETS, Dataset
from operational_api.analytics.datasets import Page
from operational_api.analytics.errors import WholeBusiness
from operational_api.analytics.freshness import Clock
from operational_api.analytics.lake import Lake
from operational_api.analytics.lineage import Manifest
from operational_api.analytics.metrics import Asked
from operational_api.analytics.query import Value
from operational_api.analytics.retold import Retold
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.core.routing import ContextRouter

router = ContextRouter(prefix="/api/analytics", tags=["analytics"], dependencies=[Depends(while_connected)])
PAGE_ROWS, LARGEST_PAGE = 1000, 10_000


async def _lake(request: Request) -> Lake:
    lake: Lake = request.app.state.lake
    return lake


async def _clock(request: Request) -> Clock:
    clock: Clock = request.app.state.clock
    return clock


async def _retold(request: Request) -> Retold:
    retold: Retold = request.app.state.retold
    return retold


CurrentLake = Annotated[Lake, Depends(_lake)]
CurrentClock = Annotated[Clock, Depends(_clock)]
CurrentRetold = Annotated[Retold, Depends(_retold)]
Period = Annotated[str | None, Query(description="`last_30_days`, `this_month`…: instead of from and to")]
Zone = Annotated[str | None, Query(description="IANA zone in which the period is meant")]
AsOf = Annotated[str | None, Query(description="date, instant or snapshot id")]
Rows = Annotated[
    int | None,
    Query(ge=1, le=LARGEST_PAGE, description=f"rows of a page of JSON ({PAGE_ROWS}), or the first of a file (all)"),
]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next` of the page before")]
Form = Annotated[Literal["json", "arrow", "csv", "parquet"] | None, Query(alias="format")]
Accepted = Annotated[str, Header()]


@router.get("/metrics", dependencies=[Allowed("analytics.read_metrics")])
def list_metrics(_: CurrentPrincipal) -> dict[str, Any]:
    """The metric dictionary: one definition a number, used by every surface."""
    return {"items": [metrics.described(metric) for metric in METRICS.values()]}


@router.get("/metrics/{name}", dependencies=[Allowed("analytics.read_metrics")])
def get_metric(
    request: Request,
    name: str,
    principal: CurrentPrincipal,
    lake: CurrentLake,
    clock: CurrentClock,
    retold: CurrentRetold,
    asked: Annotated[Asked, Depends(asked_of)],
    period: Period = None,
    zone: Zone = None,
    compare: Annotated[str | None, Query(description="`previous_period` or `same_period_last_year`")] = None,
    as_of: AsOf = None,
) -> Response:
    """A metric over time, with its definition, how fresh it is, and the SQL that gives the same numbers.

    With a period (or `from` and `to`) its number for the whole of it is told too, and beside another period's with
    `compare`. `as_of` shows what was told at that moment, and `restated` what is told otherwise now, and why.
    """
    only(request, (*ASKED, "compare", "as_of"))
    metric = metrics.metric(name)
    metrics.require_shown(principal, metric, asked, shown(request))
    then = known_at(lake, as_of)
    now = then[0] if then else datetime.now(UTC)
    newest = answers.newest(request, lake)
    at = then[1] if then else newest
    known = metric.as_known(then[0] if then else None)
    meant = asking_for.period_of(request, asked, period, zone, as_of, now)
    whole = metrics.period_of(metric, meant, now.date()) if meant is not None else None
    if whole is not None:
        asked = metrics.within(asked, whole)
    query = metrics.compile_series(principal, known, asked)
    if then is not None:
        metrics.require_own(lake, principal, metric, asked, newest=newest)
    seen_if_one(request, principal, asked, f"metric {name}")
    freshness = clock.of((metric.relation,), snapshot_id=at, now=now, is_past=then is not None)
    key = lake.key_of(query, snapshot_id=at)
    tag = tags.of(metric, key, meant, compare, then, newest if then else at, freshness.state)
    is_personal = principal.role == "customer" or any(name == "customer_id" for name, _ in asked.filters)
    headers = tags.headers(freshness, tag, is_personal=is_personal)
    question = answers.question_of(request) if then is None else None
    if tags.is_known(request, tag):
        retold.keep(question, principal, key, answers.told_of(
            request, answers.Written(), headers, tag, (metric.relation,), freshness
        ))  # fmt: skip
        return tags.unchanged(headers)
    if (known_body := retold.find(question, principal, key)) and known_body.state == freshness.state:
        return answers.as_told(request, known_body, freshness, headers)
    answer = lake.ask(query, snapshot_id=at)
    body = metrics.described(known) | {
        "grain": asked.grain or metric.grains[0], "points": formats.rows(answer.table),
        "as_of": then[0] if then else None, "snapshot_id": at, "sql": answer.sql, "by": list(asked.by),
    }  # fmt: skip
    if meant is not None or compare is not None:
        body |= {"period": period} | metrics.compared(
            lake, principal, known, asked, meant, compare, today=now.date(), snapshot_id=at
        )
    if then is not None:
        body["restated"] = [] if at == newest and known == metric else restatements.found(
            lake, principal, metric, asked, then=at, now=newest, told_at=then[0]
        )  # fmt: skip
    told = answers.told_of(request, answers.Written.as_json(body), headers, tag, (metric.relation,), freshness)
    retold.keep(question, principal, key, told)
    return answers.as_told(request, told, freshness, headers)


@router.get("/metrics/{name}/restatements", dependencies=[Allowed("analytics.read_metrics")])
def get_restatements(
    request: Request,
    name: str,
    principal: CurrentPrincipal,
    lake: CurrentLake,
    asked: Annotated[Asked, Depends(asked_of)],
    since_known: Annotated[str, Query(alias="since", description="date or instant to compare with")],
) -> dict[str, Any]:
    """Points of a metric that were told differently at an earlier moment, and how many rows behind them changed.

    Where people were forgotten since, the past ended with them: `erased` has the months that are told otherwise because
    of it, and the rest is compared with the oldest snapshot that is kept (`snapshot_then`).
    """
    only(request, (*(one for one in ASKED if one not in ("period", "zone")), "since"))
    metric = metrics.metric(name)
    metrics.require_shown(principal, metric, asked, shown(request))
    moment = moment_of("since", since_known) or datetime.now(UTC)
    then, now = restatements.snapshot_to_compare(lake, moment), answers.newest(request, lake)
    metrics.require_own(lake, principal, metric, asked, newest=now)
    seen_if_one(request, principal, asked, f"restatements of metric {name}")
    return {
        "name": metric.name, "unit": metric.unit, "since": moment, "snapshot_then": then, "snapshot_now": now,
        "items": restatements.found(lake, principal, metric, asked, then=then, now=now, told_at=moment),
        "erased": restatements.erased(lake, principal, metric, since=moment),
    }  # fmt: skip


def _page_of(dataset: Dataset, form: str, limit: int | None, cursor: str | None) -> Page | None:
    """Of JSON always; of a file its first rows, where so many are asked for."""
    return datasets.page_of(dataset, limit or PAGE_ROWS, cursor) if limit or form == "json" else None


@router.get("/metrics/{name}/rows", dependencies=[Allowed("analytics.read_metrics")])
def get_metric_rows(
    request: Request,
    name: str,
    principal: CurrentPrincipal,
    lake: CurrentLake,
    clock: CurrentClock,
    retold: CurrentRetold,
    asked: Annotated[Asked, Depends(asked_of)],
    period: Period = None,
    zone: Zone = None,
    as_of: AsOf = None,
    limit: Rows = None,
    cursor: Cursor = None,
    chosen: Form = None,
    accept: Accepted = "application/json",
) -> Response:
    """The rows that make a metric's number, all of them and no other: its own filter and period are applied.

    Asked as the metric is; paged and written as datasets are. In JSON the number stands beside them, how many rows make
    it (also those that a reader may not see one by one), and where to ask which changes of the product a row is of.
    """
    metric = metrics.metric(name)
    form = formats.asked_for(chosen, accept)
    only(request, (*ASKED, "as_of", "format", "limit", *(("cursor",) if form == "json" else ())))
    metrics.require_shown(principal, metric, asked, shown(request))
    told_at = known_at(lake, as_of)
    now = told_at[0] if told_at else datetime.now(UTC)
    whole = asking_for.period_of(request, asked, period, zone, as_of, now)
    if whole is not None:
        whole = metrics.period_of(metric, whole, now.date())
    known = metric.as_known(told_at[0] if told_at else None)
    if told_at is not None:
        metrics.require_own(lake, principal, metric, asked, newest=answers.newest(request, lake))
    found = behind.a_number(principal, known, asked, whole)
    page = _page_of(found.dataset, form, limit, cursor)
    then = known_at(lake, str(page.snapshot_id)) if page and page.snapshot_id is not None else told_at
    at = then[1] if then else answers.newest(request, lake)
    return answers.rows(
        answers.Reading(request, principal, lake, clock, retold, form, page, then, at, as_of), found.dataset, {},
        behind=lambda: behind.described(lake, found, known, snapshot_id=at),
    )  # fmt: skip


@router.get("/datasets", dependencies=[Allowed("analytics.read_metrics")])
def list_datasets(_: CurrentPrincipal) -> dict[str, Any]:
    """Every dataset: what a row is, which parameters it knows, whom it is for, what it reads."""
    return {
        "items": [
            {
                "name": one.name, "definition": one.definition, "parameters": list(one.parameters),
                "subject": one.subject, "relations": list(one.relations),
            }
            for one in DATASETS.values()
        ]
    }  # fmt: skip


@router.get("/datasets/{name}", dependencies=[Allowed("analytics.read_metrics")])
def get_dataset(
    request: Request,
    name: str,
    principal: CurrentPrincipal,
    lake: CurrentLake,
    clock: CurrentClock,
    retold: CurrentRetold,
    customer_id: UUID | None = None,
    coach_id: UUID | None = None,
    location_id: UUID | None = None,
    exercise_id: int | None = None,
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
    since: Annotated[date | None, Query(alias="from")] = None,
    until: Annotated[date | None, Query(alias="to")] = None,
    as_of: AsOf = None,
    limit: Rows = None,
    cursor: Cursor = None,
    chosen: Form = None,
    accept: Accepted = "application/json",
) -> Response:
    """A dataset's rows: pages of JSON, or all of them as an Arrow stream, CSV or Parquet (`format`, or `Accept`)."""
    dataset = datasets.dataset(name)
    form = formats.asked_for(chosen, accept)
    only(request, (*dataset.parameters, "as_of", "format", "limit", *(("cursor",) if form == "json" else ())))
    told: dict[str, Value | None] = {
        "customer_id": customer_id, "coach_id": coach_id, "location_id": location_id, "exercise_id": exercise_id,
        "currency": currency, "from": since, "to": until,
    }  # fmt: skip
    given = {key: value for key, value in told.items() if value is not None}
    page = _page_of(dataset, form, limit, cursor)
    then = known_at(lake, str(page.snapshot_id) if page and page.snapshot_id is not None else as_of)
    at = then[1] if then else answers.newest(request, lake)
    return answers.rows(
        answers.Reading(request, principal, lake, clock, retold, form, page, then, at, as_of), dataset, given
    )


@router.get("/rows/{relation}", dependencies=[Allowed("analytics.read_lineage")])
def get_row(
    request: Request,
    relation: str,
    principal: CurrentPrincipal,
    lake: CurrentLake,
    snapshot: Annotated[str | None, Query(description="date, instant or snapshot id at which it is read")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_ROWS, description="changes of a page")] = 100,
    cursor: Cursor = None,
) -> Response:
    """Where a mart's row comes from; its key's columns are the parameters (`key` of a metric's rows names them).

    `changes` are those of the product's tables that made it, each with its key there, operation, place in the log and
    commit time; `parts` are finer marts' rows, each to be asked for in turn. For staff who may see the row.
    """
    mart = traces.relation_of(relation)
    only(request, (*mart.key, "snapshot", "limit", "cursor"))
    key, page = traces.key_from(mart, request.query_params), traces.page_of(limit, cursor)
    then = known_at(lake, snapshot)  # `as_of` is a column of some keys
    consents = shown(request)
    newest = answers.newest(request, lake)
    row = traces.row_of(lake, principal, mart, key, then[1] if then else newest, newest, consents)
    seen(request, principal, f"changes of {mart.name}", {row.subject} if row.subject else ())
    told = traces.described(lake, principal, row, consents, page)
    return Response(formats.json(told), media_type="application/json")


@router.get("/freshness", dependencies=[Allowed("analytics.read_metrics")])
def get_freshness(_: CurrentPrincipal, clock: CurrentClock) -> dict[str, Any]:
    """How old everything is: overall, the change stream, the last build, each source, relation and metric."""
    return clock.overview(now=datetime.now(UTC))


@router.get("/lineage/{name}", dependencies=[Allowed("analytics.read_lineage")])
def get_lineage(request: Request, name: str, principal: CurrentPrincipal, lake: CurrentLake) -> dict[str, Any]:
    """What a metric, dataset or mart is made of, with SQL, owners and tests, down to the product's tables. For staff.

    `sql` of a metric or dataset runs as it stands and gives the reader's numbers; null where they may not see them.
    """
    scope.require_staff(principal)
    manifest: Manifest = request.app.state.manifest
    told = manifest.lineage(name)
    try:
        if name in METRICS:
            query = metrics.compile_series(principal, METRICS[name], Asked())
        elif name in DATASETS and DATASETS[name].subject != "client":
            query = datasets.compile_rows(principal, DATASETS[name], {})
        else:
            return told | {"sql": None}
        return told | {"sql": lake.sql_of(query, snapshot_id=lake.snapshot_id())}
    except WholeBusiness:
        return told | {"sql": None}
