"""Asking that lost second factors be taken away, and deciding. The person is told both times, by e-mail.

Their password stays what it is: whoever must have a second factor sets up a new one at their next sign-in.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.orm import Session

from contracts.events.identity import FactorRemoved, FactorResetDecided, FactorResetRequested
from operational_api.core import audit
from operational_api.core.approvals import Approvals
from operational_api.core.outbox import publish
from operational_api.core.policy import Resource, require
from operational_api.core.principal import Principal
from operational_api.identity.factor_resets.errors import (
    NothingToReset,
    OwnReset,
    ResetAskedAlready,
    ResetClosed,
    ResetNotFound,
)
from operational_api.identity.models import Account, FactorReset, Passkey, RecoveryCode, TotpDevice
from operational_api.identity.roles.errors import AccountNotFound
from operational_api.identity.service import factors, sessions, step_up


def _requested(row: FactorReset) -> FactorResetRequested:
    return FactorResetRequested(
        occurred_at=row.requested_at, reset_id=row.id, account_id=row.account_id, identity_check=row.identity_check,
        requested_by=row.requested_by,
    )  # fmt: skip


def _decided(row: FactorReset, now: datetime) -> FactorResetDecided:
    return FactorResetDecided(
        occurred_at=now, reset_id=row.id, account_id=row.account_id, decision=row.status, decided_by=row.decided_by,
        requested_by=row.requested_by,
    )  # fmt: skip


RESETS = Approvals(
    FactorReset, ask="identity.request_factor_reset", decide="identity.approve_factor_reset",
    about=lambda row: row.account_id, once=("account_id",), requested=_requested, decided=_decided,
    missing=ResetNotFound, own=OwnReset, closed=ResetClosed, asked_already=ResetAskedAlready,
    kind=lambda row: "business" if row.is_staff else None,
)  # fmt: skip


def request_reset(
    session: Session, *, account_id: UUID, identity_check: str, reason: str, principal: Principal, now: datetime
) -> FactorReset:
    """Ask for somebody's second factors to be taken away; they are told at once, in time to object.

    Args:
        identity_check: How it was made sure that it is them: photo_id, video_call or known_person.

    Raises:
        AccountNotFound: no such account, or not one that the principal may look up.
        OwnReset: it is the principal's own, or the policy keeps them from asking it for this person.
        NothingToReset: they have none.
        ResetAskedAlready: one for them is waiting to be decided.
    """
    account = session.get(Account, account_id)
    if account is None:
        raise AccountNotFound
    is_staff = account.role != "customer"
    about = Resource("Account", account_id, customer_id=account_id, kind="business" if is_staff else None)
    require(principal, "identity.look_up_person", about, missing=AccountNotFound)
    if not factors.has_one(session, account_id):
        raise NothingToReset
    row = FactorReset(account_id=account_id, identity_check=identity_check, is_staff=is_staff, reason=reason)
    RESETS.request(session, row, principal=principal, now=now)
    factors.notify(
        session, account, what="We were asked to remove your second step", now=now,
        detail="Somebody at Plyo was told that you lost it, and made sure that it was you. Nothing is removed before a "
        "second person here agrees. If it was not you, answer this e-mail.",
    )  # fmt: skip
    return row


def approve(session: Session, *, reset_id: UUID, principal: Principal, reason: str = "", now: datetime) -> FactorReset:
    """Take away every second factor that somebody else asked to be taken away, and sign the person out everywhere.

    Raises:
        ResetNotFound, OwnReset, ResetClosed: as `core.approvals` says.
        StepUpRequired: the principal may, and has to prove anew who they are.
    """

    def take_away(row: FactorReset) -> None:
        step_up.demand(session, session_id=principal.session_id, now=now)
        account = session.get_one(Account, row.account_id, with_for_update=True)
        before = factors.of(session, account.id)
        kinds = (["totp"] if before.totp else []) + ["passkey"] * len(before.passkeys)
        for model in (TotpDevice, Passkey, RecoveryCode):
            session.execute(delete(model).where(model.account_id == account.id))
        for kind in kinds:
            publish(session, FactorRemoved(occurred_at=now, account_id=account.id, factor=kind))
        ended = sessions.revoke_all(session, account_id=account.id, now=now)
        audit.record(
            session, "identity.reset_factors", "Account", account.id, actor_id=principal.account_id,
            subject_id=account.id, purpose="security", now=now,
            details={
                "reset": str(row.id), "requested_by": str(row.requested_by), "identity_check": row.identity_check,
                "removed": len(kinds), "sessions_ended": ended,
            },
        )  # fmt: skip
        factors.notify(
            session, account, what="Your second step was removed", now=now,
            detail="You were signed out everywhere. Sign in with your password and set up a new second step under "
            "Account.",
        )  # fmt: skip

    return RESETS.approve(session, reset_id, principal=principal, effect=take_away, reason=reason, now=now)
