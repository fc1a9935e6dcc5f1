"""The root of every refusal. A context's `errors.py` subclasses it; `core.http` turns it into problem+json.

DomainError        409   the request is understood and refused; docstring is what the user reads
|- NotFound        404
|- Forbidden       403
|- Unauthenticated 401
|- Invalid         422   well-formed, but breaks a rule of the business
|- Unavailable     503   a provider or a part of Plyo is down; trying again is right
"""

import inspect
import re


class DomainError(Exception):
    """This cannot be done."""

    status = 409
    challenge = "Bearer"
    """What a 401 tells programs in `WWW-Authenticate`."""

    def __init__(self, detail: str | None = None, **extra: object) -> None:
        """Refuse.

        Args:
            detail: What the user reads, instead of the class docstring.
            extra: Members added to the problem document; JSON-ready values.
        """
        self.detail = detail or inspect.cleandoc(type(self).__doc__ or "This cannot be done.")
        self.extra = extra
        super().__init__(self.detail)

    @classmethod
    def code(cls) -> str:
        """Stable name of the refusal: `scheduling.slot_taken` for `operational_api.scheduling.errors.SlotTaken`."""
        parts = cls.__module__.split(".")
        context = parts[1] if len(parts) > 1 else parts[0]
        return f"{context}.{re.sub(r'(?<!^)(?=[A-Z])', '_', cls.__name__).lower()}"


class NotFound(DomainError):
    """There is nothing here, or nothing that you may see."""

    status = 404


class Forbidden(DomainError):
    """Your role does not allow this."""

    status = 403


class Unauthenticated(DomainError):
    """Sign in first."""

    status = 401


class Invalid(DomainError):
    """That value is not allowed here."""

    status = 422


class Unavailable(DomainError):
    """A service we depend on does not answer. Nothing was lost; try again in a minute."""

    status = 503
