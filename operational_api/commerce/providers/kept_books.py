"""The books of a provider whose settlement is handed to us (`service.settlements`): there is nothing to fetch."""

from collections.abc import Iterator
from datetime import datetime

from operational_api.commerce.providers.port import ProviderMovement as Movement
from operational_api.commerce.providers.port import ProviderPayout as Payout


class KeptBooks:
    """Books that were handed to us: what is kept of a provider's lines is all that there is to fetch."""

    is_live = True
    tells_fees = True
    settles_later = True

    def __init__(self, name: str) -> None:
        """The kept lines of one provider."""
        self.name = name

    def movements(self, since: datetime, until: datetime) -> Iterator[Movement]:  # noqa: ARG002
        """Nothing new."""
        return iter(())

    def payouts(self, since: datetime, until: datetime) -> Iterator[Payout]:  # noqa: ARG002
        """Nothing new."""
        return iter(())
