"""Refusals of integrations.

DomainError
|- ConnectorNotConfigured  409   its settings are missing; the detail names them
|- ConnectorNotConnected   409   connect it first
|- ProbeFailed             409   the source did not answer as it should; the detail says how
|- MalformedWebhook        400   signed, but nothing of the provider's
|- NotFound
|  |- ConnectorNotFound    404
|  |- LinkNotFound         404   no such device of yours
|- UnreadableFile          422   no workout file of a kind we read
|- UnknownKind             422   a kind of payload that we do not read
|- ConsentMissing          422   the customer did not allow us to keep this kind of data
|- FileTooLarge            413
|- TerraUnavailable        503   Terra did not answer
"""

from operational_api.core.errors import DomainError, Invalid, NotFound, Unavailable


class ConnectorNotConfigured(DomainError):
    """This connector is not set up on the server."""


class ConnectorNotConnected(DomainError):
    """This connector is not connected. Connect it first."""


class ProbeFailed(DomainError):
    """The source did not answer as it should."""


class MalformedWebhook(DomainError):
    """This is no webhook that we know."""

    status = 400


class ConnectorNotFound(NotFound):
    """There is no connector of that name."""


class LinkNotFound(NotFound):
    """There is no such device."""


class UnreadableFile(Invalid):
    """This is not a workout file we can read. Send a FIT, GPX or TCX file, as your watch or app exports it."""


class UnknownKind(Invalid):
    """That kind of payload is not read."""


class ConsentMissing(Invalid):
    """Allow us to keep this kind of data first, under Privacy."""


class FileTooLarge(DomainError):
    """A workout file may be 20 MB at most."""

    status = 413


class TerraUnavailable(Unavailable):
    """The service that connects wearables does not answer. Try again in a minute."""
