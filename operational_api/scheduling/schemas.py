"""What crosses HTTP. Moments are UTC; `*_local` is the same moment with the offset of the zone named beside it."""

from datetime import date, datetime
from typing import Annotated, Literal, cast
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, model_validator

from operational_api.scheduling.lifecycle import CANCELLATION_WINDOW
from operational_api.scheduling.models import BookingMove, WaitlistEntry
from operational_api.scheduling.service.agenda import BookingView, SeriesView
from operational_api.scheduling.service.holds import life_of
from operational_api.scheduling.service.round_robin import Opening, OpeningView
from operational_api.scheduling.service.slots import SlotView
from operational_api.scheduling.service.turns import Turns


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("not an IANA time zone") from error
    return name


Zone = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]
Kind = Literal["one_to_one", "group"]


class SlotRead(BaseModel):
    """A session that can be booked or waited for."""

    id: UUID
    coach_id: UUID
    coach_name: str
    location_id: UUID
    location_name: str
    city: str
    kind: str
    title: str
    starts_at: datetime
    ends_at: datetime
    starts_at_local: datetime
    ends_at_local: datetime
    time_zone: str
    capacity: int
    seats_left: int
    status: str
    booking_id: UUID | None = Field(description="The reader's own booking, or a seat kept for them.")
    booking_status: str | None = None
    held_until: datetime | None = Field(None, description="Until when a seat is kept for the reader.")
    is_waiting: bool
    assistant_names: list[str] = Field([], description="Of a class: who helps its coach.")

    @classmethod
    def of(cls, view: SlotView, zone: str | None) -> "SlotRead":
        """From a slot as its reader sees it.

        Args:
            zone: The reader's zone; None for the studio's own.
        """
        slot, name = view.slot, zone or view.location.time_zone
        here = ZoneInfo(name)
        return cls(
            id=slot.id, coach_id=slot.coach_id, coach_name=view.coach_name, location_id=slot.location_id,
            location_name=view.location.name, city=view.location.city, kind=slot.kind, title=slot.title,
            starts_at=slot.starts_at, ends_at=slot.ends_at, starts_at_local=slot.starts_at.astimezone(here),
            ends_at_local=slot.ends_at.astimezone(here), time_zone=name, capacity=slot.capacity,
            seats_left=view.seats_left, status=slot.status, booking_id=view.booking_id,
            booking_status=view.booking_status, held_until=view.held_until, is_waiting=view.is_waiting,
            assistant_names=list(view.assistants),
        )  # fmt: skip


class OpeningRead(BaseModel):
    """A time at which somebody is free. `has_own_coach`: the reader's own coach is among the `coaches_free`, and it
    is them whom the session would be with."""

    location_id: UUID
    location_name: str
    city: str
    title: str
    starts_at: datetime
    ends_at: datetime
    starts_at_local: datetime
    minutes: int
    time_zone: str
    coaches_free: int
    has_own_coach: bool

    @classmethod
    def of(cls, view: OpeningView, zone: str | None) -> "OpeningRead":
        """In the reader's zone; None for the studio's own."""
        name = zone or view.location.time_zone
        return cls(
            location_id=view.location.id, location_name=view.location.name, city=view.location.city, title=view.title,
            starts_at=view.starts_at, ends_at=view.ends_at, starts_at_local=view.starts_at.astimezone(ZoneInfo(name)),
            minutes=view.minutes, time_zone=name, coaches_free=view.coaches_free, has_own_coach=view.has_own_coach,
        )  # fmt: skip


class OpeningWanted(BaseModel):
    """A time at a studio, with whoever is free."""

    location_id: UUID
    starts_at: AwareDatetime
    minutes: int = Field(ge=1, le=1440)

    def opening(self) -> Opening:
        """What is asked for."""
        return Opening(self.location_id, self.starts_at, self.minutes)


class BookingCreate(BaseModel):
    """A session by its `slot_id`, or, as `opening`, a time with whoever is free."""

    slot_id: UUID | None = None
    opening: OpeningWanted | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "BookingCreate":
        if (self.slot_id is None) == (self.opening is None):
            raise ValueError("say either which session, or at what time with whoever is free")
        return self

    @property
    def seat(self) -> UUID | Opening:
        """The session, or the time, that is asked for."""
        return self.opening.opening() if self.opening else cast(UUID, self.slot_id)

    @property
    def wanted(self) -> Opening | None:
        """The time that is asked for; None where a session is."""
        return self.opening.opening() if self.opening else None


class RescheduleCreate(BookingCreate):
    """Where to. To an `opening` a booking is moved with its own coach; where `with_another`, with whoever is free if
    they are not."""

    with_another: bool = False


class WeightPut(BaseModel):
    """A coach's share of the sessions that customers book with whoever is free, beside the others'; 0 is none."""

    turn_weight: int = Field(ge=0, le=1000)


