"""Asking for one's account to be deleted: two weeks to think again, then it is closed, and an hour later forgotten.

Each context forgets its own of a closed account when it hears of it (`core.personal`). The account keeps its address
and its name for that hour, for whoever still has something to say to it: that it was closed, that a session is off.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from contracts.events.identity import AccountClosed, DeletionRequested, DeletionWithdrawn
from contracts.telemetry import get_logger
from operational_api.core import closing, outbox, personal
from operational_api.core.outbox import publish
from operational_api.engagement import public as engagement
from operational_api.identity.errors import DeletionNotRequested
from operational_api.identity.models import Account, DeletionRequest, LinkedLogin, LoginSession
from operational_api.identity.personal import PERSONAL
from operational_api.identity.service import factors, sessions

THINK_AGAIN = timedelta(days=14)


FORGOTTEN_AFTER = timedelta(hours=1)
NOBODY = "@closed.invalid"
"""Where the addresses of forgotten accounts are; no mail is ever delivered to `.invalid` (RFC 2606)."""
CLOSED = "Closed account"
_AT_ONCE = 100

log = get_logger(__name__)


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
        .order_by(DeletionRequest.account_id)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        closing.wait_for_others(session, row.account_id)
        row.closed_at = now
        session.get_one(Account, row.account_id).disabled_at = now
        session.execute(delete(LinkedLogin).where(LinkedLogin.account_id == row.account_id))
        sessions.revoke_all(session, account_id=row.account_id, now=now)
        publish(session, AccountClosed(occurred_at=now, account_id=row.account_id))


def forget_closed(session: Session, now: datetime) -> None:
    """Take out of closed accounts who they were and how they signed in. What stays is an id, and that it was closed."""
    accounts = session.execute(
        select(Account.id, Account.email)
        .join(DeletionRequest, DeletionRequest.account_id == Account.id)
        .where(DeletionRequest.closed_at <= now - FORGOTTEN_AFTER, ~Account.email.endswith(NOBODY))
        .order_by(Account.id)
        .limit(_AT_ONCE)
        .with_for_update(of=Account)  # who writes to the address at this moment is waited for, and nobody does after it
    ).all()
    for account_id, email in accounts:
        engagement.forget_address(session, email, account_id=account_id, now=now)
        for contribution in PERSONAL:
            personal.forget(session, contribution, account_id)
            for name in contribution.withheld:
                table = personal.table_of(contribution.schema, name)
                if "account_id" in table.columns:
                    session.execute(delete(table).where(table.c.account_id == account_id))
        session.execute(
            update(Account)
            .where(Account.id == account_id)
            .values(email=f"{account_id}{NOBODY}", email_verified_at=None, password_hash=None, display_name=CLOSED)
        )
        outbox.forget_name(session, account_id)
        log.info("account_forgotten", account_id=str(account_id))
