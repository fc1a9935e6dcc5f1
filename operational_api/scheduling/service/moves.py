"""Moving a booking, and the history of where it was before: who moved it, when, from when to when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_api.core.principal import Principal
from operational_api.scheduling.errors import AlreadyBooked, ConfirmationNeeded, SlotNotFound
from operational_api.scheduling.models import Booking, BookingMove
from operational_api.scheduling.service import announcing, holds, payment, places, seats, waitlist
from operational_api.scheduling.service.terms import terms_of


@dataclass(frozen=True, slots=True)
class Mover:
    """Who moves a booking."""

    account_id: UUID | None = None
    role: str = "service"

    @classmethod
    def of(cls, principal: Principal) -> "Mover":
        """Whoever asks."""
        return cls(principal.account_id, principal.role)


def reschedule_booking(
    session: Session, *, booking_id: UUID, slot_id: UUID, now: datetime, by: Mover | None = None,
    assignment: str | None = None,
) -> Booking:  # fmt: skip
    """Move a booking to another slot in one step: either the new seat is held or the old one still is.

    The old booking stays in the history as cancelled; the new one's event names it. What a coach confirmed once is not
    asked for again. A seat of the new one that is kept for the customer, or was offered to them, is the one they get.

    Args:
        assignment: How a new coach was chosen, where nobody named them.

    Returns:
        The new booking.

    Raises:
        TooLateToReschedule: inside the cancellation window.
        ConfirmationNeeded: a customer's choice is another coach, who has the last word.
        Whatever cancelling the old or booking the new refuses.
    """
    old = seats.get_booking(session, booking_id)
    locked = {slot.id: slot for slot in seats.lock_slots(session, {old.slot_id, slot_id})}
    session.refresh(old)
    status = holds.life_of(old).move(now)
    if slot_id not in locked:
        raise SlotNotFound
    if old.slot_id == slot_id:
        raise AlreadyBooked("You already have this session.")
    slot = locked[slot_id]
    terms = terms_of(session, coach_id=slot.coach_id, kind=slot.kind)
    by = by or Mover()
    if terms.needs_confirmation and by.role == "customer" and slot.coach_id != old.coach_id:
        raise ConfirmationNeeded
    seating = places.seating_of(session, slot, terms, customer_id=old.customer_id, now=now)
    kept = seating.of(old.customer_id)
    if kept is not None and kept.status != "held":
        raise AlreadyBooked("You already have this session.")
    seat = kept.seat if kept is not None else seats.free_seat(seating.taken, slot)
    if old.session_pack_id is not None:  # before the pack, as everybody does
        payment.one_at_a_time(session, old.customer_id)
    seats.give_back(session, old, status, now=now)
    new = kept or seats.new_booking(slot, customer_id=old.customer_id, seat=seat, status="booked", terms=terms, now=now)
    if kept is not None:
        kept.status, kept.booked_at, kept.held_until = "booked", now, None
        seats.agree(kept, terms)
        seats.end_offers(session, [kept.id], "promoted", now=now)
    new.session_pack_id = payment.pay_again(
        session, slot=slot, customer_id=old.customer_id, was_paid_by=old.session_pack_id, now=now
    )
    new.assignment = old.assignment if slot.coach_id == old.coach_id else assignment
    if (slot.coach_id, slot.location_id) == (locked[old.slot_id].coach_id, locked[old.slot_id].location_id):
        new.series_id, new.recurs_at = old.series_id, old.recurs_at  # with somebody else it is a session by itself
    if kept is None:
        seats.place(session, new)
    if seating.is_waiting:
        waitlist.close(session, slot_id=slot_id, customer_id=old.customer_id, status="promoted", now=now)
    keep(session, old, new, from_starts_at=old.starts_at, by=by, now=now)
    announcing.cancelled(session, old, now=now)
    announcing.booked(session, new, now=now, moved_from_id=old.id)
    waitlist.offer_seats(session, slot=locked[old.slot_id], now=now)
    return new


def keep(
    session: Session, old: Booking, new: Booking, *, from_starts_at: datetime, by: Mover, now: datetime
) -> None:  # fmt: skip
    """Write one step of the history down."""
    origin = select(BookingMove.origin_id).where(BookingMove.to_booking_id == old.id).limit(1).scalar_subquery()
    session.add(
        BookingMove(
            origin_id=func.coalesce(origin, old.id), from_booking_id=old.id, to_booking_id=new.id,
            from_starts_at=from_starts_at, to_starts_at=new.starts_at, moved_by=by.account_id,
            moved_by_role=by.role, moved_at=now,
        )
    )  # fmt: skip
    session.flush()


def history(session: Session, booking_ids: Sequence[UUID]) -> dict[UUID, list[BookingMove]]:
    """How bookings came to be where they are, the first move first, in one statement. Unmoved ones are left out."""
    chain = (
        select(BookingMove.origin_id, BookingMove.to_booking_id.label("booking_id"))
        .where(BookingMove.to_booking_id.in_(booking_ids))
        .distinct()
        .union(select(BookingMove.origin_id, BookingMove.origin_id).where(BookingMove.origin_id.in_(booking_ids)))
        .subquery()
    )
    rows = session.execute(
        select(chain.c.booking_id, BookingMove)
        .join(BookingMove, BookingMove.origin_id == chain.c.origin_id)
        .order_by(BookingMove.moved_at, BookingMove.id)
    ).tuples()
    found: dict[UUID, list[BookingMove]] = {}
    for booking_id, move in rows:
        found.setdefault(booking_id, []).append(move)
    return found
