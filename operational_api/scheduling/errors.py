"""What scheduling refuses.

DomainError
|- NotFound
|  |- SlotNotFound
|  |- BookingNotFound
|  |- CoachNotFound
|  |- LocationNotFound
|  |- ConnectionNotFound
|  |- FeedNotFound
|  |- SeriesNotFound
|  |- CustomerNotFound
|- Invalid
|  |- InvalidAvailability
|  |- InvalidRecurrence
|  |- InvalidClass
|  |- InvalidNotice
|- ClassNotFound       404, ResourceNotFound 404, DayNotFound 404
|- PlanRequired        402
|- AllowanceUsed
|- SlotTaken           somebody else has the last seat
|- AlreadyBooked       the customer's own calendar
|- SlotClosed          past, cancelled or too soon
|  |- TooLate
|  |- CoachBusyElsewhere
|  |- TooEarly         beyond the booking window
|- HoldExpired         nobody keeps that seat any longer
|- TooManyHolds
|- CoachBusy, ResourceTaken, SeatsHeld, CustomersClash, AssistantNotFree    a class that does not fit
|- NoFee
|- PaidAlready         nothing is to be sold at the desk
|- CustomerLeft        their account is closed
|- UndoOver
|- BookingClosed       no such step from where the booking is
|- SessionStarted
|- SessionNotStarted
|- TooLateToReschedule
|- ConfirmationNeeded  another coach has the last word
|- NobodyFree          any coach would do, and none is free
|- CoachNotFree        the coach of a session that is to be moved
|- SeatsLeft           nothing to wait for
|- NotRecurring
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


class SeriesNotFound(NotFound):
    """There is no such series of sessions, or it is not yours."""


class CustomerNotFound(NotFound):
    """There is no such customer."""


class CoachNotFound(NotFound):
    """There is no such coach."""


class LocationNotFound(NotFound):
    """There is no such studio."""


class InvalidAvailability(Invalid):
    """Those working hours do not fit together."""


class InvalidRecurrence(Invalid):
    """That is no way in which classes repeat."""


class InvalidClass(Invalid):
    """A class like that cannot be held."""


class InvalidNotice(Invalid):
    """Write between 1 and 1,000 characters."""


class SeriesNotYours(NotFound):
    """Not all classes that follow are yours to write to. Write to this one alone."""


class ClassNotFound(NotFound):
    """There is no such class."""


class DayNotFound(NotFound):
    """There is no such day in this calendar."""


class ResourceNotFound(NotFound):
    """There is no such room or machine at this studio."""


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
    """It is too short before the start to book this session."""


class TooEarly(SlotClosed):
    """This session cannot be booked yet: it is too far ahead."""


class HoldExpired(DomainError):
    """The seat was kept for you only for a while, and that time is over. If it is still free, book it again."""


class TooManyHolds(DomainError):
    """You already keep three seats. Book or let go of one of them first."""


class CoachBusy(DomainError):
    """The coach has another session at that time."""


class AssistantNotFree(DomainError):
    """The assistant has something else at that time, or is away."""


class ResourceTaken(DomainError):
    """The room or machine is in use at that time."""


class SeatsHeld(DomainError):
    """More customers have a seat than the class would have places."""


class CustomersClash(DomainError):
    """A customer of this class has another session at the new time."""


class NoFee(DomainError):
    """There is no fee to waive, or it was waived already."""


class PaidAlready(DomainError):
    """They have a membership or a pack that pays for this session: nothing is to be sold."""


class CustomerLeft(DomainError):
    """Their account is closed: nothing is booked for them any more. Who comes back signs up again."""


class UndoOver(DomainError):
    """Only what was booked for a customer can be undone, and only for a quarter of an hour. Cancel it instead."""


class BookingClosed(DomainError):
    """This booking is over: it was cancelled or its outcome is already marked."""


class SessionStarted(DomainError):
    """The session has started; it can no longer be cancelled."""


class SessionNotStarted(DomainError):
    """People are checked in from half an hour before the start; that somebody did not come is noted once it started."""


class TooLateToReschedule(DomainError):
    """It is too short before the start to move this session. It can only be cancelled."""


class ConfirmationNeeded(DomainError):
    """That coach confirms each session first. Ask for it as a new booking, and cancel the old one once you have it."""


class NobodyFree(DomainError):
    """No coach is free at that time any more. Choose another time."""


class CoachNotFree(DomainError):
    """Your coach is not free at that time. Choose another time, or say that any other coach will do."""


class NotRecurring(DomainError):
    """This booking does not recur: cancel it by itself."""


class SeatsLeft(DomainError):
    """There is a free seat: book it instead of waiting."""


class CoachBusyElsewhere(SlotClosed):
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
