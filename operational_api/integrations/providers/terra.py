"""Terra's API as far as people need it: a page where they connect a device, and disconnecting one.

What devices send comes by webhook (`service.webhooks`) or is pulled by `ingestion`.
"""

from uuid import UUID

import httpx

from contracts.telemetry import get_logger
from operational_api.integrations.errors import ConnectorNotConfigured, TerraUnavailable
from operational_api.integrations.settings import IntegrationSettings

log = get_logger(__name__)


class Terra:
    """A client for one request of ours; closed by `with`."""

    def __init__(self, settings: IntegrationSettings) -> None:
        """Needs the developer id and key.

        Raises:
            ConnectorNotConfigured: they are not set.
        """
        key = settings.terra_api_key.get_secret_value()
        if not settings.terra_dev_id or not key:
            raise ConnectorNotConfigured("Wearables cannot be connected yet: Terra is not set up on the server.")
        self._client = httpx.Client(
            base_url=settings.terra_base_url, headers={"dev-id": settings.terra_dev_id, "x-api-key": key}, timeout=8
        )

    def __enter__(self) -> "Terra":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def widget_url(self, customer_id: UUID, *, success_url: str, failure_url: str) -> str:
        """Address of a page of Terra's where the customer picks their device and signs in at its maker."""
        body = {
            "reference_id": str(customer_id),
            "auth_success_redirect_url": success_url,
            "auth_failure_redirect_url": failure_url,
            "language": "en",
        }
        answer = self._ask("POST", "/auth/generateWidgetSession", json=body)
        return str(answer.json()["url"])

    def deauthenticate(self, external_user_id: str) -> None:
        """End Terra's access to a device. One that Terra no longer knows is ended already."""
        self._ask("DELETE", "/auth/deauthenticateUser", params={"user_id": external_user_id}, fine={404})

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        json: object = None,
        fine: frozenset[int] | set[int] = frozenset(),
    ) -> httpx.Response:
        try:
            answer = self._client.request(method, path, params=params, json=json)
        except httpx.TransportError as error:
            log.warning("terra_unreachable", path=path, error=str(error))
            raise TerraUnavailable from error
        if answer.is_error and answer.status_code not in fine:
            log.warning("terra_refused", path=path, status=answer.status_code, answer=answer.text[:300])
            raise TerraUnavailable
        return answer
