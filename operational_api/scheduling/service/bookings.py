"""Booking and cancelling a session, and marking what came of it. Moving one is `moves`, keeping a seat is `holds`."""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.events.scheduling import SessionAttended, SessionMissed, SlotCalledOff
from operational_api.commerce import public as commerce
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import AlreadyBooked, SlotClosed
from operational_api.scheduling.lifecycle import CHECK_IN_OPENS, HOLDING, PENDING, Outcome
from operational_api.scheduling.models import Booking, Location, Slot, SlotResource
from operational_api.scheduling.service import announcing, assistants, fees, holds, payment, places, seats, waitlist
from operational_api.scheduling.service.holds import life_of
from operational_api.scheduling.service.places import Place


def book_session(
    session: Session, *, customer_id: UUID, slot_id: UUID, now: datetime, booked_by: UUID | None = None
) -> Booking:
    """Book the lowest free seat of a future slot, paid by membership or pack, and announce it.

    A seat that is held for the customer is the one they get. Where the coach has the last word it is a request.

    Args:
        booked_by: Who books for them at the front desk, on its terms (`Terms.at_desk`).

    Raises:
        SlotNotFound: unknown slot.
        SlotClosed: it was cancelled or has started; TooLate, TooEarly: outside the terms' notice and window;
            CoachBusyElsewhere: the coach's own calendar says so.
        SlotTaken: no seat is free.
        AlreadyBooked: the customer has a session at that time.
        PlanRequired, AllowanceUsed: nothing pays for it.
    """
    place = places.lock_place(session, slot_id)
    return book_place(session, place, customer_id=customer_id, now=now, booked_by=booked_by)


def book_place(
    session: Session, place: Place, *, customer_id: UUID, now: datetime, booked_by: UUID | None = None,
    assignment: str | None = None,
) -> Booking:  # fmt: skip
    """`book_session` of a slot that is locked. `assignment`: how it got its coach where nobody named one."""
    slot, is_at_desk = place.slot, booked_by is not None
    seating = places.seating_of(session, slot, place.terms, customer_id=customer_id, now=now, is_at_desk=is_at_desk)
    terms = place.terms.at_desk() if is_at_desk else place.terms
    own = seating.of(customer_id)
    if own is not None and own.status == "held":
        own.booked_by = booked_by or own.booked_by
        return holds.confirm(session, own, slot, terms, now=now)
    if own is not None:
        raise AlreadyBooked("You already have this session.")
    status = "requested" if terms.needs_confirmation else "booked"
    booking = seats.new_booking(
        slot, customer_id=customer_id, seat=seats.free_seat(seating.taken, slot), status=status, terms=terms, now=now,
        booked_by=booked_by,
    )  # fmt: skip
    booking.assignment = assignment
    booking.held_until = holds.answer_by(slot, now) if terms.needs_confirmation else None
    booking.session_pack_id = payment.pay_for(session, slot=slot, customer_id=customer_id, now=now)
    seats.place(session, booking)
    if seating.is_waiting:
        waitlist.close(session, slot_id=slot.id, customer_id=customer_id, status="promoted", now=now)
    announcing.taken(session, booking, now=now)
    return booking


def cancel_booking(session: Session, *, booking_id: UUID, now: datetime, by_coach: bool = False) -> Booking:
    """Cancel a booking, give its credit back when in time, offer its seat to who waits, and announce all of it.

    A late one costs the fee that was agreed, where one was. What is not booked yet is let go.

    Raises:
        BookingNotFound, BookingClosed, SessionStarted.
    """
    booking, slot = seats.lock_booking(session, booking_id)
    if booking.status in PENDING:
        holds.release(session, booking, life_of(booking).let_go(), "declined" if by_coach else "let_go", now=now)
    else:
        status = life_of(booking).cancel(now, by_coach=by_coach)
        seats.give_back(session, booking, status, now=now, is_ours=by_coach)
        announcing.cancelled(session, booking, now=now, by_coach=by_coach)
        fees.incur(session, booking, now=now)
    waitlist.offer_seats(session, slot=slot, now=now)
    return booking


def leave_all(session: Session, *, customer_id: UUID, now: datetime) -> None:
    """Cancel everything that is to come of a customer who left, by its own terms, and end their waiting."""
    theirs = (
        Booking.customer_id == customer_id, Booking.status.in_(("booked", *PENDING)), Booking.starts_at > now
    )  # fmt: skip
    seats.lock_slots(session, set(session.scalars(select(Booking.slot_id).where(*theirs))))
    seats.lock_credits(session, *theirs)
    for booking_id in session.scalars(select(Booking.id).where(*theirs).order_by(Booking.slot_id)).all():
        cancel_booking(session, booking_id=booking_id, now=now)
    waitlist.leave_everything(session, customer_id=customer_id, now=now)


