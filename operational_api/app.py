"""Puts the API together: all contexts, or the ones named. No business rule and no endpoint of its own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from fastapi import Depends, FastAPI
from starlette.middleware import Middleware

from operational_api.core import health, http
from operational_api.core.admission import Admission
from operational_api.core.database import make_engine, session_factory
from operational_api.core.principal import Bearer
from operational_api.core.rate_limit import Limiter, enforce
from operational_api.core.routing import KnownPaths
from operational_api.core.signed_urls import UrlSigner
from operational_api.core.threads import in_a_turn
from operational_api.core.tokens import Delegation, RemoteKeys, TokenVerifier, no_signer
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


POOL_SIZE = 10
"""Connections that a process keeps, and so many transactions at once. As many again are opened for what is done in one
turn while those are busy: who asks, idempotency keys, parts of first screens."""


def _part(context: str, name: str) -> ModuleType | None:
    module = f"operational_api.{context}.{name}"
    return import_module(module) if find_spec(module) else None


def create_app(settings: ApiSettings, *, contexts: Sequence[str] = CONTEXTS) -> FastAPI:
    """The API with the contexts named; one context starts alone.

    Args:
        settings: Environment of the process.
        contexts: Names out of `CONTEXTS`. `web` (the shell of the pages) comes with any context that has pages.
    """
    engine = make_engine(settings.database_url.get_secret_value(), application_name="plyo-api", pool_size=POOL_SIZE)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if "identity" in contexts:
            await in_a_turn(app.state.keys.warm)
        yield
        engine.dispose()

    app = FastAPI(
        title="Plyo", version="1", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json",
        responses=http.REFUSALS, dependencies=[Depends(enforce)],
    )  # fmt: skip
    app.state.settings = settings
    app.state.limiter = Limiter(settings.redis_url.get_secret_value(), factor=settings.rate_limit_factor)
    app.state.url_signer = UrlSigner.from_setting(settings.url_signing_keys, fallback=settings.session_secret)
    app.state.sessions = session_factory(engine)
    app.state.admission = Admission(POOL_SIZE)
    # A context that starts alone has none of identity's keys: it asks for the public ones like any other service, and
    # makes no tokens.
    remote = RemoteKeys(f"{settings.api_url}/oidc/jwks")
    keys, at_hand = remote, remote.at_hand
    app.state.delegation = Delegation(settings.public_url, no_signer)
    if "identity" in contexts:
        ring = import_module("operational_api.identity.keys.ring").KeyRing.of(settings, lambda: app.state.sessions())
        app.state.keys, keys, at_hand = ring, ring.public, ring.at_hand
        app.state.delegation = Delegation(settings.public_url, ring.active)
    app.state.authenticators = [Bearer(TokenVerifier(keys, issuer=settings.public_url, at_hand=at_hand))]
    http.install(app)
    app.router.routes.insert(0, KnownPaths())
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
