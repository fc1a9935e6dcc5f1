"""What belongs to a studio and not to one coach: closed days, rooms, racks and machines. And classes as lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Date, cast, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events.scheduling import HolidaysChanged
from operational_api.core.errors import NotFound
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import ClassNotFound
from operational_api.scheduling.models import (
    Coach,
    Location,
    PublicHoliday,
    Resource,
    SessionSeries,
    Slot,
    SlotResource,
)
from operational_api.scheduling.service import assistants, notices, openings, terms
from operational_api.scheduling.service.assistants import Assistant
from operational_api.scheduling.service.notices import NoticeView
from operational_api.scheduling.service.seats import count_held


def replace_holidays(
    session: Session, *, location_id: UUID, days: Sequence[tuple[date, str]], now: datetime
) -> Sequence[PublicHoliday]:
    """The days on which a studio is closed; what is not named is gone. The calendars of its coaches follow.

    Raises:
        NotFound: there is no such studio.
    """
    lock_location(session, location_id)
    session.execute(delete(PublicHoliday).where(PublicHoliday.location_id == location_id))
    session.add_all(PublicHoliday(location_id=location_id, holiday_on=on, name=name) for on, name in dict(days).items())
    session.flush()
    for coach_id in session.scalars(
        select(Coach.id).where(Coach.location_id == location_id, Coach.left_on.is_(None)).order_by(Coach.id)
    ):
        openings.renew_slots(session, now, coach_id=coach_id)
    publish(session, HolidaysChanged(occurred_at=now, location_id=location_id))
    return holidays(session, location_id)


def lock_location(session: Session, location_id: UUID) -> None:
    """Whoever changes what a studio's days are waits for the other, and then sees what they said.

    Raises:
        NotFound: there is no such studio.
    """
    if session.get(Location, location_id, with_for_update={"key_share": True}) is None:
        raise NotFound


def put_terms(session: Session, *, kind: str | None, said: Mapping[str, object], now: datetime) -> None:
    """Say on what terms all sessions of a kind (None: any) are booked where their coach says nothing else. Where the
    buffers are others than before, free sessions follow.

    Raises:
        InvalidAvailability: a fee without a currency, or the other way round.
    """
    before = terms.said_of(session, coach_id=None, kind=kind)
    terms.put_terms(session, coach_id=None, kind=kind, said=said, now=now)
    if any(before[name] != said.get(name) for name in ("buffer_before_minutes", "buffer_after_minutes")):
        openings.renew_slots(session, now, coach_id=None)


def holidays(session: Session, location_id: UUID) -> Sequence[PublicHoliday]:
    """A studio's closed days, by day."""
    query = select(PublicHoliday).where(PublicHoliday.location_id == location_id)
    return session.scalars(query.order_by(PublicHoliday.holiday_on)).all()


def resources(session: Session, location_id: UUID | None) -> Sequence[Resource]:
    """What sessions may use, of one studio or of all, by name."""
    query = select(Resource).where(Resource.is_active)
    if location_id is not None:
        query = query.where(Resource.location_id == location_id)
    return session.scalars(query.order_by(Resource.name, Resource.id)).all()


def put_resource(session: Session, *, location_id: UUID, name: str, kind: str, is_active: bool) -> Resource:
    """A room, rack or machine by its name: made, changed, or no longer to be used.

    Raises:
        NotFound: there is no such studio.
    """
    if session.get(Location, location_id) is None:
        raise NotFound
    return session.scalars(
        insert(Resource)
        .values(location_id=location_id, name=name, kind=kind, is_active=is_active)
        .on_conflict_do_update(index_elements=["location_id", "name"], set_={"kind": kind, "is_active": is_active})
        .returning(Resource),
        execution_options={"populate_existing": True},
    ).one()


@dataclass(frozen=True, slots=True)
class ClassView:
    """A class as its coaches see it. `rule` is of its series, None of a single one."""

    slot: Slot
    location: Location
    seats_held: int
    rule: str | None
    resources: Sequence[Resource]
    coach_name: str
    assistants: Sequence[Assistant]
    notices: Sequence[NoticeView]


def list_classes(session: Session, *, coach_id: UUID, now: datetime, limit: int = 60) -> list[ClassView]:
    """Classes that have not started, of a coach and those that they help with, by start. A handful of statements,
    however many there are."""
    theirs = or_(Slot.coach_id == coach_id, Slot.id.in_(assistants.helped_by(session, coach_id, since=now)))
    return _classes(session, theirs, Slot.starts_at > now, Slot.status == "open", now=now, limit=limit)


def get_class(session: Session, slot_id: UUID, *, now: datetime) -> ClassView:
    """One class, whatever its state.

    Raises:
        ClassNotFound: there is none.
    """
    found = _classes(session, Slot.id == slot_id, now=now, limit=1)
    if not found:
        raise ClassNotFound
    return found[0]


def _classes(session: Session, *which: ColumnElement[bool], now: datetime, limit: int) -> list[ClassView]:
    query = (
        select(Slot, Location, count_held(now), SessionSeries.rule, Coach.display_name)
        .join(Coach, Coach.id == Slot.coach_id)
        .join(Location, Location.id == Slot.location_id)
        .outerjoin(SessionSeries, SessionSeries.id == Slot.series_id)
        .where(Slot.kind == "group", *which)
    )
    rows = session.execute(query.order_by(Slot.starts_at).limit(limit)).tuples().all()
    ids, used = [row[0].id for row in rows], dict[UUID, list[Resource]]()
    pairs = select(SlotResource.slot_id, Resource).join(Resource, Resource.id == SlotResource.resource_id)
    for id_, resource in session.execute(pairs.where(SlotResource.slot_id.in_(ids))).tuples():
        used.setdefault(id_, []).append(resource)
    helpers, told = assistants.of_classes(session, ids), notices.of_slots(session, ids)
    return [
        ClassView(
            slot, place, held, rule, used.get(slot.id, []), coach, helpers.get(slot.id, []), told.get(slot.id, [])
        )
        for slot, place, held, rule, coach in rows
    ]


def colleagues(session: Session, slot: Slot) -> list[Assistant]:
    """Who could help with a class: who works at its studio on its day and does not lead it, by name."""
    place = select(Location.time_zone).where(Location.id == slot.location_id).scalar_subquery()
    day = cast(func.timezone(place, slot.starts_at), Date)
    query = select(Coach.id, Coach.display_name).where(
        Coach.location_id == slot.location_id, Coach.id != slot.coach_id, Coach.hired_on <= day,
        or_(Coach.left_on.is_(None), Coach.left_on >= day),
    )  # fmt: skip
    return [Assistant(*row) for row in session.execute(query.order_by(Coach.display_name, Coach.id)).tuples()]


def coach_location(session: Session, coach_id: UUID) -> Location | None:
    """Where a coach works."""
    return session.scalar(select(Location).join(Coach, Coach.location_id == Location.id).where(Coach.id == coach_id))
