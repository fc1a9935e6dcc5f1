"""What scheduling does by itself, run by the worker: calendars kept open, those outside told what was booked, and
seats freed of who left."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.commerce import PackReduced, RefundDecided
from contracts.events.envelope import Event
from contracts.events.identity import AccountClosed
from contracts.events.scheduling import (
    AssistantAssigned,
    AssistantReleased,
    ClassChanged,
    SessionBooked,
    SessionCancelled,
    SessionMoved,
)
from contracts.telemetry import get_logger
from operational_api.core import clock, personal
from operational_api.scheduling.models import Booking, Slot
from operational_api.scheduling.personal import PERSONAL
from operational_api.scheduling.service import (
    assistants,
    availability,
    bookings,
    connections,
    continuing,
    entries,
    fees,
    holds,
    openings,
    pushes,
    recurring,
    waitlist,
)

log = get_logger(__name__)


def open_calendars(session: Session, now: datetime) -> None:
    """Keep every coach's calendar open as far ahead as sessions can be booked."""
    made = openings.open_slots(session, now)
    log.info("slots_materialised", made=made)


def book_on(session: Session, now: datetime) -> None:
    """What recurs without an end is booked as far as calendars are open."""
    made = continuing.go_on(session, now)
    if made:
        log.info("series_booked_on", bookings=len(made))


def close_waitlists(session: Session, now: datetime) -> None:
    """Nobody waits for a session that has started."""
    waitlist.expire_started(session, now)


def free_seats(session: Session, now: datetime) -> None:
    """Holds, requests and offers that lapsed are over, and who waits is asked."""
    lapsed, offered = holds.free_seats(session, now)
    if lapsed or offered:
        log.info("seats_freed", lapsed=lapsed, offered=offered)


def show_in_calendars(session: Session, event: Event) -> None:
    """What was booked appears in the calendars of both; a booking that was moved is the same event at another time."""
    assert isinstance(event, SessionBooked)  # noqa: S101 - registered for this event only
    if event.moved_from_id is not None:
        entries.moved(session, old_id=event.moved_from_id, new_id=event.booking_id, now=event.occurred_at)
    _follow(session, event.booking_id, event.occurred_at)


def take_from_calendars(session: Session, event: Event) -> None:
    """What was cancelled goes from the calendars of both."""
    assert isinstance(event, SessionCancelled)  # noqa: S101 - registered for this event only
    entries.changed(session, booking_id=event.booking_id, now=event.occurred_at)
    _follow(session, event.booking_id, event.occurred_at)


def _follow(session: Session, booking_id: UUID, now: datetime) -> None:
    booking = session.get(Booking, booking_id)
    if booking is not None:  # an erased person's is shown nowhere
        pushes.follow(session, booking, now=now)


def move_in_calendars(session: Session, event: Event) -> None:
    """A class that the coach moved is the same event at another time."""
    assert isinstance(event, SessionMoved)  # noqa: S101 - registered for this event only
    entries.changed(session, booking_id=event.booking_id, now=event.occurred_at)
    _follow(session, event.booking_id, event.occurred_at)


def change_in_calendars(session: Session, event: Event) -> None:
    """A class that is longer or called otherwise is so in the calendars of who leads it and of everybody who comes."""
    assert isinstance(event, ClassChanged)  # noqa: S101 - registered for this event only
    coming = select(Booking).where(Booking.slot_id == event.slot_id, Booking.status == "booked").order_by(Booking.id)
    booked = session.scalars(coming).all()
    if booked:
        entries.changed(session, booking_id=event.slot_id, now=event.occurred_at)  # as who leads it knows it
    for booking in booked:
        entries.changed(session, booking_id=booking.id, now=event.occurred_at)
        pushes.follow(session, booking, now=event.occurred_at)


