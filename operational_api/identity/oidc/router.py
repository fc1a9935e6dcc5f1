"""The provider's endpoints. Protocol answers are JSON or redirects; pages are the login page and its companions."""

import base64
from binascii import Error as BadBase64
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import unquote_plus, urlencode, urlsplit
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from itsdangerous import BadSignature, URLSafeSerializer
from joserfc.jwk import KeySet

from contracts.tokens import InvalidToken, decode
from operational_api.core.database import DbSession
from operational_api.core.errors import Unauthenticated
from operational_api.core.policy import Allowed
from operational_api.core.tokens import TokenVerifier
from operational_api.identity.models import Account, LoginSession, OAuthClient
from operational_api.identity.oidc import authorize, claims, grants
from operational_api.identity.oidc.errors import REFUSALS, OAuthError, invalid_client
from operational_api.identity.service import factors, sessions
from operational_api.identity.service.clients import is_program
from operational_api.web.cookies import read_cookie, set_cookie
from operational_api.web.rendering import render

router = APIRouter(tags=["openid connect"], dependencies=[Allowed("identity.use_provider")])
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def _issuer(request: Request) -> claims.Issuer:
    return claims.Issuer(request.app.state.settings.public_url, request.app.state.keys.active())


@router.get("/.well-known/openid-configuration")
@router.get("/.well-known/oauth-authorization-server", include_in_schema=False)
def discovery(request: Request) -> dict[str, Any]:
    """What this provider can do and where (OpenID Connect Discovery 1.0, RFC 8414)."""
    root = request.app.state.settings.public_url
    methods = ["client_secret_basic", "client_secret_post", "none"]
    return {
        "issuer": root,
        "authorization_endpoint": f"{root}/oidc/authorize",
        "token_endpoint": f"{root}/oidc/token",
        "userinfo_endpoint": f"{root}/oidc/userinfo",
        "jwks_uri": f"{root}/oidc/jwks",
        "revocation_endpoint": f"{root}/oidc/revoke",
        "introspection_endpoint": f"{root}/oidc/introspect",
        "end_session_endpoint": f"{root}/oidc/logout",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [claims.ALGORITHM],
        "scopes_supported": list(claims.SCOPES),
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid", "email", "email_verified",
            "name", "zoneinfo", "locale", "role", "roles", "acr", "amr",
        ],
        "acr_values_supported": list(claims.ACR),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": methods[:2],
        "prompt_values_supported": ["none", "login", "select_account", "consent"],
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }  # fmt: skip


@router.get("/oidc/jwks")
def jwks(request: Request) -> Response:
    """The public keys that verify our tokens: those that sign, will sign, or did while such a token may live."""
    keys: KeySet = request.app.state.keys.public()
    return JSONResponse(keys.as_dict(private=False), headers={"Cache-Control": "public, max-age=300"})


@router.get("/oidc/authorize", include_in_schema=False)
def authorization(request: Request, session: DbSession) -> Response:
    """Ask the person to sign in where needed, then send them back to the client with a code."""
    parameters = dict(request.query_params)
    client, redirect_uri = authorize.find_client(session, parameters)
    try:
        if len(request.query_params.multi_items()) != len(parameters):
            raise OAuthError("invalid_request", "A parameter was sent twice.")
        asked = authorize.validate(client, redirect_uri, parameters)
        return _ask_or_answer(request, session, asked, parameters)
    except OAuthError as error:
        if error.error == "access_denied":
            return _wrong_role(request, session, client)
        refusal = {"error": error.error, "error_description": error.description}
        return _back(request, redirect_uri, parameters.get("state"), refusal)


def _ask_or_answer(
    request: Request, session: DbSession, asked: authorize.AuthorizationRequest, parameters: dict[str, str]
) -> Response:
    now = datetime.now(UTC)
    found = sessions.find(session, secret=read_cookie(request, "login"), now=now)
    is_silent = "none" in asked.prompt
    asked_at = _asked_at(request, parameters)
    if found is None or not authorize.is_fresh_enough(asked, found[0], now, asked_at):
        if is_silent:
            raise OAuthError("login_required", "Nobody is signed in, or too long ago.")
        return _to_login(request, asked, parameters, now)
    login, account = found
    demand = request.app.state.settings.staff_mfa
    if factors.is_demanded(account, staff_mfa=demand) and "mfa" not in login.amr:
        # It began while the account's role asked for less, or at the very moment of its change.
        sessions.end_if_live(session, session_id=login.id, now=now)
        if is_silent:
            raise OAuthError("login_required", "The session is not good enough for what its account may do now.")
        return _to_login(request, asked, parameters, now)
    if not authorize.is_strong_enough(asked, login):
        if is_silent or (asked_at is not None and login.authenticated_at >= asked_at):
            raise OAuthError("unmet_authentication_requirements", f"The person reached less than {asked.acr}.")
        return _to_login(request, asked, parameters, now)
    if "select_account" in asked.prompt and now - login.authenticated_at > authorize.JUST_CHOSEN:
        kept = {name: value for name, value in parameters.items() if name != "prompt"}
        onward = f"/oidc/authorize?{urlencode(kept)}"
        return render(request, "identity/choose_account.html", client=asked.client, account=account, onward=onward)
    if is_program(asked.client) and not _is_let_in(request, parameters, login, now):
        if is_silent:
            raise OAuthError("consent_required", "A program is let in by a person.")
        return _ask_to_let_in(request, asked, parameters, account, login, now)
    code = authorize.issue_code(session, asked, account, login, now=now)
    return _back(request, asked.redirect_uri, asked.state, {"code": code})


