"""Coaches who help with a class that another leads: their places in it, where they are not free, and how one ends.

A place is a slot of kind `assist` in the assistant's own calendar, so the constraint that keeps a coach out of two
classes keeps an assistant out of them too. It follows its class: moved with it, over with it. Whoever changes places
has the class locked.

Does not belong here: saying who helps with which classes of a series (`classes.assign_assistants`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Date,
    ScalarSelect,
    String,
    Time,
    Uuid,
    and_,
    cast,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by, array
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from contracts.events.scheduling import AssistantAssigned, AssistantMoved, AssistantReleased
from operational_api.core.outbox import publish
from operational_api.scheduling.calendars.models import BusyTime
from operational_api.scheduling.errors import AssistantNotFree
from operational_api.scheduling.hours import Span
from operational_api.scheduling.models import AvailabilityException, Coach, Location, Slot, TimeOff
from operational_api.scheduling.service import openings, seats

MOST = 4
"""Assistants of one class."""
_Place = aliased(Slot)
_Helper = aliased(Coach)


@dataclass(frozen=True, slots=True)
class Assistant:
    """Who helps with a class."""

    coach_id: UUID
    display_name: str


def of_classes(session: Session, slot_ids: Collection[UUID]) -> dict[UUID, list[Assistant]]:
    """Who helps with each of these classes, by name, in one statement. One without is not in the answer."""
    found: dict[UUID, list[Assistant]] = {}
    query = (
        select(Slot.assists_id, Coach.id, Coach.display_name)
        .join(Coach, Coach.id == Slot.coach_id)
        .where(Slot.assists_id.in_(slot_ids), Slot.status == "open")
        .order_by(Coach.display_name, Coach.id)
    )
    for class_id, coach_id, name in session.execute(query).tuples() if slot_ids else ():
        if class_id is not None:
            found.setdefault(class_id, []).append(Assistant(coach_id, name))
    return found


def names() -> ScalarSelect[list[str]]:
    """Who helps with `Slot`, by name, inside a query over slots."""
    ordered = aggregate_order_by(_Helper.display_name, _Helper.display_name, _Helper.id)
    return (
        select(func.coalesce(func.array_agg(ordered), cast(array([]), ARRAY(String))))
        .select_from(_Place)
        .join(_Helper, _Helper.id == _Place.coach_id)
        .where(_Place.assists_id == Slot.id, _Place.status == "open")
        .correlate(Slot)
        .scalar_subquery()
    )


def ids() -> ScalarSelect[list[UUID]]:
    """Who helps with `Slot`, as accounts, inside a query over slots."""
    ordered = aggregate_order_by(_Place.coach_id, _Place.coach_id)
    return (
        select(func.coalesce(func.array_agg(ordered), cast(array([]), ARRAY(Uuid))))
        .select_from(_Place)
        .where(_Place.assists_id == Slot.id, _Place.status == "open")
        .correlate(Slot)
        .scalar_subquery()
    )


def helped_by(
    session: Session, coach_id: UUID, *, since: datetime | None = None, until: datetime | None = None
) -> list[UUID]:
    """The classes that a coach helps with, of those that start in a span of time."""
    query = select(Slot.assists_id).where(Slot.coach_id == coach_id, Slot.kind == "assist", Slot.status == "open")
    if since is not None:
        query = query.where(Slot.starts_at >= since)
    if until is not None:
        query = query.where(Slot.starts_at < until)
    return [one for one in session.scalars(query) if one is not None]


def assign(
    session: Session, coach: Coach, classes: Sequence[Slot], *, zone: ZoneInfo, now: datetime
) -> None:  # fmt: skip
    """Have a coach help with classes that are locked and that they do not help with yet. Their empty hours make room.

    Raises:
        AssistantNotFree: at one of those times, which is named.
    """
    openings.make_room(session, coach.id, [Span(one.starts_at, one.ends_at) for one in classes], now)
    _demand_free(session, coach, [one.id for one in classes], zone)
    made = [
        Slot(
            coach_id=coach.id, location_id=one.location_id, kind="assist", title=one.title, starts_at=one.starts_at,
            ends_at=one.ends_at, capacity=0, status="open", assists_id=one.id,
        )
        for one in classes
    ]  # fmt: skip
    _write(session, made)
    leads = {one.id: one.coach_id for one in classes}
    for place in made:
        publish(session, AssistantAssigned(occurred_at=now, **_told(place, leads)))


def follow(session: Session, classes: Sequence[Slot], *, now: datetime) -> None:
    """Bring assistants to where their classes, which are locked, were moved to, and give their places the new title.

    Raises:
        AssistantNotFree: one of them cannot come along.
    """
    leads = {one.id: one for one in classes}
    rows = session.execute(
        select(Slot, Coach, Location.time_zone)
        .join(Coach, Coach.id == Slot.coach_id)
        .join(Location, Location.id == Slot.location_id)
        .where(Slot.assists_id.in_(leads), Slot.status == "open")
        .order_by(Slot.id)
    ).tuples()
    by_coach: dict[UUID, list[tuple[Slot, Slot]]] = {}
    coaches: dict[UUID, tuple[Coach, str]] = {}
    for place, coach, zone in rows:
        if place.assists_id is not None:
            by_coach.setdefault(coach.id, []).append((place, leads[place.assists_id]))
            coaches[coach.id] = (coach, zone)
    for coach_id, places in sorted(by_coach.items()):
        coach, zone = coaches[coach_id]
        gone = [(place, lead) for place, lead in places if _times(place) != _times(lead)]
        if gone:
            openings.make_room(session, coach_id, [Span(*_times(lead)) for _, lead in gone], now)
            _demand_free(session, coach, [lead.id for _, lead in gone], ZoneInfo(zone))
        before = {place.id: place.starts_at for place, _ in gone}
        for place, lead in places:
            place.title, place.starts_at, place.ends_at = lead.title, lead.starts_at, lead.ends_at
        _write(session, [])
        for place, lead in gone:
            if before[place.id] != place.starts_at:
                event = AssistantMoved(
                    occurred_at=now, from_starts_at=before[place.id], **_told(place, {lead.id: lead.coach_id})
                )
                publish(session, event)


def release(session: Session, *which: ColumnElement[bool], reason: str, now: datetime) -> list[Slot]:
    """End places of assistants in classes that are locked.

    Args:
        which: Conditions on `Slot`; only open places are meant.
        reason: removed, called_off, absent or left.
    """
    lead = aliased(Slot)
    rows = session.execute(
        select(Slot, lead.coach_id)
        .join(lead, lead.id == Slot.assists_id)
        .where(Slot.kind == "assist", Slot.status == "open", *which)
        .order_by(Slot.starts_at, Slot.id)
    ).tuples()
    gone = []
    for place, lead_id in rows:
        place.status = "cancelled"
        told = _told(place, {place.assists_id: lead_id} if place.assists_id else {})
        publish(session, AssistantReleased(occurred_at=now, reason=reason, **told))
        gone.append(place)
    session.flush()
    return gone


def leave_all(session: Session, coach_id: UUID, *, now: datetime) -> list[Slot]:
    """Take a coach who left off every class to come that they were to help with."""
    return _leave(session, Slot.coach_id == coach_id, Slot.starts_at > now, reason="left", now=now)


def leave_absent(session: Session, coach_id: UUID, *, now: datetime) -> list[Slot]:
    """Take a coach off the classes to come on days on which they are away, or work other hours than a class's."""
    return _leave(
        session, Slot.coach_id == coach_id, Slot.starts_at > now, _is_away(coach_id), reason="absent", now=now
    )


