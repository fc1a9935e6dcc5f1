"""Facts about sessions in the calendar."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from contracts.events.envelope import Event


class _BookingEvent(Event):
    aggregate: ClassVar[str] = "booking_id"
    booking_id: UUID
    slot_id: UUID
    customer_id: UUID
    coach_id: UUID


class SessionBooked(_BookingEvent):
    """Emitted once per booking; a cancellation is a fact of its own. `moved_from_id` is the booking it replaces,
    `booked_by` who booked for the customer at the front desk. `assignment` is how it got its coach where the customer
    named none: own_coach, turn, or desk, which gave it to them in another's place."""

    type: ClassVar[str] = "scheduling.session_booked"
    starts_at: datetime | None = None
    is_from_waitlist: bool = False
    moved_from_id: UUID | None = None
    booked_by: UUID | None = None
    assignment: str | None = None


class SessionCancelled(_BookingEvent):
    """`is_undone`: the front desk took back what it had booked by mistake minutes before. `is_unpaid`: the pack that
    paid for it was not paid for itself, or its money went back. `is_reassigned`: another coach holds it instead."""

    type: ClassVar[str] = "scheduling.session_cancelled"
    is_late: bool = False
    starts_at: datetime | None = None
    is_by_coach: bool = False
    is_undone: bool = False
    is_unpaid: bool = False
    is_reassigned: bool = False


class SessionAttended(_BookingEvent):
    """`session_pack_id` is the pack whose credit paid; None: the membership did. `held_on` is the studio's day;
    `assistant_ids` are who assisted the class."""

    type: ClassVar[str] = "scheduling.session_attended"
    starts_at: datetime | None = None
    session_pack_id: UUID | None = None
    held_on: date | None = None
    assistant_ids: tuple[UUID, ...] = ()


class SessionMissed(_BookingEvent):
    """Booked, neither attended nor cancelled: a no-show. `held_on` is the studio's day; `assistant_ids` are who
    assisted the class."""

    type: ClassVar[str] = "scheduling.session_missed"
    starts_at: datetime | None = None
    session_pack_id: UUID | None = None
    held_on: date | None = None
    assistant_ids: tuple[UUID, ...] = ()


class WaitlistJoined(Event):
    type: ClassVar[str] = "scheduling.waitlist_joined"
    aggregate: ClassVar[str] = "waitlist_entry_id"
    waitlist_entry_id: UUID
    slot_id: UUID
    customer_id: UUID


class DeskAssigned(Event):
    """Where somebody at the front desk works from now on; no studio means all of them."""

    type: ClassVar[str] = "scheduling.desk_assigned"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID
    location_ids: tuple[UUID, ...]


class _CalendarEvent(Event):
    aggregate: ClassVar[str] = "connection_id"
    connection_id: UUID
    account_id: UUID
    provider: str


class CalendarConnected(_CalendarEvent):
    """Somebody's calendar outside is read (a coach's) and shows their bookings. `provider`: google, caldav, ..."""

    type: ClassVar[str] = "scheduling.calendar_connected"


class CalendarRefusedUs(_CalendarEvent):
    """It lets us in no longer; only its owner can mend that."""

    type: ClassVar[str] = "scheduling.calendar_refused_us"


class CalendarDisconnected(_CalendarEvent):
    """What opened it and what it brought is gone. `left_behind`: sessions that could not be taken out of it."""

    type: ClassVar[str] = "scheduling.calendar_disconnected"
    left_behind: int = 0


class SeatHeld(_BookingEvent):
    """A seat is kept until `held_until`, for somebody who is paying or, `is_offer`, who waited for it. `booked_by` is
    who keeps it for them at the front desk."""

    type: ClassVar[str] = "scheduling.seat_held"
    starts_at: datetime
    held_until: datetime
    is_offer: bool = False
    booked_by: UUID | None = None


class SessionRequested(_BookingEvent):
    """A seat is asked for; without the coach's answer by `answer_by` it is free again."""

    type: ClassVar[str] = "scheduling.session_requested"
    starts_at: datetime
    answer_by: datetime


class SeatReleased(_BookingEvent):
    """A seat that was held or asked for is free again. `reason`: lapsed, let_go, declined, called_off, undone or
    unpaid."""

    type: ClassVar[str] = "scheduling.seat_released"
    reason: str


class SessionMoved(_BookingEvent):
    """The coach moved a class, and the booking with it."""

    type: ClassVar[str] = "scheduling.session_moved"
    from_starts_at: datetime
    to_starts_at: datetime


class LateFeeIncurred(_BookingEvent):
    """A late cancellation costs what was agreed when the session was booked; it is on the customer's next invoice."""

    type: ClassVar[str] = "scheduling.late_fee_incurred"
    amount_minor: int
    currency: str


class LateFeeWaived(_BookingEvent):
    """Staff let a customer off a fee that `LateFeeIncurred` announced: before it was paid, or as they gave it back."""

    type: ClassVar[str] = "scheduling.late_fee_waived"
    amount_minor: int
    currency: str
    waived_by: UUID


class WaitlistOffered(Event):
    """Whoever waits is offered a seat; it is held for them as `booking_id` until `offer_expires_at`."""

    type: ClassVar[str] = "scheduling.waitlist_offered"
    aggregate: ClassVar[str] = "waitlist_entry_id"
    waitlist_entry_id: UUID
    slot_id: UUID
    customer_id: UUID
    booking_id: UUID
    offer_expires_at: datetime


