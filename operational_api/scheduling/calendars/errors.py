"""What calendars outside refuse.

DomainError
|- CalendarRefused       409   they no longer let us in: only the person can mend it
|- CalendarGone          409   that calendar is not there any more
|- CalendarUnreachable   503
|  |- CalendarThrottled        with the seconds to wait
|- CalendarUnreadable    422   what they sent is broken, hostile or too much; the reason is told
|- AddressNotAllowed     422   not an address that we fetch from
|- CursorTooOld          409   read everything anew; never seen by people
"""

from operational_api.core.errors import DomainError, Invalid, Unavailable


class CalendarRefused(DomainError):
    """They no longer let us into that calendar. Connect it again to go on."""


class CalendarGone(DomainError):
    """That calendar is not there any more."""


class CalendarUnreachable(Unavailable):
    """That calendar's server does not answer right now. Nothing is lost: we try again by ourselves."""


class CalendarThrottled(CalendarUnreachable):
    """That calendar's server asks us to wait. Nothing is lost: we go on by ourselves."""

    def __init__(self, retry_after: float = 60) -> None:
        """Wait for so many seconds."""
        self.retry_after = retry_after
        super().__init__(retry_after=int(retry_after))


class CalendarUnreadable(Invalid):
    """That is not a calendar we can read."""


class AddressNotAllowed(Invalid):
    """That address cannot be used. It must begin with https:// and lead to a server on the internet."""


class CursorTooOld(DomainError):
    """The calendar has to be read anew."""
