"""What crosses HTTP about working hours: weekly ones, exceptions, days away, holidays. Clocks are the studio's."""

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from operational_api.core.wall_time import Day, WallTime
from operational_api.scheduling.service.availability import Availability, Away, Hours, OtherHours


class HoursBody(BaseModel):
    """Weekly hours on the studio's clock; `weekday` 0 is Monday. Days are included; no `valid_to` is for good."""

    model_config = ConfigDict(from_attributes=True)
    weekday: int = Field(ge=0, le=6)
    starts_at: WallTime
    ends_at: WallTime
    valid_from: date
    valid_to: date | None = None

    def hours(self) -> Hours:
        """The same for the service."""
        return Hours(self.weekday, self.starts_at, self.ends_at, self.valid_from, self.valid_to)


class AwayBody(BaseModel):
    """Whole days away, both included."""

    model_config = ConfigDict(from_attributes=True)
    starts_on: Day
    ends_on: Day
    kind: Literal["holiday", "sick"]

    def away(self) -> Away:
        """The same for the service."""
        return Away(self.starts_on, self.ends_on, self.kind)


class OtherHoursBody(BaseModel):
    """Hours of one day instead of the weekly ones, on the studio's clock; without hours the day is closed."""

    model_config = ConfigDict(from_attributes=True)
    exception_on: Day
    starts_at: WallTime | None = None
    ends_at: WallTime | None = None

    def hours(self) -> OtherHours:
        """The same for the service."""
        return OtherHours(self.exception_on, self.starts_at, self.ends_at)


class HolidayBody(BaseModel):
    """A day on which a studio is closed."""

    model_config = ConfigDict(from_attributes=True)
    holiday_on: Day
    name: str = Field(min_length=1, max_length=100)


class AvailabilityReplace(BaseModel):
    """All of a coach's working hours and coming days away; what is not named is gone.

    So are coming exceptions, unless `exceptions` is left out: then they stay as they are.
    """

    rules: list[HoursBody] = Field(max_length=70)
    time_off: list[AwayBody] = Field(default=[], max_length=100)
    exceptions: list[OtherHoursBody] | None = Field(default=None, max_length=200)
    session_minutes: int = Field(60, ge=15, le=240)
    buffer_minutes: int = Field(0, ge=0, le=120)


class AvailabilityRead(BaseModel):
    """A coach's calendar rules. `affected_booking_ids`: clients still booked on days away, closed or public
    holidays."""

    coach_id: UUID
    time_zone: str
    session_minutes: int
    buffer_minutes: int
    rules: list[HoursBody]
    time_off: list[AwayBody]
    exceptions: list[OtherHoursBody]
    holidays: list[HolidayBody]
    affected_booking_ids: list[UUID]

    @classmethod
    def of(cls, availability: Availability) -> "AvailabilityRead":
        """From the service's answer."""
        return cls(
            coach_id=availability.coach.id,
            time_zone=availability.time_zone,
            session_minutes=availability.coach.session_minutes,
            buffer_minutes=availability.coach.buffer_minutes,
            rules=[HoursBody.model_validate(rule) for rule in availability.rules],
            time_off=[AwayBody.model_validate(period) for period in availability.time_off],
            exceptions=[OtherHoursBody.model_validate(one) for one in availability.exceptions],
            holidays=[HolidayBody.model_validate(one) for one in availability.holidays],
            affected_booking_ids=list(availability.affected_booking_ids),
        )