def _ask_to_let_in(
    request: Request, asked: authorize.AuthorizationRequest, parameters: dict[str, str], account: Account,
    login: LoginSession, now: datetime,
) -> Response:  # fmt: skip
    # A program may have sent the browser here unseen: only what this page says, to this browser, brings a code.
    if account.role not in asked.client.allowed_roles:
        raise OAuthError("access_denied", f"This application is not for accounts of the role {account.role}.")
    kept = {name: value for name, value in parameters.items() if name not in ("prompt", "let_in")}
    signed = _signer(request, "let in").dumps([str(login.id), asked.challenge, now.timestamp()])
    refused = _back(request, asked.redirect_uri, asked.state, {"error": "access_denied"})
    return render(
        request, "identity/let_in.html", client=asked.client, account=account, refusal=refused.headers["location"],
        onward=f"/oidc/authorize?{urlencode(kept | {'let_in': signed})}",
    )  # fmt: skip


def _is_let_in(request: Request, parameters: dict[str, str], login: LoginSession, now: datetime) -> bool:
    try:
        login_id, challenge, at = _signer(request, "let in").loads(parameters.get("let_in", ""))
    except (BadSignature, ValueError):
        return False
    is_ours = (login_id, challenge) == (str(login.id), parameters.get("code_challenge"))
    return is_ours and now - datetime.fromtimestamp(at, UTC) < authorize.TIME_TO_LET_IN


def _to_login(
    request: Request, asked: authorize.AuthorizationRequest, parameters: dict[str, str], now: datetime
) -> Response:
    # They come back with the same demands, and with our own word about when they were sent: only a sign-in after it
    # satisfies `prompt=login`, and it ends the asking where a person cannot do better.
    signed = _signer(request).dumps([parameters.get("client_id"), now.timestamp()])
    query = {"return_to": f"/oidc/authorize?{urlencode(parameters | {'asked': signed})}"}
    if asked.acr is not None:
        query["acr"] = asked.acr
    return RedirectResponse(f"/login?{urlencode(query)}", 303)


def _asked_at(request: Request, parameters: dict[str, str]) -> datetime | None:
    try:
        client_id, at = _signer(request).loads(parameters.get("asked", ""))
    except (BadSignature, ValueError):
        return None
    return datetime.fromtimestamp(at, UTC) if client_id == parameters.get("client_id") else None


def _signer(request: Request, salt: str = "asked to sign in") -> URLSafeSerializer:
    return URLSafeSerializer(request.app.state.settings.session_secret.get_secret_value(), salt=salt)


def _back(request: Request, redirect_uri: str, state: str | None, answer: dict[str, str]) -> Response:
    answer |= {"state": state} if state is not None else {}
    answer["iss"] = request.app.state.settings.public_url
    separator = "&" if urlsplit(redirect_uri).query else "?"
    return RedirectResponse(f"{redirect_uri}{separator}{urlencode(answer)}", 303, headers=NO_STORE)


def _wrong_role(request: Request, session: DbSession, client: OAuthClient) -> Response:
    found = sessions.find(session, secret=read_cookie(request, "login"), now=datetime.now(UTC))
    return render(
        request, "identity/wrong_role.html", status_code=403, client=client, account=found[1] if found else None,
        onward=f"{request.url.path}?{request.url.query}",
    )  # fmt: skip


def _credentials(request: Request, form: dict[str, str]) -> tuple[str | None, str | None]:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if not value:
        return form.get("client_id"), form.get("client_secret")
    try:
        name, colon, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (BadBase64, UnicodeDecodeError):
        raise invalid_client() from None
    client_id = unquote_plus(name)
    if scheme.lower() != "basic" or not colon or form.get("client_id", client_id) != client_id:
        raise invalid_client()
    if "client_secret" in form:
        raise OAuthError("invalid_request", "Authenticate in one way only.")
    return client_id, unquote_plus(secret)


async def protocol_form(request: Request) -> dict[str, str] | OAuthError:
    """The fields of a protocol request; each at most once."""
    pairs = [(name, value) for name, value in (await request.form()).multi_items() if isinstance(value, str)]
    form = dict(pairs)
    return form if len(form) == len(pairs) else OAuthError("invalid_request", "A parameter was sent twice.")


ProtocolForm = Annotated[dict[str, str] | OAuthError, Depends(protocol_form)]


