"""The authorization endpoint's rules: which requests are answered, with what, and what the person is asked first.

A program on the person's own machine (RFC 8252) is a client whose registered address is of the loopback, without a
port: it may be answered at any port there. It can prove to nobody which program it is: the person is asked each time.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from operational_api.core.errors import Invalid
from operational_api.identity.models import Account, AuthorizationCode, LoginSession, OAuthClient
from operational_api.identity.oidc.claims import ACR, SCOPES, acr_of
from operational_api.identity.oidc.errors import OAuthError
from operational_api.identity.service.clients import is_program, is_service
from operational_api.identity.service.links import digest

CODE_LIFETIME = timedelta(seconds=60)
JUST_CHOSEN = timedelta(minutes=2)
"""Who typed their password this recently has chosen their account."""
TIME_TO_LET_IN = timedelta(minutes=10)
"""Of the page that asks whether a program may come in."""
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_LOOPBACK = re.compile(r"\A(http://127\.0\.0\.1):\d{1,5}(/.*)\Z")


class UnknownApplication(Invalid):
    """The application that sent you here is not registered with us, or asked us to send you somewhere it must not."""

    status = 400


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that passed every check that needs no person.

    Args:
        scope: Those of the scopes asked for that exist, in the order asked for.
        challenge: PKCE S256 challenge, demanded of every client.
        prompt: `none`, `login`, `select_account`, `consent`, or empty.
        max_age: Seconds since sign-in that the client accepts, or None.
        acr: The weakest level of `claims.ACR` that satisfies the client, or None.
    """

    client: OAuthClient
    redirect_uri: str
    scope: str
    state: str | None
    nonce: str | None
    challenge: str
    prompt: frozenset[str]
    max_age: int | None
    acr: str | None


def find_client(session: Session, parameters: dict[str, str]) -> tuple[OAuthClient, str]:
    """The client and the address it wants its answer at; nothing is ever sent to an address that fails here.

    Raises:
        UnknownApplication: no such client, or an address that is not exactly one of its own.
    """
    client = session.get(OAuthClient, parameters.get("client_id", ""))
    wanted = parameters.get("redirect_uri", "")
    if client is None or is_service(client) or not client.redirect_uris:
        raise UnknownApplication
    if (_LOOPBACK.sub(r"\1\2", wanted) if is_program(client) else wanted) not in client.redirect_uris:
        raise UnknownApplication
    return client, wanted


def validate(client: OAuthClient, redirect_uri: str, parameters: dict[str, str]) -> AuthorizationRequest:
    """Check the rest of a request.

    Raises:
        OAuthError: to be sent to `redirect_uri`.
    """
    for unsupported in ("request", "request_uri"):
        if unsupported in parameters:
            raise OAuthError(f"{unsupported}_not_supported", "Send plain parameters.")
    if parameters.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "Only response_type=code is supported.")
    if parameters.get("response_mode", "query") != "query":
        raise OAuthError("invalid_request", "Only response_mode=query is supported.")
    asked = parameters.get("scope", "").split()
    scope = " ".join(one for one in dict.fromkeys(asked) if one in SCOPES)
    if not scope:
        raise OAuthError("invalid_scope", f"Ask for some of: {' '.join(SCOPES)}.")
    prompt = frozenset(parameters.get("prompt", "").split())
    if "none" in prompt and len(prompt) > 1:
        raise OAuthError("invalid_request", "prompt=none stands alone.")
    max_age = parameters.get("max_age")
    if max_age is not None and not re.fullmatch(r"\d{1,9}", max_age):
        raise OAuthError("invalid_request", "max_age is a number of seconds.")
    return AuthorizationRequest(
        client=client,
        redirect_uri=redirect_uri,
        scope=scope,
        state=parameters.get("state"),
        nonce=parameters.get("nonce"),
        challenge=_challenge(parameters),
        prompt=prompt,
        max_age=int(max_age) if max_age is not None else None,
        acr=min((one for one in parameters.get("acr_values", "").split() if one in ACR), key=ACR.index, default=None),
    )


def _challenge(parameters: dict[str, str]) -> str:
    challenge, method = parameters.get("code_challenge"), parameters.get("code_challenge_method", "plain")
    if challenge is None:  # a secret does not help where somebody else's code is put into one's own flow
        raise OAuthError("invalid_request", "code_challenge is missing: use PKCE with S256.")
    if method != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise OAuthError("invalid_request", "code_challenge_method must be S256, with a challenge of 43 characters.")
    return challenge


def is_fresh_enough(
    request: AuthorizationRequest, login: LoginSession, now: datetime, asked_at: datetime | None
) -> bool:
    """Whether the person proved who they are late enough for `prompt=login` and `max_age`.

    Args:
        asked_at: When this request sent them to sign in; None when it did not yet.
    """
    if asked_at is not None and login.authenticated_at >= asked_at:
        return True
    if "login" in request.prompt:
        return False
    return request.max_age is None or now - login.authenticated_at <= timedelta(seconds=request.max_age)


def is_strong_enough(request: AuthorizationRequest, login: LoginSession) -> bool:
    """Whether the person proved who they are well enough for `acr_values`."""
    return request.acr is None or ACR.index(acr_of(login.amr)) >= ACR.index(request.acr)


def issue_code(
    session: Session, request: AuthorizationRequest, account: Account, login: LoginSession, *, now: datetime
) -> str:
    """A code that the client trades for tokens within a minute, once.

    Raises:
        OAuthError: the person's role has no place in this client.
    """
    if account.role not in request.client.allowed_roles:
        raise OAuthError("access_denied", f"This application is not for accounts of the role {account.role}.")
    code = secrets.token_urlsafe(32)
    session.add(
        AuthorizationCode(
            code_hash=digest(code),
            client_id=request.client.client_id,
            account_id=account.id,
            session_id=login.id,
            redirect_uri=request.redirect_uri,
            scope=request.scope,
            nonce=request.nonce,
            code_challenge=request.challenge,
            auth_time=login.authenticated_at,
            expires_at=now + CODE_LIFETIME,
        )
    )
    return code
