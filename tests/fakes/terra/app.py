"""The HTTP application: API below /v2, widget below /widget, helpers below /_fake, health."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from tests.fakes.terra import api, helpers, widget
from tests.fakes.terra.problems import Problem
from tests.fakes.terra.settings import TerraFakeSettings
from tests.fakes.terra.store import Store
from tests.fakes.terra.webhooks import Deliverer


def create_app(settings: TerraFakeSettings) -> FastAPI:
    """The application on a store of its own; its events are delivered while it is served."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.deliverer.start()
        yield
        await run_in_threadpool(app.state.deliverer.stop)

    app = FastAPI(title="Local Terra", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.settings = settings
    app.state.store = Store()
    app.state.deliverer = Deliverer(settings)
    for router in (api.router, widget.router, helpers.router):
        app.include_router(router)

    @app.exception_handler(Problem)
    async def refused(request: Request, problem: Problem) -> JSONResponse:
        asked = f"{request.url.path}?{request.url.query}".removesuffix("?")
        return JSONResponse(problem.body(asked), problem.status, problem.headers, media_type="application/problem+json")

    @app.get("/live")
    @app.get("/ready")
    def ready() -> dict[str, str]:
        return {"status": "ok"}

    return app


def serve() -> FastAPI:
    """Factory for `uvicorn --factory`; settings come from TERRA_FAKE_*."""
    return create_app(TerraFakeSettings())
