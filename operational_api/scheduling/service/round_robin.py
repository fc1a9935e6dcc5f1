"""Sessions with whoever is free: when there is one, and which coach it is with.

A customer's own coach, where they are free. Else whose turn it is (`turns`). What a customer books with a coach by name
is nobody's turn. Only one-to-one sessions: a class is its coach's.

Nobody waits for a slot while they have another locked: what was tried in vain is let go of first.

Does not belong here: whether a seat may be taken, and what pays for it (`places`, `bookings`, `moves`).
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, SQLColumnExpression, Uuid, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from contracts.events.scheduling import SlotCalledOff
from operational_api.core import audit
from operational_api.core.outbox import publish
from operational_api.core.paging import after, cut
from operational_api.scheduling.errors import (
    BookingClosed,
    CoachNotFree,
    ConfirmationNeeded,
    NobodyFree,
    SessionStarted,
    SlotClosed,
    SlotNotFound,
    SlotTaken,
)
from operational_api.scheduling.models import Booking, Coach, Location, Slot
from operational_api.scheduling.service import announcing, bookings, moves, payment, places, seats, turns, waitlist
from operational_api.scheduling.service.seats import count_held
from operational_api.scheduling.service.slots import SlotFilter, is_bookable, is_bookable_at_desk
from operational_api.scheduling.service.terms import terms_of

_GONE = (SlotTaken, SlotClosed, SlotNotFound, ConfirmationNeeded)
"""Why the next coach is asked: the seat went to somebody else meanwhile, or this coach has the last word."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A time at a studio at which a session may begin, whoever holds it."""

    location_id: UUID
    starts_at: datetime
    minutes: int


@dataclass(frozen=True, slots=True)
class OpeningView:
    """An opening as a reader sees it. `has_own_coach`: their coach is one of the `coaches_free`."""

    location: Location
    title: str
    starts_at: datetime
    ends_at: datetime
    coaches_free: int
    has_own_coach: bool

    @property
    def minutes(self) -> int:
        """How long it lasts."""
        return (self.ends_at - self.starts_at) // timedelta(minutes=1)


Take = Callable[[places.Place, str], Booking]
"""Takes a seat of a locked slot; told how it got its coach: `own_coach` or `turn`."""


def list_openings(
    session: Session, wanted: SlotFilter, *, own_coach_id: UUID | None, now: datetime, limit: int,
    cursor: str | None = None,
) -> tuple[list[OpeningView], str | None]:  # fmt: skip
    """When somebody is free, by start, a page at a time: the coaches' slots laid over each other, in one statement.

    Args:
        wanted: Which times and studios, and whether at the desk; what it says of coaches and kinds is left aside.
    """
    key = (Slot.starts_at, Slot.ends_at, Slot.location_id)
    query = (
        select(
            Location, func.min(Slot.title), Slot.starts_at, Slot.ends_at, func.count(),
            func.bool_or(_is(Slot.coach_id, own_coach_id)),
        )
        .join(Coach, Coach.id == Slot.coach_id)
        .join(Location, Location.id == Slot.location_id)
        .where(*_free(now, is_at_desk=wanted.is_at_desk), _takes_turns(own_coach_id))
        .group_by(Location.id, *key)
    )  # fmt: skip
    if wanted.starts_from is not None:
        query = query.where(Slot.starts_at >= wanted.starts_from)
    if wanted.starts_before is not None:
        query = query.where(Slot.starts_at < wanted.starts_before)
    if wanted.location_id is not None:
        query = query.where(Slot.location_id == wanted.location_id)
    if wanted.location_ids is not None:
        query = query.where(Slot.location_id.in_(wanted.location_ids))
    if cursor:
        query = query.where(tuple_(*key) > tuple_(*after(cursor, datetime, datetime, UUID)))  # type: ignore[arg-type]
    rows = session.execute(query.order_by(*key).limit(limit + 1)).tuples()
    views = [OpeningView(*row) for row in rows]
    return cut(views, limit, lambda view: (view.starts_at, view.ends_at, view.location.id))


def find_opening(session: Session, opening: Opening, *, own_coach_id: UUID | None, now: datetime) -> OpeningView | None:
    """One time, or None where nobody is free any more."""
    around = SlotFilter(
        starts_from=opening.starts_at, starts_before=opening.starts_at + timedelta(microseconds=1),
        location_id=opening.location_id,
    )  # fmt: skip
    found, _ = list_openings(session, around, own_coach_id=own_coach_id, now=now, limit=20)
    return next((one for one in found if one.minutes == opening.minutes), None)


