"""Whether money's tables are what its events tell: looked at once a day and on demand by the worker, and kept.

The comparison itself is `commerce.retelling`; whether the events are as they were sealed is compliance's.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.ids import new_id
from contracts.telemetry import get_logger
from operational_api.commerce.models import Retelling
from operational_api.commerce.retelling import retell

log = get_logger(__name__)
EVERY = timedelta(days=1)
TOLD = 100
"""Differences that are kept of one look; all of them are counted."""


def ask(session: Session, *, actor_id: UUID | None, now: datetime) -> None:
    """Have the worker look within a minute. Where that was asked for already, it is the same look."""
    session.execute(insert(Retelling).values(id=new_id(), asked_by=actor_id, asked_at=now).on_conflict_do_nothing())


def look_daily(session: Session, now: datetime) -> None:
    """Look where nobody asked for it for a day. For the worker."""
    newest = next(iter(latest(session, limit=1)), None)
    if newest is None or (newest.finished_at is not None and newest.asked_at <= now - EVERY):
        ask(session, actor_id=None, now=now)
        look_when_asked(session, now)


def look_when_asked(session: Session, now: datetime) -> None:
    """Look where somebody waits for it. For the worker."""
    row = session.scalar(select(Retelling).where(Retelling.finished_at.is_(None)))
    if row is None:
        return
    found = retell(session)
    row.finished_at, row.compared, row.difference_count = now, found.compared, len(found.differences)
    row.differences = [[one.about, one.id, one.what] for one in found.differences[:TOLD]]
    session.flush()
    if found.differences:
        log.error("tables_differ_from_their_events", differences=len(found.differences), first=row.differences[0])


def latest(session: Session, *, limit: int) -> Sequence[Retelling]:
    """Looks that were taken or asked for, the newest first."""
    return session.scalars(
        select(Retelling).order_by(Retelling.asked_at.desc(), Retelling.id.desc()).limit(limit)
    ).all()
