"""Who comes: to a studio on a day, to a class; and what the reader may do about it. Used by pages, and by those of
others through `public`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.core.policy import is_allowed
from operational_api.core.principal import Principal
from operational_api.scheduling import access
from operational_api.scheduling.lifecycle import HOLDING
from operational_api.scheduling.service import agenda, assistants, holds, seats


@dataclass(frozen=True, slots=True)
class Seat:
    """Who comes to a studio when. `can_mark`: people are checked in by now, and this reader may say whether they came;
    that somebody did not, once it `has_begun`. `can_reassign`: this reader may give it to another coach. `class_id`: of
    a class that this reader may look at."""

    booking_id: UUID
    customer_id: UUID
    customer_name: str
    coach_name: str
    title: str
    starts_at: datetime
    ends_at: datetime
    status: str
    can_mark: bool
    has_begun: bool
    is_checked_in: bool
    can_reassign: bool = False
    class_id: UUID | None = None
    assistants: Sequence[str] = ()


def seats_of_day(
    session: Session, principal: Principal, *, location_id: UUID, since: datetime, until: datetime, now: datetime
) -> list[Seat]:
    """Seats held at a studio in a span of time, as far as the reader may see them: a coach their own and those of
    classes that they help with, the front desk those of where it works.

    Raises:
        Forbidden: somebody asks who sees no bookings.
    """
    customer_id, coach_id = access.whose_bookings(principal, None, None)
    who = access.posted(session, principal)
    if who.locations is not None and location_id not in who.locations:
        return []
    found: list[agenda.BookingView] = []
    cursor: str | None = None
    while True:
        rows, cursor = agenda.list_bookings(
            session, customer_id=customer_id, coach_id=coach_id, location_ids=[location_id], starts_from=since,
            starts_before=until, limit=200, cursor=cursor,
        )  # fmt: skip
        found += rows
        if cursor is None:
            return _seats(session, principal, found, now)


def seats_of_class(session: Session, principal: Principal, slot_id: UUID, *, now: datetime) -> list[Seat]:
    """Who has a place in a class that the reader was let see."""
    rows, _ = agenda.list_bookings(session, slot_id=slot_id, limit=500)
    return sorted(_seats(session, principal, rows, now), key=lambda one: one.customer_name)


def _seats(session: Session, principal: Principal, rows: Sequence[agenda.BookingView], now: datetime) -> list[Seat]:
    held = [row for row in rows if row.booking.status in HOLDING]
    helped = {row.slot.id for row in held if row.assistants} if principal.role in access.COACHES else set()
    helpers = assistants.of_classes(session, helped)
    return [_seat(principal, row, helpers.get(row.slot.id), now) for row in held]


def _seat(
    principal: Principal, row: agenda.BookingView, helpers: Sequence[assistants.Assistant] | None, now: datetime
) -> Seat:
    booking = row.booking
    about = seats.resource_of(booking, kind="business")
    if helpers:
        about = replace(about, assistants=frozenset(one.coach_id for one in helpers))
    may_mark = is_allowed(principal, "scheduling.mark_outcome", about)
    came_early = booking.status == "booked" and booking.outcome_at is not None
    is_to_come = booking.status == "booked" and not came_early and booking.starts_at > now
    may_reassign = (
        is_to_come and row.slot.kind == "one_to_one"
        and is_allowed(principal, "scheduling.reassign_booking", about)
    )  # fmt: skip
    may_look = row.slot.kind == "group" and is_allowed(principal, "scheduling.read_class", about)
    return Seat(
        booking.id, booking.customer_id, row.customer_name, row.coach_name, row.slot.title, booking.starts_at,
        booking.ends_at, booking.status, may_mark and holds.life_of(booking).opens_check_in(now),
        booking.starts_at <= now, booking.status == "attended" or came_early, may_reassign,
        row.slot.id if may_look else None, row.assistants,
    )  # fmt: skip