def candidates(
    session: Session, opening: Opening, *, own_coach_id: UUID | None, now: datetime, without: Collection[UUID] = (),
    is_at_desk: bool = False,
) -> list[Slot]:  # fmt: skip
    """Slots of this time that are free, in the order of whose turn it is; in one statement for any number of coaches.

    Args:
        own_coach_id: Who goes before everybody, also where they take no turns.
        without: Slots that were tried in vain.
        is_at_desk: Without notice, until shortly after the start.
    """
    query = (
        select(Slot)
        .join(Coach, Coach.id == Slot.coach_id)
        .join(Location, Location.id == Slot.location_id)
        .where(
            Slot.location_id == opening.location_id, Slot.starts_at == opening.starts_at,
            Slot.ends_at == opening.starts_at + timedelta(minutes=opening.minutes),
            *_free(now, is_at_desk=is_at_desk), _takes_turns(own_coach_id),
        )
        .order_by(_is(Slot.coach_id, own_coach_id).desc(), *turns.order(now), Slot.coach_id)
    )  # fmt: skip
    if without:
        query = query.where(Slot.id.not_in(without))
    return list(session.scalars(query.execution_options(populate_existing=True)))


def _free(now: datetime, *, is_at_desk: bool = False) -> tuple[ColumnElement[bool], ...]:
    bookable = is_bookable_at_desk(now) if is_at_desk else is_bookable(now)
    return (Slot.kind == "one_to_one", *bookable, Slot.capacity > count_held(now))


def _takes_turns(own_coach_id: UUID | None) -> ColumnElement[bool]:
    return or_(Coach.turn_weight > 0, _is(Coach.id, own_coach_id))


def _is(column: SQLColumnExpression[UUID], coach_id: UUID | None) -> ColumnElement[bool]:
    return column.is_not_distinct_from(literal(coach_id, Uuid))


def book_opening(
    session: Session, opening: Opening, *, customer_id: UUID, own_coach_id: UUID | None, now: datetime
) -> Booking:
    """Book a session with whoever is free, and announce it with the coach it is with.

    Raises:
        NobodyFree: nobody is, or no longer.
        AlreadyBooked, PlanRequired, AllowanceUsed: as of `bookings.book_session`.
    """

    def take(place: places.Place, how: str) -> Booking:
        return bookings.book_place(session, place, customer_id=customer_id, now=now, assignment=how)

    return take_opening(session, opening, own_coach_id=own_coach_id, now=now, take=take)


def take_opening(
    session: Session, opening: Opening, *, own_coach_id: UUID | None, now: datetime, take: Take,
    is_at_desk: bool = False,
) -> Booking:  # fmt: skip
    """A seat with whoever is free, as `take` takes it.

    Of many who ask at once each gets a coach of their own, as far as there are; who finds one taken is given the next.

    Args:
        is_at_desk: Without notice, until shortly after the start.

    Raises:
        NobodyFree: nobody is, or no longer; whatever `take` refuses for the customer's sake.
    """
    tried: set[UUID] = set()
    while found := candidates(
        session, opening, own_coach_id=own_coach_id, now=now, without=tried, is_at_desk=is_at_desk
    ):
        try:
            with session.begin_nested():
                slot_id = _first_unlocked(session, found) or found[0].id
                tried.add(slot_id)
                place = places.lock_place(session, slot_id)
                how = "own_coach" if place.slot.coach_id == own_coach_id else "turn"
                return take(place, how)
        except _GONE:
            continue
    raise NobodyFree


def _first_unlocked(session: Session, ranked: Sequence[Slot]) -> UUID | None:
    """The first of these slots that nobody works on at this moment, locked; None where somebody does on each."""
    ids = [one.id for one in ranked]
    query = select(Slot.id).where(Slot.id.in_(ids)).order_by(func.array_position(ids, Slot.id)).limit(1)
    return session.scalar(query.with_for_update(key_share=True, skip_locked=True))


