"""Bookings that recur: the same hour of the same coach for some weeks, booked at once and each a booking of its own.

What cannot be booked of it is told and left out; the first has to be there. A session may be moved or cancelled by
itself, or cancelled with all that follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.scheduling import SeriesBooked
from operational_api.core.errors import DomainError
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import InvalidRecurrence, NotRecurring, SlotNotFound
from operational_api.scheduling.models import Booking, BookingSeries, Location, Slot
from operational_api.scheduling.recurrence import Recurrence, at_wall_time
from operational_api.scheduling.service import bookings, seats

MOST = 26
"""Sessions that are booked at once: half a year of weeks."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A session that the rule has and that could not be booked, and why."""

    starts_at: datetime
    reason: DomainError


@dataclass(frozen=True, slots=True)
class Booked:
    """What came of it, by start. `series` is None where only one could be booked: it is a booking like any."""

    bookings: Sequence[Booking]
    missed: Sequence[Missed]
    series: BookingSeries | None


def book_series(
    session: Session, *, customer_id: UUID, slot_id: UUID, times: int, interval: int = 1, now: datetime
) -> Booked:
    """Book a session and the same hour of its coach in the weeks that follow, on the studio's clock.

    Args:
        times: How many weeks in all, 2 to 26.
        interval: 1 is every week, 2 every second.

    Raises:
        InvalidRecurrence: another number of weeks.
        Whatever booking the first one refuses (`bookings.book_session`).
    """
    if not 2 <= times <= MOST:
        raise InvalidRecurrence(f"Sessions are booked for 2 to {MOST} weeks at once.")
    first = session.get(Slot, slot_id)
    if first is None:
        raise SlotNotFound
    zone = ZoneInfo(session.get_one(Location, first.location_id).time_zone)
    local = first.starts_at.astimezone(zone)
    days = Recurrence(interval, count=times).days(local.date())
    # Of an hour that autumn repeats the first slot's own moment counts.
    starts = [first.starts_at, *(at_wall_time(day, local.time(), zone) for day in days[1:])]
    slots = _slots(session, first, starts)
    seats.lock_slots(session, {first.id, *(one.id for one in slots.values())})
    made, missed = [bookings.book_session(session, customer_id=customer_id, slot_id=first.id, now=now)], []
    for starts_at in starts[1:]:
        try:
            if starts_at not in slots:
                raise SlotNotFound
            with session.begin_nested():
                made.append(
                    bookings.book_session(session, customer_id=customer_id, slot_id=slots[starts_at].id, now=now)
                )
        except DomainError as refusal:
            missed.append(Missed(starts_at, refusal))
    if len(made) == 1:
        return Booked(made, missed, None)
    last = starts.index(made[-1].starts_at) + 1
    series = BookingSeries(
        customer_id=customer_id, coach_id=first.coach_id, location_id=first.location_id,
        rule=str(Recurrence(interval, count=last)), starts_on=local.date(), wall_start=local.time(),
        minutes=(first.ends_at - first.starts_at) // timedelta(minutes=1), changed_at=now,
    )  # fmt: skip
    session.add(series)
    session.flush()
    for booking in made:
        booking.series_id, booking.recurs_at = series.id, booking.starts_at
    session.flush()
    event = SeriesBooked(
        occurred_at=now, series_id=series.id, customer_id=customer_id, coach_id=series.coach_id, rule=series.rule,
        starts_at=first.starts_at, booking_ids=tuple(one.id for one in made),
    )  # fmt: skip
    publish(session, event)
    return Booked(made, missed, series)


def cancel_following(
    session: Session, *, booking_id: UUID, now: datetime, by_coach: bool = False
) -> list[Booking]:  # fmt: skip
    """Cancel a booking and all that follow it in its series, each by its own terms: what is late counts as used.

    Raises:
        BookingNotFound.
        NotRecurring: it is of no series.
        BookingClosed, SessionStarted: that one itself is over.
    """
    booking = seats.get_booking(session, booking_id)
    if booking.series_id is None or booking.recurs_at is None:
        raise NotRecurring
    found = session.scalars(
        select(Booking)
        .where(
            Booking.series_id == booking.series_id, Booking.recurs_at > booking.recurs_at,
            Booking.status.in_(("booked", "requested", "held")), Booking.starts_at > now,
        )
        .order_by(Booking.slot_id)
    ).all()  # fmt: skip
    seats.lock_slots(session, {booking.slot_id, *(one.slot_id for one in found)})
    seats.lock_credits(session, Booking.id.in_([booking.id, *(one.id for one in found)]))
    gone = [bookings.cancel_booking(session, booking_id=booking.id, now=now, by_coach=by_coach)]
    for one in found:
        session.refresh(one)
        if one.status in ("booked", "requested", "held"):
            gone.append(bookings.cancel_booking(session, booking_id=one.id, now=now, by_coach=by_coach))
    return sorted(gone, key=lambda one: one.starts_at)


def _slots(session: Session, first: Slot, starts: Sequence[datetime]) -> dict[datetime, Slot]:
    """The coach's open sessions of that kind at these times, by start."""
    found = session.scalars(
        select(Slot).where(
            Slot.coach_id == first.coach_id, Slot.location_id == first.location_id, Slot.kind == first.kind,
            Slot.status == "open", Slot.starts_at.in_(starts),
        )
    )  # fmt: skip
    return {one.starts_at: one for one in found}
