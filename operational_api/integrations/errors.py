"""Refusals of integrations.

DomainError
|- ConnectorNotConfigured  409   its settings are missing; the detail names them
|- ConnectorNotConnected   409   connect it first
|- ProbeFailed             409   the source did not answer as it should; the detail says how
|- MalformedWebhook        400   signed, but nothing of the provider's
|- NotFound
|  |- ConnectorNotFound    404
|  |- LinkNotFound         404   no such device of yours
|  |- EndpointNotFound     404
|  |- DeliveryNotFound     404
|- UnreadableFile          422   no workout file of a kind we read
|- UnknownKind             422   a kind of payload that we do not read
|- ConsentMissing          422   the customer did not allow us to keep this kind of data
|- FileTooLarge            413
|- AddressNotAllowed       422   not https, or not on the internet
|- NoKinds                 422   an endpoint that hears of nothing, or of what we do not tell
|- NoSuchSpan              422   a replay whose end is not after its beginning, or too long
|- SecretShown             409   a secret is shown once
|- TooManyEndpoints        409
|- ReplayUnderWay          409   one at a time
|- EndpointDisabled        409   resume it first
|- WebhooksNotSetUp        503   there is no key to seal secrets with
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


class EndpointNotFound(NotFound):
    """There is no such endpoint."""


class DeliveryNotFound(NotFound):
    """There is no such delivery. Deliveries are kept for thirty days."""


class AddressNotAllowed(Invalid):
    """Give an https address of a server on the internet, without a name or password in it."""


class NoKinds(Invalid):
    """Choose at least one of the kinds of events in the list."""


class NoSuchSpan(Invalid):
    """The end of the span has to be after its beginning, and at most 31 days after it."""


class SecretShown(DomainError):
    """This secret was shown already. Rotate it to get a new one; the old one goes on for a day."""


class TooManyEndpoints(DomainError):
    """There may be twenty endpoints at most."""


class ReplayUnderWay(DomainError):
    """A replay of this endpoint is under way. Wait for its end."""


class EndpointDisabled(DomainError):
    """Nothing is sent there: resume the endpoint first."""


class WebhooksNotSetUp(Unavailable):
    """Webhooks are not set up on the server: it has no key to seal their secrets with."""
