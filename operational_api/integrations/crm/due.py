"""Taking what the worker has to look at: people and deals wait in the same way."""

from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.integrations.crm.contacts import PROVIDER
from operational_api.integrations.crm.models import CrmContact, CrmDeal

Waiting = TypeVar("Waiting", CrmContact, CrmDeal)


def take_due(session: Session, kind: type[Waiting], *, now: datetime, lease: timedelta, limit: int) -> list[Waiting]:
    """Rows that are due, for this worker alone until the lease ends, the longest due first."""
    due = select(kind).where(kind.provider == PROVIDER, kind.due_at <= now).order_by(kind.due_at).limit(limit)
    rows = list(session.scalars(due.with_for_update(skip_locked=True)))
    for row in rows:
        row.due_at = now + lease
    session.flush()
    return rows
