"""Waiting for a seat of a full slot. Promotion is `bookings.promote_waiting`, where the seat is freed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events.scheduling import WaitlistJoined
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import AlreadyBooked, SeatsLeft, SlotClosed, SlotNotFound
from operational_api.scheduling.lifecycle import HOLDING, is_bookable
from operational_api.scheduling.models import Booking, Slot, WaitlistEntry


def join_waitlist(session: Session, *, customer_id: UUID, slot_id: UUID, now: datetime) -> WaitlistEntry:
    """Put a customer on the waitlist of a full slot and announce it. Who waits already keeps their place.

    Raises:
        SlotNotFound: unknown slot.
        SlotClosed: cancelled, started, or too soon for anybody to be promoted.
        SeatsLeft: there is nothing to wait for.
        AlreadyBooked: the customer has a seat.
    """
    slot = session.scalar(select(Slot).where(Slot.id == slot_id).with_for_update(key_share=True))
    if slot is None:
        raise SlotNotFound
    if slot.status != "open" or not is_bookable(slot.starts_at, now):
        raise SlotClosed
    holders = set(
        session.scalars(select(Booking.customer_id).where(Booking.slot_id == slot_id, Booking.status.in_(HOLDING)))
    )
    if customer_id in holders:
        raise AlreadyBooked("You already have this session.")
    if len(holders) < slot.capacity:
        raise SeatsLeft
    known = session.scalar(_entry(slot_id, customer_id))
    if known is not None and known.status == "waiting":
        return known
    # Somebody who left and comes back queues at the end.
    values = {"status": "waiting", "joined_at": now, "closed_at": None}
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


def waiting(session: Session, slot_id: UUID) -> Sequence[WaitlistEntry]:
    """Who waits for a slot, longest first."""
    return session.scalars(
        select(WaitlistEntry)
        .where(WaitlistEntry.slot_id == slot_id, WaitlistEntry.status == "waiting")
        .order_by(WaitlistEntry.joined_at, WaitlistEntry.id)
    ).all()


def place_in_line(session: Session, entry: WaitlistEntry) -> int:
    """How many are promoted before and including this entry: 1 is next."""
    return (
        session.scalar(
            select(func.count())
            .select_from(WaitlistEntry)
            .where(
                WaitlistEntry.slot_id == entry.slot_id,
                WaitlistEntry.status == "waiting",
                tuple_(WaitlistEntry.joined_at, WaitlistEntry.id) <= tuple_(entry.joined_at, entry.id),  # type: ignore[arg-type]
            )
        )
        or 0
    )


def close(session: Session, *, slot_id: UUID, customer_id: UUID, status: str, now: datetime) -> None:
    """End one customer's waiting, if they wait. `status`: promoted or left."""
    entry = session.scalar(_entry(slot_id, customer_id).where(WaitlistEntry.status == "waiting"))
    if entry is not None:
        entry.status, entry.closed_at = status, now
        session.flush()


def expire(session: Session, *, slot_id: UUID, now: datetime) -> None:
    """Nobody waits for this slot any longer."""
    session.execute(
        update(WaitlistEntry)
        .where(WaitlistEntry.slot_id == slot_id, WaitlistEntry.status == "waiting")
        .values(status="expired", closed_at=now)
    )


def expire_started(session: Session, now: datetime) -> None:
    """End the waiting for every slot that has started."""
    session.execute(
        update(WaitlistEntry)
        .where(
            WaitlistEntry.status == "waiting",
            WaitlistEntry.slot_id == Slot.id,
            Slot.starts_at <= now,
        )
        .values(status="expired", closed_at=now)
        .execution_options(synchronize_session=False)
    )


def _entry(slot_id: UUID, customer_id: UUID) -> Select[tuple[WaitlistEntry]]:
    return select(WaitlistEntry).where(WaitlistEntry.slot_id == slot_id, WaitlistEntry.customer_id == customer_id)
