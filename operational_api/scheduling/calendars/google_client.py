"""Google's own client library, for one person's account. Imported with the first account: it costs 90 ms and 20 MB.

What an event means is `google`'s; here are the token, the wire and what its failures are in our words.
"""

import logging
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import Any

from google.auth.exceptions import GoogleAuthError
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build
from googleapiclient.errors import Error, HttpError
from httplib2 import Http, HttpLib2Error

from operational_api.scheduling.calendars.errors import CalendarUnreachable
from operational_api.scheduling.calendars.rest import MOST_PAGES, SECONDS, judge

# Its DEBUG writes down whose calendar is read and by which cursor, its WARNING what a server that refused has said.
logging.getLogger("googleapiclient").setLevel(logging.ERROR)


class GoogleClient:
    """The methods of the Calendar API, version 3, by their names at Google. Not for two threads at once (httplib2).

    They are read from a file of the library: no network and no cache. It asks once, follows no redirect, and does not
    try to renew the token.

    Args:
        base_url: Of the API, version included. The token goes nowhere else.
        token: Access token, good for as long as this is used.
    """

    def __init__(self, base_url: str, token: str) -> None:
        http = Http(timeout=SECONDS)
        http.follow_redirects = False
        credentials = Credentials(token)  # type: ignore[no-untyped-call]
        self._service = build(
            "calendar", "v3", http=AuthorizedHttp(credentials, http, refresh_status_codes=()),
            client_options={"api_endpoint": f"{base_url.rstrip('/')}/"}, static_discovery=True, cache_discovery=False,
        )  # fmt: skip
        self.events = self._service.events()
        self.calendar_list = self._service.calendarList()

    def close(self) -> None:
        """Let the connections go."""
        self._service.close()

    def call(self, request: Any, *, etag: str = "") -> dict[str, Any]:
        """One request; the JSON of its answer, {} where there is none.

        Args:
            etag: Only if the event is still this version.

        Raises:
            Conflict, Missing, Exists, CursorTooOld, CalendarRefused, CalendarUnreachable.
        """
        if etag:
            request.headers["If-Match"] = etag
        try:
            answer = request.execute()
        except HttpError as error:
            judge(error.status_code, error.content.decode(errors="replace"), error.resp)
            raise CalendarUnreachable from error
        except (Error, HttpLib2Error, GoogleAuthError, HTTPException, OSError) as error:
            raise CalendarUnreachable from error
        except (ValueError, TypeError, LookupError, AttributeError) as error:  # it reads answers that are no Google's
            raise CalendarUnreachable from error
        return answer if isinstance(answer, dict) else {}

    def pages(self, request: Any, following: Callable[[Any, Any], Any]) -> Iterator[dict[str, Any]]:
        """The answers to one request, page by page.

        Args:
            following: The method that Google has for the next one.
        """
        for _ in range(MOST_PAGES):
            page = self.call(request)
            yield page
            if (request := following(request, page)) is None:
                return
        raise CalendarUnreachable