class TurnsRead(BaseModel):
    """What a coach was given by turn in the last four weeks, of bookings that were not called off; their own customers
    are nobody's turn. `share`: of all that is given out at the studio, 0 to 1, by weight and days at work."""

    coach_id: UUID
    coach_name: str
    turn_weight: int
    given: int
    days_at_work: int
    share: float

    @classmethod
    def of(cls, one: Turns) -> "TurnsRead":
        """From what the rule counts."""
        return cls(
            coach_id=one.coach_id, coach_name=one.coach_name, turn_weight=one.weight, given=one.given,
            days_at_work=one.days_at_work, share=round(one.share, 4),
        )  # fmt: skip


class DeskBookingCreate(BookingCreate):
    """What the front desk, or a coach, books for a customer; with whoever is free the front desk alone. `paid`: by what
    they have (`means`), by a pack of `plan_code` that is sold on an invoice (`invoice`), or `later`: then the seat is
    kept for a day at most. `comes_in`: they are there."""

    paid: Literal["means", "invoice", "later"] = "means"
    plan_code: str | None = Field(None, min_length=1, max_length=64, pattern="^[^\\x00]*$")
    comes_in: bool = False

    @model_validator(mode="after")
    def _fits(self) -> "DeskBookingCreate":
        if (self.paid == "invoice") != (self.plan_code is not None):
            raise ValueError("say what is sold where it is paid by invoice, and only there")
        if self.comes_in and self.paid == "later":
            raise ValueError("who pays later is not checked in")
        return self


class SoldRead(BaseModel):
    """A pack or a single session that can be sold on an invoice; the price includes tax."""

    code: str
    name: str
    amount_minor: int
    currency: str


class MeansQuery(BaseModel):
    """What is to be paid: a session by its `slot_id`, or, as of an opening, a time with whoever is free."""

    slot_id: UUID | None = None
    location_id: UUID | None = None
    starts_at: AwareDatetime | None = Field(None, description="With an offset.")
    minutes: int | None = Field(None, ge=1, le=1440)

    @model_validator(mode="after")
    def _one_of_them(self) -> "MeansQuery":
        of_opening = (self.location_id, self.starts_at, self.minutes)
        if of_opening.count(None) != (0 if self.slot_id is None else 3):
            raise ValueError("say either which session, or where, at what time and how long")
        return self

    @property
    def seat(self) -> UUID | Opening:
        """The session, or the time, that is asked about."""
        if self.location_id is None or self.starts_at is None or self.minutes is None:
            return cast(UUID, self.slot_id)
        return Opening(self.location_id, self.starts_at, self.minutes)


class MeansRead(BaseModel):
    """What pays for a customer's session: a membership by name, where it has one left in that month, sessions left in
    packs, or what can be sold to them."""

    plan_name: str | None
    credits: int
    sold: list[SoldRead]


class OutcomeCreate(BaseModel):
    outcome: Literal["attended", "no_show"]


class BookingRead(BaseModel):
    """A seat held, or once held.

    `free_until`: cancelling by then gives the credit back and costs no fee. `held_until`: of a seat that is held or
    asked for. The fee is what a late cancellation costs, or cost where it is due.
    """

    id: UUID
    slot_id: UUID
    customer_id: UUID
    customer_name: str
    coach_id: UUID
    coach_name: str
    location_name: str
    city: str
    kind: str
    title: str
    starts_at: datetime
    ends_at: datetime
    starts_at_local: datetime
    time_zone: str
    seat: int
    status: str
    is_paid_by_pack: bool
    free_until: datetime
    is_free_to_cancel: bool
    booked_at: datetime
    cancelled_at: datetime | None
    outcome_at: datetime | None
    held_until: datetime | None
    late_fee_minor: int | None
    late_fee_currency: str | None
    late_fee_due_at: datetime | None
    late_fee_waived_at: datetime | None
    series_id: UUID | None = Field(None, description="Of a session that recurs: the same for all of them.")
    assignment: str | None = Field(
        None, description="How it got its coach where nobody named one: own_coach, turn, or desk in another's place."
    )
    is_booked_by_desk: bool = Field(
        False, description="Whether the front desk, or the coach, booked it for the customer."
    )
    assistant_names: list[str] = Field([], description="Of a class: who helps its coach.")

    @classmethod
    def of(cls, view: BookingView, zone: str | None, now: datetime) -> "BookingRead":
        """From a booking with its words; `zone` is the reader's, None for the studio's own."""
        booking, name = view.booking, zone or view.location.time_zone
        life = life_of(booking)
        return cls(
            id=booking.id, slot_id=booking.slot_id, customer_id=booking.customer_id, customer_name=view.customer_name,
            coach_id=booking.coach_id, coach_name=view.coach_name, location_name=view.location.name,
            city=view.location.city, kind=view.slot.kind, title=view.slot.title, starts_at=booking.starts_at,
            ends_at=booking.ends_at, starts_at_local=booking.starts_at.astimezone(ZoneInfo(name)), time_zone=name,
            seat=booking.seat, status=booking.status, is_paid_by_pack=booking.session_pack_id is not None,
            free_until=booking.free_until or booking.starts_at - CANCELLATION_WINDOW,
            is_free_to_cancel=booking.status == "booked" and life.is_free_to_cancel(now),
            booked_at=booking.booked_at, cancelled_at=booking.cancelled_at, outcome_at=booking.outcome_at,
            held_until=booking.held_until, late_fee_minor=booking.late_fee_minor,
            late_fee_currency=booking.late_fee_currency, late_fee_due_at=booking.late_fee_due_at,
            late_fee_waived_at=booking.late_fee_waived_at, series_id=booking.series_id,
            is_booked_by_desk=booking.booked_by is not None, assignment=booking.assignment,
            assistant_names=list(view.assistants),
        )  # fmt: skip