def move_to(
    session: Session, booking: Booking, opening: Opening, *, with_another: bool, now: datetime, by: moves.Mover,
    reach: Callable[[UUID], object] | None = None,
) -> Booking:  # fmt: skip
    """Move a booking to another time: with its coach, or, where that was said, with whoever is free.

    Args:
        reach: Refuses with `SlotNotFound` a slot that who moves may not move it to.

    Raises:
        CoachNotFree: its coach is not, and nobody else will do.
        NobodyFree: nobody is.
        Whatever `moves.reschedule_booking` refuses for the customer's sake.
    """
    tried: set[UUID] = set()
    while found := candidates(session, opening, own_coach_id=booking.coach_id, now=now, without=tried):
        slot = found[0]
        if slot.coach_id != booking.coach_id and not with_another:
            break
        tried.add(slot.id)
        try:
            with session.begin_nested():
                if reach is not None:
                    reach(slot.id)
                return moves.reschedule_booking(
                    session, booking_id=booking.id, slot_id=slot.id, now=now, by=by, assignment="turn"
                )
        except _GONE:
            continue
    raise NobodyFree if with_another else CoachNotFree


def reassign(session: Session, *, booking_id: UUID, actor_id: UUID, role: str, now: datetime) -> Booking:
    """Give a booked session to another coach who is free then, in its own coach's place: who is ill cannot hold it.

    The customer has the same hour, may cancel it for nothing until it starts, and is told once. Its history names both;
    the hour that it had is closed: nobody books it with a coach who is not there.

    Raises:
        BookingNotFound.
        BookingClosed: it is not booked any more, or they were checked in; SessionStarted.
        NobodyFree: no other coach is free for all of it.
    """
    old = seats.get_booking(session, booking_id)
    was = session.get_one(Slot, old.slot_id)
    opening = Opening(was.location_id, old.starts_at, (old.ends_at - old.starts_at) // timedelta(minutes=1))
    _require_movable(old, was, now)
    tried = {was.id}
    while found := candidates(session, opening, own_coach_id=None, now=now, without=tried, is_at_desk=True):
        tried.add(found[0].id)
        try:
            with session.begin_nested():
                return _give(session, old, found[0].id, moves.Mover(actor_id, role), now)
        except (SlotTaken, SlotClosed):
            continue
    raise NobodyFree


def _require_movable(old: Booking, was: Slot, now: datetime) -> None:
    if old.status != "booked" or old.outcome_at is not None or was.kind != "one_to_one":
        raise BookingClosed
    if old.starts_at <= now:
        raise SessionStarted


def _give(session: Session, old: Booking, slot_id: UUID, by: moves.Mover, now: datetime) -> Booking:
    locked = {one.id: one for one in seats.lock_slots(session, {old.slot_id, slot_id})}
    session.refresh(old)
    if slot_id not in locked:
        raise SlotTaken  # its hours were changed at this moment
    was, slot = locked[old.slot_id], locked[slot_id]
    _require_movable(old, was, now)
    terms = terms_of(session, coach_id=slot.coach_id, kind=slot.kind)
    seating = places.seating_of(session, slot, terms, customer_id=old.customer_id, now=now, is_at_desk=True)
    seat = seats.free_seat(seating.taken, slot)
    if old.session_pack_id is not None:  # before the pack, as everybody does
        payment.one_at_a_time(session, old.customer_id)
    seats.give_back(session, old, "cancelled", now=now, is_ours=True)
    new = seats.new_booking(slot, customer_id=old.customer_id, seat=seat, status="booked", terms=terms, now=now)
    new.session_pack_id = payment.pay_again(
        session, slot=slot, customer_id=old.customer_id, was_paid_by=old.session_pack_id, now=now
    )
    new.assignment, new.free_until = "desk", new.starts_at
    seats.place(session, new)
    was.status = "cancelled"
    publish(session, SlotCalledOff(occurred_at=now, slot_id=was.id, coach_id=was.coach_id, starts_at=was.starts_at))
    waitlist.expire(session, slot_id=was.id, now=now)
    moves.keep(session, old, new, from_starts_at=old.starts_at, by=by, now=now)
    announcing.cancelled(session, old, now=now, by_coach=True, is_reassigned=True)
    announcing.booked(session, new, now=now, moved_from_id=old.id)
    audit.record(
        session, "scheduling.reassign_booking", "Booking", new.id, actor_id=by.account_id,
        subject_id=old.customer_id, purpose="operations",
        details={"from_coach": str(old.coach_id), "to_coach": str(new.coach_id)}, now=now,
    )  # fmt: skip
    return new
