"""The token endpoint's rules: trading a code, rotating refresh tokens, tokens for services, revocation.

Functions here change rows also when they refuse (a replayed code ends what came from it): the caller commits anyway.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.telemetry import get_logger
from operational_api.core import revocations, standing
from operational_api.core.principal import person_of
from operational_api.identity.models import Account, AuthorizationCode, LoginSession, OAuthClient, RefreshToken
from operational_api.identity.oidc import claims
from operational_api.identity.oidc.errors import OAuthError, invalid_client, invalid_grant
from operational_api.identity.service import factors, sessions
from operational_api.identity.service.clients import has_secret, is_program, is_service
from operational_api.identity.service.links import digest

log = get_logger(__name__)
_FAMILIES = UUID("0198a000-0000-7000-8000-706c796f0001")


@dataclass(frozen=True, slots=True)
class Caller:
    """What asks at the token endpoint: its user agent and its address, empty where they are not known."""

    agent: str
    address: str


def authenticate_client(session: Session, client_id: str | None, secret: str | None) -> OAuthClient:
    """The client that asks.

    Raises:
        OAuthError: invalid_client.
    """
    client = session.get(OAuthClient, client_id) if client_id else None
    if client is None or not has_secret(client, secret):
        raise invalid_client()
    return client


def grant(
    session: Session, issuer: claims.Issuer, client: OAuthClient, form: dict[str, str], *, caller: Caller, now: datetime
) -> dict[str, Any]:
    """The body of a token response.

    Raises:
        OAuthError: what the client must be told.
    """
    kind = form.get("grant_type")
    if kind == "client_credentials":
        return _service(issuer, client, now)
    if is_service(client):
        raise OAuthError("unauthorized_client", "This client may use client_credentials only.")
    if kind == "authorization_code":
        return _code(session, issuer, client, form, caller, now)
    if kind == "refresh_token":
        return _refresh(session, issuer, client, form, now)
    raise OAuthError("unsupported_grant_type", "Use authorization_code, refresh_token or client_credentials.")


def _service(issuer: claims.Issuer, client: OAuthClient, now: datetime) -> dict[str, Any]:
    if not is_service(client):
        raise OAuthError("unauthorized_client", "This client acts for people, not for itself.")
    return {
        "access_token": claims.access_token(issuer, client, scope="service", now=now),
        "token_type": "Bearer",
        "expires_in": client.access_token_seconds,
        "scope": "service",
    }


def _code(
    session: Session, issuer: claims.Issuer, client: OAuthClient, form: dict[str, str], caller: Caller, now: datetime
) -> dict[str, Any]:
    code = session.scalar(
        select(AuthorizationCode).where(AuthorizationCode.code_hash == digest(form.get("code", ""))).with_for_update()
    )
    if code is None or code.client_id != client.client_id:
        raise invalid_grant("Unknown code.")
    family = uuid5(_FAMILIES, code.code_hash)
    if code.used_at is not None:
        log.warning("code_replayed", client_id=client.client_id, account_id=str(code.account_id))
        _revoke_family(session, family, now)
        raise invalid_grant("This code was used before. What it gave has been revoked.")
    code.used_at = now
    if code.expires_at <= now:
        raise invalid_grant("This code is too old.")
    if form.get("redirect_uri") != code.redirect_uri:
        raise invalid_grant("redirect_uri is not the one of the authorization request.")
    _check_verifier(code.code_challenge, form.get("code_verifier"))
    account, login = _person(session, code.account_id, code.session_id, now)
    if is_program(client):
        login = sessions.for_program(
            session, id_=family, login=login, user_agent=caller.agent, address=caller.address, now=now
        )
        factors.notify(
            session, account, what=f"{client.name} was signed in", now=now,
            detail="It can read what you may read until you sign it out, which you can do on the page of your account.",
        )  # fmt: skip
    return _tokens(session, issuer, client, account, login, code.scope, family, now, nonce=code.nonce, is_first=True)


def _check_verifier(challenge: str, verifier: str | None) -> None:
    if verifier is None or not 43 <= len(verifier) <= 128:
        raise invalid_grant("code_verifier is missing or malformed.")
    computed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if not hmac.compare_digest(computed, challenge):
        raise invalid_grant("code_verifier does not match.")


def _refresh(
    session: Session, issuer: claims.Issuer, client: OAuthClient, form: dict[str, str], now: datetime
) -> dict[str, Any]:
    token = session.scalar(
        select(RefreshToken).where(RefreshToken.token_hash == digest(form.get("refresh_token", ""))).with_for_update()
    )
    if token is None or token.client_id != client.client_id:
        raise invalid_grant("Unknown refresh token.")
    if token.used_at is not None:
        log.warning("refresh_token_reused", client_id=client.client_id, account_id=str(token.account_id))
        _revoke_family(session, token.family_id, now)
        raise invalid_grant("This refresh token was used before. Its whole family has been revoked.")
    if token.revoked_at is not None or token.expires_at <= now:
        raise invalid_grant("This refresh token is revoked or too old.")
    account, login = _person(session, token.account_id, token.session_id, now)
    if account.role not in client.allowed_roles:
        raise invalid_grant("This application is not for this account any more.")
    scope = form.get("scope") or token.scope
    if not set(scope.split()) <= set(token.scope.split()):
        raise OAuthError("invalid_scope", "A refresh cannot widen the scope.")
    token.used_at = now
    sessions.touch(login, now)
    return _tokens(session, issuer, client, account, login, scope, token.family_id, now, family_scope=token.scope)


def _person(session: Session, account_id: UUID, session_id: UUID, now: datetime) -> tuple[Account, LoginSession]:
    account, login = session.get_one(Account, account_id), session.get_one(LoginSession, session_id)
    if account.disabled_at is not None or not sessions.is_live(login, now):
        raise invalid_grant("The person has signed out.")
    return account, login


def _tokens(
    session: Session,
    issuer: claims.Issuer,
    client: OAuthClient,
    account: Account,
    login: LoginSession,
    scope: str,
    family: UUID,
    now: datetime,
    *,
    nonce: str | None = None,
    is_first: bool = False,
    family_scope: str | None = None,
) -> dict[str, Any]:
    access = claims.access_token(issuer, client, scope=scope, now=now, account=account, login=login, grant_id=family)
    answer: dict[str, Any] = {
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": client.access_token_seconds,
        "scope": scope,
    }
    if "openid" in scope.split():
        answer["id_token"] = claims.id_token(
            issuer, client, account, login, scope=scope, nonce=nonce, access=access, now=now
        )
    if not is_first or "offline_access" in scope.split():
        secret = secrets.token_urlsafe(32)
        session.add(
            RefreshToken(
                token_hash=digest(secret),
                family_id=family,
                client_id=client.client_id,
                account_id=account.id,
                session_id=login.id,
                scope=family_scope or scope,
                created_at=now,
                expires_at=login.expires_at,
            )
        )
        answer["refresh_token"] = secret
    return answer


def _revoke_family(session: Session, family: UUID, now: datetime) -> None:
    sessions.end_if_live(session, session_id=family, now=now)  # a program has one of its own
    revocations.end(session, [family], now=now)
    session.execute(
        update(RefreshToken)
        .where(RefreshToken.family_id == family, RefreshToken.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def revoke(session: Session, issuer: claims.Issuer, client: OAuthClient, token: str, *, now: datetime) -> None:
    """Revoke a refresh or an access token of this client, and with it all that came from the same code (RFC 7009).

    What is no token, or another client's, is no error.
    """
    row = session.scalar(select(RefreshToken).where(RefreshToken.token_hash == digest(token)))
    told = claims.read_access_token(issuer, token) or {}
    family, client_id = (row.family_id, row.client_id) if row else (told.get("gid"), told.get("client_id"))
    if family is not None and client_id == client.client_id:
        _revoke_family(session, UUID(str(family)), now)


def introspect(session: Session, issuer: claims.Issuer, client: OAuthClient, token: str) -> dict[str, Any]:
    """What RFC 7662 answers: the claims of a token that holds now, and of every other only that it does not.

    Raises:
        OAuthError: invalid_client, for a client that cannot prove who it is.
    """
    if client.secret_hash is None:
        raise invalid_client()
    told = claims.read_access_token(issuer, token)
    if told is None or not _audiences(told) & set(client.audiences):
        return {"active": False}
    if told["role"] != "service" and not standing.holds(session, person_of(told)):
        return {"active": False}
    return {"active": True, "token_type": "Bearer"} | told


def _audiences(told: dict[str, Any]) -> set[str]:
    return {told["aud"]} if isinstance(told["aud"], str) else set(told["aud"])
