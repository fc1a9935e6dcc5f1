"""Refusals of engagement.

DomainError
|- NudgeRefused         409   the customer is not to be nudged now
|  |- NudgesOff               they switched nudges off
|  |- QuietHours              their quiet time
|  |- TooManyNudges           they had enough of them lately
|- NoCoachYet           409   a customer without a coach writes to nobody
|- MessageRejected      422   empty or too long
|- HalfQuiet            422   a start of quiet hours without an end
|- InvalidEmail         422   an address that cannot be one
|- ThreadNotFound       404   no such thread, or not yours
|- UnknownTemplate      422   an e-mail that does not exist, or that lacks a value
"""

from operational_api.core.errors import DomainError, Invalid, NotFound


class NudgeRefused(DomainError):
    """This customer is not to be nudged now."""


class NudgesOff(NudgeRefused):
    """This customer has switched check-ins off. A chat message in reply to theirs is still fine."""


class QuietHours(NudgeRefused):
    """It is quiet time where this customer lives. Nothing was sent."""


class TooManyNudges(NudgeRefused):
    """This customer has had enough check-ins for one week. Give them room."""


class NoCoachYet(DomainError):
    """You have no coach yet, so there is nobody to write to. Book a first session and you will meet one."""


class MessageRejected(Invalid):
    """A message needs 1 to 4000 characters."""


class UnknownTemplate(Invalid):
    """No e-mail has this name."""


class HalfQuiet(Invalid):
    """Quiet hours need a start and an end."""


class InvalidEmail(Invalid):
    """That does not look like an e-mail address."""


class ThreadNotFound(NotFound):
    """There is no such conversation, or it is not yours."""
