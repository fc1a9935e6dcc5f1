"""What resetting second factors refuses.

DomainError
|- NothingToReset        409   a password is all that this person signs in with
|- ResetAskedAlready     409
|- ResetClosed           409
|- OwnReset              403
|- ResetNotFound         404
"""

from operational_api.core.errors import DomainError, Forbidden, NotFound


class NothingToReset(DomainError):
    """This person has no second step to take away: their password is all they sign in with."""


class ResetAskedAlready(DomainError):
    """A reset for this person is waiting to be decided."""


class ResetClosed(DomainError):
    """This was decided already."""


class OwnReset(Forbidden):
    """Somebody else has to do this: nobody asks for or approves a reset of their own, or approves what they asked."""


class ResetNotFound(NotFound):
    """No such reset was asked for."""
