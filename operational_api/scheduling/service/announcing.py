"""What scheduling tells the world of bookings: each change of a booking is exactly one of these, in its transaction."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.orm import Session

from contracts.events import scheduling as facts
from operational_api.core.outbox import publish
from operational_api.scheduling.models import Booking, WaitlistEntry

Reason = Literal["lapsed", "let_go", "declined", "called_off", "undone", "unpaid"]


def of(booking: Booking) -> dict[str, UUID]:
    """The ids that every event of a booking carries."""
    return {
        "booking_id": booking.id,
        "slot_id": booking.slot_id,
        "customer_id": booking.customer_id,
        "coach_id": booking.coach_id,
    }


def booked(
    session: Session,
    booking: Booking,
    *,
    now: datetime,
    is_from_waitlist: bool = False,
    moved_from_id: UUID | None = None,
) -> None:
    """A seat is booked, once per booking."""
    event = facts.SessionBooked(
        occurred_at=now, starts_at=booking.starts_at, is_from_waitlist=is_from_waitlist, moved_from_id=moved_from_id,
        booked_by=booking.booked_by, assignment=booking.assignment, **of(booking),
    )  # fmt: skip
    publish(session, event)


def taken(session: Session, booking: Booking, *, now: datetime, moved_from_id: UUID | None = None) -> None:
    """A new booking, by what it is: booked, a request, or a seat that is kept."""
    if booking.status == "booked":
        booked(session, booking, now=now, moved_from_id=moved_from_id)
    elif booking.held_until is not None and booking.status == "requested":
        until = booking.held_until
        requested = facts.SessionRequested(occurred_at=now, starts_at=booking.starts_at, answer_by=until, **of(booking))
        publish(session, requested)
    elif booking.held_until is not None:
        held(session, booking, now=now)


def held(session: Session, booking: Booking, *, now: datetime, is_offer: bool = False) -> None:
    """A seat is kept for a while."""
    until = booking.held_until or now
    event = facts.SeatHeld(
        occurred_at=now, starts_at=booking.starts_at, held_until=until, is_offer=is_offer,
        booked_by=booking.booked_by, **of(booking),
    )  # fmt: skip
    publish(session, event)


def released(session: Session, booking: Booking, reason: Reason, *, now: datetime) -> None:
    """A seat that was kept is free."""
    publish(session, facts.SeatReleased(occurred_at=now, reason=reason, **of(booking)))


def cancelled(
    session: Session, booking: Booking, *, now: datetime, by_coach: bool = False, is_undone: bool = False,
    is_unpaid: bool = False, is_reassigned: bool = False,
) -> None:  # fmt: skip
    """A booked session is off, and what it costs where it costs something."""
    event = facts.SessionCancelled(
        occurred_at=now, starts_at=booking.starts_at, is_late=booking.status == "late_cancelled", is_by_coach=by_coach,
        is_undone=is_undone, is_unpaid=is_unpaid, is_reassigned=is_reassigned, **of(booking),
    )  # fmt: skip
    publish(session, event)


def waiting_ended(session: Session, entry: WaitlistEntry, *, now: datetime) -> None:
    """Somebody waits no longer; why is the entry's status."""
    event = facts.WaitlistEnded(
        occurred_at=now, waitlist_entry_id=entry.id, slot_id=entry.slot_id, customer_id=entry.customer_id,
        reason=entry.status,
    )  # fmt: skip
    publish(session, event)
