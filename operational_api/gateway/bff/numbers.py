"""Numbers of the analytics service for a screen, asked for as the person, with a token made for that one service."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from fastapi import Request

from contracts.telemetry import new_traceparent
from contracts.tokens import ANALYTICS
from operational_api.core.errors import Unavailable
from operational_api.core.principal import Principal
from operational_api.gateway.bff.composition import SCREEN_SECONDS, TookTooLong
from operational_api.gateway.errors import NumberRefused

_asking = ThreadPoolExecutor(8, thread_name_prefix="analytics")
"""Of the process. Analytics answers four at once, so more would only wait there."""


class Numbers:
    """Asks analytics for one person.

    Args:
        request: Of the screen.
        principal: Whose numbers they are.
    """

    def __init__(self, request: Request, principal: Principal) -> None:
        self._client = _client(request)
        self._token = request.app.state.delegation.token(principal, ANALYTICS)

    def soon(self, path: str, **parameters: str) -> Callable[[float], dict[str, Any]]:
        """Ask now, and read later: what is returned waits so many seconds for the answer.

        It raises what `get` raises, and TookTooLong.
        """
        asked = _asking.submit(self.get, path, seconds=SCREEN_SECONDS, **parameters)

        def answer(seconds: float) -> dict[str, Any]:
            try:
                return asked.result(seconds)
            except TimeoutError as error:
                asked.cancel()
                raise TookTooLong from error

        return answer

    def get(self, path: str, *, seconds: float, **parameters: str) -> dict[str, Any]:
        """An answer within so many seconds.

        Raises:
            httpx.TimeoutException: it took longer.
            Unavailable: there was none, or no good one.
        """
        try:
            return self.refusing(path, seconds=seconds, **parameters)
        except NumberRefused as error:
            raise Unavailable(f"Analytics answered {error.extra['status']}.") from error

    def refusing(self, path: str, *, seconds: float, **parameters: str) -> dict[str, Any]:
        """The same for whoever can be told why there is no answer.

        Raises:
            NumberRefused: with the code, status and words of the analytics service, and what it allows.
            httpx.TimeoutException: it took longer.
            Unavailable: there was no answer, or no good one.
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
        if 400 <= answer.status_code < 500 and "problem+json" in answer.headers.get("content-type", ""):
            problem = answer.json()
            names = ("code", "status", "allowed", "budget", "narrow")
            told = {name: problem[name] for name in names if name in problem}
            raise NumberRefused(problem["detail"], **told)
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
