"""The life of a booking and of a slot's seats, as values: no database, no clock. Services ask, then write.

booked -> cancelled        in time: the credit comes back
       -> late_cancelled   inside the window: the seat is free again, the credit is used
       -> attended <-> no_show   marked by the coach once the session has started; a slip may be corrected
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from operational_api.scheduling.errors import BookingClosed, SessionNotStarted, SessionStarted, TooLateToReschedule

Status = Literal["booked", "attended", "no_show", "cancelled", "late_cancelled"]
Outcome = Literal["attended", "no_show"]

HOLDING: tuple[Status, ...] = ("booked", "attended", "no_show")
"""States that hold a seat; the partial unique index on seats names the same."""
USES_ALLOWANCE: tuple[Status, ...] = (*HOLDING, "late_cancelled")
"""States that count against a membership's sessions."""

CANCELLATION_WINDOW = timedelta(hours=12)
MINIMUM_NOTICE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class BookingLife:
    """Where one booking stands. Every step returns the status it leads to, or refuses."""

    status: str
    starts_at: datetime

    def cancel(self, now: datetime, *, by_coach: bool = False) -> Status:
        """`cancelled` until twelve hours before the start, `late_cancelled` after. A coach's is never late.

        Raises:
            BookingClosed: there is nothing to cancel.
            SessionStarted: it is too late for any cancellation.
        """
        if self.status != "booked":
            raise BookingClosed
        if now >= self.starts_at:
            raise SessionStarted
        return "cancelled" if by_coach or self.is_free_to_cancel(now) else "late_cancelled"

    def mark(self, outcome: Outcome, now: datetime) -> Status:
        """The outcome, once the session has started; from the other outcome too, to correct a slip.

        Raises:
            BookingClosed: the booking was cancelled.
            SessionNotStarted: nobody can have attended yet.
        """
        if self.status not in HOLDING:
            raise BookingClosed
        if now < self.starts_at:
            raise SessionNotStarted
        return outcome

    def move(self, now: datetime) -> Status:
        """`cancelled`, to make room for the new booking.

        Raises:
            TooLateToReschedule: inside the cancellation window.
        """
        if self.cancel(now) != "cancelled":
            raise TooLateToReschedule
        return "cancelled"

    def is_free_to_cancel(self, now: datetime) -> bool:
        """Whether cancelling now gives the credit back."""
        return now <= self.starts_at - CANCELLATION_WINDOW


def lowest_free_seat(taken: Collection[int], capacity: int) -> int | None:
    """The seat the next booking gets, 1-based; None when the slot is full."""
    return next((seat for seat in range(1, capacity + 1) if seat not in taken), None)


def is_bookable(starts_at: datetime, now: datetime) -> bool:
    """Whether there is enough notice left for anybody to be booked."""
    return now <= starts_at - MINIMUM_NOTICE
