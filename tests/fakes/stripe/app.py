"""The HTTP application: API below /v1, hosted pages below /c/pay and /p/session, helpers below /_fake, health."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from tests.fakes.stripe import (  # noqa: F401  (importing registers the endpoints)
    catalogue,
    checkout,
    customers,
    helpers,
    hosted,
    invoices,
    payments,
    payouts,
    portal,
    refunds,
    subscriptions,
)
from tests.fakes.stripe.api import Api
from tests.fakes.stripe.errors import StripeError
from tests.fakes.stripe.settings import StripeFakeSettings
from tests.fakes.stripe.store import Store
from tests.fakes.stripe.webhooks import Deliverer, new_endpoint

_CONFIGURED = "we_configured"


def create_app(settings: StripeFakeSettings) -> FastAPI:
    """The application on a store of its own; its webhooks and its clock run while it is served."""
    store = Store(settings.state)
    deliverer = Deliverer(store, settings.retry_seconds)
    if settings.webhook_url:
        with store.transaction():
            new_endpoint(store, settings.webhook_url, settings.webhook_secret, ["*"], _CONFIGURED)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stopping = threading.Event()
        clock = threading.Thread(target=_tick, args=(store, settings.renewal_seconds, stopping), daemon=True)
        deliverer.start()
        if settings.renewal_seconds:
            clock.start()
        yield
        stopping.set()
        await run_in_threadpool(deliverer.stop)
        store.close()

    app = FastAPI(title="Local Stripe", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.store = store
    app.state.deliverer = deliverer
    app.state.api = Api(store, settings)
    app.include_router(hosted.router)
    app.include_router(helpers.router)

    @app.exception_handler(StripeError)
    async def refused(_: Request, error: StripeError) -> JSONResponse:
        return JSONResponse(error.as_json("-"), error.status)

    @app.get("/live")
    @app.get("/ready")
    def ready() -> dict[str, str]:
        return {"status": "ok"}

    @app.api_route("/v1/{path:path}", methods=["GET", "POST", "DELETE"])
    async def api(request: Request, path: str) -> Response:
        body = (await request.body()).decode()
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = await run_in_threadpool(
            app.state.api.answer, request.method, f"/v1/{path}", request.url.query, body, headers
        )
        return Response(answer.body, answer.status, answer.headers, media_type="application/json")

    return app


def _tick(store: Store, pause: float, stopping: threading.Event) -> None:
    while not stopping.wait(pause):
        helpers.do_all_due(store)


def serve() -> FastAPI:
    """Factory for `uvicorn --factory`; settings come from STRIPE_FAKE_*."""
    return create_app(StripeFakeSettings())