def leave_unpaid(session: Session, *, pack_id: UUID, now: datetime) -> list[Booking]:
    """Let go of sessions to come that a pack paid for which was itself not paid for, or whose money went back: as many
    as it has too few, the last ones first. Who was checked in has come.

    Returns:
        What is off, the last first.
    """
    theirs = (
        Booking.session_pack_id == pack_id, Booking.status.in_(("booked", *PENDING)), Booking.starts_at > now,
        Booking.outcome_at.is_(None),
    )  # fmt: skip
    slot_ids = set(session.scalars(select(Booking.slot_id).where(*theirs)))
    slots = {one.id: one for one in seats.lock_slots(session, slot_ids)}
    commerce.lock_packs(session, [pack_id])
    query = select(Booking).where(*theirs, Booking.slot_id.in_(slots)).order_by(Booking.starts_at.desc())
    unpaid = commerce.sessions_unpaid(session, pack_id)
    gone = session.scalars(query.limit(unpaid).execution_options(populate_existing=True)).all()
    for booking in gone:
        if booking.status in PENDING:
            holds.release(session, booking, "released", "unpaid", now=now)
        else:
            seats.give_back(session, booking, "cancelled", now=now)
            announcing.cancelled(session, booking, now=now, is_unpaid=True)
    for booking in gone:
        waitlist.offer_seats(session, slot=slots[booking.slot_id], now=now)
    return list(gone)


def mark_outcome(session: Session, *, booking_id: UUID, outcome: Outcome, now: datetime) -> Booking:
    """Record whether the customer came, and announce it. The same outcome again changes nothing.

    Who is checked in before the start stays booked until then: see `attend_checked_in`.

    Raises:
        BookingNotFound, BookingClosed, SessionNotStarted.
    """
    booking = seats.get_booking(session, booking_id, lock=True)
    status = life_of(booking).mark(outcome, now)
    if status == "booked":
        booking.outcome_at = booking.outcome_at or now
        session.flush()
    elif booking.status != status:
        booking.outcome_at = now
        _announce_outcome(session, booking, status, now=now)
    return booking


def attend_checked_in(session: Session, *, now: datetime, limit: int = 200) -> int:
    """Who was checked in early has attended, now that the session has started.

    Returns:
        How many have.
    """
    checked_in = session.scalars(
        select(Booking)
        .where(
            Booking.status == "booked", Booking.outcome_at.is_not(None), Booking.starts_at <= now,
            Booking.outcome_at >= Booking.starts_at - CHECK_IN_OPENS,  # not of one that was moved since
        )
        .order_by(Booking.starts_at, Booking.id)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    ).all()  # fmt: skip
    for booking in checked_in:
        _announce_outcome(session, booking, "attended", now=booking.starts_at)
    return len(checked_in)


def _announce_outcome(session: Session, booking: Booking, status: str, *, now: datetime) -> None:
    booking.status = status
    event = SessionAttended if status == "attended" else SessionMissed
    query = select(Location.time_zone, assistants.ids()).select_from(Slot).join(Location)
    zone, assistant_ids = session.execute(query.where(Slot.id == booking.slot_id)).tuples().one_or_none() or ("UTC", [])
    publish(
        session,
        event(
            occurred_at=now, starts_at=booking.starts_at, session_pack_id=booking.session_pack_id,
            held_on=booking.starts_at.astimezone(ZoneInfo(zone)).date(), assistant_ids=tuple(assistant_ids),
            **announcing.of(booking),
        ),
    )  # fmt: skip
    session.flush()


def cancel_slot(session: Session, *, slot_id: UUID, now: datetime) -> Slot:
    """The coach calls a session off: every booking is cancelled with its credit back, nobody waits or assists any more.

    Raises:
        SlotNotFound, SlotClosed.
    """
    slot = seats.lock_slot(session, slot_id)
    if slot.status != "open" or slot.starts_at <= now:
        raise SlotClosed
    slot.status = "cancelled"
    seats.lock_credits(session, Booking.slot_id == slot_id)
    session.execute(update(SlotResource).where(SlotResource.slot_id == slot_id).values(is_taken=False))
    publish(session, SlotCalledOff(occurred_at=now, slot_id=slot.id, coach_id=slot.coach_id, starts_at=slot.starts_at))
    if slot.kind == "group":
        assistants.release(session, Slot.assists_id == slot.id, reason="called_off", now=now)
    live = select(Booking).where(Booking.slot_id == slot_id, Booking.status.in_((*HOLDING, *PENDING)))
    for booking in session.scalars(live):
        if booking.status in PENDING:
            holds.release(session, booking, "released", "called_off", now=now)
        else:
            seats.give_back(session, booking, "cancelled", now=now, is_ours=True)
            announcing.cancelled(session, booking, now=now, by_coach=True)
    waitlist.expire(session, slot_id=slot_id, now=now)
    return slot
