"""Signing somebody else out everywhere: a stolen phone, a colleague who left in anger. The person is told."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.core import audit
from operational_api.core.policy import Resource, require
from operational_api.core.principal import Principal
from operational_api.identity.models import Account
from operational_api.identity.roles.errors import AccountNotFound
from operational_api.identity.service import factors, sessions


def sign_out(session: Session, *, account_id: UUID, reason: str, principal: Principal, now: datetime) -> int:
    """End every session of an account, what was made of them, and sign-ins under way. Returns how many sessions.

    Raises:
        AccountNotFound: no such account, or not one that the principal may sign out.
    """
    account = session.get(Account, account_id)
    if account is None:
        raise AccountNotFound
    kind = None if account.role == "customer" else "business"
    about = Resource("Account", account_id, customer_id=account_id, kind=kind)
    require(principal, "identity.end_sessions", about, missing=AccountNotFound)
    ended = sessions.revoke_all(session, account_id=account_id, now=now)
    audit.record(
        session, "identity.end_sessions", "Account", account_id, actor_id=principal.account_id, subject_id=account_id,
        purpose="security", now=now, details={"reason": reason, "sessions_ended": ended},
    )  # fmt: skip
    factors.notify(
        session, account, what="You were signed out everywhere", now=now,
        detail="Somebody at Plyo did it to keep your account safe. Sign in again to go on.",
    )  # fmt: skip
    return ended
