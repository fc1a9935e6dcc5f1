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
|- StepUpRequired      401   signed in, but too long ago or too weakly for this
|- SignInExpired       401   a sign-in under way was not finished in time
|- SignInRefused       403   right password, but nothing else looks like the owner
|- WrongCode           401   of an app, a recovery code, or one by e-mail
|- WrongPassword       422   the current one, where it is changed
|- CodeExpired         410
|- SetUpExpired        410   an authenticator app waited too long for its first code
|- PasskeyRefused      422
|- FactorNotFound      404
|- FactorRequired      409   the last second factor of somebody who must have one
|- AddressTaken        409
|- DeletionNotRequested 409
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


class StepUpRequired(Unauthenticated):
    """Prove once more that it is you: this changes how you sign in."""

    challenge = 'Bearer error="insufficient_user_authentication", max_age=600'

    def __init__(self, detail: str | None = None, **extra: object) -> None:
        """Refuse; `sign_in_at` is the page that asks for it, `resume` what to come back to."""
        super().__init__(detail, sign_in_at="/step-up", **extra)


class SignInExpired(Unauthenticated):
    """That took too long, or is done already. Sign in again."""

    def __init__(self, detail: str | None = None, **extra: object) -> None:
        """Refuse, and lead to where a new sign-in begins."""
        super().__init__(detail, sign_in_at="/login", resume="/auth/login", **extra)


class SignInRefused(Forbidden):
    """This sign-in does not look like you. Sign in where you usually do, or choose a new password by e-mail."""


class WrongCode(Unauthenticated):
    """That code is not right, or was used before. Wait for the next one."""


class WrongPassword(Invalid):
    """That is not your current password."""


class CodeExpired(DomainError):
    """That code does not work any more. Have a new one sent."""

    status = 410


class SetUpExpired(DomainError):
    """Setting up took too long. Begin again: the old QR code does not work any more."""

    status = 410


class PasskeyRefused(Invalid):
    """Your browser's answer could not be verified. Try again."""


class FactorNotFound(NotFound):
    """That is removed already."""


class FactorRequired(DomainError):
    """Your role needs a second step. Add another one before you remove this one."""


class AddressTaken(DomainError):
    """This address belongs to another account by now. Nothing was changed."""


class DeletionNotRequested(DomainError):
    """Nothing is to be deleted, or it is too late."""


class SignInNotFound(NotFound):
    """We know of no such sign-in to your account."""
