"""What the front desk books for a customer who stands there or calls, or a coach for a client of theirs, and takes back
where it was a mistake.

Both book on the desk's own terms (`Terms.at_desk`), by the same locks and constraints as the customer does: of two who
want the last seat, one gets it. A seat is paid by what the customer has, by a pack sold on an invoice on the spot, or
is kept until they have paid. Who booked is in the booking, its event and the audit log.

Does not belong here: at which studios somebody's desk is (`desks`), whether they may (`access`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.commerce import public as commerce
from operational_api.core import audit, closing
from operational_api.scheduling.errors import BookingClosed, CustomerLeft, PaidAlready, TooLate, UndoOver
from operational_api.scheduling.models import Booking, Slot
from operational_api.scheduling.service import (
    announcing,
    bookings,
    holds,
    payment,
    places,
    recurring,
    round_robin,
    seats,
    waitlist,
)

Paid = Literal["means", "invoice", "later"]
"""By what the customer has; by a pack that is sold on an invoice; or the seat is kept until they have paid."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a customer asks the desk for: a session, or a time with whoever is free.

    Attributes:
        plan_code: What is sold, where it is paid by `invoice`.
        comes_in: They are there: checked in with the booking.
    """

    customer_id: UUID
    wanted: UUID | round_robin.Opening
    paid: Paid = "means"
    plan_code: str | None = None
    comes_in: bool = False


def book(
    session: Session, order: Order, *, booked_by: UUID, now: datetime, own_coach_id: UUID | None = None
) -> Booking:  # fmt: skip
    """Book a seat for a customer, or keep it for them.

    Args:
        own_coach_id: Of the customer: who it is with if they are free and any coach will do.

    Raises:
        NobodyFree: any coach would do, and none is free.
        SlotNotFound, SlotClosed, TooEarly, CoachBusyElsewhere, SlotTaken, AlreadyBooked: as of `bookings.book_session`,
            but until shortly after the start; kept until it.
        PlanRequired, AllowanceUsed: they have nothing that pays for it.
        PaidAlready: a pack is to be sold to somebody who has something that pays.
        PlanNotFound, PlanNotSold, NotSoldOnInvoice, IntroUsed: it cannot be sold to them.
        TooManyHolds: they keep enough.
        SessionNotStarted: it is too early to check anybody in.
        CustomerLeft: their account is closed.
    """
    _require_open(session, order.customer_id)

    def take(place: places.Place, how: str | None = None) -> Booking:
        return _take(session, order, place, booked_by=booked_by, assignment=how, now=now)

    if isinstance(order.wanted, UUID):
        booking = take(places.lock_place(session, order.wanted))
    else:
        booking = round_robin.take_opening(
            session, order.wanted, own_coach_id=own_coach_id, now=now, take=take, is_at_desk=True
        )
    details: dict[str, object] = {"paid": order.paid, "plan": order.plan_code, "assignment": booking.assignment}
    _record(session, "scheduling.book_for", booking, booked_by, now, details)
    return booking


def _take(
    session: Session, order: Order, place: places.Place, *, booked_by: UUID, assignment: str | None, now: datetime
) -> Booking:  # fmt: skip
    if order.paid == "later":
        if place.slot.starts_at <= now:
            raise TooLate  # it would lapse at this moment
        return holds.hold_place(
            session, place, customer_id=order.customer_id, now=now, booked_by=booked_by, assignment=assignment
        )
    if order.paid == "invoice":
        _sell(session, order.customer_id, order.plan_code, place, now=now)
    booking = bookings.book_place(
        session, place, customer_id=order.customer_id, now=now, booked_by=booked_by, assignment=assignment
    )
    if order.comes_in:
        bookings.mark_outcome(session, booking_id=booking.id, outcome="attended", now=now)
    return booking


def _require_open(session: Session, customer_id: UUID) -> None:
    """Let pass whose account is open, and stays open until this transaction ends."""
    closing.put_off(session, customer_id)
    if commerce.is_closed(session, customer_id):
        raise CustomerLeft


def _sell(session: Session, customer_id: UUID, plan_code: str | None, place: places.Place, *, now: datetime) -> None:
    payment.one_at_a_time(session, customer_id)
    if payment.can_pay(session, slot=place.slot, customer_id=customer_id, now=now):
        raise PaidAlready
    commerce.sell_pack(
        session, customer_id=customer_id, plan_code=plan_code or "", currency=place.location.currency, now=now
    )


def book_weeks(
    session: Session, *, customer_id: UUID, slot_id: UUID, times: int | None, until: date | None, interval: int,
    booked_by: UUID, now: datetime, plan_code: str | None = None,
) -> recurring.Booked:  # fmt: skip
    """Book a session and the same hour in the weeks that follow, paid by what the customer has, or by a pack that is
    sold to them on an invoice: as many weeks as it has sessions.

    Args:
        plan_code: What is sold; None: nothing.

    Raises:
        Whatever `recurring.book_series` does; of a sale what `book` does.
        CustomerLeft: their account is closed.
    """
    _require_open(session, customer_id)

    def sell() -> None:
        if plan_code is not None:
            _sell(session, customer_id, plan_code, places.lock_place(session, slot_id), now=now)

    found = recurring.book_series(
        session, customer_id=customer_id, slot_id=slot_id, times=times, until=until, interval=interval,
        booked_by=booked_by, once_locked=sell, now=now,
    )  # fmt: skip
    details: dict[str, object] = {
        "paid": "means" if plan_code is None else "invoice", "plan": plan_code, "sessions": len(found.bookings),
    }  # fmt: skip
    _record(session, "scheduling.book_for", found.bookings[0], booked_by, now, details)
    return found


def can_undo(booking: Booking, now: datetime) -> bool:
    """Whether what the desk booked can still be taken back."""
    return (
        booking.booked_by is not None and booking.status in recurring.LIVE and now <= seats.undo_until(booking)
        and booking.outcome_at is None
    )  # fmt: skip


def undo(session: Session, *, booking_id: UUID, actor_id: UUID, now: datetime) -> list[Booking]:
    """Take back what was booked at the desk minutes before, with the weeks that were booked with it: seats are free,
    what was used is back, what was sold is not owed. Also where the session has started meanwhile.

    Returns:
        What was taken back, by start.

    Raises:
        BookingNotFound.
        UndoOver: the desk did not book it, or too long ago: then it is cancelled like any.
        BookingClosed: they were checked in, or it is over.
        InvoiceNotCreditable: whether what was sold is paid is not known yet.
    """
    booking = seats.get_booking(session, booking_id)
    if booking.booked_by is None or now > seats.undo_until(booking):
        raise UndoOver
    together = [booking, *_booked_with(session, booking)]
    slots = {one.id: one for one in seats.lock_slots(session, {one.slot_id for one in together})}
    for one in together:
        session.refresh(one)
    if not can_undo(booking, now):
        raise BookingClosed
    if booking.series_id is not None:
        recurring.end_series(session, series_id=booking.series_id, now=now)
    gone = [one for one in together if can_undo(one, now)]
    paid_by = Counter(one.session_pack_id for one in gone if one.session_pack_id is not None)
    for pack_id, sessions in sorted(paid_by.items()):  # the customer's row before the packs, as everybody does
        commerce.take_back_pack(
            session, pack_id=pack_id, sold_at=booking.booked_at, sessions=sessions, actor_id=actor_id, now=now
        )
    seats.lock_credits(session, Booking.id.in_([one.id for one in gone]))
    for one in gone:
        _take_back(session, one, now=now)
    for one in gone:
        waitlist.offer_seats(session, slot=slots[one.slot_id], now=now)
    _record(session, "scheduling.undo_booking", booking, actor_id, now, {"sessions": len(gone)})
    return sorted(gone, key=lambda one: one.starts_at)


def _booked_with(session: Session, booking: Booking) -> Sequence[Booking]:
    """The weeks that were booked with a session in one go."""
    if booking.series_id is None:
        return []
    query = select(Booking).where(
        Booking.series_id == booking.series_id, Booking.id != booking.id, Booking.booked_at == booking.booked_at,
        Booking.booked_by == booking.booked_by,
    )  # fmt: skip
    return session.scalars(query.order_by(Booking.slot_id)).all()


def _take_back(session: Session, booking: Booking, *, now: datetime) -> None:
    if booking.status == "held":
        holds.release(session, booking, "released", "undone", now=now)
        return
    seats.give_back(session, booking, "cancelled", now=now)
    announcing.cancelled(session, booking, now=now, is_undone=True)


def undoable(session: Session, *, customer_id: UUID, now: datetime) -> list[tuple[Booking, Slot]]:
    """What the desk booked for a customer and can take back, the newest first; of weeks in one go the first."""
    rows = session.execute(
        select(Booking, Slot)
        .join(Slot, Slot.id == Booking.slot_id)
        .where(
            Booking.customer_id == customer_id, Booking.booked_by.is_not(None), Booking.status.in_(recurring.LIVE),
            Booking.starts_at > now - recurring.DAY,
        )
        .order_by(Booking.booked_at.desc(), Booking.starts_at)
    ).tuples()  # fmt: skip
    found: dict[tuple[UUID, datetime], tuple[Booking, Slot]] = {}
    for booking, slot in rows:
        if can_undo(booking, now):
            found.setdefault((booking.series_id or booking.id, booking.booked_at), (booking, slot))
    return list(found.values())


def _record(
    session: Session, action: str, booking: Booking, actor_id: UUID, now: datetime, details: dict[str, object]
) -> None:
    audit.record(
        session, action, "Booking", booking.id, actor_id=actor_id, subject_id=booking.customer_id,
        purpose="operations", details={key: value for key, value in details.items() if value is not None}, now=now,
    )  # fmt: skip
