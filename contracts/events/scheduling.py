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
    """`session_pack_id` is the pack whose credit paid; None: the membership did."""

    type: ClassVar[str] = "scheduling.session_attended"
    starts_at: datetime | None = None
    session_pack_id: UUID | None = None


class SessionMissed(_BookingEvent):
    """Booked, neither attended nor cancelled: a no-show."""

    type: ClassVar[str] = "scheduling.session_missed"
    starts_at: datetime | None = None
    session_pack_id: UUID | None = None


class WaitlistJoined(Event):
    type: ClassVar[str] = "scheduling.waitlist_joined"
    aggregate: ClassVar[str] = "waitlist_entry_id"
    waitlist_entry_id: UUID
    slot_id: UUID
    customer_id: UUID
