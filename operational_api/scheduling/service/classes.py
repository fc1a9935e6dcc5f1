"""Classes that a coach opens: once or as a series, changed or called off one by one or from one on.

A series is written as slots when it is made; its rule is kept to be shown. Wall times of the studio are held across
clock changes. Empty one-to-one slots make room for a class, anything else in its way refuses it.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contracts.events.scheduling import ClassChanged, ClassScheduled, SessionMoved
from operational_api.core.errors import DomainError
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import (
    ClassNotFound,
    CoachBusy,
    CoachNotFound,
    CustomersClash,
    InvalidClass,
    ResourceNotFound,
    ResourceTaken,
    SeatsHeld,
    SlotClosed,
)
from operational_api.scheduling.hours import Span
from operational_api.scheduling.lifecycle import PENDING
from operational_api.scheduling.models import Booking, Coach, Location, Resource, SessionSeries, Slot, SlotResource
from operational_api.scheduling.recurrence import Recurrence, at_wall_time
from operational_api.scheduling.service import announcing, assistants, bookings, moves, openings, seats, waitlist
from operational_api.scheduling.service.moves import Mover

Scope = Literal["one", "following"]
REFUSALS: dict[str, type[DomainError]] = {
    "ex_slots_coach_overlap": CoachBusy,
    "ex_slot_resources_overlap": ResourceTaken,
    "ex_bookings_customer_overlap": CustomersClash,
}
"""What a violated constraint means to the coach."""
LARGEST = 200


@dataclass(frozen=True, slots=True)
class ClassPlan:
    """What a class is, but for its day. Times are on the studio's clock."""

    title: str
    wall_start: time
    minutes: int
    capacity: int
    resource_ids: Sequence[UUID] = ()

    def __post_init__(self) -> None:
        """Refuse what nobody can hold."""
        if not self.title.strip() or not 10 <= self.minutes <= 480 or not 1 <= self.capacity <= LARGEST:
            raise InvalidClass(f"A class has a title, lasts 10 to 480 minutes and has 1 to {LARGEST} places.")


def create_classes(
    session: Session, *, coach_id: UUID, plan: ClassPlan, first_on: date, repeats: Recurrence | None, now: datetime
) -> list[Slot]:
    """Open a class on a day, or a series from that day on: all of it or nothing.

    Raises:
        CoachNotFound, ResourceNotFound.
        InvalidClass: the first one would start in the past.
        InvalidRecurrence: the rule names no day, or too many.
        CoachBusy, ResourceTaken: at one of those times.
    """
    coaches, location = _lock_coaches(session, coach_id)
    coach = coaches[coach_id]
    _lock_resources(session, plan.resource_ids, location.id)
    zone, length = ZoneInfo(location.time_zone), timedelta(minutes=plan.minutes)
    days = repeats.days(first_on) if repeats else [first_on]
    spans = [Span(start, start + length) for start in (at_wall_time(day, plan.wall_start, zone) for day in days)]
    if spans[0].starts_at <= now:
        raise InvalidClass("A class starts in the future.")
    series = None
    if repeats is not None:
        series = SessionSeries(
            coach_id=coach.id, location_id=location.id, title=plan.title, rule=str(repeats), starts_on=first_on,
            wall_start=plan.wall_start,
        )  # fmt: skip
        session.add(series)
        session.flush()
    openings.make_room(session, coach.id, spans, now)
    made = [
        Slot(
            coach_id=coach.id, location_id=location.id, kind="group", title=plan.title, starts_at=span.starts_at,
            ends_at=span.ends_at, capacity=plan.capacity, status="open", series_id=series.id if series else None,
        )
        for span in spans
    ]  # fmt: skip
    with _told_apart(session):
        session.add_all(made)
        session.flush()
        session.add_all(_uses(slot, one) for slot in made for one in plan.resource_ids)
        session.flush()
    for slot in made:
        event = ClassScheduled(
            occurred_at=now, slot_id=slot.id, coach_id=coach.id, series_id=slot.series_id, starts_at=slot.starts_at,
            ends_at=slot.ends_at, capacity=slot.capacity,
        )  # fmt: skip
        publish(session, event)
    return made


