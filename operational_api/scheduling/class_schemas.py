"""What crosses HTTP about classes, terms and studios. `schemas` has bookings and slots."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from operational_api.core.wall_time import Day, WallTime
from operational_api.scheduling.availability_schemas import HolidayBody
from operational_api.scheduling.schemas import Kind
from operational_api.scheduling.service.assistants import MOST
from operational_api.scheduling.service.classes import LARGEST, ClassPlan, Scope
from operational_api.scheduling.service.notices import LONGEST as NOTICE
from operational_api.scheduling.service.studio import ClassView

ResourceKind = Literal["room", "rack", "machine"]
Minutes = Annotated[int | None, Field(ge=0, le=20_160)]
Buffer = Annotated[int | None, Field(ge=0, le=240)]


class ClassBody(BaseModel):
    """A class on the studio's clock, without its day."""

    title: str = Field(min_length=1, max_length=100)
    wall_start: WallTime
    minutes: int = Field(60, ge=10, le=480)
    capacity: int = Field(ge=1, le=LARGEST)
    resource_ids: list[UUID] = Field(default=[], max_length=10)

    def plan(self) -> ClassPlan:
        """The same for the service."""
        wall = self.wall_start.replace(tzinfo=None, second=0, microsecond=0)
        return ClassPlan(self.title, wall, self.minutes, self.capacity, sorted(set(self.resource_ids)))


class ClassCreate(ClassBody):
    """A class, or with `rule` a series of them from its first day on."""

    first_on: Day
    rule: str | None = Field(
        None, max_length=200, description="RRULE: FREQ=WEEKLY, INTERVAL 1 or 2, BYDAY, and COUNT or UNTIL."
    )


class ClassChange(ClassBody):
    """What a class becomes; `following`: also those after it in its series."""

    scope: Literal["one", "following"] = "one"


class ClassCancel(BaseModel):
    """How much is called off."""

    scope: Literal["one", "following"] = "one"


class AssistantsPut(BaseModel):
    """All who help with a class; who is not named helps no more. `following`: also those after it in its series."""

    coach_ids: list[UUID] = Field(max_length=MOST)
    scope: Literal["one", "following"] = "one"


class AssistantRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    coach_id: UUID
    display_name: str


class NoticeCreate(BaseModel):
    """What everybody who comes to a class is to read, or with `scope` following to it and all that follow."""

    body: str = Field(min_length=1, max_length=NOTICE)
    scope: Scope = "one"


class NoticeRead(BaseModel):
    """A notice of a class, or of it and all that follow (`scope`). `author_name` is null where the studio wrote it, and
    no coach; `recipients`: how many had a place then."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    author_name: str | None
    body: str
    scope: str
    recipients: int
    created_at: datetime


class ResourceRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    location_id: UUID
    name: str
    kind: str
    is_active: bool


class ResourcePut(BaseModel):
    """A room, rack or machine of a studio, known by its name."""

    name: str = Field(min_length=1, max_length=60)
    kind: ResourceKind
    is_active: bool = True


class ClassRead(BaseModel):
    """A class as its coaches see it; local times are the studio's. `waiting` has the names of who waits, in the order
    in which they are asked; a list of classes does not tell it."""

    id: UUID
    coach_id: UUID
    coach_name: str
    assistants: list[AssistantRead]
    location_id: UUID
    title: str
    starts_at: datetime
    ends_at: datetime
    starts_at_local: datetime
    time_zone: str
    capacity: int
    seats_held: int
    status: str
    series_id: UUID | None
    rule: str | None
    resources: list[ResourceRead]
    notices: list[NoticeRead]
    waiting: list[str] | None = None

    @classmethod
    def of(cls, view: ClassView, waiting: list[str] | None = None) -> "ClassRead":
        """From the view."""
        slot, zone = view.slot, view.location.time_zone
        return cls(
            id=slot.id, coach_id=slot.coach_id, coach_name=view.coach_name,
            assistants=[AssistantRead.model_validate(one) for one in view.assistants],
            location_id=slot.location_id, title=slot.title,
            starts_at=slot.starts_at, ends_at=slot.ends_at, starts_at_local=slot.starts_at.astimezone(ZoneInfo(zone)),
            time_zone=zone, capacity=slot.capacity, seats_held=view.seats_held, status=slot.status,
            series_id=slot.series_id, rule=view.rule,
            resources=[ResourceRead.model_validate(one) for one in view.resources],
            notices=[NoticeRead.model_validate(one) for one in view.notices],
            waiting=waiting,
        )  # fmt: skip


class HolidaysReplace(BaseModel):
    """All days on which a studio is closed; what is not named is gone."""

    holidays: list[HolidayBody] = Field(max_length=200)


class TermsPut(BaseModel):
    """What holds for a coach's sessions, or those of one kind; what is null is left to the studio's own terms."""

    kind: Kind | None = None
    buffer_before_minutes: Buffer = None
    buffer_after_minutes: Buffer = None
    minimum_notice_minutes: Minutes = None
    booking_window_days: int | None = Field(None, ge=1, le=366)
    free_cancellation_minutes: Minutes = None
    hold_minutes: int | None = Field(None, ge=1, le=120)
    offer_minutes: int | None = Field(None, ge=1, le=1440)
    needs_confirmation: bool | None = None
    members_first: bool | None = None
    late_fee_minor: int | None = Field(None, ge=0, le=100_000_000)
    late_fee_currency: str | None = Field(None, pattern="^[A-Z]{3}$")


class TermsRead(BaseModel):
    """What holds in the end for a coach's sessions of one kind."""

    coach_id: UUID
    kind: str
    buffer_before_minutes: int
    buffer_after_minutes: int
    minimum_notice_minutes: int
    booking_window_days: int | None
    free_cancellation_minutes: int
    hold_minutes: int
    offer_minutes: int
    needs_confirmation: bool
    members_first: bool
    late_fee_minor: int
    late_fee_currency: str | None
