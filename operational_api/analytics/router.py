"""HTTP to numbers and back: parameters in, JSON or Arrow out. What is allowed is decided in the modules it calls."""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from uuid import UUID

import pyarrow as pa
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from sqlalchemy.exc import OperationalError

from contracts.metrics import METRICS
from operational_api.analytics import datasets, metrics, scope, withheld
from operational_api.analytics.errors import AuditDown, NotAllowed, NotThatLongAgo
from operational_api.analytics.freshness import Clock, Freshness
from operational_api.analytics.lake import Lake, rows
from operational_api.analytics.lineage import Manifest
from operational_api.analytics.metrics import Asked
from operational_api.analytics.query import Query as LakeQuery
from operational_api.analytics.query import Value
from operational_api.compliance import public as compliance
from operational_api.core import audit
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, Principal

ARROW = "application/vnd.apache.arrow.stream"
router = APIRouter(prefix="/api/analytics", tags=["analytics"])


def _lake(request: Request) -> Lake:
    lake: Lake = request.app.state.lake
    return lake


def _clock(request: Request) -> Clock:
    clock: Clock = request.app.state.clock
    return clock


CurrentLake = Annotated[Lake, Depends(_lake)]
CurrentClock = Annotated[Clock, Depends(_clock)]


def _moment(name: str, told: str | None) -> datetime | None:
    """A moment out of a date (its end, UTC) or an instant with an offset."""
    if told is None:
        return None
    try:
        if len(told) == 10:
            day = date.fromisoformat(told)
            if day == datetime.now(UTC).date():
                return datetime.now(UTC)
            told = datetime.combine(day + timedelta(days=1), time(), UTC).isoformat()
        moment = datetime.fromisoformat(told.replace(" ", "+"))
    except (ValueError, OverflowError):
        moment = datetime.min  # noqa: DTZ901 - only to be refused below
    if moment.tzinfo is None:
        raise NotAllowed(f"`{name}` must be a date or an instant.", allowed=["2026-03-01", "2026-03-01T12:00:00+00:00"])
    if moment > datetime.now(UTC):
        raise NotThatLongAgo(f"`{name}` lies in the future.")
    return moment


def _only(request: Request, allowed: Iterable[str]) -> None:
    """Refuse parameters nobody reads: a mistyped filter must not look like an answer."""
    known = sorted(allowed)
    if unknown := sorted(set(request.query_params) - set(known)):
        raise NotAllowed(f"Unknown parameter: {', '.join(unknown)[:200]}.", allowed=known)


def _asked(
    grain: Annotated[str | None, Query(description="day, week or month")] = None,
    since: Annotated[date | None, Query(alias="from", description="first day")] = None,
    until: Annotated[date | None, Query(alias="to", description="last day")] = None,
    currency: Annotated[str | None, Query(pattern="^([A-Z]{3}|all)$", description="ISO code, or `all`")] = None,
    coach_id: UUID | None = None,
    customer_id: UUID | None = None,
    location_id: UUID | None = None,
) -> Asked:
    given = {"coach_id": coach_id, "customer_id": customer_id, "location_id": location_id}
    return Asked(grain, since, until, currency, tuple((name, one) for name, one in given.items() if one is not None))


_ASKED = ("grain", "from", "to", "currency", *metrics.FILTERS)


def _seen(request: Request, principal: Principal, what: str, customer_ids: Collection[UUID]) -> None:
    """Write down, before it is told, that data about people was read.

    Raises:
        AuditDown: it cannot be written down, so it is not told.
    """
    if not customer_ids:
        return
    sessions = request.app.state.audit_sessions
    if sessions is None:
        raise AuditDown
    told = {"what": what}
    try:
        with sessions.begin() as session:
            audit.record_read(session, principal, "analytics.read_client", "Client", customer_ids, details=told)
    except OperationalError as error:
        raise AuditDown from error


def _shown(request: Request) -> withheld.Shown:
    """Asks the operational database what customers let others see.

    Raises:
        AuditDown: it cannot be asked, so it is not told.
    """

    def ask(customer_ids: Collection[UUID]) -> Mapping[UUID, frozenset[str]]:
        sessions = request.app.state.audit_sessions
        if sessions is None:
            raise AuditDown
        try:
            with sessions() as session:
                return compliance.shown_kinds(session, customer_ids)
        except OperationalError as error:
            raise AuditDown from error

    return ask


def _seen_if_one(request: Request, principal: Principal, asked: Asked, what: str) -> None:
    """A metric narrowed to one customer is about a person."""
    _seen(request, principal, what, [value for name, value in asked.filters if name == "customer_id"])


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
    asked: Annotated[Asked, Depends(_asked)],
    as_of: str | None = None,
) -> dict[str, Any]:
    """A metric over time, with its definition, how fresh it is, and the SQL that gives the same numbers.

    `as_of` shows it as it was known at that moment.
    """
    _only(request, (*_ASKED, "as_of"))
    metric = metrics.metric(name)
    metrics.require_shown(principal, metric, asked, _shown(request))
    moment = _moment("as_of", as_of)
    answer = metrics.series(lake, principal, metric, asked, snapshot_id=lake.snapshot_at(moment) if moment else None)
    _seen_if_one(request, principal, asked, f"metric {name}")
    freshness = clock.of(
        (metric.relation,), snapshot_id=answer.snapshot_id, now=moment or datetime.now(UTC), is_past=moment is not None
    )
    return metrics.described(metric) | {
        "grain": asked.grain or metric.grains[0], "points": rows(answer.table), "as_of": moment,
        "freshness": freshness.to_json(), "sql": answer.sql,
    }  # fmt: skip


