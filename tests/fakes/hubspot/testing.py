"""The local HubSpot inside a test run: a real server on a port of its own."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

from tests.fakes.hubspot.app import Limits, create_app
from tests.fakes.hubspot.store import Store
from tests.fakes.stripe.testing import served

TOKEN, CLIENT_SECRET = "pat-eu1-plyo", "hubspot-client-secret"


@dataclass(frozen=True)
class LocalHubSpot:
    """A running local HubSpot."""

    url: str
    store: Store
    limits: Limits

    def fail(self, *statuses: int, retry_after: float | None = None) -> None:
        """Make the next requests fail with these statuses; a 429 asks to wait so many seconds."""
        self.limits.faults += [(status, retry_after) for status in statuses]

    def webhook(
        self, url: str, *, at: float | None = None, secret: str = CLIENT_SECRET
    ) -> tuple[bytes, dict[str, str]]:
        """What changed since the last one: the body of a webhook to this address, and its headers."""
        with self.store.lock:
            body = json.dumps(self.store.heard).encode()
            self.store.heard = []
        timestamp = str(int((time.time() if at is None else at) * 1000))
        signed = b"POST" + url.encode() + body + timestamp.encode()
        signature = base64.b64encode(hmac.new(secret.encode(), signed, sha256).digest()).decode()
        return body, {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": timestamp}


@contextmanager
def local_hubspot(*, results: int = 10_000, searches_a_second: int = 5) -> Iterator[LocalHubSpot]:
    """Run a local HubSpot until the block ends.

    Args:
        results: After how many results a search ends.
    """
    store, limits = Store(), Limits(results, searches_a_second)
    with served(create_app(store, TOKEN, limits)) as running:
        yield LocalHubSpot(running.url, store, limits)
