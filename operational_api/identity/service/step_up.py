"""Proving anew who one is, before what would take an account from its owner: e-mail, password, factors, deletion."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from contracts.events.identity import SteppedUp
from operational_api.core.outbox import publish
from operational_api.identity.errors import StepUpRequired
from operational_api.identity.models import LoginSession
from operational_api.identity.service import factors, sessions

FRESH = timedelta(minutes=10)


def demand(session: Session, *, session_id: UUID | None, now: datetime, resume: str | None = None) -> LoginSession:
    """The session, whose holder proved within ten minutes who they are, with a second factor if they have one.

    Args:
        session_id: Of the principal that asks.
        resume: Path of a page that shows what was filled in, to come back to.

    Raises:
        StepUpRequired: also for a session that we do not know.
    """
    row = session.get(LoginSession, session_id) if session_id else None
    extra = {"resume": resume} if resume else {}
    if row is None or not sessions.is_live(row, now) or now - row.authenticated_at > FRESH:
        raise StepUpRequired(**extra)
    if "mfa" not in row.amr and factors.has_one(session, row.account_id):
        raise StepUpRequired(**extra)
    return row


def done(session: Session, *, session_id: UUID, amr: Sequence[str], now: datetime) -> str | None:
    """Note that the session's holder proved who they are. Returns the new secret for its cookie; the old one is void.

    None when the session ended meanwhile.
    """
    row = session.get(LoginSession, session_id, with_for_update=True)
    if row is None or not sessions.is_live(row, now):
        return None
    row.authenticated_at, row.amr = now, list(amr)
    secret = sessions.renew_secret(row)
    publish(session, SteppedUp(occurred_at=now, account_id=row.account_id, session_id=row.id, amr=tuple(amr)))
    return secret
