"""One person's account at Microsoft by Microsoft's own library for Graph, `msgraph-core`. It is imported with the
first account, at 100 ms of CPU and 9 MB.

What an event means is `microsoft`'s; here is what the library's failures are in our words. It can only be awaited: an
account has an event loop, run by the thread that asks and closed with the connections, which belong to it. Of Graph's
handlers those are left out that ask again (for minutes, and also what writes) and that follow redirects.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

import httpx
from kiota_abstractions.authentication import (
    AccessTokenProvider,
    AllowedHostsValidator,
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.method import Method
from kiota_abstractions.native_response_handler import NativeResponseHandler
from kiota_abstractions.request_information import RequestInformation
from kiota_http.middleware import UserAgentHandler
from kiota_http.middleware.options import ResponseHandlerOption
from kiota_http.observability_options import ObservabilityOptions
from msgraph_core import BaseGraphRequestAdapter, GraphClientFactory
from msgraph_core.middleware import GraphTelemetryHandler

from operational_api.scheduling.calendars.errors import CalendarRefused, CalendarUnreachable
from operational_api.scheduling.calendars.rest import MOST_PAGES, judge

SECONDS = 15


class GraphClient:
    """Requests to Graph by their paths there.

    Args:
        base_url: Of the API, version included. The token goes nowhere else, whatever links the answers hold.
        token: Access token, good for as long as this is used.
        prefer: What is asked for in the header of that name.
    """

    def __init__(self, base_url: str, token: str, *, prefer: str) -> None:
        base_url = base_url.rstrip("/")
        http = httpx.AsyncClient(timeout=SECONDS, headers={"Prefer": prefer}, follow_redirects=False)
        # Graph's transport stands before these, and does not close them.
        self._transports = [http._transport, *(one for one in http._mounts.values() if one is not None)]
        handlers = [UserAgentHandler(), GraphTelemetryHandler()]
        self._adapter = BaseGraphRequestAdapter(
            BaseBearerTokenAuthenticationProvider(_Held(base_url, token)),
            http_client=GraphClientFactory.create_with_custom_middleware(handlers, client=http),
        )
        self._adapter.base_url = base_url
        self._adapter.observability_options = ObservabilityOptions(include_euii_attributes=False)
        self._loop = asyncio.Runner(loop_factory=asyncio.new_event_loop)  # the thread's own one stays what it is

    def close(self) -> None:
        """Let the connections go."""
        with self._loop:
            for one in self._transports:
                self._loop.run(one.aclose())

    def call(
        self,
        method: str,
        path: str,
        names: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        etag: str = "",
    ) -> dict[str, Any]:
        """One request; the JSON of its answer, {} where there is none.

        Args:
            path: Below the base, with the `names` that are filled in; or a whole address of the same API that it told.
            etag: Only if the event is still this version.

        Raises:
            Conflict, Missing, Exists, CursorTooOld, CalendarRefused, CalendarUnreachable.
        """
        filled = dict(names or {}) | {"query": query or {}}
        asked = RequestInformation(Method(method), f"{{+baseurl}}{path}{{?query*}}", filled)
        if not path.startswith("/"):
            asked.url = path
        if etag:
            asked.headers.add("If-Match", etag)
        if body is not None:
            asked.set_stream_content(json.dumps(body).encode(), "application/json")
        asked.add_request_options([ResponseHandlerOption(NativeResponseHandler())])
        try:
            answer = cast(httpx.Response, self._loop.run(self._adapter.send_primitive_async(asked, "bytes", None)))
            judge(answer.status_code, answer.text, answer.headers)
            told = answer.json() if answer.content else {}
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            raise CalendarUnreachable from error
        return told if isinstance(told, dict) else {}

    def pages(
        self, path: str, names: Mapping[str, str] | None = None, *, query: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """The answers to one request, page by page, for what can be read in pages."""
        for _ in range(MOST_PAGES):
            page = self.call("GET", path, names, query=query)
            yield page
            if not (path := str(page.get("@odata.nextLink") or "")):
                return
            names = query = None
        raise CalendarUnreachable


class _Held(AccessTokenProvider):
    """The one token that we have, for the one API that it is of."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base, self._token = f"{base_url}/", token

    async def get_authorization_token(
        self, uri: str, additional_authentication_context: dict[str, Any] | None = None
    ) -> str:
        if additional_authentication_context:  # they want another one than this (continuous access evaluation)
            raise CalendarRefused
        if not uri.startswith(self._base):
            raise CalendarUnreachable("That calendar's server sent us somewhere else.")
        return self._token

    def get_allowed_hosts_validator(self) -> AllowedHostsValidator:
        return AllowedHostsValidator([httpx.URL(self._base).host])
