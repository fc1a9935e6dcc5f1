"""A session as whoever takes a seat of it needs it: locked, with its words and terms, then who has its seats.

Two statements: what changes under the lock is read after it was got, everything else with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BindParameter, DateTime, and_, bindparam, exists, or_, select
from sqlalchemy.orm import Session

from operational_api.core.statements import Statement
from operational_api.scheduling.errors import CoachBusyElsewhere
from operational_api.scheduling.lifecycle import HOLDING, PENDING
from operational_api.scheduling.models import Booking, BookingTerms, Coach, Location, Slot, WaitlistEntry
from operational_api.scheduling.service import assistants, busy_times, seats, waitlist
from operational_api.scheduling.terms import Terms, effective


@dataclass(frozen=True, slots=True)
class Place:
    """A locked slot: with whom, where and on what terms, and who helps with it, by name."""

    slot: Slot
    coach_name: str
    location: Location
    terms: Terms
    assistants: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Seating:
    """Who holds a seat of a slot, and whether the customer who asks waits for one."""

    taken: Sequence[Booking]
    is_waiting: bool

    def of(self, customer_id: UUID) -> Booking | None:
        """The seat that a customer holds already."""
        return next((one for one in self.taken if one.customer_id == customer_id), None)


_LOCKED = Statement(
    select(Slot, Coach.display_name, Coach.buffer_minutes, Location, assistants.names(), BookingTerms)
    .join(Coach, Coach.id == Slot.coach_id)
    .join(Location, Location.id == Slot.location_id)
    .outerjoin(BookingTerms, or_(BookingTerms.coach_id.is_(None), BookingTerms.coach_id == Slot.coach_id))
    .where(Slot.id == bindparam("slot_id"), seats.has_seats())
    .with_for_update(key_share=True, of=Slot),
    fresh=True,
)

_CUSTOMER: BindParameter[UUID] = bindparam("customer_id")
_NOW = bindparam("now", type_=DateTime(timezone=True))
_SEATING = Statement(
    select(
        Booking,
        busy_times.keeps_busy(),
        exists()
        .where(
            WaitlistEntry.slot_id == Slot.id,
            WaitlistEntry.customer_id == _CUSTOMER,
            WaitlistEntry.status == "waiting",
        )
        .correlate(Slot),
    )
    .select_from(Slot)
    .outerjoin(
        Booking,
        or_(
            and_(Booking.slot_id == bindparam("slot_id"), Booking.status.in_((*HOLDING, *PENDING))),
            and_(Booking.customer_id == _CUSTOMER, Booking.status.in_(PENDING), Booking.held_until <= _NOW),
        ),
    )
    .where(Slot.id == bindparam("slot_id"))
)


def lock_place(session: Session, slot_id: UUID) -> Place:
    """The slot, locked until the transaction ends and read afresh, with what belongs to it.

    Raises:
        SlotNotFound: there is none.
    """
    rows = _LOCKED.all(session, {"slot_id": slot_id})
    if not rows:
        seats.lock_slot(session, slot_id)  # it is there: it got another coach or studio while we waited for it
        rows = _LOCKED.all(session, {"slot_id": slot_id})
    slot, coach_name, buffer_minutes, location, helpers, _ = rows[0]
    said = [row[-1] for row in rows if row[-1] is not None]
    base = Terms(buffer_after_minutes=buffer_minutes)
    terms = effective(said, coach_id=slot.coach_id, kind=slot.kind, base=base)
    return Place(slot, coach_name, location, terms, helpers)


def seating_of(
    session: Session, slot: Slot, terms: Terms, *, customer_id: UUID, now: datetime, is_at_desk: bool = False
) -> Seating:
    """Who has the seats of a locked slot that can be booked now. What lapsed here or of this customer is free first,
    and who waits is asked before them.

    Args:
        terms: The customers'.
        is_at_desk: The front desk books, until shortly after the start.

    Raises:
        SlotClosed: it was cancelled or has started; TooLate, TooEarly: outside the terms' notice and window;
            CoachBusyElsewhere: the coach's own calendar says so.
    """
    seats.check_time(slot, terms.at_desk() if is_at_desk else terms, now)
    asked = {"slot_id": slot.id, "customer_id": customer_id, "now": now}
    rows = _SEATING.all(session, asked)
    if rows[0][1]:
        raise CoachBusyElsewhere
    found, is_waiting = [row[0] for row in rows if row[0] is not None], bool(rows[0][2])
    if any(one.status in PENDING and one.held_until is not None and one.held_until <= now for one in found):
        waitlist.lapse(session, slot, customer_id=customer_id, now=now, terms=terms)
        return Seating(seats.holders(session, slot.id), is_waiting)
    return Seating(found, is_waiting)
