"""Bookings as lists: a customer's own, a coach's calendar. Rows are chosen in SQL by who asks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from operational_api.core.paging import after, cut
from operational_api.scheduling.lifecycle import HOLDING, PENDING
from operational_api.scheduling.models import Booking, BookingSeries, Coach, Location, Slot, WaitlistEntry
from operational_api.scheduling.recurrence import LONGEST, parse
from operational_api.scheduling.service import assistants
from operational_api.scheduling.service.waitlist import turn
from operational_api.training import public as training

BECAME_BOOKINGS = (*HOLDING, "cancelled", "late_cancelled")


@dataclass(frozen=True, slots=True)
class BookingView:
    """A booking with the words people know it by. `assistants`: who helps with its class, by name."""

    booking: Booking
    slot: Slot
    coach_name: str
    location: Location
    customer_name: str
    assistants: Sequence[str] = ()


def list_bookings(
    session: Session,
    *,
    customer_id: UUID | None = None,
    coach_id: UUID | None = None,
    slot_id: UUID | None = None,
    location_ids: Collection[UUID] | None = None,
    starts_from: datetime | None = None,
    starts_before: datetime | None = None,
    status: str | None = None,
    order: Literal["asc", "desc"] = "asc",
    limit: int,
    cursor: str | None = None,
) -> tuple[list[BookingView], str | None]:
    """Bookings by start, a page at a time.

    Args:
        customer_id: Only this customer's; the caller decides who may ask.
        coach_id: Only with this coach, those of classes that they help with among them.
        slot_id: Only of this session.
        location_ids: Only at these studios.
        status: Only in this state; without one, what became a booking: no seat that is merely kept or asked for.
        order: `desc` shows the latest first.
    """
    key = tuple_(Booking.starts_at, Booking.id)
    query = (
        select(Booking, Slot, Coach.display_name, Location, assistants.names())
        .join(Slot, Slot.id == Booking.slot_id)
        .join(Coach, Coach.id == Booking.coach_id)
        .join(Location, Location.id == Slot.location_id)
    )
    helped = assistants.helped_by(session, coach_id, since=starts_from, until=starts_before) if coach_id else []
    if helped:
        query = query.where(or_(Booking.coach_id == coach_id, Booking.slot_id.in_(helped)))
    query = query.where(*_whose(Booking, Slot, customer_id, None if helped else coach_id, location_ids))
    if slot_id is not None:
        query = query.where(Booking.slot_id == slot_id)
    if starts_from is not None:
        query = query.where(Booking.starts_at >= starts_from)
    if starts_before is not None:
        query = query.where(Booking.starts_at < starts_before)
    if status is not None:
        query = query.where(Booking.status == status)
    else:
        query = query.where(Booking.status.in_(BECAME_BOOKINGS))
    if cursor:
        last = tuple_(*after(cursor, datetime, UUID))  # type: ignore[arg-type]
        query = query.where(key > last if order == "asc" else key < last)
    by = (Booking.starts_at, Booking.id) if order == "asc" else (Booking.starts_at.desc(), Booking.id.desc())
    rows = session.execute(query.order_by(*by).limit(limit + 1)).tuples().all()
    names = training.client_names(session, {row[0].customer_id for row in rows})
    views = [
        BookingView(booking, slot, coach, location, names.get(booking.customer_id, "New client"), helpers)
        for booking, slot, coach, location, helpers in rows
    ]
    return cut(views, limit, lambda view: (view.booking.starts_at, view.booking.id))


@dataclass(frozen=True, slots=True)
class KeptView:
    """A seat kept for a customer, or asked for by one, and not lapsed. `is_offer`: they waited for it."""

    booking: Booking
    slot: Slot
    coach_name: str
    location: Location
    customer_name: str
    is_offer: bool


def list_kept(
    session: Session, *, customer_id: UUID | None = None, coach_id: UUID | None = None, now: datetime
) -> list[KeptView]:
    """Seats that wait for their customer's word, and requests that wait for their coach's, the most urgent first.

    Args:
        customer_id: What this customer keeps and asked for.
        coach_id: Requests to this coach only; nothing of what customers merely keep.
    """
    offered = (
        select(WaitlistEntry.id)
        .where(WaitlistEntry.booking_id == Booking.id, WaitlistEntry.status == "offered")
        .correlate(Booking)
        .exists()
    )
    query = (
        select(Booking, Slot, Coach.display_name, Location, offered)
        .join(Slot, Slot.id == Booking.slot_id)
        .join(Coach, Coach.id == Booking.coach_id)
        .join(Location, Location.id == Slot.location_id)
        .where(Booking.status.in_(PENDING), Booking.held_until > now)
    )
    if customer_id is not None:
        query = query.where(Booking.customer_id == customer_id)
    if coach_id is not None:
        query = query.where(Booking.coach_id == coach_id, Booking.status == "requested")
    rows = session.execute(query.order_by(Booking.held_until, Booking.id)).tuples().all()
    names = training.client_names(session, {row[0].customer_id for row in rows}) if coach_id is not None else {}
    return [
        KeptView(booking, slot, coach, place, names.get(booking.customer_id, "New client"), is_offer)
        for booking, slot, coach, place, is_offer in rows
    ]


@dataclass(frozen=True, slots=True)
class SeriesView:
    """Sessions that recur and go on, with the words people know them by. `booking_id` is of the last that is booked."""

    series: BookingSeries
    booking_id: UUID
    coach_name: str
    location: Location

    @property
    def interval(self) -> int:
        """Weeks from one to the next."""
        return parse(self.series.rule, most=LONGEST).interval


def list_series(
    session: Session, *, customer_id: UUID | None = None, coach_id: UUID | None = None,
    location_ids: Collection[UUID] | None = None,
) -> list[SeriesView]:  # fmt: skip
    """Series that are booked further as the calendar opens, the oldest first."""
    last = (
        select(Booking.id)
        .where(Booking.series_id == BookingSeries.id)
        .order_by(Booking.recurs_at.desc(), Booking.id.desc())
        .limit(1)
        .correlate(BookingSeries)
        .scalar_subquery()
    )
    query = (
        select(BookingSeries, last, Coach.display_name, Location)
        .join(Coach, Coach.id == BookingSeries.coach_id)
        .join(Location, Location.id == BookingSeries.location_id)
        .where(BookingSeries.goes_on)
    )
    query = query.where(*_whose(BookingSeries, BookingSeries, customer_id, coach_id, location_ids))
    return [SeriesView(*row) for row in session.execute(query.order_by(BookingSeries.id)).tuples()]


def _whose(
    rows: type[Booking | BookingSeries], place: type[Slot | BookingSeries], customer_id: UUID | None,
    coach_id: UUID | None, location_ids: Collection[UUID] | None,
) -> list[ColumnElement[bool]]:  # fmt: skip
    """What rows must be to be of a customer, a coach and some studios, as far as each is named."""
    wanted = []
    if customer_id is not None:
        wanted.append(rows.customer_id == customer_id)
    if coach_id is not None:
        wanted.append(rows.coach_id == coach_id)
    if location_ids is not None:
        wanted.append(place.location_id.in_(location_ids))
    return wanted


def list_requests(session: Session, *, location_id: UUID, now: datetime) -> list[BookingView]:
    """What waits for a yes or no at a studio, the most urgent first."""
    rows = session.scalars(
        select(Booking)
        .join(Slot, Slot.id == Booking.slot_id)
        .where(Slot.location_id == location_id, Booking.status == "requested", Booking.held_until > now)
        .order_by(Booking.held_until, Booking.id)
    ).all()
    return views_of(session, rows)


@dataclass(frozen=True, slots=True)
class WaitView:
    """A place on a waitlist with the words of its slot. `place` 1 is next."""

    slot: Slot
    coach_name: str
    location: Location
    place: int


def list_waits(session: Session, *, customer_id: UUID, now: datetime) -> list[WaitView]:
    """What a customer waits for and may still get, by start."""
    ahead = aliased(WaitlistEntry)
    place = (
        select(func.count())
        .select_from(ahead)
        .where(
            ahead.slot_id == WaitlistEntry.slot_id,
            ahead.status == "waiting",
            tuple_(*turn(ahead)) <= tuple_(*turn(WaitlistEntry)),
        )
        .correlate(WaitlistEntry)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Slot, Coach.display_name, Location, place)
        .join(WaitlistEntry, WaitlistEntry.slot_id == Slot.id)
        .join(Coach, Coach.id == Slot.coach_id)
        .join(Location, Location.id == Slot.location_id)
        .where(WaitlistEntry.customer_id == customer_id, WaitlistEntry.status == "waiting", Slot.starts_at > now)
        .order_by(Slot.starts_at)
    ).tuples()
    return [WaitView(*row) for row in rows]


def view_of(session: Session, booking: Booking) -> BookingView:
    """One booking with its words."""
    return views_of(session, [booking])[0]


def views_by_id(session: Session, ids: Sequence[UUID]) -> list[BookingView]:
    """Bookings with their words, by start."""
    rows = session.scalars(select(Booking).where(Booking.id.in_(ids)).order_by(Booking.starts_at, Booking.id)).all()
    return views_of(session, rows)


def views_of(session: Session, bookings: Sequence[Booking]) -> list[BookingView]:
    """Bookings with their words, in the order given, in two statements."""
    rows = session.execute(
        select(Slot, Coach.display_name, Location, assistants.names())
        .join(Coach, Coach.id == Slot.coach_id)
        .join(Location, Location.id == Slot.location_id)
        .where(Slot.id.in_([one.slot_id for one in bookings]))
    ).tuples()
    words = {slot.id: (slot, coach, location, helpers) for slot, coach, location, helpers in rows}
    names = training.client_names(session, {one.customer_id for one in bookings})
    return [
        BookingView(one, slot, coach, location, names.get(one.customer_id, "New client"), helpers)
        for one, (slot, coach, location, helpers) in ((one, words[one.slot_id]) for one in bookings)
    ]
