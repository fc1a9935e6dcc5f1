"""What scheduling refuses.

DomainError
|- NotFound
|  |- SlotNotFound
|  |- BookingNotFound
|  |- CoachNotFound
|  |- LocationNotFound
|  |- ConnectionNotFound
|  |- FeedNotFound
|- Invalid
|  |- InvalidAvailability
|- PlanRequired        402
|- AllowanceUsed
|- SlotTaken           somebody else has the last seat
|- AlreadyBooked       the customer's own calendar
|- SlotClosed          past, cancelled or too soon
|  |- TooLate
|  |- CoachBusy
|- BookingClosed       no such step from where the booking is
|- SessionStarted
|- SessionNotStarted
|- TooLateToReschedule
|- SeatsLeft           nothing to wait for
|- TooManyCalendars
|- OnlyForCoaches
|- CalendarsNotSetUp   503
"""

from http import HTTPStatus

from operational_api.core.errors import DomainError, Invalid, NotFound, Unavailable


class SlotNotFound(NotFound):
    """There is no such session."""


class BookingNotFound(NotFound):
    """There is no such booking, or it is not yours."""


class CoachNotFound(NotFound):
    """There is no such coach."""


class LocationNotFound(NotFound):
    """There is no such studio."""


class InvalidAvailability(Invalid):
    """Those working hours do not fit together."""


class PlanRequired(DomainError):
    """You need a membership or a session pack to book. Choose one and come back: it takes a minute."""

    status = HTTPStatus.PAYMENT_REQUIRED


class AllowanceUsed(DomainError):
    """All sessions of your membership are booked for that month. Choose another month, or add a session pack."""


class SlotTaken(DomainError):
    """Someone else booked the last seat first. Join the waitlist, or choose another time."""


class AlreadyBooked(DomainError):
    """You already have a session at that time."""


class SlotClosed(DomainError):
    """This session can no longer be booked."""


class TooLate(SlotClosed):
    """Sessions can be booked until two hours before they start."""


class BookingClosed(DomainError):
    """This booking is over: it was cancelled or its outcome is already marked."""


class SessionStarted(DomainError):
    """The session has started; it can no longer be cancelled."""


class SessionNotStarted(DomainError):
    """The outcome can be marked once the session has started."""


class TooLateToReschedule(DomainError):
    """A session can be moved until twelve hours before it starts. After that it can only be cancelled."""


class SeatsLeft(DomainError):
    """There is a free seat: book it instead of waiting."""


class CoachBusy(SlotClosed):
    """Your coach has something else at that time. Choose another time."""


class ConnectionNotFound(NotFound):
    """That calendar is not connected."""


class FeedNotFound(NotFound):
    """There is no calendar at this address any more. Copy the new one under Account, Calendars."""


class TooManyCalendars(DomainError):
    """Ten calendars are connected already. Disconnect one first."""


class CalendarsNotSetUp(Unavailable):
    """Calendars of that kind cannot be connected here yet."""


class OnlyForCoaches(DomainError):
    """A subscribed calendar says when a coach is busy, and nothing of yours is asked for that."""
