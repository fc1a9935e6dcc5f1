"""What signing in by another provider refuses.

DomainError
|- ProviderUnknown    404   not one that is set up here
|- NotConfirmed       400   their answer is not to be believed, or belongs to no sign-in begun here
|- Declined           400   the person said no there
|- ProviderDown       503
|- AddressNotTrusted  403   they do not vouch for the e-mail address
|- LoginTaken         409   linked to another account
|- LoginNotFound      404
|- LastWayIn          409
"""

from operational_api.core.errors import DomainError, Forbidden, NotFound, Unavailable


class ProviderUnknown(NotFound):
    """You cannot sign in that way here."""


class NotConfirmed(DomainError):
    """That sign-in could not be confirmed. Please try again."""

    status = 400


class Declined(DomainError):
    """You went back without signing in. Nothing was changed."""

    status = 400


class ProviderDown(Unavailable):
    """They do not answer right now. Try again in a minute, or sign in with your password."""


class AddressNotTrusted(Forbidden):
    """They do not vouch for your e-mail address. Sign up with it here, then connect them under Account."""


class LoginTaken(DomainError):
    """That login is connected to another account already."""


class LoginNotFound(NotFound):
    """That is not connected any more."""


class LastWayIn(DomainError):
    """This is the only way into your account. Set a password first, then disconnect it."""
