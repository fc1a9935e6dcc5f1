"""Waiting for a seat of a full slot, and being asked when one is free.

Whoever is next gets an offer: the seat is held for them for a while. They take it (`holds.confirm_hold`) or leave it
(`holds.let_go`); if they do neither, it lapses and the next is asked. Who waited once and did not take it queues anew.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from contracts.events.scheduling import WaitlistJoined, WaitlistOffered
from operational_api.commerce import public as commerce
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import AlreadyBooked, SeatsLeft, SlotClosed, SlotTaken
from operational_api.scheduling.lifecycle import PENDING, is_bookable
from operational_api.scheduling.models import Booking, Slot, WaitlistEntry
from operational_api.scheduling.service import announcing, busy_times, payment, seats
from operational_api.scheduling.service.terms import terms_of
from operational_api.scheduling.terms import Terms
from operational_api.training import public as training


def join_waitlist(session: Session, *, customer_id: UUID, slot_id: UUID, now: datetime) -> WaitlistEntry:
    """Put a customer on the waitlist of a full slot and announce it. Who waits already keeps their place.

    Raises:
        SlotNotFound: unknown slot.
        SlotClosed: cancelled, started, or too soon for anybody to be promoted.
        SeatsLeft: there is nothing to wait for.
        AlreadyBooked: the customer has a seat.
    """
    slot = seats.lock_slot(session, slot_id)
    terms = terms_of(session, coach_id=slot.coach_id, kind=slot.kind)
    if slot.status != "open" or not is_bookable(slot.starts_at, now, terms.notice):
        raise SlotClosed
    lapse(session, slot, customer_id=customer_id, now=now, terms=terms)
    holders = {one.customer_id for one in seats.holders(session, slot_id)}
    if customer_id in holders:
        raise AlreadyBooked("You already have this session.")
    if len(holders) < slot.capacity:
        raise SeatsLeft
    known = session.scalar(_entry(slot_id, customer_id))
    if known is not None and known.status == "waiting":
        return known
    # Somebody who left and comes back queues at the end.
    values = {
        "status": "waiting", "joined_at": now, "closed_at": None, "booking_id": None, "offered_at": None,
        "is_first": terms.members_first and commerce.has_active_plan(session, customer_id, now),
    }  # fmt: skip
    entry = session.scalars(
        insert(WaitlistEntry)
        .values(slot_id=slot_id, customer_id=customer_id, **values)
        .on_conflict_do_update(index_elements=["slot_id", "customer_id"], set_=values)
        .returning(WaitlistEntry),
        execution_options={"populate_existing": True},
    ).one()
    publish(
        session,
        WaitlistJoined(occurred_at=now, waitlist_entry_id=entry.id, slot_id=slot_id, customer_id=customer_id),
    )
    return entry


def leave_waitlist(session: Session, *, customer_id: UUID, slot_id: UUID, now: datetime) -> None:
    """Take a customer off the waitlist; who does not wait is left alone."""
    close(session, slot_id=slot_id, customer_id=customer_id, status="left", now=now)


def leave_everything(session: Session, *, customer_id: UUID, now: datetime) -> None:
    """A customer waits for nothing any more."""
    query = select(WaitlistEntry).where(WaitlistEntry.customer_id == customer_id, WaitlistEntry.status == "waiting")
    _end(session, session.scalars(query.with_for_update(key_share=True)).all(), "left", now=now)


def offer_seats(session: Session, *, slot: Slot, now: datetime, terms: Terms | None = None) -> list[Booking]:
    """Offer the free seats of a locked slot to those who wait, while there is time to ask and its coach is not busy
    elsewhere.

    Who has meanwhile something else at that time, or nothing to pay with, is passed over and keeps waiting.

    Returns:
        The seats, held for those they are offered to.
    """
    entries = waiting(session, slot.id)
    if slot.status != "open" or not entries:
        return []
    if busy_times.is_busy(session, slot):
        return []
    terms = terms or terms_of(session, coach_id=slot.coach_id, kind=slot.kind)
    ends_at = terms.offer_ends(slot.starts_at, now)
    if ends_at <= now:
        return []
    offered: list[Booking] = []
    taken = list(seats.holders(session, slot.id))
    for entry in entries:
        try:
            seat = seats.free_seat(taken, slot)
        except SlotTaken:
            break
        if not payment.can_pay(session, slot=slot, customer_id=entry.customer_id, now=now):
            continue
        booking = seats.new_booking(slot, customer_id=entry.customer_id, seat=seat, status="held", terms=terms, now=now)
        booking.held_until = ends_at
        try:
            with session.begin_nested():
                seats.place(session, booking)
        except AlreadyBooked:
            continue
        entry.status, entry.offered_at, entry.booking_id = "offered", now, booking.id
        announcing.held(session, booking, now=now, is_offer=True)
        _announce_offer(session, entry, booking, ends_at, now=now)
        taken.append(booking)
        offered.append(booking)
    session.flush()
    return offered


def lapse(session: Session, slot: Slot, *, customer_id: UUID, now: datetime, terms: Terms) -> None:
    """Write down what lapsed of a locked slot, and of a customer anywhere, and ask who waits there.

    Another slot that somebody works on is left as it is.
    """
    theirs = select(Booking.slot_id).where(
        Booking.customer_id == customer_id, Booking.status.in_(PENDING), Booking.held_until <= now,
        Booking.slot_id != slot.id,
    )  # fmt: skip
    elsewhere = set(session.scalars(theirs))
    for one in (slot, *(seats.lock_slots(session, elsewhere, skip_locked=True) if elsewhere else ())):
        if seats.lapse(session, now, slot_id=one.id):
            offer_seats(session, slot=one, now=now, terms=terms if one is slot else None)


def slots_to_offer(session: Session, now: datetime) -> Sequence[UUID]:
    """Slots with a free seat that somebody waits for."""
    query = (
        select(WaitlistEntry.slot_id)
        .join(Slot, Slot.id == WaitlistEntry.slot_id)
        .where(WaitlistEntry.status == "waiting", Slot.starts_at > now, Slot.status == "open")
        .where(Slot.capacity > seats.count_held(now))
        .distinct()
    )
    return session.scalars(query).all()


def _announce_offer(
    session: Session, entry: WaitlistEntry, booking: Booking, ends_at: datetime, *, now: datetime
) -> None:
    event = WaitlistOffered(
        occurred_at=now, waitlist_entry_id=entry.id, slot_id=entry.slot_id, customer_id=entry.customer_id,
        booking_id=booking.id, offer_expires_at=ends_at,
    )  # fmt: skip
    publish(session, event)


def waiting(session: Session, slot_id: UUID) -> Sequence[WaitlistEntry]:
    """Who waits for a slot, who is asked first at the head: who goes first by the terms, then who waits longest."""
    # Who leaves at this moment has left, or is asked.
    return session.scalars(_in_turn(slot_id).with_for_update(key_share=True)).all()


def names_of(session: Session, slot_id: UUID) -> list[str]:
    """Who waits for a slot by name, in the order in which they are asked."""
    found = session.scalars(_in_turn(slot_id)).all()
    names = training.client_names(session, {one.customer_id for one in found})
    return [names.get(one.customer_id, "New client") for one in found]


def _in_turn(slot_id: UUID) -> Select[tuple[WaitlistEntry]]:
    waits = WaitlistEntry.slot_id == slot_id, WaitlistEntry.status == "waiting"
    return select(WaitlistEntry).where(*waits).order_by(*turn(WaitlistEntry))


def turn(
    entry: type[WaitlistEntry],
) -> tuple[ColumnElement[bool], InstrumentedAttribute[datetime], InstrumentedAttribute[UUID]]:
    """The order in which those who wait are asked."""
    return (~entry.is_first, entry.joined_at, entry.id)


def place_in_line(session: Session, entry: WaitlistEntry) -> int:
    """How many are promoted before and including this entry: 1 is next."""
    return (
        session.scalar(
            select(func.count())
            .select_from(WaitlistEntry)
            .where(
                WaitlistEntry.slot_id == entry.slot_id,
                WaitlistEntry.status == "waiting",
                tuple_(*turn(WaitlistEntry)) <= tuple_(not entry.is_first, entry.joined_at, entry.id),  # type: ignore[arg-type]
            )
        )
        or 0
    )


def close(session: Session, *, slot_id: UUID, customer_id: UUID, status: str, now: datetime) -> None:
    """End one customer's waiting, if they wait. `status`: promoted or left."""
    found = _entry(slot_id, customer_id).where(WaitlistEntry.status == "waiting")
    entry = session.scalar(found.with_for_update(key_share=True).execution_options(populate_existing=True))
    if entry is not None:
        _end(session, [entry], status, now=now)


def expire(session: Session, *, slot_id: UUID, now: datetime) -> None:
    """Nobody waits for this slot any longer."""
    query = select(WaitlistEntry).where(WaitlistEntry.slot_id == slot_id, WaitlistEntry.status == "waiting")
    _end(session, session.scalars(query).all(), "expired", now=now)


def expire_started(session: Session, now: datetime) -> None:
    """End the waiting for every slot that has started."""
    query = (
        select(WaitlistEntry)
        .join(Slot, Slot.id == WaitlistEntry.slot_id)
        .where(WaitlistEntry.status == "waiting", Slot.starts_at <= now)
        .with_for_update(of=WaitlistEntry, skip_locked=True)
    )
    _end(session, session.scalars(query).all(), "expired", now=now)


def _end(session: Session, entries: Sequence[WaitlistEntry], status: str, *, now: datetime) -> None:
    for entry in entries:
        entry.status, entry.closed_at = status, now
        announcing.waiting_ended(session, entry, now=now)
    session.flush()


def _entry(slot_id: UUID, customer_id: UUID) -> Select[tuple[WaitlistEntry]]:
    return select(WaitlistEntry).where(WaitlistEntry.slot_id == slot_id, WaitlistEntry.customer_id == customer_id)