class WaitlistEnded(Event):
    """Somebody waits no longer. `reason`: promoted, declined, lapsed, left or expired."""

    type: ClassVar[str] = "scheduling.waitlist_ended"
    aggregate: ClassVar[str] = "waitlist_entry_id"
    waitlist_entry_id: UUID
    slot_id: UUID
    customer_id: UUID
    reason: str


class ClassScheduled(Event):
    """A coach opened a class, one of a series where `series_id` is given."""

    type: ClassVar[str] = "scheduling.class_scheduled"
    aggregate: ClassVar[str] = "slot_id"
    slot_id: UUID
    coach_id: UUID
    series_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    capacity: int


class ClassChanged(Event):
    """A class has another title, size, time or room; whose booking moved with it is told by `SessionMoved`."""

    type: ClassVar[str] = "scheduling.class_changed"
    aggregate: ClassVar[str] = "slot_id"
    slot_id: UUID
    coach_id: UUID
    starts_at: datetime
    ends_at: datetime
    capacity: int


class _AssistantEvent(Event):
    """`assist_id` is an assistant's place in the class `slot_id`: `coach_id` leads it, `assistant_id` helps with it."""

    aggregate: ClassVar[str] = "assist_id"
    assist_id: UUID
    slot_id: UUID
    coach_id: UUID
    assistant_id: UUID
    starts_at: datetime


class AssistantAssigned(_AssistantEvent):
    """A second coach is to help with a class."""

    type: ClassVar[str] = "scheduling.assistant_assigned"


class AssistantMoved(_AssistantEvent):
    """The class was moved, and its assistant with it."""

    type: ClassVar[str] = "scheduling.assistant_moved"
    from_starts_at: datetime


class AssistantReleased(_AssistantEvent):
    """An assistant helps with a class no more. `reason`: removed, called_off, absent (they are away, or work other
    hours that day) or left."""

    type: ClassVar[str] = "scheduling.assistant_released"
    reason: str


class ClassNoticeWritten(Event):
    """Everybody who comes to a class, or (`scope` following) to it and all that follow, is written to; `recipients`:
    how many have a place now."""

    type: ClassVar[str] = "scheduling.class_notice_written"
    aggregate: ClassVar[str] = "slot_id"
    notice_id: UUID
    slot_id: UUID
    coach_id: UUID
    author_id: UUID
    recipients: int
    scope: str = "one"


class SlotCalledOff(Event):
    """The coach called a session off; each booking's end is a fact of its own."""

    type: ClassVar[str] = "scheduling.slot_called_off"
    aggregate: ClassVar[str] = "slot_id"
    slot_id: UUID
    coach_id: UUID
    starts_at: datetime


class SeriesBooked(Event):
    """Sessions that are to recur were booked at once; each is a `SessionBooked` or `SessionRequested` of its own too.

    `rule` is an RRULE on the studio's clock from the first of them on. One that `goes_on` is booked further as the
    calendar opens, up to `ends_on` where it has an end.
    """

    type: ClassVar[str] = "scheduling.series_booked"
    aggregate: ClassVar[str] = "series_id"
    series_id: UUID
    customer_id: UUID
    coach_id: UUID
    rule: str
    starts_at: datetime
    booking_ids: tuple[UUID, ...]
    goes_on: bool = False
    ends_on: date | None = None


class SeriesSessionMissed(Event):
    """A session of a series that goes on could not be booked when the calendar opened; told once. `reason` is the
    refusal's code. Where it can be had later it is booked after all."""

    type: ClassVar[str] = "scheduling.series_session_missed"
    aggregate: ClassVar[str] = "series_id"
    series_id: UUID
    customer_id: UUID
    coach_id: UUID
    starts_at: datetime
    reason: str


class SeriesEnded(Event):
    """No further sessions of a series are booked; those that are booked stay. `reason` is ended, unpaid, or over."""

    type: ClassVar[str] = "scheduling.series_ended"
    aggregate: ClassVar[str] = "series_id"
    series_id: UUID
    customer_id: UUID
    coach_id: UUID
    reason: str


class CoachWeighed(Event):
    """How much of the sessions that are given out by turn a coach is to get was changed."""

    type: ClassVar[str] = "scheduling.coach_weighed"
    aggregate: ClassVar[str] = "coach_id"
    coach_id: UUID
    turn_weight: int


class HoursChanged(Event):
    """A coach's working hours, days away or other hours are not what they were; free sessions followed."""

    type: ClassVar[str] = "scheduling.hours_changed"
    aggregate: ClassVar[str] = "coach_id"
    coach_id: UUID


class HolidaysChanged(Event):
    """The days on which a studio is closed are not what they were."""

    type: ClassVar[str] = "scheduling.holidays_changed"
    aggregate: ClassVar[str] = "location_id"
    location_id: UUID


class TermsChanged(Event):
    """On what terms sessions are booked: of a coach (None: all) and a kind (None: any)."""

    type: ClassVar[str] = "scheduling.terms_changed"
    aggregate: ClassVar[str] = "terms_id"
    terms_id: UUID
    coach_id: UUID | None
    kind: str | None
