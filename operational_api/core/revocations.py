"""Ending what credentials come from: sessions, grants, roles. Asking whether one still holds is `core.standing`.

Written in the transaction that makes the end, so that both are one commit.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_api.core.models import Revocation, RoleChange

KEPT = timedelta(days=31)
"""Longer than anything that names a session or a grant is believed: the cookie of the app, 30 days."""


def end(session: Session, ids: Collection[UUID], *, now: datetime) -> None:
    """Have nobody believe what names one of these sessions or grants, from this commit on."""
    if ids:
        rows = [{"id": one, "ended_at": now} for one in ids]
        session.execute(insert(Revocation).on_conflict_do_nothing(), rows)


def note_role(session: Session, *, account_id: UUID, role: str, now: datetime) -> None:
    """Have nobody believe a token that says another role of this person and was issued before now."""
    values = {"role": role, "changed_at": now}
    session.execute(
        insert(RoleChange)
        .values(account_id=account_id, **values)
        .on_conflict_do_update(index_elements=[RoleChange.account_id], set_=values)
    )


def forget(session: Session, now: datetime) -> None:
    """Delete what nothing that is still believed can name."""
    session.execute(delete(Revocation).where(Revocation.ended_at < now - KEPT))
