"""Seats kept for a while: for somebody who is paying or who waited, or asked for where the coach has the last word.

A hold costs nothing and uses nothing up; confirming it pays. It ends by itself: everything that looks at seats counts
only holds that have not lapsed, and `lapse_all` writes down what has.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_api.scheduling.errors import AlreadyBooked, CoachBusyElsewhere, TooManyHolds
from operational_api.scheduling.lifecycle import LONGEST_REQUEST, PENDING, BookingLife
from operational_api.scheduling.models import Booking, Slot
from operational_api.scheduling.service import announcing, busy_times, payment, places, seats, waitlist
from operational_api.scheduling.service.terms import terms_of
from operational_api.scheduling.terms import Terms

MOST_HOLDS = 3
"""Seats one customer may keep at a time."""


def life_of(booking: Booking) -> BookingLife:
    """Where a booking stands, on the terms agreed."""
    return BookingLife(booking.status, booking.starts_at, booking.free_until, booking.held_until)


def hold_seat(
    session: Session, *, customer_id: UUID, slot_id: UUID, now: datetime, booked_by: UUID | None = None
) -> Booking:
    """Keep the lowest free seat for a customer who is still paying. Asking again gives the hold there is.

    Args:
        booked_by: Who keeps it for them at the front desk, for longer (`Terms.at_desk`).

    Raises:
        SlotNotFound, SlotClosed, TooLate, TooEarly: there is nothing to keep.
        SlotTaken, AlreadyBooked: no seat is free, or the customer has something else at that time.
        TooManyHolds: they keep enough.
    """
    place = places.lock_place(session, slot_id)
    return hold_place(session, place, customer_id=customer_id, now=now, booked_by=booked_by)


def hold_place(
    session: Session, place: places.Place, *, customer_id: UUID, now: datetime, booked_by: UUID | None = None,
    assignment: str | None = None,
) -> Booking:  # fmt: skip
    """`hold_seat` of a slot that is locked. `assignment`: how it got its coach where nobody named one."""
    slot, is_at_desk = place.slot, booked_by is not None
    seating = places.seating_of(session, slot, place.terms, customer_id=customer_id, now=now, is_at_desk=is_at_desk)
    terms = place.terms.at_desk() if is_at_desk else place.terms
    own = seating.of(customer_id)
    if own is not None and own.status == "held":
        return own
    if own is not None:
        raise AlreadyBooked("You already have this session.")
    payment.one_at_a_time(session, customer_id)
    kept = session.scalar(
        select(func.count()).select_from(Booking).where(Booking.customer_id == customer_id, Booking.status == "held")
    )
    if (kept or 0) >= MOST_HOLDS:
        raise TooManyHolds
    booking = seats.new_booking(
        slot, customer_id=customer_id, seat=seats.free_seat(seating.taken, slot), status="held", terms=terms, now=now,
        booked_by=booked_by,
    )  # fmt: skip
    booking.assignment = assignment
    booking.held_until = terms.hold_ends(slot.starts_at, now)
    seats.place(session, booking)
    announcing.held(session, booking, now=now)
    return booking


def confirm_hold(session: Session, *, booking_id: UUID, now: datetime) -> Booking:
    """Turn a held seat into a booking, or a request where the coach has the last word, and pay for it.

    Raises:
        BookingClosed: it is not held; HoldExpired: not any longer.
        CoachBusyElsewhere: since it was kept, the coach's own calendar says so, or they took the day off.
        PlanRequired, AllowanceUsed: nothing pays for it; it stays held.
    """
    booking, slot = seats.lock_booking(session, booking_id)
    if booking.status == "held" and busy_times.is_busy(session, slot):
        raise CoachBusyElsewhere
    return confirm(session, booking, slot, terms_of(session, coach_id=slot.coach_id, kind=slot.kind), now=now)


def confirm(session: Session, booking: Booking, slot: Slot, terms: Terms, *, now: datetime) -> Booking:
    """`confirm_hold` of a seat whose slot is locked."""
    status = life_of(booking).confirm(now, needs_confirmation=terms.needs_confirmation)
    booking.session_pack_id = payment.pay_for(session, slot=slot, customer_id=booking.customer_id, now=now)
    booking.status, booking.booked_at = status, now
    booking.held_until = answer_by(slot, now) if status == "requested" else None
    seats.agree(booking, terms)
    session.flush()
    is_offer = seats.end_offers(session, [booking.id], "promoted", now=now) > 0
    if status == "booked":
        announcing.booked(session, booking, now=now, is_from_waitlist=is_offer)
    else:
        announcing.taken(session, booking, now=now)
    return booking


def let_go(session: Session, *, booking_id: UUID, now: datetime) -> Booking:
    """Give back a seat that is held or asked for, and offer it to who waits. An offer is declined so.

    Raises:
        BookingNotFound, BookingClosed.
    """
    booking, slot = seats.lock_booking(session, booking_id)
    release(session, booking, life_of(booking).let_go(), "let_go", now=now)
    waitlist.offer_seats(session, slot=slot, now=now)
    return booking


def answer_request(session: Session, *, booking_id: UUID, is_accepted: bool, now: datetime) -> Booking:
    """The coach says yes or no to a request. A no gives the credit back and the seat to who waits.

    Raises:
        BookingNotFound, BookingClosed; HoldExpired: it was not answered in time.
    """
    booking, slot = seats.lock_booking(session, booking_id)
    status = life_of(booking).answer(now, is_accepted=is_accepted)
    if status == "booked":
        booking.status, booking.held_until = status, None
        session.flush()
        announcing.booked(session, booking, now=now)
        return booking
    release(session, booking, status, "declined", now=now)
    waitlist.offer_seats(session, slot=slot, now=now)
    return booking


def release(session: Session, booking: Booking, status: str, reason: announcing.Reason, *, now: datetime) -> None:
    """Free a seat that was held or asked for and say why."""
    seats.give_back(session, booking, status, now=now, is_ours=reason in ("called_off", "declined"))
    seats.end_offers(session, [booking.id], "expired" if reason == "called_off" else "declined", now=now)
    announcing.released(session, booking, reason, now=now)


def free_seats(session: Session, now: datetime) -> tuple[int, int]:
    """Write down every hold, offer and request that lapsed, and offer what is free to those who wait.

    Also seats that were free before and that nobody who waits could pay for or come to, until now.

    Returns:
        How many lapsed and how many were offered.
    """
    lapsed = select(Booking.slot_id).where(Booking.status.in_(PENDING), Booking.held_until <= now)
    slot_ids = set(session.scalars(lapsed)) | set(waitlist.slots_to_offer(session, now))
    counts = [0, 0]
    slots = seats.lock_slots(session, slot_ids, skip_locked=True)  # what somebody works on is looked at next time
    seats.lock_credits(session, Booking.slot_id.in_([one.id for one in slots]), Booking.status.in_(PENDING))
    for slot in slots:
        counts[0] += len(seats.lapse(session, now, slot_id=slot.id))
        counts[1] += len(waitlist.offer_seats(session, slot=slot, now=now))
    return counts[0], counts[1]


def answer_by(slot: Slot, now: datetime) -> datetime:
    """Until when the coach may answer a request."""
    return min(now + LONGEST_REQUEST, slot.starts_at)
