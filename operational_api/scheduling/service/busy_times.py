"""When coaches are busy elsewhere, as their connected calendars say. Such a time cannot be booked, nor one that leaves
less between than the terms keep free before and after each session, nor one that nobody would hold (`off_days`)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, cast, exists, func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.types import Interval

from operational_api.scheduling.calendars.models import BusyTime
from operational_api.scheduling.models import Booking, BookingTerms, Coach, Slot
from operational_api.scheduling.service.off_days import has_nobody
from operational_api.scheduling.service.terms import of_slot
from operational_api.scheduling.terms import LONGEST_BUFFER, Terms

MOST_CLASHES = 50


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


def is_busy(session: Session, slot: Slot) -> bool:
    """Whether a slot's coach has something else in its time or too near to it, or is not there. What ends as its buffer
    begins is not in its way."""
    return bool(session.scalar(select(keeps_busy()).select_from(Slot).where(Slot.id == slot.id)))


def clashes(session: Session, coach_id: UUID, *, now: datetime) -> list[Slot]:
    """Sessions to come that are booked although their coach is busy elsewhere at that time, and classes that they are
    to assist, by start.

    Whoever booked first keeps the session, and an appointment outside is not ours to move: only the coach can say which
    of the two takes place. What is merely too near for a buffer is no clash.
    """
    has_bookings = exists().where(Booking.slot_id == Slot.id, Booking.status == "booked")
    is_booked = or_(has_bookings, and_(Slot.kind == "assist", Slot.status == "open"))
    is_busy = exists().where(BusyTime.coach_id == coach_id, _overlaps(Slot.starts_at, Slot.ends_at))
    return list(
        session.scalars(
            select(Slot)
            .where(Slot.coach_id == coach_id, Slot.ends_at > now, is_booked, is_busy)
            .order_by(Slot.starts_at)
            .limit(MOST_CLASHES)
        )
    )


def keeps_busy() -> ColumnElement[bool]:
    """Whether `Slot` or its buffers lie in a time at which its coach is busy elsewhere or not there, inside a query
    over slots."""
    own_after = select(Coach.buffer_minutes).where(Coach.id == Slot.coach_id).correlate(Slot).scalar_subquery()
    before = of_slot(BookingTerms.buffer_before_minutes, Terms().buffer_before_minutes)
    after = func.coalesce(of_slot(BookingTerms.buffer_after_minutes, None), own_after)
    near = _overlaps(Slot.starts_at - LONGEST_BUFFER, Slot.ends_at + LONGEST_BUFFER)  # a bound that an index can use
    busy = (
        exists()
        .where(BusyTime.coach_id == Slot.coach_id, near)
        .where(
            BusyTime.starts_at < Slot.ends_at + cast(func.make_interval(0, 0, 0, 0, 0, after), Interval),
            BusyTime.ends_at > Slot.starts_at - cast(func.make_interval(0, 0, 0, 0, 0, before), Interval),
        )
        .correlate(Slot)
    )
    return busy | has_nobody()


def _overlaps(since: object, until: object) -> ColumnElement[bool]:
    return func.tstzrange(BusyTime.starts_at, BusyTime.ends_at).op("&&", is_comparison=True)(
        func.tstzrange(since, until)
    )