class SeriesCreate(BaseModel):
    """A session and the same hour of its coach in the weeks that follow: `times` weeks, up to `until`, or until it is
    ended where neither is said. What the calendar is not open for yet follows as it opens."""

    slot_id: UUID
    times: int | None = Field(None, ge=2, le=26, description="Weeks in all, this one among them.")
    until: date | None = Field(None, description="The last day, on the studio's calendar; instead of `times`.")
    interval: int = Field(1, ge=1, le=2, description="1 is every week, 2 every second.")


class DeskSeriesCreate(SeriesCreate):
    """The same for a customer. `plan_code`: a pack that is sold to them on an invoice and pays for as many weeks as it
    has sessions; without one they are paid by what the customer has."""

    plan_code: str | None = Field(None, min_length=1, max_length=64, pattern="^[^\\x00]*$")


class MissedRead(BaseModel):
    """A week that could not be booked; `code` is that of the refusal."""

    starts_at: datetime
    code: str
    detail: str


class SeriesRead(BaseModel):
    """Bookings by start. `id` and `rule` are null where only one could be booked; `rule` is an RRULE up to the last of
    them. Where it `goes_on`, further weeks are booked as the calendar opens, up to `ends_on` or without an end.
    """

    id: UUID | None
    rule: str | None
    goes_on: bool
    ends_on: date | None
    bookings: list[BookingRead]
    missed: list[MissedRead]


class SeriesGoingOn(BaseModel):
    """A series that is booked further as the calendar opens. `starts_at_local` is of the first, at the studio;
    `booking_id` of the last that is booked."""

    id: UUID
    booking_id: UUID
    customer_id: UUID
    coach_id: UUID
    coach_name: str
    rule: str
    starts_at_local: datetime
    time_zone: str
    ends_on: date | None

    @classmethod
    def of(cls, view: SeriesView) -> "SeriesGoingOn":
        """From a series with its words."""
        series, zone = view.series, ZoneInfo(view.location.time_zone)
        return cls(
            id=series.id, booking_id=view.booking_id, customer_id=series.customer_id, coach_id=series.coach_id,
            coach_name=view.coach_name, rule=series.rule,
            starts_at_local=datetime.combine(series.starts_on, series.wall_start, tzinfo=zone),
            time_zone=view.location.time_zone, ends_on=series.ends_on,
        )  # fmt: skip


class MoveRead(BaseModel):
    """One step of a booking's history. `moved_by` is an account; None: the system."""

    from_booking_id: UUID
    to_booking_id: UUID
    from_starts_at: datetime
    to_starts_at: datetime
    from_starts_at_local: datetime
    to_starts_at_local: datetime
    time_zone: str
    moved_by: UUID | None
    moved_by_role: str
    moved_at: datetime

    @classmethod
    def of(cls, move: BookingMove, zone: str) -> "MoveRead":
        """In the reader's zone."""
        here = ZoneInfo(zone)
        return cls(
            from_booking_id=move.from_booking_id, to_booking_id=move.to_booking_id, from_starts_at=move.from_starts_at,
            to_starts_at=move.to_starts_at, from_starts_at_local=move.from_starts_at.astimezone(here),
            to_starts_at_local=move.to_starts_at.astimezone(here), time_zone=zone, moved_by=move.moved_by,
            moved_by_role=move.moved_by_role, moved_at=move.moved_at,
        )  # fmt: skip


class AnswerCreate(BaseModel):
    """The coach's word on a request."""

    is_accepted: bool


class WaiverCreate(BaseModel):
    """Why a customer is let off a fee; kept in the audit log."""

    reason: str = Field(min_length=1, max_length=500)


class WaitlistRead(BaseModel):
    """A place in line: 1 is next."""

    id: UUID
    slot_id: UUID
    status: str
    joined_at: datetime
    place: int

    @classmethod
    def of(cls, entry: WaitlistEntry, place: int) -> "WaitlistRead":
        """From the entry."""
        return cls(id=entry.id, slot_id=entry.slot_id, status=entry.status, joined_at=entry.joined_at, place=place)


class CoachRead(BaseModel):
    id: UUID
    display_name: str
    city: str


class CalendarLink(BaseModel):
    """Where a calendar app fetches a booking; `url` is a path on this origin."""

    url: str
    expires_at: datetime


class DeskReplace(BaseModel):
    """The studios whose front desk somebody works at; an empty list means all."""

    location_ids: list[UUID] = Field(max_length=100)


class DeskRead(BaseModel):
    """The studios whose front desk somebody works at; an empty list means all."""

    location_ids: list[UUID]
