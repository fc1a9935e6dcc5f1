"""When coaches are busy elsewhere, as their connected calendars say. Such a time cannot be booked."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from operational_api.scheduling.calendars.models import BusyTime
from operational_api.scheduling.models import Slot


def busy_ranges(session: Session, coach_id: UUID, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """The spans within which a coach is busy elsewhere, UTC, by start, those that touch or overlap as one.

    A span that reaches out of the time asked for is told whole.
    """
    rows = session.execute(
        select(BusyTime.starts_at, BusyTime.ends_at)
        .where(BusyTime.coach_id == coach_id, _overlaps(since, until))
        .order_by(BusyTime.starts_at)
    ).tuples()
    found: list[tuple[datetime, datetime]] = []
    for starts_at, ends_at in rows:
        if found and starts_at <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ends_at))
        else:
            found.append((starts_at, ends_at))
    return found


def is_busy(session: Session, coach_id: UUID, starts_at: datetime, ends_at: datetime) -> bool:
    """Whether a coach has something else in that time. What ends as it begins is not in its way."""
    query = select(exists().where(BusyTime.coach_id == coach_id, _overlaps(starts_at, ends_at)))
    return bool(session.scalar(query))


def keeps_busy() -> ColumnElement[bool]:
    """Whether `Slot` lies in a time at which its coach is busy elsewhere, inside a query over slots."""
    overlaps = _overlaps(Slot.starts_at, Slot.ends_at)
    return exists().where(BusyTime.coach_id == Slot.coach_id, overlaps).correlate(Slot)


def _overlaps(since: object, until: object) -> ColumnElement[bool]:
    return func.tstzrange(BusyTime.starts_at, BusyTime.ends_at).op("&&", is_comparison=True)(
        func.tstzrange(since, until)
    )
