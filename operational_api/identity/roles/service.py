"""Asking for a role, and deciding. What is approved holds at once, and ends every session that began without it."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contracts.events.identity import RoleGrantDecided, RoleGranted, RoleGrantRequested
from contracts.ids import new_id
from operational_api.core import audit, revocations
from operational_api.core.outbox import publish
from operational_api.core.paging import after, cut
from operational_api.core.policy import Resource, is_allowed
from operational_api.core.principal import Principal
from operational_api.identity.models import Account, RoleGrant
from operational_api.identity.roles.errors import (
    AccountChanged,
    AccountNotFound,
    OwnRoleGrant,
    RoleAskedAlready,
    RoleGrantClosed,
    RoleGrantNotFound,
    RoleUnchanged,
)
from operational_api.identity.service import sessions

OPEN_FOR = timedelta(days=7)


def request_role(
    session: Session, *, account_id: UUID, role: str, reason: str, principal: Principal, now: datetime
) -> RoleGrant:
    """Ask for somebody to have a role, instead of the one they have, and announce it.

    Raises:
        AccountNotFound: no such account.
        OwnRoleGrant: it is the principal's own.
        RoleUnchanged: they have it.
        RoleAskedAlready: another one for them is waiting to be decided.
    """
    account = session.get(Account, account_id)
    if account is None:
        raise AccountNotFound
    about = Resource("Account", account_id, customer_id=account_id)
    if not is_allowed(principal, "identity.request_role", about) or principal.account_id is None:
        raise OwnRoleGrant
    if account.role == role:
        raise RoleUnchanged
    row = RoleGrant(
        id=new_id(), account_id=account_id, from_role=account.role, role=role, reason=reason, status="requested",
        requested_by=principal.account_id, requested_at=now, expires_at=now + OPEN_FOR,
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.execute(  # nobody can approve it any more, and it must not block a new one
                update(RoleGrant)
                .where(RoleGrant.account_id == account_id, RoleGrant.status == "requested", RoleGrant.expires_at <= now)
                .values(status="declined", decided_by=principal.account_id, decided_at=now)
            )
            session.add(row)
            session.flush()
    except IntegrityError as error:
        raise RoleAskedAlready from error
    publish(
        session,
        RoleGrantRequested(
            occurred_at=now, grant_id=row.id, account_id=account_id, role=role, requested_by=principal.account_id
        ),
    )
    return row


def approve(session: Session, *, grant_id: UUID, principal: Principal, now: datetime) -> RoleGrant:
    """Give the role that somebody else asked for, from this commit on, and announce it.

    Every session of the person ends: what the new role demands of a sign-in (a second factor) was never asked in them,
    and what the old one opened must not stay open.

    Raises:
        RoleGrantNotFound: no such request.
        OwnRoleGrant: the principal asked for it, or it is their own role.
        RoleGrantClosed: decided already, or asked too long ago.
        AccountChanged: the person has another role than when it was asked for.
    """
    row = _open(session, grant_id)
    asked = Resource(
        "RoleGrant", row.id, customer_id=row.account_id, requested_by=row.requested_by, expires_at=row.expires_at
    )
    if not is_allowed(principal, "identity.approve_role", asked) or principal.account_id is None:
        if row.expires_at <= now:
            raise RoleGrantClosed("This was asked too long ago. Ask for it again.")
        raise OwnRoleGrant
    account = session.get_one(Account, row.account_id, with_for_update=True, populate_existing=True)
    if account.role != row.from_role:
        raise AccountChanged
    account.role = row.role
    revocations.note_role(session, account_id=account.id, role=row.role, now=now)
    ended = sessions.revoke_all(session, account_id=account.id, now=now)
    audit.record(
        session, "identity.change_role", "Account", account.id, actor_id=principal.account_id, subject_id=account.id,
        purpose="security", now=now,
        details={
            "from": row.from_role, "to": row.role, "requested_by": str(row.requested_by), "grant": str(row.id),
            "sessions_ended": ended,
        },
    )  # fmt: skip
    publish(
        session,
        RoleGranted(
            occurred_at=now, grant_id=row.id, account_id=account.id, role=row.role, previous_role=row.from_role,
            requested_by=row.requested_by, approved_by=principal.account_id,
        ),
    )  # fmt: skip
    return _decide(session, row, "approved", principal.account_id, now)


def decline(session: Session, *, grant_id: UUID, by: UUID, now: datetime) -> RoleGrant:
    """Say no, or take back what one asked for oneself.

    Raises:
        RoleGrantNotFound: no such request.
        RoleGrantClosed: decided already.
    """
    return _decide(session, _open(session, grant_id), "declined", by, now)


def grants(
    session: Session, *, status: str | None, limit: int, cursor: str | None
) -> tuple[list[RoleGrant], str | None]:
    """A page of what was asked for, the newest first."""
    query = select(RoleGrant).order_by(RoleGrant.id.desc()).limit(limit + 1)
    if status is not None:
        query = query.where(RoleGrant.status == status)
    if cursor is not None:
        (last,) = after(cursor, UUID)
        query = query.where(RoleGrant.id < last)
    return cut(session.scalars(query).all(), limit, lambda one: (one.id,))


def _open(session: Session, grant_id: UUID) -> RoleGrant:
    row = session.get(RoleGrant, grant_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise RoleGrantNotFound
    if row.status != "requested":
        raise RoleGrantClosed
    return row


def _decide(session: Session, row: RoleGrant, status: str, by: UUID, now: datetime) -> RoleGrant:
    row.status, row.decided_by, row.decided_at = status, by, now
    session.flush()
    publish(
        session,
        RoleGrantDecided(
            occurred_at=now, grant_id=row.id, account_id=row.account_id, decision=status, decided_by=by,
            requested_by=row.requested_by,
        ),
    )  # fmt: skip
    return row
