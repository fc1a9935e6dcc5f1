"""Days on which a coach does not work, inside queries: away, closed by an exception, or their studio's holiday.

Does not belong here: which hours of a day are worked (`scheduling.hours`), and what keeps a coach busy elsewhere
(`busy_times`).
"""

from datetime import date
from uuid import UUID

from sqlalchemy import ColumnElement, Date, SQLColumnExpression, cast, exists, func
from sqlalchemy.orm import aliased

from operational_api.scheduling.models import AvailabilityException, Coach, Location, PublicHoliday, Slot, TimeOff


def is_off(
    coach_id: SQLColumnExpression[UUID], location_id: SQLColumnExpression[UUID], day: ColumnElement[date]
) -> ColumnElement[bool]:
    """Whether a coach does not work on a day of a studio."""
    away = exists().where(TimeOff.coach_id == coach_id, day.between(TimeOff.starts_on, TimeOff.ends_on))
    other = exists().where(AvailabilityException.coach_id == coach_id, AvailabilityException.exception_on == day)
    closed = other.where(AvailabilityException.starts_at.is_(None))
    holiday = exists().where(PublicHoliday.location_id == location_id, PublicHoliday.holiday_on == day)
    ours = AvailabilityException
    return (
        away.correlate_except(TimeOff)
        | closed.correlate_except(ours)
        | (holiday.correlate_except(PublicHoliday) & ~other.correlate_except(ours))
    )


def has_nobody() -> ColumnElement[bool]:
    """Whether nobody would hold `Slot`, inside a query over slots: its coach has left, or it is a session and they have
    that day off. Somebody was booked when the day was taken off, or the coach left, and nobody is to take their seat.

    A class on a day off takes place until who leads it calls it off.
    """
    place = aliased(Location)
    day = cast(func.timezone(place.time_zone, Slot.starts_at), Date)
    has_left = exists().where(Coach.id == Slot.coach_id, Coach.left_on < day).correlate_except(Coach)
    has_the_day_off = (Slot.kind == "one_to_one") & is_off(Slot.coach_id, place.id, day)
    return exists().where(place.id == Slot.location_id, has_left | has_the_day_off).correlate(Slot)
