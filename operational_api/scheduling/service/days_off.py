"""One day more or less: hours of a weekday, days away, other hours of a day and studios' holidays by themselves, and
what a change would do to a calendar before it is made. All of a coach's hours at once are `availability`.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from contracts.events.scheduling import HoursChanged
from contracts.ids import new_id
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import DayNotFound, InvalidAvailability
from operational_api.scheduling.models import (
    AvailabilityException,
    AvailabilityRule,
    Coach,
    PublicHoliday,
    Slot,
    TimeOff,
)
from operational_api.scheduling.service import agenda, assistants, availability, openings, studio
from operational_api.scheduling.service.availability import Hours, OtherHours

LONGEST_AWAY = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does to a calendar: free sessions that go and come, and clients who stay booked all the same."""

    gone: Sequence[datetime]
    opened: Sequence[datetime]
    still_booked: Sequence[agenda.BookingView]


def preview(
    session: Session, change: Callable[[Session], object], *, coach_ids: Sequence[UUID], now: datetime
) -> Effect:
    """What a change would do: it is made, looked at and taken back.

    Raises:
        Whatever the change refuses.
    """
    before = _free(session, coach_ids, now)
    known = set(availability.affected_bookings(session, coach_ids, now))
    with session.begin_nested() as trial:
        change(session)
        session.flush()
        after = _free(session, coach_ids, now)
        hit = [one for one in availability.affected_bookings(session, coach_ids, now) if one not in known]
        trial.rollback()
    session.expire_all()
    return Effect(sorted(before - after), sorted(after - before), agenda.views_by_id(session, hit))


def add_time_off(
    session: Session, *, coach_id: UUID, starts_on: date, ends_on: date, kind: str, now: datetime
) -> None:  # fmt: skip
    """A coach is away for whole days. Free sessions of those days go; booked ones stay.

    Raises:
        CoachNotFound.
        InvalidAvailability: the days are over, the last comes before the first, or it is more than a year.
    """
    coach, zone = availability.lock_coach(session, coach_id)
    if ends_on < starts_on:
        raise InvalidAvailability("The last day away must not come before the first.")
    if ends_on < now.astimezone(ZoneInfo(zone)).date():
        raise InvalidAvailability("Those days are over.")
    if ends_on - starts_on >= LONGEST_AWAY:
        raise InvalidAvailability("That is more than a year. Say when the coach leaves instead.")
    session.add(TimeOff(id=new_id(), coach_id=coach.id, starts_on=starts_on, ends_on=ends_on, kind=kind))
    _follow(session, coach.id, now)


def add_weekly_hours(
    session: Session, *, coach_id: UUID, hours: Sequence[Hours], session_minutes: int, now: datetime
) -> None:
    """A coach works at these hours of each week, too, in sessions so long; what they work already stays.

    Raises:
        CoachNotFound.
        InvalidAvailability: they overlap with each other or with what there is, a session does not fit in, or they are
            over.
    """
    coach, zone = availability.lock_coach(session, coach_id)
    today = now.astimezone(ZoneInfo(zone)).date()
    if any(one.valid_to is not None and one.valid_to < today for one in hours):
        raise InvalidAvailability("Those days are over.")
    rules = availability.get_availability(session, coach_id=coach.id, now=now).rules
    known = [Hours(one.weekday, one.starts_at, one.ends_at, one.valid_from, one.valid_to) for one in rules]
    availability.check_hours([*known, *hours], (), session_minutes)
    coach.session_minutes = session_minutes
    session.add_all(AvailabilityRule(id=new_id(), coach_id=coach.id, **asdict(one)) for one in hours)
    _follow(session, coach.id, now)


