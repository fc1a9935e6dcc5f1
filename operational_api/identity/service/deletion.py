"""Asking for one's account to be deleted: two weeks to think again, then it is closed. Erasing is `compliance`'s."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from contracts.events.identity import AccountClosed, DeletionRequested, DeletionWithdrawn
from operational_api.core.outbox import publish
from operational_api.identity.errors import DeletionNotRequested
from operational_api.identity.models import Account, DeletionRequest, LinkedLogin, LoginSession
from operational_api.identity.service import factors, sessions

THINK_AGAIN = timedelta(days=14)


def open_request(session: Session, account_id: UUID) -> DeletionRequest | None:
    """The request that runs, if any."""
    return session.scalar(
        select(DeletionRequest).where(
            DeletionRequest.account_id == account_id,
            DeletionRequest.withdrawn_at.is_(None),
            DeletionRequest.closed_at.is_(None),
        )
    )


def request(session: Session, *, account: Account, reason: str, now: datetime) -> DeletionRequest:
    """Ask for deletion; asking again changes nothing. No session outlives the day on which the account closes."""
    known = open_request(session, account.id)
    if known is not None:
        return known
    row = DeletionRequest(
        account_id=account.id, reason=" ".join(reason.split())[:500], requested_at=now, due_at=now + THINK_AGAIN
    )
    session.add(row)
    session.execute(
        update(LoginSession)
        .where(LoginSession.account_id == account.id, LoginSession.expires_at > row.due_at)
        .values(expires_at=row.due_at)
    )
    publish(session, DeletionRequested(occurred_at=now, account_id=account.id, due_at=row.due_at))
    factors.notify(
        session, account, what="Your account will be deleted", now=now,
        detail=f"On {row.due_at:%-d %B %Y} it is closed and what we know of you is erased. Until then sign in and "
        "press one button to keep it.",
    )  # fmt: skip
    return row


def withdraw(session: Session, *, account: Account, now: datetime) -> None:
    """Keep the account after all.

    Raises:
        DeletionNotRequested: nothing was asked for, or it is too late.
    """
    row = open_request(session, account.id)
    if row is None or row.due_at <= now:
        raise DeletionNotRequested
    row.withdrawn_at = now
    publish(session, DeletionWithdrawn(occurred_at=now, account_id=account.id))
    factors.notify(session, account, what="Your account stays", detail="Nothing will be deleted.", now=now)


def close_due(session: Session, now: datetime) -> None:
    """Close every account whose two weeks are over and end its sessions."""
    rows = session.scalars(
        select(DeletionRequest)
        .where(
            DeletionRequest.due_at <= now, DeletionRequest.withdrawn_at.is_(None), DeletionRequest.closed_at.is_(None)
        )
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        row.closed_at = now
        session.get_one(Account, row.account_id).disabled_at = now
        session.execute(delete(LinkedLogin).where(LinkedLogin.account_id == row.account_id))
        sessions.revoke_all(session, account_id=row.account_id, now=now)
        publish(session, AccountClosed(occurred_at=now, account_id=row.account_id))
