"""Facts about sessions in the calendar."""

from datetime import datetime
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
    """Emitted once per booking; a cancellation is a fact of its own. `moved_from_id` is the booking it replaces."""

    type: ClassVar[str] = "scheduling.session_booked"
    starts_at: datetime | None = None
    is_from_waitlist: bool = False
    moved_from_id: UUID | None = None


class SessionCancelled(_BookingEvent):
    type: ClassVar[str] = "scheduling.session_cancelled"
    is_late: bool = False
    starts_at: datetime | None = None
    is_by_coach: bool = False


class SessionAttended(_BookingEvent):
    type: ClassVar[str] = "scheduling.session_attended"


class SessionMissed(_BookingEvent):
    """Booked, neither attended nor cancelled: a no-show."""

    type: ClassVar[str] = "scheduling.session_missed"


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
    """What opened it and what it brought is gone."""

    type: ClassVar[str] = "scheduling.calendar_disconnected"
