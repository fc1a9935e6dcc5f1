"""Sessions of the web app: an opaque cookie in the browser, the person and their tokens here.

Identity ends them together with its login sessions (`end_for_logins`): a revoked device is out with its next request.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from cryptography.fernet import Fernet
from fastapi import Request
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from contracts.telemetry import get_logger
from operational_api.core.errors import Unauthenticated, Unavailable
from operational_api.core.principal import Credential, Principal
from operational_api.settings import ApiSettings
from operational_api.web.cookies import read_cookie
from operational_api.web.models import WebSession

log = get_logger(__name__)
CLIENT_ID = "plyo-app"
LONGEST = timedelta(days=30)
IDLE = timedelta(days=14)
_SEEN_EVERY = timedelta(minutes=5)
_REFRESH_BEFORE = timedelta(seconds=60)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _box(settings: ApiSettings) -> Fernet:
    key = hashlib.sha256(b"web-session-tokens\0" + settings.session_secret.get_secret_value().encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def start(
    session: Session,
    settings: ApiSettings,
    *,
    tokens: dict[str, Any],
    claims: dict[str, Any],
    language: str | None = None,
    now: datetime,
) -> str:
    """Keep a browser's sign-in and return the secret for its cookie.

    Args:
        tokens: The token endpoint's answer.
        claims: Of the verified id_token.
        language: The person's own; None: whatever a browser likes.
    """
    secret = secrets.token_urlsafe(32)
    session.add(
        WebSession(
            token_hash=_digest(secret),
            account_id=UUID(claims["sub"]),
            login_session_id=UUID(claims["sid"]),
            role=claims["role"],
            display_name=claims["name"],
            time_zone=claims.get("zoneinfo", "UTC"),
            language=language,
            tokens=_box(settings).encrypt(json.dumps(tokens).encode()),
            access_expires_at=now + timedelta(seconds=tokens["expires_in"]),
            last_seen_at=now,
            expires_at=now + LONGEST,
        )
    )
    return secret


def find(session: Session, *, secret: str | None, now: datetime) -> WebSession | None:
    """The live session of a cookie, or None."""
    if not secret:
        return None
    row = session.scalar(select(WebSession).where(WebSession.token_hash == _digest(secret)))
    if row is None or row.expires_at <= now or row.last_seen_at <= now - IDLE:
        return None
    return row


def renew(row: WebSession) -> str:
    """A new secret for a session whose holder proved anew who they are; the old cookie is void."""
    secret = secrets.token_urlsafe(32)
    row.token_hash = _digest(secret)
    return secret


def end(session: Session, row: WebSession) -> None:
    """Forget one browser's session and its tokens."""
    session.delete(row)


def end_for_logins(session: Session, login_session_ids: Sequence[UUID]) -> None:
    """Forget every web session that came from these sessions at the provider."""
    session.execute(delete(WebSession).where(WebSession.login_session_id.in_(login_session_ids)))


def rename(session: Session, *, account_id: UUID, display_name: str, time_zone: str) -> None:
    """Show a changed profile in sessions that are open."""
    for row in session.scalars(select(WebSession).where(WebSession.account_id == account_id)):
        row.display_name, row.time_zone = display_name, time_zone


def speak(session: Session, *, account_id: UUID, language: str | None) -> None:
    """Go on in another language in sessions that are open; None is whatever each browser likes."""
    session.execute(update(WebSession).where(WebSession.account_id == account_id).values(language=language))


def cookie_authenticator(request: Request) -> Principal | None:
    """Reads the session cookie. A stale cookie makes a guest, not an error: pages are open to guests.

    Leaves the reader's time zone and language in `request.state`.
    """
    secret = read_cookie(request, "session")
    if not secret:
        return None
    now = datetime.now(UTC)
    with request.app.state.sessions.begin() as session:
        row = find(session, secret=secret, now=now)
        if row is None:
            return None
        if now - row.last_seen_at > _SEEN_EVERY:
            row.last_seen_at = now
        request.state.time_zone, request.state.language = row.time_zone, row.language
        return Principal(
            role=row.role, client_id=CLIENT_ID, account_id=row.account_id, session_id=row.login_session_id,
            display_name=row.display_name,
            credential=Credential(names=(row.login_session_id,), issued_at=int(now.timestamp())),
        )  # fmt: skip


def tokens_of(settings: ApiSettings, row: WebSession) -> dict[str, Any]:
    """The tokens of a session in clear."""
    found: dict[str, Any] = json.loads(_box(settings).decrypt(row.tokens))
    return found


def access_token(request: Request) -> str:
    """An access token of the person whose page this is, to ask another service in their name; renewed when old.

    Raises:
        Unauthenticated: no session, or the provider ended it.
        Unavailable: the provider does not answer.
    """
    settings: ApiSettings = request.app.state.settings
    now = datetime.now(UTC)
    with request.app.state.sessions.begin() as session:
        row = find(session, secret=read_cookie(request, "session"), now=now)
        if row is None:
            raise Unauthenticated
        if row.access_expires_at - now > _REFRESH_BEFORE:
            return str(tokens_of(settings, row)["access_token"])
        # Two pages at once must not both use the refresh token: the second use would end the session.
        session.refresh(row, with_for_update=True)
        tokens = tokens_of(settings, row)
        if row.access_expires_at - now <= _REFRESH_BEFORE:
            fresh = ask_for_tokens(
                request, {"grant_type": "refresh_token", "refresh_token": tokens.get("refresh_token", "")}
            )
            if fresh is not None:
                tokens |= fresh
                row.tokens = _box(settings).encrypt(json.dumps(tokens).encode())
                row.access_expires_at = now + timedelta(seconds=tokens["expires_in"])
            else:
                end(session, row)
                tokens = {}
    if not tokens:
        raise Unauthenticated
    return str(tokens["access_token"])


def back_channel(request: Request) -> httpx.Client:
    """Talks to the provider's token endpoint; one client per process."""
    known: httpx.Client | None = getattr(request.app.state, "back_channel", None)
    if known is None:
        known = request.app.state.back_channel = httpx.Client(base_url=request.app.state.settings.api_url, timeout=10)
    return known


def ask_for_tokens(request: Request, form: dict[str, str]) -> dict[str, Any] | None:
    """The token endpoint's answer, or None where it refused.

    Raises:
        Unavailable: it did not answer.
    """
    settings: ApiSettings = request.app.state.settings
    try:
        answer = back_channel(request).post(
            "/oidc/token", data=form, auth=(CLIENT_ID, settings.app_client_secret.get_secret_value())
        )
    except httpx.TransportError as error:
        log.warning("provider_unreachable", error=str(error))
        raise Unavailable("Signing in is not possible right now. Try again in a minute.") from error
    if answer.status_code >= 500:
        raise Unavailable("Signing in is not possible right now. Try again in a minute.")
    if answer.status_code != 200:
        log.warning("provider_refused", status=answer.status_code, error=answer.json().get("error"))
        return None
    found: dict[str, Any] = answer.json()
    return found
