"""Whether the record of events is as it was sealed: looked at once a day and on demand by the worker, and kept.

The seals themselves are `core.seals`. Each look expects the newest link of the one before, so that a chain which was
cut short or made anew is told apart from one that is merely whole.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.ids import new_id
from contracts.telemetry import get_logger
from operational_api.compliance.models import EventCheck
from operational_api.core import audit, seals
from operational_api.core.paging import after, cut

log = get_logger(__name__)
EVERY = timedelta(days=1)
TOLD = 100
"""Faults that are kept of one look; all of them are counted."""


def ask(session: Session, *, actor_id: UUID | None, now: datetime) -> EventCheck:
    """Have the worker look within a minute. Where that was asked for already, it is the same look."""
    session.execute(
        insert(EventCheck).values(id=new_id(), asked_by=actor_id, asked_at=now).on_conflict_do_nothing()
    )  # fmt: skip
    row = session.scalars(select(EventCheck).where(EventCheck.finished_at.is_(None))).one()
    audit.record(
        session, "compliance.check_events", "EventCheck", row.id, actor_id=actor_id, purpose="audit", now=now,
        details={},
    )  # fmt: skip
    return row


def look(session: Session, now: datetime) -> None:
    """Look where somebody asked, or nobody did for a day. For the worker."""
    newest = session.scalar(select(EventCheck).order_by(EventCheck.asked_at.desc(), EventCheck.id.desc()).limit(1))
    if newest is None or (newest.finished_at is not None and newest.asked_at <= now - EVERY):
        newest = EventCheck(id=new_id(), asked_at=now)
        session.add(newest)
    if newest.finished_at is not None:
        return
    found = seals.verify(session, known=_known(session))
    newest.finished_at, newest.links, newest.events, newest.unsealed = now, found.links, found.events, found.unsealed
    newest.head_link, newest.head, newest.fault_count = found.links, found.head, len(found.faults)
    newest.faults = [[one.link, one.event_id, one.what] for one in found.faults[:TOLD]]
    session.flush()
    if found.faults:
        log.error("events_differ_from_their_seals", faults=len(found.faults), first=newest.faults[0])


def _known(session: Session) -> tuple[int, str] | None:
    row = session.execute(
        select(EventCheck.head_link, EventCheck.head)
        .where(EventCheck.head_link > 0)
        .order_by(EventCheck.head_link.desc(), EventCheck.asked_at)
        .limit(1)
    ).one_or_none()
    return (row[0], row[1]) if row else None


def checks(session: Session, *, limit: int, cursor: str | None) -> tuple[Sequence[EventCheck], str | None]:
    """Looks that were taken or asked for, the newest first."""
    query = select(EventCheck)
    if cursor:
        query = query.where(EventCheck.id < after(cursor, UUID)[0])
    rows = session.scalars(query.order_by(EventCheck.id.desc()).limit(limit + 1)).all()
    return cut(rows, limit, lambda row: (row.id,))


def faults(session: Session) -> int:
    """How many faults the newest look found."""
    return (
        session.scalar(
            select(EventCheck.fault_count)
            .where(EventCheck.finished_at.is_not(None))
            .order_by(EventCheck.asked_at.desc())
            .limit(1)
        )
        or 0
    )
