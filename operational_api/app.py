"""Puts the API together: all contexts, or the ones named. No business rule and no endpoint of its own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from fastapi import FastAPI
from joserfc.jwk import KeySet, RSAKey

from contracts import telemetry
from operational_api.core import health, http
from operational_api.core.database import make_engine, session_factory
from operational_api.core.principal import bearer
from operational_api.core.roles import current_role
from operational_api.core.tokens import TokenVerifier
from operational_api.core.viewer import ViewerMiddleware
from operational_api.settings import ApiSettings

CONTEXTS = (
    "identity",
    "compliance",
    "commerce",
    "scheduling",
    "training",
    "engagement",
    "automation",
    "integrations",
    "gateway",
)
"""Every part that may be mounted; analytics is an app of its own."""


def _part(context: str, name: str) -> ModuleType | None:
    module = f"operational_api.{context}.{name}"
    return import_module(module) if find_spec(module) else None


def create_app(settings: ApiSettings, *, contexts: Sequence[str] = CONTEXTS) -> FastAPI:
    """The API with the contexts named; one context starts alone.

    Args:
        settings: Environment of the process.
        contexts: Names out of `CONTEXTS`. `web` (the shell of the pages) comes with any context that has pages.
    """
    engine = make_engine(settings.database_url.get_secret_value(), application_name="plyo-api")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        engine.dispose()

    app = FastAPI(
        title="Plyo", version="1", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json",
        responses=http.REFUSALS,
    )  # fmt: skip
    key = RSAKey.import_key(settings.signing_key_file.read_bytes())
    key.ensure_kid()
    app.state.settings = settings
    app.state.signing_key = key
    app.state.sessions = session_factory(engine)
    app.add_middleware(ViewerMiddleware)
    public = KeySet([RSAKey.import_key(key.as_dict(private=False))])
    app.state.authenticators = [
        bearer(TokenVerifier(lambda _refresh: public, issuer=settings.public_url), role_now=current_role)
    ]
    http.install(app)
    app.include_router(health.router)
    pages = []
    for context in contexts:
        if router := _part(context, "router"):
            app.include_router(router.router)
        if page := _part(context, "pages"):
            pages.append(page)
    if shell := _part("web", "shell"):
        shell.mount(app, pages)
    return app


def serve() -> FastAPI:
    """Entry point: `uvicorn --factory operational_api.app:serve`."""
    telemetry.configure("api")
    return create_app(ApiSettings())
