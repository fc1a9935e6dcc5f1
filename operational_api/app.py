"""Puts the API together: all contexts, or the ones named. No business rule and no endpoint of its own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from fastapi import Depends, FastAPI
from joserfc.jwk import KeySet, RSAKey
from starlette.middleware import Middleware

from contracts import telemetry
from operational_api.core import health, http
from operational_api.core.database import make_engine, session_factory
from operational_api.core.principal import bearer
from operational_api.core.rate_limit import Limiter, enforce
from operational_api.core.signed_urls import UrlSigner
from operational_api.core.tokens import Delegation, TokenVerifier
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
    "staff",
)
"""Every part that may be mounted; analytics is an app of its own."""


def _part(context: str, name: str) -> ModuleType | None:
    module = f"operational_api.{context}.{name}"
    return import_module(module) if find_spec(module) else None


@cache
def _signing_key(pem: bytes) -> RSAKey:
    """Checking that a private key is a good one takes longer than all the rest of making an app."""
    key = RSAKey.import_key(pem)
    key.ensure_kid()
    return key


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
        responses=http.REFUSALS, dependencies=[Depends(enforce)],
    )  # fmt: skip
    key = _signing_key(settings.signing_key_file.read_bytes())
    app.state.settings = settings
    app.state.limiter = Limiter(settings.redis_url.get_secret_value(), factor=settings.rate_limit_factor)
    app.state.signing_key = key
    app.state.url_signer = UrlSigner.from_setting(settings.url_signing_keys, fallback=settings.session_secret)
    app.state.delegation = Delegation(settings.public_url, key)
    app.state.sessions = session_factory(engine)
    public = KeySet([RSAKey.import_key(key.as_dict(private=False))])
    verifier = TokenVerifier(lambda _refresh: public, issuer=settings.public_url)
    app.state.authenticators = [bearer(verifier)]
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
    if caching := _part("gateway", "caching"):  # outermost: what is said of keeping an answer is said once, here
        app.user_middleware.insert(0, Middleware(caching.CachingMiddleware))
    return app


def serve() -> FastAPI:
    """Entry point: `uvicorn --factory operational_api.app:serve`."""
    telemetry.configure("api")
    return create_app(ApiSettings())
