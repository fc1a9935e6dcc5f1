"""Mounts the web app: pages and menu of every context in one frame, static files, CSRF, headers, error pages, sign-in.

A page module has `router` and may have `NAV: list[NavItem]` and `FILTERS` for templates, and one has
`language_of(session, account_id)`; leaving one module out leaves the rest working.
"""

import json
import re
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware import Middleware
from starlette.types import Scope

from operational_api.core.policy import Allowed
from operational_api.web import rendering, signin
from operational_api.web.csrf import CsrfMiddleware
from operational_api.web.headers import HeadersMiddleware
from operational_api.web.navigation import NavItem
from operational_api.web.problems import problem_page
from operational_api.web.sessions import cookie_authenticator

__all__ = ["NavItem", "mount"]
OFFLINE_FILES = ("tokens.css", "app.css", "components.css", "app.js", "kept-workouts.js", "icons.svg", "mark.svg")
router = APIRouter(include_in_schema=False, dependencies=[Allowed("platform.read_public")])


class _Files(StaticFiles):
    """Static files: for ever when asked for by content hash, revalidated otherwise."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        is_versioned = b"v=" in scope["query_string"]
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_versioned else "no-cache"
        return response


def mount(app: FastAPI, pages: Sequence[ModuleType]) -> None:
    """Put the shell and the contexts' pages onto an app that has `state.settings` and `state.sessions`."""
    app.state.templates = rendering.make_environment([page.__name__.rpartition(".")[0] for page in pages])
    for page in pages:
        app.state.templates.filters |= getattr(page, "FILTERS", {})
    items = [item for page in pages for item in getattr(page, "NAV", [])]
    app.state.nav = sorted(items, key=lambda item: (item.order, item.label))
    app.state.language_of = next((page.language_of for page in pages if hasattr(page, "language_of")), _unknown)
    app.state.problem_page = problem_page
    app.mount("/static", _Files(directory=rendering.STATIC), name="static")
    app.include_router(router)
    app.include_router(signin.router)
    app.state.authenticators.append(cookie_authenticator)
    for page in pages:
        if hasattr(page, "router"):
            app.include_router(page.router, include_in_schema=False)
    # Innermost: a refusal still gets its trace id and log line. Outermost: every answer gets its headers.
    app.user_middleware.append(Middleware(CsrfMiddleware))
    app.user_middleware.insert(0, Middleware(HeadersMiddleware, settings=app.state.settings))


def _unknown(_session: object, _account_id: object) -> None:
    """Nobody said which language they read."""


@cache
def _service_worker() -> str:
    files = [*map(rendering.static, OFFLINE_FILES), "/offline"]
    source = (rendering.STATIC / "sw.js").read_text()
    version = "".join(re.findall(r"v=(\w{4})", " ".join(files)))
    return source.replace("__VERSION__", version).replace("__FILES__", json.dumps(files))


@router.get("/sw.js")
def service_worker() -> Response:
    """The service worker, at the root so that it may serve every page of the app."""
    # The policy of a worker's script governs what the worker may fetch.
    headers = {
        "Cache-Control": "no-cache",
        "Service-Worker-Allowed": "/",
        "Content-Security-Policy": "default-src 'self'",
    }
    return Response(_service_worker(), media_type="text/javascript", headers=headers)


@router.get("/manifest.webmanifest")
def manifest() -> FileResponse:
    """What makes the app installable."""
    return FileResponse(rendering.STATIC / "manifest.webmanifest", media_type="application/manifest+json")


@router.get("/favicon.ico")
def favicon() -> FileResponse:
    """The mark, for browsers that ask without being told."""
    return FileResponse(rendering.STATIC / "icon-192.png", media_type="image/png")


@router.get("/offline", response_class=HTMLResponse)
def offline(request: Request) -> Response:
    """Shown by the service worker when there is no network and no kept page. The same for everybody."""
    return rendering.render(request, "web/offline.html", principal=None, nav=[])


@router.get("/api/docs", response_class=HTMLResponse)
def api_docs(request: Request) -> Response:
    """Every operation of the HTTP API by subject, drawn here: the usual viewers load scripts from elsewhere."""
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in request.app.openapi()["paths"].items():
        for method, operation in operations.items():
            subject = (operation.get("tags") or ["other"])[0]
            groups.setdefault(subject, []).append((method.upper(), path, operation))
    return rendering.render(request, "web/api_docs.html", groups=sorted(groups.items()))


@router.get("/design", response_class=HTMLResponse)
def design(request: Request) -> Response:
    """Every component in every state, for those who build pages."""
    return rendering.render(request, "web/design.html")
