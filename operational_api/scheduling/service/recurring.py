"""Bookings that recur: the same hour of the same coach week after week, each a booking of its own.

What the calendar is open for is booked at once; what lies beyond follows as it opens (`continuing`), up to the last
week that is wanted, or until somebody ends it. What cannot be had is told and left out, and taken after all where it is
free in time; the first has to be there. A session may be moved or cancelled by itself, or cancelled with all that
follow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.scheduling import SeriesBooked, SeriesEnded
from operational_api.core.errors import DomainError
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import (
    InvalidRecurrence,
    NotRecurring,
    SeriesNotFound,
    SlotNotFound,
    TooEarly,
)
from operational_api.scheduling.models import Booking, BookingSeries, Location, Slot
from operational_api.scheduling.recurrence import Recurrence, at_wall_time
from operational_api.scheduling.service import bookings, openings, seats
from operational_api.scheduling.service.terms import terms_of
from operational_api.scheduling.terms import Terms

MOST = 26
"""Sessions that are looked for at once: half a year of weeks."""
LIVE = ("booked", "requested", "held")
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)


@dataclass(frozen=True, slots=True)
class Missed:
    """A session that the rule has and that could not be booked, and why."""

    starts_at: datetime
    reason: DomainError


@dataclass(frozen=True, slots=True)
class Booked:
    """What came of it, by start. `series` is None where only one could be booked and none can follow: it is a booking
    like any."""

    bookings: Sequence[Booking]
    missed: Sequence[Missed]
    series: BookingSeries | None


def book_series(
    session: Session,
    *,
    customer_id: UUID,
    slot_id: UUID,
    times: int | None = None,
    until: date | None = None,
    interval: int = 1,
    now: datetime,
    booked_by: UUID | None = None,
    once_locked: Callable[[], None] | None = None,
) -> Booked:
    """Book a session and the same hour of its coach in the weeks that follow, on the studio's clock.

    Args:
        times: How many weeks in all, 2 to 26. None: up to `until`, or without an end.
        until: The last day on which there may be a session, on the studio's calendar; instead of `times`.
        interval: 1 is every week, 2 every second.
        booked_by: Who books for them at the front desk. What follows as the calendar opens is the customer's own.
        once_locked: What is to be done once nobody else changes these sessions, before the first is booked.

    Raises:
        InvalidRecurrence: another number of weeks, or an end before the second.
        Whatever booking the first one refuses (`bookings.book_session`).
    """
    if times is not None and (until is not None or not 2 <= times <= MOST):
        raise InvalidRecurrence(f"Sessions are booked for 2 to {MOST} weeks, up to a day, or until you end it.")
    first = session.get(Slot, slot_id)
    if first is None:
        raise SlotNotFound
    zone = ZoneInfo(session.get_one(Location, first.location_id).time_zone)
    local = first.starts_at.astimezone(zone)
    step = interval * WEEK
    ends_on = until if times is None else local.date() + (times - 1) * step
    if ends_on is not None and ends_on < local.date() + step:
        raise InvalidRecurrence("By that day there is no second session.")
    count = MOST if ends_on is None else min(MOST, (ends_on - local.date()) // step + 1)
    days = Recurrence(interval, count=count).days(local.date())
    # Of an hour that autumn repeats the first slot's own moment counts.
    starts = [first.starts_at, *(at_wall_time(day, local.time(), zone) for day in days[1:])]
    slots = _slots(session, first.coach_id, first.location_id, first.kind, starts)
    seats.lock_slots(session, {first.id, *(one.id for one in slots.values())})
    if once_locked is not None:
        once_locked()
    terms = terms_of(session, coach_id=first.coach_id, kind=first.kind)
    opened = open_until(terms, now)
    made = [bookings.book_session(session, customer_id=customer_id, slot_id=first.id, now=now, booked_by=booked_by)]
    missed = []
    looked_at = local.date()
    for day, starts_at in zip(days[1:], starts[1:], strict=True):
        outcome = attempt(session, slots.get(starts_at), customer_id=customer_id, now=now, booked_by=booked_by)
        if isinstance(outcome, Booking):
            made.append(outcome)
        elif starts_at > opened or isinstance(outcome, TooEarly):
            continue
        else:
            missed.append(Missed(starts_at, outcome))
        looked_at = day
    goes_on = ends_on is None or looked_at + step <= ends_on
    if len(made) == 1 and not goes_on:
        return Booked(made, missed, None)
    series = BookingSeries(
        customer_id=customer_id, coach_id=first.coach_id, location_id=first.location_id, kind=first.kind,
        rule=str(Recurrence(interval, count=starts.index(made[-1].starts_at) + 1)), starts_on=local.date(),
        wall_start=local.time(), minutes=(first.ends_at - first.starts_at) // timedelta(minutes=1), changed_at=now,
        goes_on=goes_on, ends_on=ends_on, looked_at=looked_at,
    )  # fmt: skip
    session.add(series)
    session.flush()
    for booking in made:
        booking.series_id, booking.recurs_at = series.id, booking.starts_at
    session.flush()
    event = SeriesBooked(
        occurred_at=now, series_id=series.id, customer_id=customer_id, coach_id=series.coach_id, rule=series.rule,
        starts_at=first.starts_at, booking_ids=tuple(one.id for one in made), goes_on=goes_on, ends_on=ends_on,
    )  # fmt: skip
    publish(session, event)
    return Booked(made, missed, series)


def end_series(session: Session, *, series_id: UUID, now: datetime, reason: str = "ended") -> BookingSeries:
    """Book no more of a series; what is booked stays. Twice is once.

    Raises:
        SeriesNotFound: there is none.
    """
    series = session.get(BookingSeries, series_id, with_for_update={"key_share": True}, populate_existing=True)
    if series is None:
        raise SeriesNotFound
    if series.goes_on:
        series.goes_on, series.ended_at = False, now
        session.flush()
        event = SeriesEnded(
            occurred_at=now, series_id=series.id, customer_id=series.customer_id, coach_id=series.coach_id,
            reason=reason,
        )  # fmt: skip
        publish(session, event)
    return series


def end_series_of(session: Session, *, booking_id: UUID, now: datetime) -> BookingSeries:
    """`end_series` of the series that a booking is of.

    Raises:
        BookingNotFound.
        NotRecurring: it is of no series.
    """
    booking = seats.get_booking(session, booking_id)
    if booking.series_id is None:
        raise NotRecurring
    return end_series(session, series_id=booking.series_id, now=now)


def end_all(session: Session, *, customer_id: UUID, now: datetime) -> None:
    """Nothing goes on of a customer who left."""
    query = select(BookingSeries.id).where(BookingSeries.customer_id == customer_id, BookingSeries.goes_on)
    for series_id in session.scalars(query.order_by(BookingSeries.id)).all():
        end_series(session, series_id=series_id, now=now)


def cancel_following(
    session: Session, *, booking_id: UUID, now: datetime, by_coach: bool = False
) -> list[Booking]:  # fmt: skip
    """Cancel a booking and all that follow it in its series, each by its own terms: what is late counts as used. It
    does not go on.

    Raises:
        BookingNotFound.
        NotRecurring: it is of no series.
        BookingClosed, SessionStarted: that one itself is over.
    """
    booking = seats.get_booking(session, booking_id)
    if booking.series_id is None or booking.recurs_at is None:
        raise NotRecurring
    end_series(session, series_id=booking.series_id, now=now)
    found = session.scalars(
        select(Booking)
        .where(
            Booking.series_id == booking.series_id, Booking.recurs_at > booking.recurs_at,
            Booking.status.in_(LIVE), Booking.starts_at > now,
        )
        .order_by(Booking.slot_id)
    ).all()  # fmt: skip
    seats.lock_slots(session, {booking.slot_id, *(one.slot_id for one in found)})
    seats.lock_credits(session, Booking.id.in_([booking.id, *(one.id for one in found)]))
    gone = [bookings.cancel_booking(session, booking_id=booking.id, now=now, by_coach=by_coach)]
    for one in found:
        session.refresh(one)
        if one.status in LIVE:
            gone.append(bookings.cancel_booking(session, booking_id=one.id, now=now, by_coach=by_coach))
    return sorted(gone, key=lambda one: one.starts_at)


def open_until(terms: Terms, now: datetime) -> datetime:
    """Up to when a session that is not there will not come: the calendar is opened by the hour, in whole days."""
    reach = openings.HORIZON if terms.booking_window_days is None else timedelta(days=terms.booking_window_days)
    return now + reach - DAY


def attempt(
    session: Session, slot: Slot | None, *, customer_id: UUID, now: datetime, booked_by: UUID | None = None
) -> Booking | DomainError:
    """A booking, or why there is none."""
    if slot is None:
        return SlotNotFound()
    try:
        with session.begin_nested():
            return bookings.book_session(
                session, customer_id=customer_id, slot_id=slot.id, now=now, booked_by=booked_by
            )
    except DomainError as refusal:
        return refusal


def _slots(
    session: Session, coach_id: UUID, location_id: UUID, kind: str, starts: Sequence[datetime]
) -> dict[datetime, Slot]:
    """The coach's open sessions of that kind at these times, by start."""
    found = session.scalars(
        select(Slot).where(
            Slot.coach_id == coach_id, Slot.location_id == location_id, Slot.kind == kind,
            Slot.status == "open", Slot.starts_at.in_(starts),
        )
    )  # fmt: skip
    return {one.starts_at: one for one in found}
