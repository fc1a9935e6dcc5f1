"""Every connector by name: what sets it up, and whether it is set up here. The one place that makes connectors.

Settings are read when a connector is asked for, and its module, with its provider's SDK, is imported only then.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from ingestion.connectors import Connector
from ingestion.crm.settings import HubSpotSettings
from ingestion.payments.settings import MomoSettings, StripeSettings
from ingestion.wearables.settings import TerraSettings

if TYPE_CHECKING:
    from ingestion.wearables.terra_api import ConnectedUser

People = Callable[[], "Iterable[ConnectedUser]"]


class NotConfigured(RuntimeError):
    """A setting that the connector cannot do without is missing or wrong; the message names it."""


@dataclass(frozen=True)
class Known:
    """A connector that can be set up.

    Args:
        settings: Read from the environment; those without a default make it configured.
        make: The connector of such settings, and of whoever has connected a wearable.
    """

    settings: type[BaseSettings]
    make: Callable[[Any, People], Connector]


def _stripe(settings: StripeSettings, _: People) -> Connector:
    from ingestion.payments.stripe import Stripe

    return Stripe(settings)


def _momo(settings: MomoSettings, _: People) -> Connector:
    from ingestion.payments.momo import Momo

    return Momo(settings)


def _hubspot(settings: HubSpotSettings, _: People) -> Connector:
    from ingestion.crm.hubspot import HubSpot

    return HubSpot(settings)


def _terra(settings: TerraSettings, people: People) -> Connector:
    from ingestion.wearables.terra_api import TerraApi

    return TerraApi(settings, people)


CONNECTORS: dict[str, Known] = {
    "stripe": Known(StripeSettings, _stripe),
    "momo": Known(MomoSettings, _momo),
    "hubspot": Known(HubSpotSettings, _hubspot),
    "terra": Known(TerraSettings, _terra),
}


def connector(name: str, people: People = tuple) -> Connector:
    """A connector as the environment sets it up.

    Args:
        people: Who has connected a wearable, asked for when the connector is pulled; nobody else needs it.

    Raises:
        NotConfigured: see there.
    """
    known = CONNECTORS[name]
    try:
        settings = known.settings()
    except ValidationError as error:
        prefix = known.settings.model_config.get("env_prefix", "")
        named = ", ".join(f"{prefix}{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors())
        raise NotConfigured(f"{name} is not configured ({named})") from None
    return known.make(settings, people)


def configured(name: str) -> bool:
    """Whether the environment holds what the connector cannot do without. Imports and asks nobody."""
    try:
        CONNECTORS[name].settings()
    except ValidationError:
        return False
    return True
