"""Proof that a request comes from one of our own pages: a token bound to the browser and to its session.

Every request that may change something needs it, unless it carries its own credential (a bearer token), carries none
of our cookies and no form, or goes to an endpoint that other programs call. Where the token travels: the form field
`csrf_token`, or the header `X-CSRF-Token`.
"""

import hashlib
import hmac
import secrets

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from operational_api.core.http import problem
from operational_api.core.threads import in_a_turn
from operational_api.web.cookies import cookie_name, read_cookie, set_cookie

FIELD, HEADER = "csrf_token", "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
OPEN_TO_PROGRAMS = (
    "/webhooks/", "/oidc/token", "/oidc/revoke", "/oidc/introspect", "/oidc/userinfo", "/gateway/csp-reports",
    "/unsubscribe/",
)  # fmt: skip
"""Paths whose callers authenticate with every request and never by a cookie."""
LARGEST_FORM_BYTES = 12 * 1024 * 1024
DETAIL = "This page was open too long, or your sign-in changed since. Go back, reload it and try again."


def _browser(request: Request) -> str:
    known: str | None = getattr(request.state, "csrf_browser", None)
    if known is None:
        known = request.state.csrf_browser = read_cookie(request, "csrf") or secrets.token_urlsafe(18)
    return known


def token(request: Request) -> str:
    """The token for forms rendered in this request. Call `keep` on the response, `render` does."""
    key = request.app.state.settings.session_secret.get_secret_value().encode()
    said = "\0".join(("csrf", _browser(request), read_cookie(request, "session") or ""))
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


def keep(request: Request, response: Response) -> None:
    """Set the browser's half of the token where it is not set yet."""
    if read_cookie(request, "csrf") is None:
        set_cookie(request, response, "csrf", _browser(request), max_age=180 * 86400)


def _is_exempt(request: Request) -> bool:
    if request.method in SAFE_METHODS or request.scope["path"].startswith(OPEN_TO_PROGRAMS):
        return True
    if request.headers.get("authorization", "").lower().startswith("bearer "):
        return True
    settings = request.app.state.settings
    has_cookie = any(cookie_name(settings, name) in request.cookies for name in ("session", "login"))
    # Another site can make a browser post a form, but not JSON, without asking us first.
    is_json = request.headers.get("content-type", "").startswith("application/json")
    return is_json and not has_cookie


class CsrfMiddleware:
    """Refuses requests without the token before any endpoint sees them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its body untouched, or answer 403."""
        if scope["type"] != "http" or _is_exempt(request := Request(scope, receive)):
            await self.app(scope, receive, send)
            return
        sent = request.headers.get(HEADER)
        if sent is None:
            body = await _read(receive)
            if body is None:
                await _refuse(request, 413, "core.too_large", "That is more than a form may carry.", scope, send)
                return
            try:
                form = await Request(scope, _replay(body, receive)).form()
            except HTTPException as error:  # nobody above a middleware turns it into an answer
                await _refuse(request, error.status_code, "core.malformed_form", error.detail, scope, send)
                return
            sent = str(form.get(FIELD, ""))
            receive = _replay(body, receive)
        if not hmac.compare_digest(sent.encode(), token(request).encode()):
            await _refuse(request, 403, "web.csrf_failed", DETAIL, scope, send)
            return
        await self.app(scope, receive, send)


async def _read(receive: Receive) -> bytes | None:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > LARGEST_FORM_BYTES:
            return None
    return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    is_told = False

    async def again() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(request: Request, status: int, code: str, detail: str, scope: Scope, send: Send) -> None:
    document = problem(status, code, detail)
    response: Response = JSONResponse(document, status, media_type="application/problem+json")
    if "text/html" in request.headers.get("accept", ""):
        response = await in_a_turn(request.app.state.problem_page, request, document)
    await response(scope, request.receive, send)
