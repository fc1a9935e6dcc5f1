"""The local Terra inside a test run: a real server on a port of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.fakes.stripe.testing import free_listener, served
from tests.fakes.terra.app import create_app
from tests.fakes.terra.settings import TerraFakeSettings
from tests.fakes.terra.store import Store
from tests.fakes.terra.webhooks import Deliverer


@dataclass(frozen=True)
class LocalTerra:
    """A running local Terra."""

    url: str
    settings: TerraFakeSettings
    store: Store
    deliverer: Deliverer

    @property
    def base_url(self) -> str:
        """Of the API, version included."""
        return f"{self.url}/v2"

    def client(self, **headers: str) -> httpx.Client:
        """The API with our developer's headers, or others."""
        ours = {"dev-id": self.settings.dev_id, "x-api-key": self.settings.api_key}
        return httpx.Client(base_url=self.base_url, headers=ours | headers)

    def connect(self, provider: str = "GARMIN", reference_id: str | None = None) -> str:
        """Connect a person; returns Terra's id of the connection."""
        answer = httpx.post(f"{self.url}/_fake/users", json={"provider": provider, "reference_id": reference_id})
        return str(answer.raise_for_status().json()["user_id"])

    def measure(self, user_id: str, kind: str, *items: dict[str, Any], **given: Any) -> None:
        """Have a device measure something; `is_announced=False`: Terra forgets to tell."""
        body = {"user_id": user_id, "kind": kind, "items": list(items)} | given
        httpx.post(f"{self.url}/_fake/data", json=body).raise_for_status()

    def fail(self, *statuses: int, retry_after: float = 0) -> None:
        """Make the next API requests fail with these statuses."""
        faults = {"statuses": list(statuses), "retry_after": retry_after}
        httpx.post(f"{self.url}/_fake/faults", json=faults).raise_for_status()


@contextmanager
def local_terra(**given: Any) -> Iterator[LocalTerra]:
    """Run a local Terra with these settings until the block ends."""
    listener = free_listener()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = TerraFakeSettings(**{"public_url": url, "retry_seconds": (0.05, 0.1, 0.2)} | given)
    app = create_app(settings)
    with served(app, listener):
        yield LocalTerra(url, settings, app.state.store, app.state.deliverer)
