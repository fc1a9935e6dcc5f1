"""Numbers of the analytics service for a screen, asked for as the person, with a token made for that one service."""

from typing import Any

import httpx
from fastapi import Request

from contracts.telemetry import new_traceparent
from contracts.tokens import ANALYTICS
from operational_api.core.errors import Unavailable
from operational_api.core.principal import Principal


class Numbers:
    """Asks analytics for one person.

    Args:
        request: Of the screen.
        principal: Whose numbers they are.
    """

    def __init__(self, request: Request, principal: Principal) -> None:
        self._client = _client(request)
        self._token = request.app.state.delegation.token(principal, ANALYTICS)

    def get(self, path: str, *, seconds: float, **parameters: str) -> dict[str, Any]:
        """An answer within so many seconds.

        Raises:
            httpx.TimeoutException: it took longer.
            Unavailable: there was none, or no good one.
        """
        headers = {"Authorization": f"Bearer {self._token}", "traceparent": new_traceparent()}
        try:
            answer = self._client.get(
                f"/api/analytics/{path}", params=parameters, headers=headers, timeout=httpx.Timeout(seconds)
            )
        except httpx.TimeoutException:
            raise
        except httpx.TransportError as error:
            raise Unavailable from error
        if answer.status_code != 200:
            raise Unavailable(f"Analytics answered {answer.status_code}.")
        found: dict[str, Any] = answer.json()
        return found


def _client(request: Request) -> httpx.Client:
    """One client per process; tests and other deployments put their own on the app."""
    state = request.app.state
    if getattr(state, "analytics_client", None) is None:
        state.analytics_client = httpx.Client(base_url=state.settings.analytics_url)
    found: httpx.Client = state.analytics_client
    return found
