"""The web app as a client of the OIDC provider: authorization code with PKCE, tokens kept on the server."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from joserfc import jwt
from joserfc.errors import JoseError

from contracts.telemetry import get_logger
from contracts.tokens import InvalidToken, decode
from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.policy import Allowed, may
from operational_api.settings import ApiSettings
from operational_api.web import flows, sessions
from operational_api.web.cookies import read_cookie, set_cookie
from operational_api.web.rendering import person, redirect, safe_return_path

log = get_logger(__name__)
router = APIRouter(include_in_schema=False, dependencies=[Allowed("identity.use_provider")])
LANDING = (
    ("training.train", "/home"),
    ("gateway.open_coach_console", "/coach/"),
    ("gateway.open_admin_console", "/admin/"),
    ("staff.open_desk", "/staff"),
    ("identity.keep_account", "/account"),
)
"""Where people start: the first place whose action they may do."""
KIND = "sign-in"


class SignInInterrupted(DomainError):
    """Signing in was interrupted or took too long. Please try again."""

    status = 400


def landing(role: str) -> str:
    """Where somebody of that role starts."""
    return next((place for action, place in LANDING if may(role, action)), "/")


@router.get("/auth/login")
def login(request: Request, return_to: str | None = None) -> Response:
    """Begin: remember what this flow is about, and go to the provider."""
    settings: ApiSettings = request.app.state.settings
    wanted = safe_return_path(return_to, "")
    if (known := person(request)) is not None:
        return redirect(request, wanted or landing(known.role))
    flow = flows.new(return_to=wanted)
    query = urlencode(
        {
            "response_type": "code",
            "client_id": sessions.CLIENT_ID,
            "redirect_uri": f"{settings.public_url}/auth/callback",
            "scope": "openid profile email offline_access",
            "state": flow["state"],
            "nonce": flow["nonce"],
            "code_challenge": flows.challenge_of(flow),
            "code_challenge_method": "S256",
        }
    )
    response = RedirectResponse(f"/oidc/authorize?{query}", status_code=303)
    flows.keep(request, response, KIND, flow)
    return response


@router.get("/auth/callback")
def callback(
    request: Request,
    session: DbSession,
    state: str = "",
    code: str = "",
    iss: str = "",
    error: str = "",
    error_description: str = "",
) -> Response:
    """End: check that this answer belongs to the flow begun here, trade the code for tokens, keep them."""
    settings: ApiSettings = request.app.state.settings
    flow = flows.find(request, KIND, state)
    if flow is None:
        if person(request) is not None:  # the same answer twice: pressed back, or reloaded
            return redirect(request, "/auth/login")
        raise SignInInterrupted
    if iss != settings.public_url:
        raise SignInInterrupted
    if error:
        raise SignInInterrupted(error_description or None)
    tokens = sessions.ask_for_tokens(
        request,
        {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": f"{settings.public_url}/auth/callback",
            "code_verifier": flow["verifier"],
        },
    )
    if tokens is None:
        raise SignInInterrupted
    claims = _identity(request, tokens["id_token"], nonce=flow["nonce"])
    old = sessions.find(session, secret=read_cookie(request, "session"), now=datetime.now(UTC))
    if old is not None:
        sessions.end(session, old)
    language = request.app.state.language_of(session, UUID(claims["sub"]))
    secret = sessions.start(
        session, settings, tokens=tokens, claims=claims, language=language, now=datetime.now(UTC)
    )  # fmt: skip
    response = redirect(request, flow["return_to"] or landing(claims["role"]))
    set_cookie(request, response, "session", secret, max_age=int(sessions.LONGEST.total_seconds()))
    flows.end(request, response, state)
    return response


def _identity(request: Request, id_token: str, *, nonce: str) -> dict[str, Any]:
    settings: ApiSettings = request.app.state.settings
    registry = jwt.JWTClaimsRegistry(
        leeway=5,
        iss={"essential": True, "value": settings.public_url},
        aud={"essential": True, "value": sessions.CLIENT_ID},
        exp={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        token = decode(id_token, request.app.state.keys.public)
        registry.validate(token.claims)
    except (InvalidToken, JoseError, ValueError) as error:
        log.warning("id_token_refused", error=str(error))
        raise SignInInterrupted from error
    return token.claims


@router.post("/auth/logout")
def logout(request: Request, session: DbSession) -> Response:
    """End the session here, then at the provider; the service worker deletes what it kept for the person."""
    settings: ApiSettings = request.app.state.settings
    row = sessions.find(session, secret=read_cookie(request, "session"), now=datetime.now(UTC))
    query = {"post_logout_redirect_uri": f"{settings.public_url}/", "client_id": sessions.CLIENT_ID}
    if row is not None:
        query["id_token_hint"] = sessions.tokens_of(settings, row)["id_token"]
        sessions.end(session, row)
    response = redirect(request, f"/oidc/logout?{urlencode(query)}", flash="You are signed out.")
    set_cookie(request, response, "session", "", max_age=0)
    return response
