"""A coach's working hours, exceptions and days away, edited by the coach. Slots follow: see `openings`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Date, cast, delete, func, select
from sqlalchemy.orm import Session

from contracts.events.scheduling import HoursChanged
from contracts.ids import new_id
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import CoachNotFound, InvalidAvailability
from operational_api.scheduling.models import (
    AvailabilityException,
    AvailabilityRule,
    Booking,
    Coach,
    Location,
    PublicHoliday,
    TimeOff,
)
from operational_api.scheduling.service import assistants, off_days, openings

FAR = date(9999, 12, 31)


@dataclass(frozen=True, slots=True)
class Hours:
    """Weekly hours in local time; `weekday` 0 is Monday. `valid_to` included; None is open-ended."""

    weekday: int
    starts_at: time
    ends_at: time
    valid_from: date
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class Away:
    """Whole days away, both included. `kind` is holiday or sick."""

    starts_on: date
    ends_on: date
    kind: str


@dataclass(frozen=True, slots=True)
class OtherHours:
    """Hours of one day instead of the weekly ones; both None: closed that day. A day may have several."""

    exception_on: date
    starts_at: time | None
    ends_at: time | None


@dataclass(frozen=True, slots=True)
class Availability:
    """Everything a coach may edit about their calendar, and the clients already booked on days off.

    `holidays` are the studio's, for information.
    """

    coach: Coach
    time_zone: str
    rules: Sequence[AvailabilityRule]
    time_off: Sequence[TimeOff]
    exceptions: Sequence[AvailabilityException]
    holidays: Sequence[PublicHoliday]
    affected_booking_ids: Sequence[UUID]


def get_availability(session: Session, *, coach_id: UUID, now: datetime) -> Availability:
    """Working hours that are not over, days away that are not past.

    Raises:
        CoachNotFound: the account is no coach.
    """
    coach, zone = _coach(session, coach_id)
    today = now.astimezone(ZoneInfo(zone)).date()
    rules = session.scalars(
        select(AvailabilityRule)
        .where(AvailabilityRule.coach_id == coach_id)
        .where(AvailabilityRule.valid_to.is_(None) | (AvailabilityRule.valid_to >= today))
        .order_by(AvailabilityRule.weekday, AvailabilityRule.starts_at)
    ).all()
    away = session.scalars(
        select(TimeOff).where(TimeOff.coach_id == coach_id, TimeOff.ends_on >= today).order_by(TimeOff.starts_on)
    ).all()
    others = session.scalars(
        select(AvailabilityException)
        .where(AvailabilityException.coach_id == coach_id, AvailabilityException.exception_on >= today)
        .order_by(AvailabilityException.exception_on, AvailabilityException.starts_at)
    ).all()
    holidays = session.scalars(
        select(PublicHoliday)
        .where(PublicHoliday.location_id == coach.location_id, PublicHoliday.holiday_on >= today)
        .order_by(PublicHoliday.holiday_on)
    ).all()
    affected = affected_bookings(session, [coach_id], now)
    return Availability(coach, zone, rules, away, others, holidays, affected)


def affected_bookings(session: Session, coach_ids: Sequence[UUID], now: datetime) -> Sequence[UUID]:
    """Clients who are booked on days on which their coach does not work, by start: in one statement for any number."""
    local_day = cast(func.timezone(Location.time_zone, Booking.starts_at), Date)
    query = (
        select(Booking.id)
        .join(Coach, Coach.id == Booking.coach_id)
        .join(Location, Location.id == Coach.location_id)
        .where(Booking.coach_id.in_(coach_ids), Booking.status == "booked", Booking.starts_at > now)
        .where(off_days.is_off(Booking.coach_id, Coach.location_id, local_day))
        .order_by(Booking.starts_at)
    )
    return session.scalars(query).all()


def replace_availability(
    session: Session,
    *,
    coach_id: UUID,
    hours: Sequence[Hours],
    away: Sequence[Away],
    session_minutes: int,
    buffer_minutes: int,
    now: datetime,
    exceptions: Sequence[OtherHours] | None = None,
) -> Availability:
    """Replace a coach's hours, days away and, unless None, coming exceptions, and bring the calendar in line.

    Empty slots outside the new hours disappear, missing ones appear. Booked sessions stay: the answer names those that
    fall on days off, and calling them off is the coach's own decision. Classes of others are without their help then.

    Raises:
        CoachNotFound: the account is no coach.
        InvalidAvailability: hours of one weekday overlap, an end comes before its beginning, or nothing fits in.
    """
    coach, zone = lock_coach(session, coach_id)
    check_hours(hours, away, session_minutes)
    check_exceptions(exceptions or ())
    today = now.astimezone(ZoneInfo(zone)).date()
    coach.session_minutes, coach.buffer_minutes = session_minutes, buffer_minutes
    session.execute(
        delete(AvailabilityRule).where(
            AvailabilityRule.coach_id == coach_id,
            AvailabilityRule.valid_to.is_(None) | (AvailabilityRule.valid_to >= today),
        )
    )
    session.execute(delete(TimeOff).where(TimeOff.coach_id == coach_id, TimeOff.ends_on >= today))
    session.add_all(
        AvailabilityRule(
            id=new_id(), coach_id=coach_id, weekday=one.weekday, starts_at=one.starts_at, ends_at=one.ends_at,
            valid_from=one.valid_from, valid_to=one.valid_to,
        )
        for one in hours
    )  # fmt: skip
    session.add_all(
        TimeOff(coach_id=coach_id, starts_on=one.starts_on, ends_on=one.ends_on, kind=one.kind) for one in away
    )
    if exceptions is not None:
        _replace_exceptions(session, coach_id, exceptions, today)
    session.flush()
    assistants.leave_absent(session, coach_id, now=now)
    openings.renew_slots(session, now, coach_id=coach_id)
    publish(session, HoursChanged(occurred_at=now, coach_id=coach_id))
    return get_availability(session, coach_id=coach_id, now=now)


def leave(session: Session, coach_id: UUID, *, now: datetime) -> None:
    """A coach works here no more: nothing of theirs can be booked from today on. What is booked stays, for the studio
    to give it to others or call it off. Nothing happens for an account that is no coach's, or who left before.
    """
    try:
        coach, zone = lock_coach(session, coach_id)
    except CoachNotFound:
        return
    last = max(coach.hired_on, now.astimezone(ZoneInfo(zone)).date() - timedelta(days=1))
    if coach.left_on is not None and coach.left_on <= last:
        return
    coach.left_on = last
    session.flush()
    openings.renew_slots(session, now, coach_id=coach_id)
    publish(session, HoursChanged(occurred_at=now, coach_id=coach_id))


def _replace_exceptions(session: Session, coach_id: UUID, exceptions: Sequence[OtherHours], today: date) -> None:
    session.execute(
        delete(AvailabilityException).where(
            AvailabilityException.coach_id == coach_id, AvailabilityException.exception_on >= today
        )
    )
    session.add_all(
        AvailabilityException(
            coach_id=coach_id, exception_on=one.exception_on, starts_at=one.starts_at, ends_at=one.ends_at
        )
        for one in exceptions
    )


def check_hours(hours: Sequence[Hours], away: Sequence[Away], session_minutes: int) -> None:
    """Refuse weekly hours and days away that do not fit with each other.

    Raises:
        InvalidAvailability: with the weekday and the reason.
    """
    for one in hours:
        if one.ends_at <= one.starts_at:
            raise InvalidAvailability(f"{_day(one)}: the end must come after the beginning.")
        if one.valid_to is not None and one.valid_to < one.valid_from:
            raise InvalidAvailability(f"{_day(one)}: the last day must not come before the first.")
        length = datetime.combine(date.min, one.ends_at) - datetime.combine(date.min, one.starts_at)
        if length < timedelta(minutes=session_minutes):
            raise InvalidAvailability(f"{_day(one)}: a session of {session_minutes} minutes does not fit.")
    ordered = sorted(hours, key=lambda one: (one.weekday, one.starts_at))
    for index, one in enumerate(ordered):
        for other in ordered[index + 1 :]:
            if other.weekday != one.weekday or other.starts_at >= one.ends_at:
                break
            if one.valid_from <= (other.valid_to or FAR) and other.valid_from <= (one.valid_to or FAR):
                raise InvalidAvailability(f"{_day(one)} and {_day(other)} overlap.")
    for period in away:
        if period.ends_on < period.starts_on:
            raise InvalidAvailability("The last day away must not come before the first.")


def check_exceptions(exceptions: Sequence[OtherHours]) -> None:
    """Refuse other hours that do not fit with each other.

    Raises:
        InvalidAvailability: with the day and the reason.
    """
    days: dict[date, list[tuple[time, time]]] = {}
    for one in exceptions:
        day = days.setdefault(one.exception_on, [])
        if (one.starts_at is None) != (one.ends_at is None):
            raise InvalidAvailability(f"{one.exception_on}: hours have a beginning and an end, or the day is closed.")
        if one.starts_at is not None and one.ends_at is not None:
            if one.ends_at <= one.starts_at:
                raise InvalidAvailability(f"{one.exception_on}: the end must come after the beginning.")
            day.append((one.starts_at, one.ends_at))
    for on, hours in days.items():
        said = sum(one.exception_on == on for one in exceptions)
        ordered = sorted(hours)
        if said != max(len(hours), 1) or any(later[0] < earlier[1] for earlier, later in pairwise(ordered)):
            raise InvalidAvailability(f"{on}: the hours of that day overlap, or it is both open and closed.")


def _day(one: Hours) -> str:
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    return f"{names[one.weekday]} {one.starts_at:%H:%M}-{one.ends_at:%H:%M}"


def lock_coach(session: Session, coach_id: UUID) -> tuple[Coach, str]:
    """A coach and the zone of their days, locked: one calendar's hours are changed one after the other.

    Raises:
        CoachNotFound: the account is no coach.
    """
    return _coach(session, coach_id, lock=True)


def _coach(session: Session, coach_id: UUID, *, lock: bool = False) -> tuple[Coach, str]:
    query = select(Coach, Location.time_zone).join(Location).where(Coach.id == coach_id)
    row = session.execute(query.with_for_update(of=Coach, key_share=True) if lock else query).one_or_none()
    if row is None:
        raise CoachNotFound
    return row.Coach, row.time_zone
