"""The front page, and each role's first page: the customer's home, and the ways into the consoles."""

import json
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from operational_api.core import audit
from operational_api.core.errors import NotFound
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.gateway.bff.composition import compose
from operational_api.gateway.bff.customer import PARTS
from operational_api.web.filters import zone
from operational_api.web.language import word
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import person, redirect, render, time_zone
from operational_api.web.signin import landing

router = APIRouter()
SANDBOX = (
    "sandbox allow-scripts allow-popups; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'none'"
)
"""dbt's page is one file with its script inside. It runs as a stranger's: without our cookies, asking nobody."""
STILL = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Great Expectations' pages come without script: nothing on them runs."""
NAV = [
    NavItem("Home", "/home", "training.train", order=0, icon="home"),
    NavItem("Coach console", "/coach/", "gateway.open_coach_console", order=0, icon="users"),
    NavItem("Admin console", "/admin/", "gateway.open_admin_console", order=0, icon="chart"),
    NavItem("Pipelines", "/dagster/", "gateway.open_pipelines", order=10, icon="pipeline"),
    NavItem("Warehouse", "/warehouse/docs", "gateway.open_pipelines", order=11, icon="pipeline"),
    NavItem("Data quality", "/warehouse/quality", "gateway.open_pipelines", order=12, icon="check"),
]


@router.get("/", dependencies=[Allowed("gateway.see_front")])
def front(request: Request) -> Response:
    """Who we are, for guests; people who are signed in go where they work."""
    known = person(request)
    if known is not None and known.role != "service":
        return redirect(request, landing(known.role))
    return render(request, "gateway/front.html", is_offline_ready=True, is_shared=True)


@router.get("/home", dependencies=[Allowed("gateway.see_home")])
def home(request: Request, principal: CurrentPrincipal) -> Response:
    """The customer's home."""
    if principal.role != "customer":
        return redirect(request, landing(principal.role))
    if principal.account_id is None:
        raise NotFound
    now = datetime.now(UTC)
    found = compose(request.app.state.sessions, principal.account_id, PARTS, now=now)
    with request.app.state.sessions.begin() as session:  # it shows how training goes
        audit.record_read(session, principal, "training.read_progress", "Client", [principal.account_id], now=now)
    hour = now.astimezone(zone(time_zone(request))).hour
    greeting = word("Good evening")
    if 4 <= hour < 18:
        greeting = word("Good morning") if hour < 12 else word("Good afternoon")
    return render(request, "gateway/home.html", is_offline_ready=True, home=found, greeting=greeting, **found.parts)


@router.get("/warehouse/docs", dependencies=[Allowed("gateway.open_pipelines")])
def warehouse_docs(request: Request) -> Response:
    """What dbt says of every model, column, test and of what comes from what, as of the last `document_marts`."""
    file = request.app.state.settings.warehouse_docs
    if not file.is_file():
        return render(request, "gateway/no_docs.html")
    return FileResponse(file, media_type="text/html", headers={"Content-Security-Policy": SANDBOX})


@router.get("/warehouse/quality", dependencies=[Allowed("gateway.open_pipelines")])
def warehouse_quality(request: Request) -> Response:
    """What Great Expectations found in each raw table, what stands aside, and which columns have drifted."""
    file = request.app.state.settings.warehouse_quality / "summary.json"
    if not file.is_file():
        return render(request, "gateway/no_quality.html")
    told = json.loads(file.read_text())
    tables = sorted(told["tables"], key=lambda one: (not (one["reasons"] or one["aside"]), one["table"]))
    return render(
        request, "gateway/quality.html", judged_at=datetime.fromisoformat(told["judged_at"]), tables=tables,
        distances=told["distances"],
    )  # fmt: skip


@router.get("/warehouse/quality/{table}", dependencies=[Allowed("gateway.open_pipelines")])
def warehouse_quality_of(
    request: Request, table: Annotated[str, InPath(pattern="^[a-z][a-z0-9_]{0,100}$")]
) -> Response:
    """Great Expectations' own page of one raw table, as of the last judgement; no value of any row is on it."""
    folder = request.app.state.settings.warehouse_quality
    summary = folder / "summary.json"
    file = folder / json.loads(summary.read_text())["pages"] / f"{table}.html" if summary.is_file() else summary
    if not file.is_file():
        raise NotFound
    return FileResponse(file, media_type="text/html", headers={"Content-Security-Policy": STILL})
