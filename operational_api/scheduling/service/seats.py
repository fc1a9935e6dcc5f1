"""Seats of a slot: taking one, giving one back, and those that nobody came for in time.

Whoever changes the seats of a slot locks its row first, so decisions about one slot happen one after the other. The
database's constraints stand behind that: a seat is given once and a customer is in one place, whatever the code does.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, and_, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from operational_api.commerce import public as commerce
from operational_api.core.errors import DomainError
from operational_api.core.policy import Resource
from operational_api.core.statements import write
from operational_api.scheduling.errors import (
    AlreadyBooked,
    BookingNotFound,
    SlotClosed,
    SlotNotFound,
    SlotTaken,
    TooEarly,
    TooLate,
)
from operational_api.scheduling.lifecycle import HOLDING, PENDING, is_bookable, lowest_free_seat
from operational_api.scheduling.models import Booking, Slot, WaitlistEntry
from operational_api.scheduling.service import announcing
from operational_api.scheduling.terms import UNDO, Terms

REFUSALS: dict[str, type[DomainError]] = {
    "uq_bookings_seat": SlotTaken,
    "ex_bookings_customer_overlap": AlreadyBooked,
}
"""What a violated constraint means to the customer."""


def lock_slot(session: Session, slot_id: UUID) -> Slot:
    """The slot, locked until the transaction ends and read afresh. An assistant's place has no seats: it is none.

    Raises:
        SlotNotFound: there is none.
    """
    query = select(Slot).where(Slot.id == slot_id, has_seats())
    slot = session.scalar(query.with_for_update(key_share=True).execution_options(populate_existing=True))
    if slot is None:
        raise SlotNotFound
    return slot


def has_seats() -> ColumnElement[bool]:
    """Whether `Slot` is a session and no assistant's place in one, inside a query over slots."""
    return Slot.kind != "assist"


def lock_slots(session: Session, slot_ids: Collection[UUID], *, skip_locked: bool = False) -> list[Slot]:
    """Several slots, locked in everybody's order: no deadlock. Unknown ones are left out.

    Args:
        skip_locked: Leave out what another transaction is working on.
    """
    query = select(Slot).where(Slot.id.in_(slot_ids), has_seats()).order_by(Slot.id)
    locked = query.with_for_update(key_share=True, skip_locked=skip_locked)
    return list(session.scalars(locked.execution_options(populate_existing=True)))


def lock_credits(session: Session, *which: ColumnElement[bool]) -> None:
    """The packs that paid for these bookings, in everybody's order: before several are given back, slots being locked.

    Args:
        which: Conditions on `Booking`; only those that hold a seat are meant.
    """
    paid_by = select(Booking.session_pack_id).where(
        Booking.status.in_((*HOLDING, *PENDING)), Booking.session_pack_id.is_not(None), *which
    )
    if packs := {one for one in session.scalars(paid_by) if one is not None}:
        commerce.lock_packs(session, packs)


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


def lock_booking(session: Session, booking_id: UUID) -> tuple[Booking, Slot]:
    """A booking as it is once its slot is locked."""
    booking = get_booking(session, booking_id)
    slot = lock_slot(session, booking.slot_id)
    session.refresh(booking)
    return booking, slot


def resource_of(booking: Booking, *, kind: str | None = None) -> Resource:
    """The booking as the policy sees it. `kind="business"` for what customers never do to their own booking."""
    return Resource("Booking", booking.id, customer_id=booking.customer_id, coach_id=booking.coach_id, kind=kind)


def check_time(slot: Slot, terms: Terms, now: datetime) -> None:
    """Refuse a slot that cannot be booked at this time. A notice below 0 lets people in after the start.

    Raises:
        SlotClosed: it was cancelled or has started; TooLate, TooEarly: outside the terms' notice and window.
    """
    if slot.status != "open" or (slot.starts_at <= now and terms.notice >= timedelta()):
        raise SlotClosed
    if not is_bookable(slot.starts_at, now, terms.notice):
        raise TooLate
    if not terms.is_in_window(slot.starts_at, now):
        raise TooEarly


def holders(session: Session, slot_id: UUID) -> Sequence[Booking]:
    """Bookings that hold a seat of a slot, those that lapsed and were not written down yet among them."""
    return session.scalars(
        select(Booking).where(Booking.slot_id == slot_id, Booking.status.in_((*HOLDING, *PENDING)))
    ).all()


