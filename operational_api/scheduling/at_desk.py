"""What the front desk does for a customer, and a coach for a client of theirs, as the policy lets them: used by the API
and, through `public`, by the pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.commerce import public as commerce
from operational_api.core.principal import Principal, account_id_of
from operational_api.scheduling import access
from operational_api.scheduling.errors import BookingNotFound, CustomerNotFound, SlotNotFound
from operational_api.scheduling.models import Booking, Location
from operational_api.scheduling.service import desk_bookings, payment, recurring, round_robin, seats, slots
from operational_api.scheduling.service.desk_bookings import Order
from operational_api.scheduling.service.round_robin import Opening, OpeningView
from operational_api.training import public as training

MOST_SLOTS = 200


@dataclass(frozen=True, slots=True)
class Means:
    """What pays for a customer's session: their membership by name where it has a session left, sessions left in packs,
    and what can be sold to them on an invoice."""

    plan_name: str | None
    credits: int
    sold: Sequence[commerce.PlanOffer]


@dataclass(frozen=True, slots=True)
class Undoable:
    """What was booked for a customer just now; of weeks in one go the first."""

    booking_id: UUID
    title: str
    starts_at: datetime
    location_id: UUID
    status: str
    until: datetime


def slots_for(
    session: Session, principal: Principal, *, customer_id: UUID, since: datetime, until: datetime, now: datetime,
    location_id: UUID | None = None, coach_id: UUID | None = None,
) -> list[slots.SlotView]:  # fmt: skip
    """Sessions that can be booked for a customer, full ones among them, by start: at the studios that a desk is kept
    to, of a coach their own.

    Raises:
        CustomerNotFound.
    """
    access.reach_customer(session, principal, customer_id)
    only = access.books_in(principal)
    if only is not None and coach_id not in (None, only):
        return []
    wanted = slots.SlotFilter(
        starts_from=since, starts_before=until, coach_id=only or coach_id, location_id=location_id, is_at_desk=True,
        location_ids=access.posted(session, principal).locations,
    )  # fmt: skip
    found, _ = slots.list_slots(session, wanted, viewer_id=customer_id, now=now, limit=MOST_SLOTS)
    return found


def slot_for(
    session: Session, principal: Principal, *, customer_id: UUID, slot_id: UUID, now: datetime
) -> slots.SlotView:  # fmt: skip
    """One session as it is booked for a customer.

    Raises:
        CustomerNotFound, SlotNotFound.
    """
    access.reach_customer(session, principal, customer_id)
    access.reach_seat_for(session, principal, customer_id, slot_id)
    return slots.get_slot(session, slot_id, viewer_id=customer_id, now=now)


def openings_for(
    session: Session, principal: Principal, *, customer_id: UUID, since: datetime, until: datetime, now: datetime,
    location_id: UUID | None = None,
) -> list[OpeningView]:  # fmt: skip
    """Times that can be booked for a customer with whoever is free, by start, at the studios that a desk is kept to.
    None for a coach, who books in their own calendar alone.

    Raises:
        CustomerNotFound.
    """
    client = access.reach_customer(session, principal, customer_id)
    if access.books_in(principal) is not None:
        return []
    wanted = slots.SlotFilter(
        starts_from=since, starts_before=until, location_id=location_id, is_at_desk=True,
        location_ids=access.posted(session, principal).locations,
    )  # fmt: skip
    own = client.coach_id if client else None
    found, _ = round_robin.list_openings(session, wanted, own_coach_id=own, now=now, limit=MOST_SLOTS)
    return found


def opening_for(
    session: Session, principal: Principal, *, customer_id: UUID, opening: Opening, now: datetime
) -> slots.SlotView | None:  # fmt: skip
    """The session that a customer would have at a time with whoever is free, as things stand; None: nobody is.

    Raises:
        CustomerNotFound, SlotNotFound.
    """
    client = access.reach_customer(session, principal, customer_id)
    access.reach_opening_for(session, principal, customer_id, opening)
    own = client.coach_id if client else None
    found = round_robin.candidates(session, opening, own_coach_id=own, now=now, is_at_desk=True)
    return slots.get_slot(session, found[0].id, viewer_id=customer_id, now=now) if found else None


def means_of(
    session: Session, principal: Principal, *, customer_id: UUID, wanted: UUID | Opening, now: datetime
) -> Means:  # fmt: skip
    """What could pay for a session, or for a time with whoever is free.

    Raises:
        CustomerNotFound, SlotNotFound.
    """
    access.reach_customer(session, principal, customer_id)
    if isinstance(wanted, UUID):
        seat = payment.Seat.of(access.reach_seat_for(session, principal, customer_id, wanted))
    else:
        access.reach_opening_for(session, principal, customer_id, wanted)
        seat = payment.Seat(wanted.starts_at, wanted.location_id)
    here = session.get(Location, seat.location_id)
    if here is None:
        raise SlotNotFound
    found = payment.means_for(session, seat, customer_id=customer_id, now=now)
    if found.has_any:
        return Means(found.plan_name if found.is_covered else None, found.credits, [])
    return Means(None, 0, commerce.sold_on_invoice(session, customer_id=customer_id, currency=here.currency, now=now))


def book_for(session: Session, principal: Principal, order: Order, *, now: datetime) -> Booking:
    """Book a seat for a customer: of a session, or at a time with whoever is free, their own coach if they are.

    Raises:
        SlotNotFound, CustomerNotFound; what `desk_bookings.book` refuses.
    """
    client = require_customer(session, principal, order.customer_id)
    if isinstance(order.wanted, UUID):
        access.reach_seat_for(session, principal, order.customer_id, order.wanted)
    else:
        access.reach_opening_for(session, principal, order.customer_id, order.wanted)
    return desk_bookings.book(session, order, booked_by=account_id_of(principal), own_coach_id=client.coach_id, now=now)


def book_weeks_for(
    session: Session, principal: Principal, *, customer_id: UUID, slot_id: UUID, times: int | None,
    until: date | None = None, interval: int = 1, plan_code: str | None = None, now: datetime,
) -> recurring.Booked:  # fmt: skip
    """Book a session and the weeks that follow for a customer, paid by what they have or by a pack sold to them.

    Raises:
        SlotNotFound, CustomerNotFound; what `desk_bookings.book_weeks` refuses.
    """
    require_customer(session, principal, customer_id)
    access.reach_seat_for(session, principal, customer_id, slot_id)
    return desk_bookings.book_weeks(
        session, customer_id=customer_id, slot_id=slot_id, times=times, until=until, interval=interval,
        booked_by=account_id_of(principal), plan_code=plan_code, now=now,
    )  # fmt: skip


def undo_for(session: Session, principal: Principal, *, booking_id: UUID, now: datetime) -> list[Booking]:
    """Take back what was booked for a customer minutes before.

    Raises:
        BookingNotFound, UndoOver, BookingClosed, InvoiceNotCreditable.
    """
    booking = access.reach_booking(session, principal, booking_id, "scheduling.book_for", kind="business")
    access.reach_customer(session, principal, booking.customer_id, missing=BookingNotFound)
    return desk_bookings.undo(session, booking_id=booking.id, actor_id=account_id_of(principal), now=now)


def undoable(session: Session, principal: Principal, *, customer_id: UUID, now: datetime) -> list[Undoable]:
    """What was booked for a customer and can be taken back, the newest first; of weeks in one go the first."""
    kept_to, only = access.posted(session, principal).locations, access.books_in(principal)
    return [
        Undoable(booking.id, slot.title, slot.starts_at, slot.location_id, booking.status, seats.undo_until(booking))
        for booking, slot in desk_bookings.undoable(session, customer_id=customer_id, now=now)
        if (kept_to is None or slot.location_id in kept_to) and only in (None, slot.coach_id)
    ]


def require_customer(session: Session, principal: Principal, customer_id: UUID) -> training.ClientFacts:
    """The customer who is booked for.

    Raises:
        CustomerNotFound: nobody, or not for the principal to book for.
    """
    found = access.reach_customer(session, principal, customer_id)
    if found is None:
        raise CustomerNotFound
    return found
