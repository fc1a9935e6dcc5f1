"""Asking for a role, and deciding. What is approved holds at once, and ends every session that began without it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from contracts.events.identity import RoleGrantDecided, RoleGranted, RoleGrantRequested
from operational_api.core import audit, revocations
from operational_api.core.approvals import Approvals
from operational_api.core.outbox import publish
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
from operational_api.identity.service import sessions, step_up


def _requested(row: RoleGrant) -> RoleGrantRequested:
    return RoleGrantRequested(
        occurred_at=row.requested_at, grant_id=row.id, account_id=row.account_id, role=row.role,
        requested_by=row.requested_by,
    )  # fmt: skip


def _decided(row: RoleGrant, now: datetime) -> RoleGrantDecided:
    return RoleGrantDecided(
        occurred_at=now, grant_id=row.id, account_id=row.account_id, decision=row.status, decided_by=row.decided_by,
        requested_by=row.requested_by,
    )  # fmt: skip


GRANTS = Approvals(
    RoleGrant, ask="identity.request_role", decide="identity.approve_role", about=lambda row: row.account_id,
    once=("account_id",), requested=_requested, decided=_decided, missing=RoleGrantNotFound, own=OwnRoleGrant,
    closed=RoleGrantClosed, asked_already=RoleAskedAlready,
)  # fmt: skip


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
    if account.role == role:
        raise RoleUnchanged
    row = RoleGrant(account_id=account_id, from_role=account.role, role=role, reason=reason)
    return GRANTS.request(session, row, principal=principal, now=now)


def approve(session: Session, *, grant_id: UUID, principal: Principal, reason: str = "", now: datetime) -> RoleGrant:
    """Give the role that somebody else asked for, from this commit on, and announce it.

    Every session of the person ends: what the new role demands of a sign-in (a second factor) was never asked in them,
    and what the old one opened must not stay open.

    Raises:
        RoleGrantNotFound, OwnRoleGrant, RoleGrantClosed: as `core.approvals` says.
        StepUpRequired: the principal may, and has to prove anew who they are.
        AccountChanged: the person has another role than when it was asked for.
    """

    def give(row: RoleGrant) -> None:
        step_up.demand(session, session_id=principal.session_id, now=now)
        account = session.get_one(Account, row.account_id, with_for_update=True, populate_existing=True)
        if account.role != row.from_role:
            raise AccountChanged
        account.role = row.role
        revocations.note_role(session, account_id=account.id, role=row.role, now=now)
        ended = sessions.revoke_all(session, account_id=account.id, now=now)
        audit.record(
            session, "identity.change_role", "Account", account.id, actor_id=principal.account_id,
            subject_id=account.id, purpose="security", now=now,
            details={
                "from": row.from_role, "to": row.role, "requested_by": str(row.requested_by), "grant": str(row.id),
                "sessions_ended": ended,
            },
        )  # fmt: skip
        assert principal.account_id is not None  # noqa: S101 - nobody else may decide
        publish(
            session,
            RoleGranted(
                occurred_at=now, grant_id=row.id, account_id=account.id, role=row.role, previous_role=row.from_role,
                requested_by=row.requested_by, approved_by=principal.account_id,
            ),
        )  # fmt: skip

    return GRANTS.approve(session, grant_id, principal=principal, effect=give, reason=reason, now=now)
