"""What can be booked: slots with their free seats, as lists and pages show them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, cast, func, select, tuple_
from sqlalchemy.orm import Session, aliased
from sqlalchemy.types import Interval

from operational_api.core.paging import after, cut
from operational_api.scheduling.errors import SlotNotFound
from operational_api.scheduling.models import Booking, BookingTerms, Coach, Location, Slot, WaitlistEntry
from operational_api.scheduling.service import assistants
from operational_api.scheduling.service.busy_times import keeps_busy
from operational_api.scheduling.service.seats import count_held, has_seats, is_held
from operational_api.scheduling.service.terms import of_slot
from operational_api.scheduling.terms import Terms


@dataclass(frozen=True, slots=True)
class SlotView:
    """A slot as one viewer sees it.

    Attributes:
        seats_left: Free seats, 0 when full.
        booking_id: The viewer's own booking, if any; a seat held for them too.
        is_waiting: Whether the viewer is on its waitlist.
        assistants: Who helps with it, by name.
    """

    slot: Slot
    coach_name: str
    location: Location
    seats_left: int
    booking_id: UUID | None
    booking_status: str | None
    held_until: datetime | None
    is_waiting: bool
    assistants: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SlotFilter:
    """Which slots are wanted; None leaves that open."""

    starts_from: datetime | None = None
    starts_before: datetime | None = None
    coach_id: UUID | None = None
    location_id: UUID | None = None
    kind: str | None = None
    only_free: bool = False
    location_ids: Collection[UUID] | None = None
    is_at_desk: bool = False
    """What the front desk can book: without notice, until shortly after the start."""


def list_slots(
    session: Session,
    wanted: SlotFilter,
    *,
    viewer_id: UUID | None,
    now: datetime,
    limit: int,
    cursor: str | None = None,
) -> tuple[list[SlotView], str | None]:
    """Slots that can still be booked or waited for, by start, a page at a time."""
    query = _views(viewer_id, now).where(*(is_bookable_at_desk(now) if wanted.is_at_desk else is_bookable(now)))
    if wanted.starts_from is not None:
        query = query.where(Slot.starts_at >= wanted.starts_from)
    if wanted.starts_before is not None:
        query = query.where(Slot.starts_at < wanted.starts_before)
    if wanted.coach_id is not None:
        query = query.where(Slot.coach_id == wanted.coach_id)
    if wanted.location_id is not None:
        query = query.where(Slot.location_id == wanted.location_id)
    if wanted.location_ids is not None:
        query = query.where(Slot.location_id.in_(wanted.location_ids))
    if wanted.kind is not None:
        query = query.where(Slot.kind == wanted.kind)
    if wanted.only_free:
        query = query.where(Slot.capacity > count_held(now))
    if cursor:
        query = query.where(tuple_(Slot.starts_at, Slot.id) > tuple_(*after(cursor, datetime, UUID)))  # type: ignore[arg-type]
    rows = session.execute(query.order_by(Slot.starts_at, Slot.id).limit(limit + 1)).all()
    return cut([SlotView(*row) for row in rows], limit, lambda view: (view.slot.starts_at, view.slot.id))


def get_slot(session: Session, slot_id: UUID, *, viewer_id: UUID | None, now: datetime) -> SlotView:
    """One slot, whatever its state.

    Raises:
        SlotNotFound: there is none.
    """
    row = session.execute(_views(viewer_id, now).where(Slot.id == slot_id)).one_or_none()
    if row is None:
        raise SlotNotFound
    return SlotView(*row)


def list_coaches(session: Session) -> Sequence[tuple[UUID, str, str]]:
    """Coaches who work here today: id, name, city."""
    query = (
        select(Coach.id, Coach.display_name, Location.city)
        .join(Location, Location.id == Coach.location_id)
        .where(Coach.left_on.is_(None))
    )
    return [tuple(row) for row in session.execute(query.order_by(Coach.display_name, Coach.id)).all()]


def list_locations(session: Session) -> Sequence[Location]:
    """Every studio, by name."""
    return session.scalars(select(Location).order_by(Location.name)).all()


def is_bookable(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Which slots are open with notice enough and inside the booking window, by their terms, while the coach has
    nothing else to do; inside a query."""
    notice = func.make_interval(
        0, 0, 0, 0, 0, of_slot(BookingTerms.minimum_notice_minutes, Terms().minimum_notice_minutes)
    )
    return (
        Slot.starts_at > now,  # a bound that an index can use
        Slot.starts_at >= now + cast(notice, Interval),
        *_is_open(now),
    )


def is_bookable_at_desk(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """`is_bookable` of the front desk, which needs no notice and lets people in until shortly after the start."""
    return (Slot.starts_at >= now + Terms().at_desk().notice, *_is_open(now))


def _is_open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    window = func.make_interval(0, 0, 0, of_slot(BookingTerms.booking_window_days, None))
    return (
        Slot.status == "open", has_seats(), ~keeps_busy(),
        func.coalesce(Slot.starts_at <= now + cast(window, Interval), True),
    )  # fmt: skip


def _views(
    viewer_id: UUID | None, now: datetime
) -> Select[tuple[Slot, str, Location, int, UUID, str, datetime | None, bool, list[str]]]:
    own = aliased(Booking)
    waiting = (
        select(WaitlistEntry.id)
        .where(
            WaitlistEntry.slot_id == Slot.id,
            WaitlistEntry.customer_id == viewer_id,
            WaitlistEntry.status == "waiting",
        )
        .correlate(Slot)
        .exists()
    )
    left = func.greatest(Slot.capacity - count_held(now), 0)
    return (
        select(
            Slot, Coach.display_name, Location, left, own.id, own.status, own.held_until, waiting, assistants.names()
        )
        .join(Coach, Coach.id == Slot.coach_id)
        .join(Location, Location.id == Slot.location_id)
        .where(has_seats())
        .outerjoin(own, and_(own.slot_id == Slot.id, own.customer_id == viewer_id, is_held(now, own)))
    )
