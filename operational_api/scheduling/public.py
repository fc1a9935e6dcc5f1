"""The only door to scheduling for other contexts: ids and plain values in and out.

Commands take the principal and decide by the policy; the HTTP API and the graph both act through them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from operational_api.core.errors import Forbidden
from operational_api.core.principal import Principal
from operational_api.scheduling import access
from operational_api.scheduling.models import Booking, Coach, Location, Slot
from operational_api.scheduling.schemas import BookingRead as BookingRead
from operational_api.scheduling.service import agenda, bookings


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A booked session in words, for messages and reminders. `time_zone` is the studio's."""

    booking_id: UUID
    customer_id: UUID
    coach_id: UUID
    coach_name: str
    title: str
    location_name: str
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    status: str


def _facts() -> Select[tuple[UUID, UUID, UUID, str, str, str, str, datetime, datetime, str]]:
    return (
        select(
            Booking.id, Booking.customer_id, Booking.coach_id, Coach.display_name, Slot.title, Location.name,
            Location.time_zone, Booking.starts_at, Booking.ends_at, Booking.status,
        )
        .join(Slot, Slot.id == Booking.slot_id)
        .join(Coach, Coach.id == Booking.coach_id)
        .join(Location, Location.id == Slot.location_id)
    )  # fmt: skip


def session_facts(session: Session, booking_id: UUID) -> SessionFacts | None:
    """One booking in words, or None."""
    row = session.execute(_facts().where(Booking.id == booking_id)).one_or_none()
    return SessionFacts(*row) if row else None


def next_session(session: Session, customer_id: UUID, now: datetime) -> SessionFacts | None:
    """The customer's next booked session, or None."""
    query = _facts().where(Booking.customer_id == customer_id, Booking.status == "booked", Booking.starts_at > now)
    row = session.execute(query.order_by(Booking.starts_at).limit(1)).one_or_none()
    return SessionFacts(*row) if row else None


def coach_names(session: Session, coach_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Display names of many coaches in one query."""
    rows = session.execute(select(Coach.id, Coach.display_name).where(Coach.id.in_(list(coach_ids))))
    return {row.id: row.display_name for row in rows}


def next_sessions(session: Session, customer_ids: Iterable[UUID], now: datetime) -> dict[UUID, SessionFacts]:
    """The next booked session of many customers in one query. Who has none is not in the answer."""
    query = (
        _facts()
        .where(Booking.customer_id.in_(list(customer_ids)), Booking.status == "booked", Booking.starts_at > now)
        .distinct(Booking.customer_id)
        .order_by(Booking.customer_id, Booking.starts_at)
    )
    return {row.customer_id: SessionFacts(*row) for row in session.execute(query)}


def sessions_of_coach(session: Session, coach_id: UUID, *, since: datetime, until: datetime) -> list[SessionFacts]:
    """A coach's sessions that start in a span of time, the earliest first; those that were cancelled are not told."""
    query = _facts().where(
        Booking.coach_id == coach_id, Booking.status.in_(("booked", "attended", "no_show")),
        Booking.starts_at >= since, Booking.starts_at < until,
    )  # fmt: skip
    return [SessionFacts(*row) for row in session.execute(query.order_by(Booking.starts_at))]


def book(session: Session, principal: Principal, *, slot_id: UUID, now: datetime) -> BookingRead:
    """Book a seat for the customer who asks."""
    if principal.account_id is None:
        raise Forbidden
    access.know_customer(session, principal, now)
    booking = bookings.book_session(session, customer_id=principal.account_id, slot_id=slot_id, now=now)
    return _read(session, principal, booking, now)


def cancel_booking(session: Session, principal: Principal, *, booking_id: UUID, now: datetime) -> BookingRead:
    """Cancel a booking that the principal may cancel; anybody else's is like a missing one."""
    booking = access.reach_booking(session, principal, booking_id, "scheduling.cancel_booking")
    bookings.cancel_booking(session, booking_id=booking.id, now=now, by_coach=principal.role != "customer")
    return _read(session, principal, booking, now)


def _read(session: Session, principal: Principal, booking: Booking, now: datetime) -> BookingRead:
    return BookingRead.of(agenda.view_of(session, booking), access.reader_zone(session, principal, None), now)
