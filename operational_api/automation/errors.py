"""Refusals of automation.

DomainError
|- RunClosed          409   somebody acted on the run, or it expired
|- TooLateToUndo      409   the minute of grace is over, or there is nothing to take back
|- RuleExists         409   the code is taken
|- NotFound
|  |- RunNotFound     404   no such run, or another coach's
|  |- RuleNotFound    404
|- InvalidScores      422   a batch that cannot be true
|- InvalidRule        422   a rule that could not work
"""

from operational_api.core.errors import DomainError, Invalid, NotFound


class RunClosed(DomainError):
    """This suggestion is settled already."""


class TooLateToUndo(DomainError):
    """This can no longer be taken back."""


class RuleExists(DomainError):
    """There is a rule with this code already."""


class RunNotFound(NotFound):
    """There is no such suggestion in your queue."""


class RuleNotFound(NotFound):
    """There is no such rule."""


class InvalidScores(Invalid):
    """These scores cannot be right."""


class InvalidRule(Invalid):
    """That rule could not work."""