@router.get("/metrics/{name}/restatements", dependencies=[Allowed("analytics.read_metrics")])
def get_restatements(
    request: Request,
    name: str,
    principal: CurrentPrincipal,
    lake: CurrentLake,
    asked: Annotated[Asked, Depends(_asked)],
    since_known: Annotated[str, Query(alias="since", description="date or instant to compare with")],
) -> dict[str, Any]:
    """Points of a metric that were told differently at an earlier moment, and how many rows behind them changed."""
    _only(request, (*_ASKED, "since"))
    metric = metrics.metric(name)
    metrics.require_shown(principal, metric, asked, _shown(request))
    moment = _moment("since", since_known)
    then, now = lake.snapshot_at(moment or datetime.now(UTC)), lake.snapshot_id()
    _seen_if_one(request, principal, asked, f"restatements of metric {name}")
    return {
        "name": metric.name, "unit": metric.unit, "since": moment, "snapshot_then": then, "snapshot_now": now,
        "items": metrics.restatements(lake, principal, metric, asked, then=then, now=now),
    }  # fmt: skip


@router.get("/datasets", dependencies=[Allowed("analytics.read_metrics")])
def list_datasets(_: CurrentPrincipal) -> dict[str, Any]:
    """Every dataset: what a row is, which parameters it knows, whom it is for, what it reads."""
    return {
        "items": [
            {
                "name": one.name, "definition": one.definition, "parameters": list(one.parameters),
                "subject": one.subject, "relations": list(LakeQuery(one.text).relations),
            }
            for one in datasets.DATASETS.values()
        ]
    }  # fmt: skip


@router.get("/datasets/{name}", dependencies=[Allowed("analytics.read_metrics")])
def get_dataset(
    request: Request,
    name: str,
    principal: CurrentPrincipal,
    lake: CurrentLake,
    clock: CurrentClock,
    customer_id: UUID | None = None,
    coach_id: UUID | None = None,
    exercise_id: int | None = None,
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
    since: Annotated[date | None, Query(alias="from")] = None,
    until: Annotated[date | None, Query(alias="to")] = None,
    as_of: str | None = None,
    accept: Annotated[str, Header()] = "application/json",
) -> Response:
    """A dataset's rows: an Arrow IPC stream when `Accept` asks for it, JSON otherwise."""
    dataset = datasets.dataset(name)
    _only(request, (*dataset.parameters, "as_of"))
    told: dict[str, Value | None] = {
        "customer_id": customer_id, "coach_id": coach_id, "exercise_id": exercise_id, "currency": currency,
        "from": since, "to": until,
    }  # fmt: skip
    given = {key: value for key, value in told.items() if value is not None}
    moment = _moment("as_of", as_of)
    at = lake.snapshot_at(moment) if moment else None
    answer = datasets.read(lake, principal, dataset, given, shown=_shown(request), snapshot_id=at)
    _seen(request, principal, f"dataset {name}", datasets.subjects_of(dataset, principal, given, answer))
    relations = LakeQuery(dataset.text).relations
    freshness = clock.of(
        relations, snapshot_id=answer.snapshot_id, now=moment or datetime.now(UTC), is_past=moment is not None
    )
    headers = {"X-Plyo-Freshness": json.dumps(freshness.to_json()), "Vary": "Accept"}
    if ARROW in accept:
        return Response(_arrow(answer.table, answer.sql, freshness), media_type=ARROW, headers=headers)
    body = {
        "name": name, "definition": dataset.definition, "items": rows(answer.table), "freshness": freshness.to_json(),
        "sql": answer.sql, "relations": list(relations),
    }  # fmt: skip
    return Response(json.dumps(body, default=_plain), media_type="application/json", headers=headers)


@router.get("/freshness", dependencies=[Allowed("analytics.read_metrics")])
def get_freshness(_: CurrentPrincipal, clock: CurrentClock) -> dict[str, Any]:
    """How old everything is: overall, the change stream, the last build, each relation with its promise."""
    return clock.overview(now=datetime.now(UTC))


@router.get("/lineage/{name}", dependencies=[Allowed("analytics.read_lineage")])
def get_lineage(request: Request, name: str, principal: CurrentPrincipal) -> dict[str, Any]:
    """What a metric, dataset or mart is made of, with SQL and tests, down to the product's tables. For staff."""
    scope.require_staff(principal)
    manifest: Manifest = request.app.state.manifest
    return manifest.lineage(name)


def _arrow(table: pa.Table, sql: str, freshness: Freshness) -> bytes:
    about = {"plyo.sql": sql, "plyo.freshness": json.dumps(freshness.to_json())}
    table = table.replace_schema_metadata((table.schema.metadata or {}) | about)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _plain(value: object) -> object:
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value)