def _leave(session: Session, *which: ColumnElement[bool], reason: str, now: datetime) -> list[Slot]:
    query = select(Slot.id, Slot.assists_id).where(Slot.kind == "assist", Slot.status == "open", *which)
    places = {id_: class_id for id_, class_id in session.execute(query).tuples() if class_id is not None}
    if not places:
        return []
    seats.lock_slots(session, set(places.values()))
    return release(session, Slot.id.in_(places), reason=reason, now=now)


def _told(place: Slot, leads: Mapping[UUID, UUID]) -> dict[str, object]:
    """What every event of a place says."""
    class_id = place.assists_id
    if class_id is None:
        raise ValueError(f"{place.id} is no place of an assistant")
    return {
        "assist_id": place.id, "slot_id": class_id, "coach_id": leads[class_id], "assistant_id": place.coach_id,
        "starts_at": place.starts_at,
    }  # fmt: skip


def _times(slot: Slot) -> tuple[datetime, datetime]:
    return slot.starts_at, slot.ends_at


def _write(session: Session, made: Iterable[Slot]) -> None:
    try:
        with session.begin_nested():
            session.add_all(made)
            session.flush()
    except IntegrityError as error:
        if getattr(getattr(error.orig, "diag", None), "constraint_name", None) != "ex_slots_coach_overlap":
            raise
        raise AssistantNotFree from error


