"""Roles that have changed: what a token says of its person's role is true only if it was issued after the change."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_api.core.models import RoleChange


def note_change(session: Session, *, account_id: UUID, role: str, now: datetime) -> None:
    """Have every token of the person mean this role from now on."""
    values = {"role": role, "changed_at": now}
    session.execute(
        insert(RoleChange)
        .values(account_id=account_id, **values)
        .on_conflict_do_update(index_elements=[RoleChange.account_id], set_=values)
    )


def current_role(session: Session, account_id: UUID, said: str, issued_at: int) -> str:
    """The role of a person now, given what their token said when it was issued."""
    change = session.get(RoleChange, account_id)
    # A token of the same second may be from before the change: the row is right either way.
    if change is None or datetime.fromtimestamp(issued_at, UTC) > change.changed_at:
        return said
    return str(change.role)
