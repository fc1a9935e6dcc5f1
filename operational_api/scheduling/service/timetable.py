"""A day of the timetable as the booking page shows it: which days have free seats, and that day's slots by coach."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Date, cast, func, select
from sqlalchemy.orm import Session

from operational_api.scheduling.models import Location, Slot
from operational_api.scheduling.service.round_robin import OpeningView, list_openings
from operational_api.scheduling.service.seats import count_held
from operational_api.scheduling.service.slots import SlotFilter, SlotView, is_bookable, list_slots

DAYS = 14
"""Days in the strip at the top of the page."""
MOST = 200
"""Slots of one day that are shown; a filter narrows more."""


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the strip, on the reader's calendar."""

    on: date
    free: int


@dataclass(frozen=True, slots=True)
class CoachDay:
    """A coach's slots of the day, by start."""

    coach_id: UUID
    coach_name: str
    location_name: str
    city: str
    slots: Sequence[SlotView]


def free_days(session: Session, wanted: SlotFilter, *, zone: str, now: datetime) -> list[Day]:
    """The coming days with the number of slots that have a free seat, on the reader's calendar."""
    today = now.astimezone(ZoneInfo(zone)).date()
    local_day = cast(func.timezone(zone, Slot.starts_at), Date)
    query = select(local_day, func.count()).where(
        *is_bookable(now),
        Slot.starts_at < _midnight(today + timedelta(days=DAYS), zone),
        Slot.capacity > count_held(now),
    )
    if wanted.coach_id is not None:
        query = query.where(Slot.coach_id == wanted.coach_id)
    if wanted.location_id is not None:
        query = query.where(Slot.location_id == wanted.location_id)
    if wanted.kind is not None:
        query = query.where(Slot.kind == wanted.kind)
    free = dict(session.execute(query.group_by(local_day)).tuples().all())
    days = (today + timedelta(days=n) for n in range(DAYS))
    return [Day(day, free.get(day, 0)) for day in days]


def slots_on(
    session: Session, wanted: SlotFilter, *, on: date, zone: str, viewer_id: UUID | None, now: datetime
) -> list[CoachDay]:
    """The slots of one day of the reader's calendar, by coach, those with the most free seats first."""
    within = replace(wanted, starts_from=_midnight(on, zone), starts_before=_midnight(on + timedelta(days=1), zone))
    views, _ = list_slots(session, within, viewer_id=viewer_id, now=now, limit=MOST)
    by_coach: dict[UUID, list[SlotView]] = {}
    for view in views:
        by_coach.setdefault(view.slot.coach_id, []).append(view)
    days = [
        CoachDay(coach_id, rows[0].coach_name, rows[0].location.name, rows[0].location.city, rows)
        for coach_id, rows in by_coach.items()
    ]
    return sorted(days, key=lambda day: (-sum(view.seats_left > 0 for view in day.slots), day.coach_name))


@dataclass(frozen=True, slots=True)
class Anybody:
    """Times of a day at which somebody is free at a studio where more than one coach is."""

    location: Location
    openings: Sequence[OpeningView]


def anybody_on(
    session: Session, wanted: SlotFilter, *, on: date, zone: str, own_coach_id: UUID | None, now: datetime
) -> list[Anybody]:
    """The times of one day with whoever is free, by studio; none where a coach or classes are wanted."""
    if wanted.coach_id is not None or wanted.kind == "group":
        return []
    within = replace(wanted, starts_from=_midnight(on, zone), starts_before=_midnight(on + timedelta(days=1), zone))
    found, _ = list_openings(session, within, own_coach_id=own_coach_id, now=now, limit=MOST)
    by_place: dict[UUID, list[OpeningView]] = {}
    for one in found:
        by_place.setdefault(one.location.id, []).append(one)
    return [Anybody(rows[0].location, rows) for rows in by_place.values() if any(one.coaches_free > 1 for one in rows)]


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), tzinfo=ZoneInfo(zone))