def _demand_free(session: Session, coach: Coach, class_ids: Sequence[UUID], zone: ZoneInfo) -> None:
    """Refuse where a coach cannot help with one of these classes: they are away, busy elsewhere or in another session.

    Raises:
        AssistantNotFree: with their name, the first such class and why.
    """
    other = aliased(Slot)
    taken = exists().where(
        other.coach_id == coach.id, other.status == "open", other.starts_at < Slot.ends_at,
        other.ends_at > Slot.starts_at, other.assists_id.is_distinct_from(Slot.id),
    ).correlate(Slot)  # fmt: skip
    busy = exists().where(
        BusyTime.coach_id == coach.id,
        func.tstzrange(BusyTime.starts_at, BusyTime.ends_at).op("&&", is_comparison=True)(
            func.tstzrange(Slot.starts_at, Slot.ends_at)
        ),
    ).correlate(Slot)  # fmt: skip
    away = _is_away(coach.id)
    row = session.execute(
        select(Slot.starts_at, away, busy)
        .where(Slot.id.in_(class_ids), or_(away, busy, taken))
        .order_by(Slot.starts_at)
        .limit(1)
    ).one_or_none()
    if row is None:
        return
    starts_at, is_away, is_busy = row._tuple()
    why = "is away or works other hours" if is_away else "is busy elsewhere" if is_busy else "has another session"
    at = f"{starts_at.astimezone(zone):%-d %B, %H:%M}"
    raise AssistantNotFree(f"{coach.display_name} {why} on {at}. Choose somebody else, or another time.")


def _is_away(coach_id: UUID) -> ColumnElement[bool]:
    """Whether a coach is away on the day of `Slot`, works other hours than its own that day, or not here any more;
    inside a query over slots. The weekly hours are no matter: classes lie outside of them."""
    zone = select(Location.time_zone).where(Location.id == Slot.location_id).correlate(Slot).scalar_subquery()
    begins, ends = func.timezone(zone, Slot.starts_at), func.timezone(zone, Slot.ends_at)
    day = cast(begins, Date)
    off = exists().where(TimeOff.coach_id == coach_id, day.between(TimeOff.starts_on, TimeOff.ends_on)).correlate(Slot)
    other_hours = and_(AvailabilityException.coach_id == coach_id, AvailabilityException.exception_on == day)
    within = and_(
        other_hours,
        AvailabilityException.starts_at <= cast(begins, Time),
        AvailabilityException.ends_at >= cast(ends, Time),
    )
    gone = exists().where(Coach.id == coach_id, or_(Coach.left_on < day, Coach.hired_on > day)).correlate(Slot)
    return or_(
        off,
        gone,
        and_(exists().where(other_hours).correlate(Slot), ~exists().where(within).correlate(Slot)),
    )
