"""Facts about sessions in the calendar."""

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
    """Emitted once per booking; a cancellation is a fact of its own."""

    type: ClassVar[str] = "scheduling.session_booked"


class SessionCancelled(_BookingEvent):
    type: ClassVar[str] = "scheduling.session_cancelled"
    is_late: bool = False


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