def add_other_hours(
    session: Session, *, coach_id: UUID, on: date, starts_at: time | None, ends_at: time | None, now: datetime
) -> None:
    """Other hours than the weekly ones on one day; without hours the day is closed. A day may have several.

    Raises:
        CoachNotFound.
        InvalidAvailability: the day is over, or those hours do not fit with each other.
    """
    coach, zone = availability.lock_coach(session, coach_id)
    if on < now.astimezone(ZoneInfo(zone)).date():
        raise InvalidAvailability("That day is over.")
    known = session.scalars(
        select(AvailabilityException).where(
            AvailabilityException.coach_id == coach.id, AvailabilityException.exception_on == on
        )
    )
    told = [OtherHours(on, one.starts_at, one.ends_at) for one in known]
    availability.check_exceptions([*told, OtherHours(on, starts_at, ends_at)])
    session.add(
        AvailabilityException(
            id=new_id(), coach_id=coach.id, exception_on=on, starts_at=starts_at, ends_at=ends_at
        )
    )  # fmt: skip
    _follow(session, coach.id, now)


def remove_day(session: Session, *, coach_id: UUID, day_id: UUID, now: datetime) -> None:
    """Days away or other hours are no more, and what the week promises is opened again; or hours of a weekday end, from
    today on.

    Raises:
        CoachNotFound.
        DayNotFound: none of this coach's.
    """
    coach, zone = availability.lock_coach(session, coach_id)
    today = now.astimezone(ZoneInfo(zone)).date()
    ended = (
        update(AvailabilityRule)
        .where(AvailabilityRule.id == day_id, AvailabilityRule.coach_id == coach.id)
        .where(AvailabilityRule.valid_from < today)
        .values(valid_to=today - timedelta(days=1))
        .returning(AvailabilityRule.id)
    )
    if session.scalar(ended) is not None:
        return _follow(session, coach.id, now)
    for table in (TimeOff, AvailabilityException, AvailabilityRule):
        gone = delete(table).where(table.id == day_id, table.coach_id == coach.id).returning(table.id)
        if session.scalar(gone) is not None:
            return _follow(session, coach.id, now)
    raise DayNotFound


def add_holiday(session: Session, *, location_id: UUID, on: date, name: str, now: datetime) -> None:
    """A studio is closed for a day.

    Raises:
        NotFound: no such studio.
        InvalidAvailability: it has no name.
    """
    if not name.strip():
        raise InvalidAvailability("A day on which the studio is closed has a name.")
    known = _known(session, location_id)
    studio.replace_holidays(session, location_id=location_id, days=[*(known | {on: name.strip()}).items()], now=now)


def remove_holiday(session: Session, *, location_id: UUID, on: date, now: datetime) -> None:
    """A studio is open after all. Twice is once.

    Raises:
        NotFound: no such studio.
    """
    known = _known(session, location_id)
    if known.pop(on, None) is not None:
        studio.replace_holidays(session, location_id=location_id, days=[*known.items()], now=now)


def coming_holidays(session: Session, location_id: UUID, today: date) -> Sequence[PublicHoliday]:
    """A studio's closed days that are not over."""
    return [one for one in studio.holidays(session, location_id) if one.holiday_on >= today]


def coaches_of(session: Session, location_id: UUID) -> Sequence[UUID]:
    """Who works at a studio today."""
    query = select(Coach.id).where(Coach.location_id == location_id, Coach.left_on.is_(None))
    return session.scalars(query.order_by(Coach.id)).all()


def _known(session: Session, location_id: UUID) -> dict[date, str]:
    studio.lock_location(session, location_id)
    return {one.holiday_on: one.name for one in studio.holidays(session, location_id)}


def _follow(session: Session, coach_id: UUID, now: datetime) -> None:
    session.flush()
    assistants.leave_absent(session, coach_id, now=now)
    openings.renew_slots(session, now, coach_id=coach_id)
    publish(session, HoursChanged(occurred_at=now, coach_id=coach_id))


def _free(session: Session, coach_ids: Sequence[UUID], now: datetime) -> set[datetime]:
    query = select(Slot.starts_at).where(
        Slot.coach_id.in_(coach_ids), Slot.starts_at > now, Slot.status == "open", Slot.kind == "one_to_one"
    )
    return set(session.scalars(query))