def is_held(now: datetime, booking: type[Booking] = Booking) -> ColumnElement[bool]:
    """Whether a booking holds its seat: for good, or for a while that is not over; inside a query."""
    return or_(booking.status.in_(HOLDING), and_(booking.status.in_(PENDING), booking.held_until > now))


def count_held(now: datetime) -> ScalarSelect[int]:
    """How many seats of `Slot` are held, inside a query over slots."""
    return (
        select(func.count())
        .select_from(Booking)
        .where(Booking.slot_id == Slot.id, is_held(now))
        .correlate(Slot)
        .scalar_subquery()
    )


def free_seat(taken: Sequence[Booking], slot: Slot) -> int:
    """The lowest seat that nobody holds.

    Raises:
        SlotTaken: there is none.
    """
    seat = lowest_free_seat({one.seat for one in taken}, slot.capacity)
    if seat is None:
        raise SlotTaken
    return seat


def place(session: Session, booking: Booking) -> Booking:
    """Write a booking that holds a seat.

    Raises:
        SlotTaken, AlreadyBooked: a constraint says that the seat or the customer's time is not free.
    """
    try:
        write(session, booking)
    except IntegrityError as error:
        refusal = REFUSALS.get(getattr(getattr(error.orig, "diag", None), "constraint_name", None) or "")
        if refusal is None:
            raise
        raise refusal from error
    return booking


def undo_until(booking: Booking) -> datetime:
    """Until when the desk's booking is taken back as if it had never been."""
    return booking.booked_at + UNDO


def new_booking(
    slot: Slot, *, customer_id: UUID, seat: int, status: str, terms: Terms, now: datetime, booked_by: UUID | None = None
) -> Booking:
    """A booking of a slot on these terms, not written yet. What pays for it and until when it is held is to be said.

    Args:
        booked_by: Who books at the front desk; None where the customer does.
    """
    return agree(
        Booking(
            slot_id=slot.id, customer_id=customer_id, coach_id=slot.coach_id, seat=seat, starts_at=slot.starts_at,
            ends_at=slot.ends_at, status=status, booked_at=now, booked_by=booked_by,
        ),
        terms,
    )  # fmt: skip


def agree(booking: Booking, terms: Terms) -> Booking:
    """Keep with the booking what cancelling it costs, as its customer sees it now. What the desk booked for them costs
    nothing for some minutes, whatever the terms."""
    booking.free_until = terms.free_until(booking.starts_at)
    if booking.booked_by is not None:
        booking.free_until = max(booking.free_until, min(undo_until(booking), booking.starts_at))
    booking.late_fee_minor = terms.late_fee_minor or None
    booking.late_fee_currency = terms.late_fee_currency if terms.late_fee_minor else None
    return booking


def give_back(session: Session, booking: Booking, status: str, *, now: datetime, is_ours: bool = False) -> None:
    """Free a booking's seat, and return the credit that paid for it unless it was cancelled late.

    Args:
        is_ours: It was called off by coach or studio: the credit can be used for a while, whatever becomes of its pack.
    """
    booking.status, booking.cancelled_at = status, now
    session.flush()
    if status != "late_cancelled" and booking.session_pack_id is not None:
        commerce.return_pack_session(session, booking.session_pack_id, called_off_at=now if is_ours else None)


def lapse(session: Session, now: datetime, *, slot_id: UUID) -> list[Booking]:
    """Write down that seats of a locked slot were not confirmed or answered in time.

    What another transaction is working on is left to it.
    """
    query = select(Booking).where(Booking.slot_id == slot_id, Booking.status.in_(PENDING), Booking.held_until <= now)
    lapsed = list(session.scalars(query.order_by(Booking.id).with_for_update(key_share=True, skip_locked=True)))
    for booking in lapsed:
        give_back(session, booking, "released", now=now)
        announcing.released(session, booking, "lapsed", now=now)
    if lapsed:
        end_offers(session, [one.id for one in lapsed], "lapsed", now=now)
    return lapsed


def end_offers(session: Session, booking_ids: Sequence[UUID], status: str, *, now: datetime) -> int:
    """Close the waiting of those whom these held seats were offered to. `status`: promoted, declined, lapsed, expired.

    Returns:
        How many there were.
    """
    entries = session.scalars(
        select(WaitlistEntry).where(WaitlistEntry.booking_id.in_(booking_ids), WaitlistEntry.status == "offered")
    ).all()
    for entry in entries:
        entry.status, entry.closed_at = status, now
        announcing.waiting_ended(session, entry, now=now)
    session.flush()
    return len(entries)
