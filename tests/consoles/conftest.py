"""A server that answers like Plyo's services, so that the real client and the real pages speak real HTTP to it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from consoles.admin.views.overview import TILES
from consoles.client import Plyo
from tests.consoles import business
from tests.fakes.stripe.testing import served

COACH, MIA = "01900000-0000-7000-8000-0000000000c0", "01900000-0000-7000-8000-00000000001a"
NOW = datetime.now(UTC)


@dataclass
class PlyoServer:
    """What the server has, and what it was asked to do."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    datasets: dict[str, pl.DataFrame] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    told: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    acted: list[tuple[str, str, Any, str | None]] = field(default_factory=list)
    refusals: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def client(self) -> Plyo:
        """The real client, pointed here."""
        return Plyo(api_url=self.url, analytics_url=self.url, token="the-token")


def _app(server: PlyoServer) -> FastAPI:
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST", "PATCH", "PUT", "DELETE"])
    async def answer(path: str, request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer the-token":
            return JSONResponse({"detail": "Sign in first.", "code": "core.unauthenticated"}, 401)
        if request.method == "GET":
            server.asked.append(path)
            server.told.append((path, dict(request.query_params)))
        if refusal := server.refusals.get(path) or server.refusals.get(f"{request.method} {path}"):
            status, problem = refusal
            return JSONResponse(problem, status, media_type="application/problem+json")
        if request.method != "GET":
            body = await request.json() if await request.body() else None
            server.acted.append((request.method, path, body, request.headers.get("idempotency-key")))
            return JSONResponse(server.made.get(path, {}))
        if path in server.files:
            return Response(server.files[path], media_type="application/octet-stream")
        if path.startswith("api/analytics/datasets/") and path not in server.answers:
            table = server.datasets[path.rsplit("/", 1)[1]].to_arrow()
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as stream:
                stream.write_table(table)
            return Response(sink.getvalue().to_pybytes(), media_type="application/vnd.apache.arrow.stream")
        if path.startswith("api/engagement/") and path.endswith(("/attachments", "/scheduled", "templates")):
            return JSONResponse(server.answers.get(path, {"items": []}))
        return JSONResponse(server.answers[path])

    return app


def roster() -> pl.DataFrame:
    """Two clients of one coach as the dataset coach_clients has them."""
    return pl.DataFrame(
        {
            "customer_id": [MIA, "01900000-0000-7000-8000-00000000002b"],
            "display_name": ["Mia Berg", "Tom Fox"],
            "stage": ["active", "active"],
            "probability": [0.61, 0.04],
            "reasons": ['[{"label": "No session in 19 days", "contribution": 0.9}]', "[]"],
            "adherence_30d": [0.4, 0.95],
            "sessions_last_30d": [1, 8],
            "last_session_at": [NOW - timedelta(days=19), NOW - timedelta(days=1)],
            "next_session_at": [None, NOW + timedelta(days=2)],
            "plan_name": ["Twice a week", "Unlimited"],
            "goal": ["lose_weight", "strength"],
            "has_open_injury": [False, False],
        }
    )


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Streamlit's AppTest leaves its page as `__main__`, which every process started later would try to run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture
def plyo_server() -> Iterator[PlyoServer]:
    """A server with one coach, two clients, a suggestion and a session."""
    server = PlyoServer()
    server.datasets["coach_clients"] = roster()
    server.answers |= {
        "api/bff/coach": {
            "account_id": COACH, "screens": ["today", "clients", "client", "numbers", "calendar", "messages"],
            "staff_pages": {"/staff/today": "Today's sessions"},
            "person": {"display_name": "Cara Coach", "time_zone": "Europe/Berlin"}, "unread": 2, "clients": 2,
            "is_partial": False, "missing": {},
            "suggestions": [
                {
                    "run_id": "r1", "customer_id": MIA, "customer_name": "Mia Berg", "probability": 0.61,
                    "reasons": [{"label": "No session in 19 days", "contribution": 0.9}],
                    "suggested_message": "Hi Mia, shall we find a slot?",
                }
            ],
            "sessions": [
                {
                    "booking_id": "b1", "customer_id": MIA, "customer_name": "Mia Berg", "title": "Strength",
                    "status": "booked",
                    "starts_at": (NOW - timedelta(hours=1)).isoformat(), "ends_at": NOW.isoformat(),
                }
            ],
        },
        "api/engagement/threads": {"items": [{"customer_id": MIA, "customer_name": "Mia Berg", "unread_count": 2}]},
    }  # fmt: skip
    with served(_app(server)) as running:
        server.url = running.url
        yield server


@pytest.fixture
def server(plyo_server: PlyoServer) -> PlyoServer:
    """The same with all that the admin console asks for."""
    plyo_server.datasets |= business.datasets()
    names = {*TILES, "mrr"}
    plyo_server.answers |= {f"api/analytics/metrics/{name}": business.metric(name) for name in names}
    screens = ("overview", "metrics", "revenue", "retention", "automations", "coaches", "connectors", "data")
    plyo_server.answers["api/bff/admin"] = {
        "account_id": "a", "screens": list(screens), "staff_pages": {"/staff/requests": "Requests"},
        "person": {"display_name": "Ada", "time_zone": "UTC"},
        "currencies": list(business.CURRENCIES), "figures": {name: business.metric(name) for name in TILES},
        "freshness": "fresh", "connectors": [], "is_partial": False, "missing": {},
    }  # fmt: skip
    plyo_server.answers |= {
        "api/analytics/metrics/onboarding_drop_off": business.drop_off(),
        "api/analytics/metrics": {"items": [business.metric(name) for name in TILES]},
        "api/analytics/freshness": business.freshness(),
        "api/analytics/lineage/mrr": business.lineage(),
        "api/automation/rules": {"items": [business.rule()]},
        "api/integrations/connectors": {"items": business.connectors()},
    }
    return plyo_server
