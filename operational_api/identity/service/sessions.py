"""Sessions at the provider: one per signed-in browser. Ending one ends everything that came from it, at once."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core import audit, revocations
from operational_api.identity.errors import SessionNotFound
from operational_api.identity.models import Account, DeletionRequest, LoginSession, PendingSignIn, RefreshToken
from operational_api.identity.service.links import digest
from operational_api.web import sessions as web_sessions

LONGEST = timedelta(days=30)
IDLE = timedelta(days=14)
_SEEN_EVERY = timedelta(minutes=5)


def create(
    session: Session, *, account_id: UUID, user_agent: str, address: str, amr: Sequence[str], now: datetime,
    id_: UUID | None = None, authenticated_at: datetime | None = None,
) -> tuple[LoginSession, str]:  # fmt: skip
    """A new session and the secret that its browser keeps.

    Args:
        amr: How the person proved who they are (RFC 8176).
        authenticated_at: When they did, where that was before.
    """
    secret = secrets.token_urlsafe(32)
    end = now + LONGEST
    closes_at = account_closes_at(session, account_id)
    row = LoginSession(
        id=id_ or new_id(), token_hash=digest(secret), account_id=account_id, created_at=now, last_seen_at=now,
        authenticated_at=authenticated_at or now,
        expires_at=min(end, closes_at) if closes_at else end, user_agent=user_agent[:300] or None,
        ip_address=address or None, amr=list(amr),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row, secret


def for_program(
    session: Session, *, id_: UUID, login: LoginSession, user_agent: str, address: str, now: datetime
) -> LoginSession:
    """A session of a program that a signed-in person let in, of its own: no browser has it, and it is ended alone.

    Args:
        login: Of the browser that they let it in with; it proves no more than that did.
    """
    row, _ = create(
        session, account_id=login.account_id, user_agent=user_agent, address=address, amr=login.amr, now=now, id_=id_,
        authenticated_at=login.authenticated_at,
    )  # fmt: skip
    audit.record(
        session, "identity.sign_in", "LoginSession", row.id, actor_id=login.account_id, subject_id=login.account_id,
        purpose="security", now=now, details={"program": row.user_agent, "let_in_by": str(login.id)},
    )  # fmt: skip
    return row


def renew_secret(row: LoginSession) -> str:
    """A new secret for the cookie of a session; what any other browser kept of it is void."""
    secret = secrets.token_urlsafe(32)
    row.token_hash = digest(secret)
    return secret


def account_closes_at(session: Session, account_id: UUID) -> datetime | None:
    """When the account is closed because its owner asked for it; None when nobody did."""
    return session.scalar(
        select(DeletionRequest.due_at).where(
            DeletionRequest.account_id == account_id,
            DeletionRequest.withdrawn_at.is_(None),
            DeletionRequest.closed_at.is_(None),
        )
    )


def is_live(row: LoginSession, now: datetime) -> bool:
    """Not revoked, not too old, not unused for too long."""
    return row.revoked_at is None and row.expires_at > now and row.last_seen_at > now - IDLE


def find(session: Session, *, secret: str | None, now: datetime) -> tuple[LoginSession, Account] | None:
    """The live session of a cookie and its account; None when there is none, or the account is closed."""
    if not secret:
        return None
    found = session.execute(
        select(LoginSession, Account)
        .join(Account, Account.id == LoginSession.account_id)
        .where(LoginSession.token_hash == digest(secret))
    ).first()
    if found is None or not is_live(found[0], now) or found[1].disabled_at is not None:
        return None
    touch(found[0], now)
    return found[0], found[1]


def touch(row: LoginSession, now: datetime) -> None:
    """Note that the session is in use; written at most every few minutes."""
    if now - row.last_seen_at > _SEEN_EVERY:
        row.last_seen_at = now


def listed(session: Session, *, account_id: UUID, now: datetime) -> Sequence[LoginSession]:
    """Live sessions of an account, newest use first."""
    return session.scalars(
        select(LoginSession)
        .where(
            LoginSession.account_id == account_id,
            LoginSession.revoked_at.is_(None),
            LoginSession.expires_at > now,
            LoginSession.last_seen_at > now - IDLE,
        )
        .order_by(LoginSession.last_seen_at.desc())
    ).all()


def revoke(session: Session, *, account_id: UUID, session_id: UUID, now: datetime) -> None:
    """Sign one browser out: no refresh, no page, from this commit on.

    Raises:
        SessionNotFound: not one of this account's live sessions.
    """
    row = session.scalar(
        select(LoginSession).where(
            LoginSession.id == session_id, LoginSession.account_id == account_id, LoginSession.revoked_at.is_(None)
        )
    )
    if row is None:
        raise SessionNotFound
    _end(session, [row.id], now)


def end_if_live(session: Session, *, session_id: UUID, now: datetime) -> None:
    """Sign a browser out by its session's id alone; nothing happens where it is signed out already."""
    row = session.get(LoginSession, session_id)
    if row is not None and row.revoked_at is None:
        _end(session, [row.id], now)


def revoke_all(session: Session, *, account_id: UUID, now: datetime, keep: UUID | None = None) -> int:
    """Sign every browser of an account out, but the session `keep`. Returns how many there were.

    Sign-ins under way end too: they began with what counted before.
    """
    session.execute(
        update(PendingSignIn)
        .where(
            PendingSignIn.account_id == account_id,
            PendingSignIn.finished_at.is_(None),
            PendingSignIn.session_id.is_distinct_from(keep) | PendingSignIn.session_id.is_(None),
        )
        .values(expires_at=now)
    )
    ids = session.scalars(
        select(LoginSession.id).where(LoginSession.account_id == account_id, LoginSession.revoked_at.is_(None))
    ).all()
    ended = [one for one in ids if one != keep]
    _end(session, ended, now)
    return len(ended)


def _end(session: Session, ids: Sequence[UUID], now: datetime) -> None:
    if not ids:
        return
    ended = update(LoginSession).where(LoginSession.id.in_(ids)).values(revoked_at=now)
    for id_, account_id in session.execute(ended.returning(LoginSession.id, LoginSession.account_id)):
        audit.record(session, "identity.end_session", "LoginSession", id_, subject_id=account_id, now=now)
    session.execute(
        update(RefreshToken)
        .where(RefreshToken.session_id.in_(ids), RefreshToken.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    revocations.end(session, ids, now=now)
    web_sessions.end_for_logins(session, ids)
