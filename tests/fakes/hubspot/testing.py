"""The local HubSpot inside a test run: a real server on a port of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.fakes.hubspot.app import Limits, create_app
from tests.fakes.hubspot.store import Store
from tests.fakes.stripe.testing import served

TOKEN = "pat-eu1-plyo"


@dataclass(frozen=True)
class LocalHubSpot:
    """A running local HubSpot."""

    url: str
    store: Store
    limits: Limits

    def fail(self, *statuses: int, retry_after: float | None = None) -> None:
        """Make the next requests fail with these statuses; a 429 asks to wait so many seconds."""
        self.limits.faults += [(status, retry_after) for status in statuses]


@contextmanager
def local_hubspot(*, results: int = 10_000, searches_a_second: int = 5) -> Iterator[LocalHubSpot]:
    """Run a local HubSpot until the block ends.

    Args:
        results: After how many results a search ends.
    """
    store, limits = Store(), Limits(results, searches_a_second)
    with served(create_app(store, TOKEN, limits)) as running:
        yield LocalHubSpot(running.url, store, limits)
