"""Booking, cancelling, moving a session, and marking what came of it.

Whoever changes the seats of a slot locks its row first, so decisions about one slot happen one after the other. The
database's constraints stand behind that: a seat is sold once and a customer is in one place, whatever the code does.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contracts.events.scheduling import SessionAttended, SessionBooked, SessionCancelled, SessionMissed
from operational_api.commerce import public as commerce
from operational_api.core.outbox import publish
from operational_api.core.policy import Resource
from operational_api.scheduling.errors import (
    AllowanceUsed,
    AlreadyBooked,
    BookingNotFound,
    PlanRequired,
    SlotClosed,
    SlotNotFound,
    SlotTaken,
    TooLate,
)
from operational_api.scheduling.lifecycle import HOLDING, BookingLife, Outcome, is_bookable, lowest_free_seat
from operational_api.scheduling.models import Booking, Slot
from operational_api.scheduling.service import payment, waitlist

REFUSALS: dict[str, type[AlreadyBooked | SlotTaken]] = {
    "uq_bookings_seat": SlotTaken,
    "ex_bookings_customer_overlap": AlreadyBooked,
}
"""What a violated constraint means to the customer."""


def book_session(session: Session, *, customer_id: UUID, slot_id: UUID, now: datetime) -> Booking:
    """Book the lowest free seat of a future slot, paid by membership or pack, and announce it.

    Raises:
        SlotNotFound: unknown slot.
        SlotClosed: it was cancelled or has started; TooLate when there is less than the minimum notice.
        SlotTaken: no seat is free.
        AlreadyBooked: the customer has a session at that time.
        PlanRequired, AllowanceUsed: nothing pays for it.
    """
    slot = lock_slot(session, slot_id)
    booking = seat_customer(session, slot=slot, customer_id=customer_id, now=now)
    waitlist.close(session, slot_id=slot.id, customer_id=customer_id, status="promoted", now=now)
    announce_booked(session, booking, now=now)
    return booking


def cancel_booking(session: Session, *, booking_id: UUID, now: datetime, by_coach: bool = False) -> Booking:
    """Cancel a booking, give its credit back when in time, hand its seat to the waitlist, and announce all of it.

    Raises:
        BookingNotFound, BookingClosed, SessionStarted.
    """
    booking = get_booking(session, booking_id)
    slot = lock_slot(session, booking.slot_id)
    session.refresh(booking)
    _release(session, booking, BookingLife(booking.status, booking.starts_at).cancel(now, by_coach=by_coach), now=now)
    _announce_cancelled(session, booking, now=now, by_coach=by_coach)
    promote_waiting(session, slot=slot, now=now)
    return booking


def reschedule_booking(session: Session, *, booking_id: UUID, slot_id: UUID, now: datetime) -> Booking:
    """Move a booking to another slot in one step: either the new seat is held or the old one still is.

    The old booking stays in the history as cancelled; the new one's event names it.

    Returns:
        The new booking.

    Raises:
        TooLateToReschedule: inside the cancellation window.
        Whatever cancelling the old or booking the new refuses.
    """
    old = get_booking(session, booking_id)
    locked = {id_: lock_slot(session, id_) for id_ in sorted({old.slot_id, slot_id})}  # one order: no deadlock
    session.refresh(old)
    status = BookingLife(old.status, old.starts_at).move(now)
    if old.slot_id == slot_id:
        raise AlreadyBooked("You already have this session.")
    _release(session, old, status, now=now)
    new = seat_customer(session, slot=locked[slot_id], customer_id=old.customer_id, now=now)
    waitlist.close(session, slot_id=slot_id, customer_id=old.customer_id, status="promoted", now=now)
    _announce_cancelled(session, old, now=now)
    announce_booked(session, new, now=now, moved_from_id=old.id)
    promote_waiting(session, slot=locked[old.slot_id], now=now)
    return new


def mark_outcome(session: Session, *, booking_id: UUID, outcome: Outcome, now: datetime) -> Booking:
    """Record whether the customer came, and announce it. The same outcome again changes nothing.

    Raises:
        BookingNotFound, BookingClosed, SessionNotStarted.
    """
    booking = get_booking(session, booking_id, lock=True)
    status = BookingLife(booking.status, booking.starts_at).mark(outcome, now)
    if booking.status == status:
        return booking
    booking.status, booking.outcome_at = status, now
    event = SessionAttended if status == "attended" else SessionMissed
    publish(
        session,
        event(occurred_at=now, starts_at=booking.starts_at, session_pack_id=booking.session_pack_id, **_facts(booking)),
    )
    session.flush()
    return booking


def cancel_slot(session: Session, *, slot_id: UUID, now: datetime) -> Slot:
    """The coach calls a session off: every booking is cancelled with its credit back, nobody waits any longer.

    Raises:
        SlotNotFound, SlotClosed.
    """
    slot = lock_slot(session, slot_id)
    if slot.status != "open" or slot.starts_at <= now:
        raise SlotClosed
    slot.status = "cancelled"
    for booking in session.scalars(select(Booking).where(Booking.slot_id == slot_id, Booking.status == "booked")):
        _release(session, booking, "cancelled", now=now)
        _announce_cancelled(session, booking, now=now, by_coach=True)
    waitlist.expire(session, slot_id=slot_id, now=now)
    return slot


def get_booking(session: Session, booking_id: UUID, *, lock: bool = False) -> Booking:
    """The booking.

    Raises:
        BookingNotFound: there is none.
    """
    query = select(Booking).where(Booking.id == booking_id)
    booking = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if booking is None:
        raise BookingNotFound
    return booking


def resource_of(booking: Booking, *, kind: str | None = None) -> Resource:
    """The booking as the policy sees it. `kind="business"` for what customers never do to their own booking."""
    return Resource("Booking", booking.id, customer_id=booking.customer_id, coach_id=booking.coach_id, kind=kind)


def lock_slot(session: Session, slot_id: UUID) -> Slot:
    """The slot, locked until the transaction ends and read afresh.

    Raises:
        SlotNotFound: there is none.
    """
    slot = session.scalar(
        select(Slot).where(Slot.id == slot_id).with_for_update(key_share=True).execution_options(populate_existing=True)
    )
    if slot is None:
        raise SlotNotFound
    return slot


def seat_customer(session: Session, *, slot: Slot, customer_id: UUID, now: datetime) -> Booking:
    """Give a customer the lowest free seat of a locked slot and charge what pays for it. Announces nothing."""
    if slot.status != "open" or slot.starts_at <= now:
        raise SlotClosed
    if not is_bookable(slot.starts_at, now):
        raise TooLate
    holders = session.execute(
        select(Booking.seat, Booking.customer_id).where(Booking.slot_id == slot.id, Booking.status.in_(HOLDING))
    ).all()
    if any(row.customer_id == customer_id for row in holders):
        raise AlreadyBooked("You already have this session.")
    seat = lowest_free_seat({row.seat for row in holders}, slot.capacity)
    if seat is None:
        raise SlotTaken
    booking = Booking(
        slot_id=slot.id,
        customer_id=customer_id,
        coach_id=slot.coach_id,
        seat=seat,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        status="booked",
        session_pack_id=payment.pay_for(session, slot=slot, customer_id=customer_id, now=now),
        booked_at=now,
    )
    session.add(booking)
    try:
        session.flush()
    except IntegrityError as error:
        refusal = REFUSALS.get(getattr(getattr(error.orig, "diag", None), "constraint_name", None) or "")
        if refusal is None:
            raise
        raise refusal from error
    return booking


def promote_waiting(session: Session, *, slot: Slot, now: datetime) -> list[Booking]:
    """Give the free seats of a locked slot to those who wait, first come first served, while there is notice enough.

    Who has meanwhile booked something else at that time, or has nothing left to pay with, keeps waiting.
    """
    promoted: list[Booking] = []
    for entry in waitlist.waiting(session, slot.id):
        try:
            with session.begin_nested():
                booking = seat_customer(session, slot=slot, customer_id=entry.customer_id, now=now)
                entry.status, entry.closed_at = "promoted", now
        except (SlotTaken, SlotClosed):
            break
        except (AlreadyBooked, PlanRequired, AllowanceUsed):
            continue
        announce_booked(session, booking, now=now, is_from_waitlist=True)
        promoted.append(booking)
    return promoted


def announce_booked(
    session: Session,
    booking: Booking,
    *,
    now: datetime,
    is_from_waitlist: bool = False,
    moved_from_id: UUID | None = None,
) -> None:
    """Publish SessionBooked, once per booking."""
    publish(
        session,
        SessionBooked(
            occurred_at=now,
            starts_at=booking.starts_at,
            is_from_waitlist=is_from_waitlist,
            moved_from_id=moved_from_id,
            **_facts(booking),
        ),
    )


def _announce_cancelled(session: Session, booking: Booking, *, now: datetime, by_coach: bool = False) -> None:
    publish(
        session,
        SessionCancelled(
            occurred_at=now,
            starts_at=booking.starts_at,
            is_late=booking.status == "late_cancelled",
            is_by_coach=by_coach,
            **_facts(booking),
        ),
    )


def _release(session: Session, booking: Booking, status: str, *, now: datetime) -> None:
    booking.status, booking.cancelled_at = status, now
    session.flush()
    if status == "cancelled" and booking.session_pack_id is not None:
        commerce.return_pack_session(session, booking.session_pack_id)


def _facts(booking: Booking) -> dict[str, UUID]:
    return {
        "booking_id": booking.id,
        "slot_id": booking.slot_id,
        "customer_id": booking.customer_id,
        "coach_id": booking.coach_id,
    }