def change_classes(
    session: Session, *, slot_id: UUID, plan: ClassPlan, scope: Scope, now: datetime, by: Mover
) -> list[Slot]:
    """Give a class, or it and all that follow in its series, another title, time, size or room.

    Each stays on its day. Who is booked moves along, with a history, and may cancel for nothing from then on. Who
    assists moves along, too.

    Raises:
        ClassNotFound; SlotClosed: it has started or was called off.
        SeatsHeld: more customers have a seat than there would be places.
        CoachBusy, AssistantNotFree, ResourceTaken, CustomersClash: at one of the new times.
    """
    found = affected(session, slot_id, scope, now)
    coach, location = found[0].coach_id, _lock_all_of(session, found)[1]
    _lock_resources(session, plan.resource_ids, location.id)
    zone, length = ZoneInfo(location.time_zone), timedelta(minutes=plan.minutes)
    changed = seats.lock_slots(session, [one.id for one in found])
    spans = {}
    for slot in changed:
        if slot.status != "open":  # called off while we waited for it
            raise SlotClosed
        start = at_wall_time(slot.starts_at.astimezone(zone).date(), plan.wall_start, zone)
        if start <= now:
            raise InvalidClass("A class starts in the future.")
        spans[slot.id] = Span(start, start + length)
    openings.make_room(session, coach, list(spans.values()), now)
    ids = list(spans)
    seats.lock_credits(session, Booking.slot_id.in_(ids), Booking.status.in_(PENDING))
    with _told_apart(session):
        session.execute(delete(SlotResource).where(SlotResource.slot_id.in_(ids)))
        for slot in changed:
            _change(session, slot, plan, spans[slot.id], now=now, by=by)
        assistants.follow(session, changed, now=now)
        session.add_all(_uses(slot, one) for slot in changed for one in plan.resource_ids)
        session.flush()
    for slot in changed:
        waitlist.offer_seats(session, slot=slot, now=now)  # there may be more places than before
    return sorted(changed, key=lambda slot: slot.starts_at)


def cancel_classes(session: Session, *, slot_id: UUID, scope: Scope, now: datetime) -> list[Slot]:
    """Call off a class, or it and all that follow in its series. Every booking gets its credit back.

    Raises:
        ClassNotFound; SlotClosed: it has started or was called off.
    """
    found = affected(session, slot_id, scope, now)
    ids = [one.id for one in found]
    seats.lock_slots(session, ids)
    seats.lock_credits(session, Booking.slot_id.in_(ids))
    for one in found:
        bookings.cancel_slot(session, slot_id=one.id, now=now)
    return found


def assign_assistants(
    session: Session, *, slot_id: UUID, coach_ids: Collection[UUID], scope: Scope, now: datetime
) -> list[Slot]:  # fmt: skip
    """Say who helps with a class, or with it and all that follow in its series; who is not named helps no more. The
    same again changes nothing.

    Raises:
        ClassNotFound; SlotClosed: it has started or was called off.
        CoachNotFound: somebody named does not work at the studio.
        InvalidClass: its own coach is named, or too many are.
        AssistantNotFree: at one of those times.
    """
    wanted = set(coach_ids)
    found = affected(session, slot_id, scope, now)
    lead = found[0].coach_id
    if lead in wanted:
        raise InvalidClass("Who leads a class does not assist it as well.")
    if len(wanted) > assistants.MOST:
        raise InvalidClass(f"A class has at most {assistants.MOST} assistants.")
    coaches, location = _lock_all_of(session, found, wanted)
    classes = sorted(seats.lock_slots(session, [one.id for one in found]), key=lambda one: one.starts_at)
    if any(one.status != "open" for one in classes):  # called off while we waited for it
        raise SlotClosed
    known = assistants.of_classes(session, [one.id for one in classes])
    helped = {one.id: {helper.coach_id for helper in known.get(one.id, ())} for one in classes}
    missing = {id_: [one for one in classes if id_ not in helped[one.id]] for id_ in sorted(wanted)}
    for id_ in (one for one, lacking in missing.items() if lacking):
        if id_ not in coaches or coaches[id_].location_id != location.id or _has_left(coaches[id_], now):
            raise CoachNotFound
    assistants.release(session, Slot.assists_id.in_(helped), Slot.coach_id.not_in(wanted), reason="removed", now=now)
    for id_, lacking in missing.items():
        if lacking:
            assistants.assign(session, coaches[id_], lacking, zone=ZoneInfo(location.time_zone), now=now)
    return classes


