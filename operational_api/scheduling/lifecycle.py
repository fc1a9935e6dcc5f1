"""The life of a booking and of a slot's seats, as values: no database, no clock. Services ask, then write.

held      -> requested or booked   confirmed in time; whoever waited was offered a seat like this
          -> released              let go, or nobody confirmed it in time
requested -> booked                the coach says yes
          -> released              the coach says no or nothing, or the customer takes it back: the credit comes back
booked    -> cancelled             in time: the credit comes back
          -> late_cancelled        too late: the seat is free again, the credit is used, a fee may be due
          -> attended <-> no_show  marked by the coach once the session has started; a slip may be corrected.
                                   Who comes a little early is checked in then, and has attended once it starts
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from operational_api.scheduling.errors import (
    BookingClosed,
    HoldExpired,
    SessionNotStarted,
    SessionStarted,
    TooLateToReschedule,
)

Status = Literal["held", "requested", "booked", "attended", "no_show", "cancelled", "late_cancelled", "released"]
Outcome = Literal["attended", "no_show"]

HOLDING: tuple[Status, ...] = ("booked", "attended", "no_show")
"""States that hold a seat for good."""
PENDING: tuple[Status, ...] = ("held", "requested")
"""States that hold a seat until `held_until`; the constraints on seats name both kinds of states."""
USES_ALLOWANCE: tuple[Status, ...] = ("requested", *HOLDING, "late_cancelled")
"""States that count against a membership's sessions."""

CANCELLATION_WINDOW = timedelta(hours=12)
MINIMUM_NOTICE = timedelta(hours=2)
CHECK_IN_OPENS = timedelta(minutes=30)
"""How long before its start people are checked in. It counts from the start; until then a session may be called off."""
LONGEST_REQUEST = timedelta(hours=24)
"""How long a coach has to answer a request; never beyond the start."""


@dataclass(frozen=True, slots=True)
class BookingLife:
    """Where one booking stands. Every step returns the status it leads to, or refuses."""

    status: str
    starts_at: datetime
    free_until: datetime | None = None
    """Agreed when it was booked; None: twelve hours before the start."""
    held_until: datetime | None = None

    def confirm(self, now: datetime, *, needs_confirmation: bool) -> Status:
        """A held seat becomes a booking, or a request where the coach has the last word.

        Raises:
            BookingClosed: nothing is held.
            HoldExpired: not any longer.
        """
        if self.status != "held":
            raise BookingClosed
        if self.has_lapsed(now):
            raise HoldExpired
        return "requested" if needs_confirmation else "booked"

    def answer(self, now: datetime, *, is_accepted: bool) -> Status:
        """The coach's answer to a request.

        Raises:
            BookingClosed: nobody asks.
            HoldExpired: nobody asks any longer.
        """
        if self.status != "requested":
            raise BookingClosed
        if self.has_lapsed(now):
            raise HoldExpired
        return "booked" if is_accepted else "released"

    def let_go(self) -> Status:
        """A seat that is held or asked for is given back.

        Raises:
            BookingClosed: it is neither.
        """
        if self.status not in PENDING:
            raise BookingClosed
        return "released"

    def has_lapsed(self, now: datetime) -> bool:
        """Whether a seat that was held or asked for is anybody's again."""
        return self.status in PENDING and (self.held_until is None or self.held_until <= now)

    def cancel(self, now: datetime, *, by_coach: bool = False) -> Status:
        """`cancelled` while it is free, `late_cancelled` after. A coach's is never late.

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
        """The outcome, once the session has started; from the other outcome too, to correct a slip. Shortly before the
        start, who came is checked in and stays booked.

        Raises:
            BookingClosed: the booking was cancelled.
            SessionNotStarted: nobody can have come yet, or missed it.
        """
        if self.status not in HOLDING:
            raise BookingClosed
        if now >= self.starts_at:
            return outcome
        if outcome != "attended" or not self.opens_check_in(now):
            raise SessionNotStarted
        return "booked"

    def opens_check_in(self, now: datetime) -> bool:
        """Whether people may be checked in."""
        return now >= self.starts_at - CHECK_IN_OPENS

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
        return now <= (self.free_until or self.starts_at - CANCELLATION_WINDOW)


def lowest_free_seat(taken: Collection[int], capacity: int) -> int | None:
    """The seat the next booking gets, 1-based; None when the slot is full."""
    return next((seat for seat in range(1, capacity + 1) if seat not in taken), None)


def is_bookable(starts_at: datetime, now: datetime, notice: timedelta = MINIMUM_NOTICE) -> bool:
    """Whether there is enough notice left for anybody to be booked."""
    return now <= starts_at - notice
