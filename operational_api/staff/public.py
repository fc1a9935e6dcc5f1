"""The only door to the staff's pages for other contexts: ids and plain values in and out."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.staff import desks


def requests_waiting(session: Session, *, role: str, account_id: UUID, now: datetime) -> int:
    """How many requests wait for somebody like this person to decide."""
    return desks.waiting(session, role=role, account_id=account_id, now=now)