@router.post("/oidc/token", responses=REFUSALS)
def token(request: Request, form: ProtocolForm, session: DbSession) -> Response:
    """Trade a code, a refresh token or a service's secret for tokens."""
    try:
        if isinstance(form, OAuthError):
            raise form
        client = grants.authenticate_client(session, *_credentials(request, form))
        caller = grants.Caller(request.headers.get("user-agent", ""), request.client.host if request.client else "")
        answer = grants.grant(session, _issuer(request), client, form, caller=caller, now=datetime.now(UTC))
    except OAuthError as error:  # answered, not raised: what the refusal changed must be committed
        return error.response()
    return JSONResponse(answer, headers=NO_STORE)


@router.post("/oidc/revoke", responses=REFUSALS)
def revoke(request: Request, form: ProtocolForm, session: DbSession) -> Response:
    """Revoke a token and everything that came from the same sign-in of this application (RFC 7009)."""
    try:
        if isinstance(form, OAuthError):
            raise form
        client = grants.authenticate_client(session, *_credentials(request, form))
        grants.revoke(session, _issuer(request), client, form.get("token", ""), now=datetime.now(UTC))
    except OAuthError as error:
        return error.response()
    return Response(status_code=200, headers=NO_STORE)


@router.post("/oidc/introspect", responses=REFUSALS)
def introspect(request: Request, form: ProtocolForm, session: DbSession) -> Response:
    """Whether an access token still holds, for services that have no other way to know (RFC 7662).

    Asked by clients with a secret, about tokens that are for a service they may call themselves.
    """
    try:
        if isinstance(form, OAuthError):
            raise form
        client = grants.authenticate_client(session, *_credentials(request, form))
        answer = grants.introspect(session, _issuer(request), client, form.get("token", ""))
    except OAuthError as error:
        return error.response()
    return JSONResponse(answer, headers=NO_STORE)


@router.get("/oidc/userinfo", responses=REFUSALS)
@router.post("/oidc/userinfo", include_in_schema=False)
def userinfo(request: Request, session: DbSession) -> Response:
    """Who the bearer of an access token is, as far as its scopes go."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not bearer:
        return JSONResponse(None, 401, headers={"WWW-Authenticate": "Bearer"})
    verifier = TokenVerifier(request.app.state.keys.public, issuer=request.app.state.settings.public_url)
    try:
        told = verifier.verify(bearer.strip())
        login = session.get(LoginSession, UUID(told["sid"])) if told.get("sid") else None
        if login is None or not sessions.is_live(login, datetime.now(UTC)):
            raise Unauthenticated("The person has signed out.")
        if "openid" not in told["scope"].split():
            return JSONResponse({"error": "insufficient_scope"}, 403, headers={"WWW-Authenticate": "Bearer"})
    except Unauthenticated as error:
        request.state.refusal = None  # this is its answer
        body = {"error": "invalid_token", "error_description": error.detail}
        return JSONResponse(body, 401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    account = session.get_one(Account, login.account_id)
    return JSONResponse(claims.person_claims(account, told["scope"]), headers=NO_STORE)


@router.get("/oidc/logout", include_in_schema=False)
def logout(request: Request, session: DbSession) -> Response:
    """End the person's session here (RP-initiated logout). Without proof that they asked for it, ask them."""
    now = datetime.now(UTC)
    parameters = dict(request.query_params)
    hint = _hinted(request, parameters.get("id_token_hint"))
    found = sessions.find(session, secret=read_cookie(request, "login"), now=now)
    onward = _after_logout(session, parameters, hint)
    if hint is not None:
        sessions.end_if_live(session, session_id=UUID(hint["sid"]), now=now)
    if found is not None and (hint is None or hint["sid"] != str(found[0].id)):
        return render(request, "identity/sign_out.html", account=found[1], onward=onward)
    response = RedirectResponse(onward, 303)
    set_cookie(request, response, "login", "", max_age=0)
    return response


@router.post("/oidc/logout", include_in_schema=False)
def confirmed_logout(request: Request, session: DbSession) -> Response:
    """The person pressed the button."""
    now = datetime.now(UTC)
    found = sessions.find(session, secret=read_cookie(request, "login"), now=now)
    if found is not None:
        sessions.revoke(session, account_id=found[1].id, session_id=found[0].id, now=now)
    response = RedirectResponse("/", 303)
    set_cookie(request, response, "login", "", max_age=0)
    set_cookie(request, response, "session", "", max_age=0)
    return response


def _hinted(request: Request, id_token: str | None) -> dict[str, Any] | None:
    if not id_token:
        return None
    try:  # an expired hint still says who asks, and so does one of a retired key: only signature and issuer count
        told = decode(id_token, request.app.state.keys.remembered).claims
    except InvalidToken:
        return None
    return told if told.get("iss") == request.app.state.settings.public_url and "at_hash" in told else None


def _after_logout(session: DbSession, parameters: dict[str, str], hint: dict[str, Any] | None) -> str:
    client_id = str(hint["aud"]) if hint else parameters.get("client_id", "")
    client = session.get(OAuthClient, client_id)
    wanted = parameters.get("post_logout_redirect_uri", "")
    if client is None or wanted not in client.post_logout_redirect_uris:
        return "/"
    state = parameters.get("state")
    return f"{wanted}?{urlencode({'state': state})}" if state else wanted