def show_assistants(session: Session, event: Event) -> None:
    """Who helps with a class has it in their calendars, as it is now."""
    assert isinstance(event, AssistantAssigned | AssistantReleased | ClassChanged)  # noqa: S101 - registered for these
    if isinstance(event, ClassChanged):
        places = session.scalars(select(Slot).where(Slot.assists_id == event.slot_id, Slot.status == "open")).all()
    else:
        places = session.scalars(select(Slot).where(Slot.id == event.assist_id)).all()
    for place in places:
        if not isinstance(event, AssistantAssigned):
            entries.changed(session, booking_id=place.id, now=event.occurred_at)
        pushes.follow_assistant(session, place, now=event.occurred_at)


def disconnect_calendars(session: Session, event: Event) -> None:
    """Nothing of a closed account's calendars is kept."""
    assert isinstance(event, AccountClosed)  # noqa: S101 - registered for this event only
    connections.forget_person(session, event.account_id, now=event.occurred_at)


def leave_sessions(session: Session, event: Event) -> None:
    """Nobody comes whose account is closed: their seats are free, and classes they were to help with do without. Of a
    coach nothing can be booked any more."""
    assert isinstance(event, AccountClosed)  # noqa: S101 - registered for this event only
    availability.leave(session, event.account_id, now=event.occurred_at)
    recurring.end_all(session, customer_id=event.account_id, now=event.occurred_at)
    bookings.leave_all(session, customer_id=event.account_id, now=event.occurred_at)
    assistants.leave_all(session, event.account_id, now=event.occurred_at)


def leave_unpaid(session: Session, event: Event) -> None:
    """Nobody comes by a pack that nobody paid for."""
    assert isinstance(event, PackReduced)  # noqa: S101 - registered for this event only
    gone = bookings.leave_unpaid(session, pack_id=event.pack_id, now=clock.now())
    if gone:
        log.info("unpaid_sessions_left", pack_id=str(event.pack_id), sessions=len(gone))


def waive_refunded(session: Session, event: Event) -> None:
    """A late cancellation that was paid costs nothing after all once somebody agreed to give its line back."""
    assert isinstance(event, RefundDecided)  # noqa: S101 - registered for this event only
    if event.decision == "approved" and event.fee_booking_id is not None and event.decided_by is not None:
        fees.waive_refunded(
            session, booking_id=event.fee_booking_id, actor_id=event.decided_by,
            reason=f"Refund request {event.request_id}", now=event.occurred_at,
        )  # fmt: skip


def forget_person(session: Session, event: Event) -> None:
    """Of a closed account stays which sessions there were; a coach's is no name any more."""
    assert isinstance(event, AccountClosed)  # noqa: S101 - registered for this event only
    for one in PERSONAL:
        personal.forget(session, one, event.account_id)


HANDLERS: dict[str, list[Callable[[Session, Event], None]]] = {
    SessionBooked.type: [show_in_calendars],
    SessionCancelled.type: [take_from_calendars],
    SessionMoved.type: [move_in_calendars],
    AssistantAssigned.type: [show_assistants],
    AssistantReleased.type: [show_assistants],
    ClassChanged.type: [change_in_calendars, show_assistants],
    PackReduced.type: [leave_unpaid],
    RefundDecided.type: [waive_refunded],
    AccountClosed.type: [leave_sessions, disconnect_calendars, forget_person],
}


def attend_checked_in(session: Session, now: datetime) -> None:
    """Who was checked in early has attended once the session starts."""
    bookings.attend_checked_in(session, now=now)


PERIODIC: list[tuple[str, timedelta, Callable[[Session, datetime], None]]] = [
    ("scheduling.open_calendars", timedelta(hours=1), open_calendars),
    ("scheduling.book_on", timedelta(minutes=30), book_on),
    ("scheduling.free_seats", timedelta(minutes=1), free_seats),
    ("scheduling.attend_checked_in", timedelta(minutes=1), attend_checked_in),
    ("scheduling.close_waitlists", timedelta(minutes=10), close_waitlists),
]