def affected(session: Session, slot_id: UUID, scope: Scope, now: datetime) -> list[Slot]:
    """The class, and what follows it in its series and has not been called off, by start."""
    slot = session.get(Slot, slot_id)
    if slot is None or slot.kind != "group":
        raise ClassNotFound
    if slot.status != "open" or slot.starts_at <= now:
        raise SlotClosed
    if scope == "one" or slot.series_id is None:
        return [slot]
    query = select(Slot).where(
        Slot.series_id == slot.series_id, Slot.starts_at >= slot.starts_at, Slot.status == "open"
    )
    return list(session.scalars(query.order_by(Slot.starts_at)))


def _change(session: Session, slot: Slot, plan: ClassPlan, span: Span, *, now: datetime, by: Mover) -> None:
    seats.lapse(session, now, slot_id=slot.id)
    held = seats.holders(session, slot.id)
    if any(one.seat > plan.capacity for one in held):
        if len(held) > plan.capacity:
            raise SeatsHeld
        raise SeatsHeld(f"Somebody has place number {max(one.seat for one in held)}: choose at least that many.")
    before = slot.starts_at
    slot.title, slot.capacity = plan.title, plan.capacity
    slot.starts_at, slot.ends_at = span.starts_at, span.ends_at
    for booking in held:
        has_moved = booking.starts_at != span.starts_at
        booking.starts_at, booking.ends_at = span.starts_at, span.ends_at
        if has_moved:
            booking.free_until = span.starts_at
            if booking.held_until is not None:
                booking.held_until = min(booking.held_until, span.starts_at)
            moves.keep(session, booking, booking, from_starts_at=before, by=by, now=now)
            moved = SessionMoved(
                occurred_at=now, from_starts_at=before, to_starts_at=span.starts_at, **announcing.of(booking)
            )
            publish(session, moved)
    session.flush()
    event = ClassChanged(
        occurred_at=now, slot_id=slot.id, coach_id=slot.coach_id, starts_at=slot.starts_at, ends_at=slot.ends_at,
        capacity=slot.capacity,
    )  # fmt: skip
    publish(session, event)


def _uses(slot: Slot, resource_id: UUID) -> SlotResource:
    return SlotResource(slot_id=slot.id, resource_id=resource_id, starts_at=slot.starts_at, ends_at=slot.ends_at)


def _has_left(coach: Coach, now: datetime) -> bool:
    return coach.left_on is not None and coach.left_on < now.date()


def _lock_all_of(
    session: Session, found: Sequence[Slot], others: Collection[UUID] = ()
) -> tuple[dict[UUID, Coach], Location]:
    """Who leads and who helps with these classes, and others, locked."""
    known = assistants.of_classes(session, [one.id for one in found])
    helping = {helper.coach_id for helpers in known.values() for helper in helpers}
    return _lock_coaches(session, found[0].coach_id, {*helping, *others})


def _lock_coaches(
    session: Session, coach_id: UUID, others: Collection[UUID] = ()
) -> tuple[dict[UUID, Coach], Location]:
    """A coach and their studio, and other coaches, locked in everybody's order: what fills one calendar is written one
    after the other. Of the others, unknown ones are left out."""
    query = (
        select(Coach, Location)
        .join(Location, Location.id == Coach.location_id)
        .where(Coach.id.in_({coach_id, *others}))
        .order_by(Coach.id)
    )
    rows = session.execute(query.with_for_update(of=Coach, key_share=True)).tuples().all()
    places = {coach.id: location for coach, location in rows}
    if coach_id not in places:
        raise CoachNotFound
    return {coach.id: coach for coach, _ in rows}, places[coach_id]


def _lock_resources(session: Session, ids: Sequence[UUID], location_id: UUID) -> None:
    """Resources of the studio, locked in one order: of two series that want one, the second waits, and is told."""
    if not ids:
        return
    found = session.scalars(
        select(Resource.id)
        .where(Resource.id.in_(ids), Resource.location_id == location_id, Resource.is_active)
        .order_by(Resource.id)
        .with_for_update(key_share=True)
    ).all()
    if set(found) != set(ids):
        raise ResourceNotFound


@contextmanager
def _told_apart(session: Session) -> Iterator[None]:
    """Say which promise of the calendar the changes inside would break."""
    try:
        with session.begin_nested():
            yield
    except IntegrityError as error:
        refusal = REFUSALS.get(getattr(getattr(error.orig, "diag", None), "constraint_name", None) or "")
        if refusal is None:
            raise
        raise refusal from error
