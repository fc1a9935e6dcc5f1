"""The analytics process: its own app with the house's error documents, tokens and health. No endpoint of its own."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pyarrow as pa
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from starlette.types import Receive, Scope, Send

from contracts import telemetry
from contracts.tokens import ANALYTICS
from operational_api.analytics import router
from operational_api.analytics.asked import Consents
from operational_api.analytics.errors import LakeDown, NotBuilt
from operational_api.analytics.freshness import Clock
from operational_api.analytics.lake import Lake
from operational_api.analytics.lineage import Manifest
from operational_api.analytics.retold import Retold
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.analytics.together import Together
from operational_api.analytics.turns import Turns
from operational_api.core import audit, http, memory
from operational_api.core.database import make_engine, session_factory
from operational_api.core.errors import Unavailable
from operational_api.core.principal import Bearer
from operational_api.core.rate_limit import Limiter, enforce
from operational_api.core.tokens import KeySource, RemoteKeys, TokenVerifier

health = APIRouter(tags=["health"])


@health.get("/live")
@health.get("/api/analytics/live", include_in_schema=False)
def live() -> dict[str, str]:
    """The process runs."""
    return {"state": "live"}


@health.get("/ready")
@health.get("/api/analytics/ready", include_in_schema=False)
def ready(request: Request, response: Response) -> dict[str, object]:
    """Whether questions can be answered. `marts` says when the first build is still to come: that is no failure."""
    lake: Lake = request.app.state.lake
    parts = {"lake": "up", "marts": "built"}
    try:
        lake.snapshot_id()
        if not request.app.state.clock.is_built():
            parts["marts"] = "not built yet"
    except NotBuilt:
        parts["marts"] = "not built yet"
    except LakeDown:
        parts = {"lake": "down", "marts": "unknown"}
    except Unavailable:
        parts["lake"] = "busy"
    response.status_code = 503 if parts["lake"] == "down" else 200
    return {"state": "not ready" if parts["lake"] == "down" else "ready", "parts": parts}


class Analytics(FastAPI):
    """The app, with `Together` before all that FastAPI does with a request: that is a sixth of telling again."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self._together = Together(super().__call__, self.state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or the process's start and end."""
        await self._together(scope, receive, send)


def create_app(settings: AnalyticsSettings, *, keys: KeySource | None = None) -> FastAPI:
    """The analytics app.

    Args:
        settings: Environment of the process.
        keys: Where to get the issuer's public keys, instead of `jwks_url`.
    """
    lake = Lake(settings)
    url = settings.audit_database_url
    audit_engine = make_engine(url.get_secret_value(), application_name="plyo-analytics", pool_size=5) if url else None
    asking = make_engine(
        url.get_secret_value(), application_name="plyo-analytics-asking", pool_size=4
    ).execution_options(isolation_level="AUTOCOMMIT") if url else None  # fmt: skip

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        memory.settle()
        # Threads that write long answers must not keep the loop waiting, in which most are told again.
        sys.setswitchinterval(0.001)
        # Arrow's own allocator keeps memory by thread and gives it back at once: what a thread writes is all new pages.
        pa.set_memory_pool(pa.system_memory_pool())
        yield
        if app.state.turns is not None:
            await app.state.turns.close()
        lake.close()
        for engine in filter(None, (audit_engine, asking)):
            engine.dispose()

    app = Analytics(
        title="Plyo analytics", version="1", lifespan=lifespan,
        docs_url=None, redoc_url=None, openapi_url="/api/analytics/openapi.json",
        dependencies=[Depends(enforce)],
    )  # fmt: skip
    app.state.settings = settings
    app.state.limiter = Limiter(settings.redis_url.get_secret_value(), factor=settings.rate_limit_factor)
    app.state.lake = lake
    # One door to the operational database: to add to the audit log, and to ask whether a token still holds.
    app.state.sessions = app.state.audit_sessions = session_factory(audit_engine) if audit_engine is not None else None
    app.state.manifest = Manifest(settings.dbt_manifest)
    app.state.clock = Clock(lake, settings, app.state.manifest)
    source = keys or RemoteKeys(settings.jwks_url)
    verifier = TokenVerifier(source, issuer=settings.public_url, audience=ANALYTICS)
    app.state.authenticators = [Bearer(verifier)]
    app.state.retold = Retold(settings.analytics_cache_mib * 2**20 // 2)
    app.state.asking = asking
    app.state.consents, app.state.named = Consents(), audit.Named()
    app.state.turns = None
    if url is not None:
        app.state.turns = Turns(
            settings, app.state.clock, app.state.retold, verifier=verifier, limiter=app.state.limiter
        )  # fmt: skip
    http.install(app)
    app.include_router(health)
    app.include_router(router.router)
    return app


def serve() -> FastAPI:
    """Entry point: `uvicorn --factory operational_api.analytics.app:serve`."""
    telemetry.configure("analytics")
    app = create_app(AnalyticsSettings())
    memory.settle()
    return app
