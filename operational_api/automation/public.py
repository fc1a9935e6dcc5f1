"""The only door to automation for other contexts: ids and plain values in and out."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.automation.service import queue
from operational_api.automation.service.queue import Suggestion

__all__ = ["Suggestion", "open_suggestions"]


def open_suggestions(session: Session, coach_id: UUID, now: datetime, *, limit: int) -> list[Suggestion]:
    """Whom a coach should write to, riskiest first."""
    return queue.suggestions(session, coach_id=coach_id, limit=limit, cursor=None, now=now)[0]
