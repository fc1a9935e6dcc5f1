"""One person's account at Google by Google's own library. Imported with the first account: see `core.google_api`.

What an event means is `google`'s; here is what the library's failures are in our words.
"""

from collections.abc import Callable, Iterator
from typing import Any

from google.oauth2.credentials import Credentials
from googleapiclient.errors import HttpError

from operational_api.core import google_api
from operational_api.scheduling.calendars.errors import CalendarUnreachable
from operational_api.scheduling.calendars.rest import MOST_PAGES, judge


class GoogleClient:
    """The methods of the Calendar API, version 3, by their names at Google.

    Args:
        base_url: Of the API, version included. The token goes nowhere else.
        token: Access token, good for as long as this is used.
    """

    def __init__(self, base_url: str, token: str) -> None:
        credentials = Credentials(token)  # type: ignore[no-untyped-call]
        self._service = google_api.service("calendar", "v3", base_url=base_url, credentials=credentials)
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
        except google_api.FAILURES as error:
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
