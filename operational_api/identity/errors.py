"""What identity refuses. OAuth's own errors, which have their own shape on the wire, are in `oidc/errors.py`.

DomainError
|- WrongCredentials    401   sign-in failed; never says which half was wrong
|- EmailNotVerified    403   right password, address not confirmed yet
|- AccountDisabled     403
|- TooManyTries        429
|- BadPassword         422   breaks the password rules
|- BadProfile          422
|- LinkUnknown         404
|- LinkExpired         410
|- LinkUsed            410
|- SessionNotFound     404
|- SignInNotFound      404
"""

from operational_api.core.errors import DomainError, Forbidden, Invalid, NotFound, Unauthenticated


class WrongCredentials(Unauthenticated):
    """E-mail or password is not right."""


class EmailNotVerified(Forbidden):
    """Confirm your e-mail address first: we sent you a link when you signed up."""


class AccountDisabled(Forbidden):
    """This account is closed. Write to us if you think that is a mistake."""


class TooManyTries(DomainError):
    """Too many wrong tries. Wait a quarter of an hour, or choose a new password by e-mail."""

    status = 429


class BadPassword(Invalid):
    """Choose another password."""


class BadProfile(Invalid):
    """Name, e-mail address or time zone is not valid."""


class LinkUnknown(NotFound):
    """This link is not complete. Open it from the e-mail again, or ask for a new one."""


class LinkExpired(DomainError):
    """This link is too old. Ask for a new one."""

    status = 410


class LinkUsed(DomainError):
    """This link was used already. Ask for a new one if you still need it."""

    status = 410


class SessionNotFound(NotFound):
    """That device is signed out already."""


class SignInNotFound(NotFound):
    """We know of no such sign-in to your account."""
