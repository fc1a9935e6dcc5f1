"""What refusals of Google's and Microsoft's REST APIs mean, Retry-After among them; and a client for Microsoft's, whose
own library is not taken (ADR 0033)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from operational_api.scheduling.calendars.errors import (
    CalendarRefused,
    CalendarThrottled,
    CalendarUnreachable,
    CursorTooOld,
)

SECONDS = 15
TRIES = 3
"""To write an event that somebody else keeps changing."""
MOST_PAGES = 100
"""Of one answer: a server that never comes to an end is not followed for ever."""
LONGEST_WAIT = 3600.0


class Conflict(Exception):
    """Somebody changed the event since; read it again."""


class Missing(Exception):
    """There is no such event or calendar."""


class Exists(Exception):
    """That was created before."""


class Api:
    """One account at one provider.

    Args:
        base_url: Of the API, version included. The token goes nowhere else, whatever links the answers hold.
        token: Access token, good for as long as this is used.
    """

    def __init__(self, base_url: str, token: str, *, headers: dict[str, str] | None = None) -> None:
        self._base = base_url.rstrip("/")
        self._http = httpx.Client(
            timeout=SECONDS, headers={"Authorization": f"Bearer {token}"} | (headers or {}), follow_redirects=False
        )

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def call(self, method: str, path: str, *, etag: str = "", **options: Any) -> dict[str, Any]:
        """One request; the JSON of its answer, {} where there is none.

        Args:
            path: Below the base, or a whole address of the same API that it told.
            etag: Only if the event is still this version.

        Raises:
            Conflict, Missing, Exists, CursorTooOld, CalendarRefused, CalendarUnreachable.
        """
        url = path if path.startswith(f"{self._base}/") else f"{self._base}{path}"
        if "://" in path and url != path:
            raise CalendarUnreachable("That calendar's server sent us somewhere else.")
        headers = options.pop("headers", {}) | ({"If-Match": etag} if etag else {})
        try:
            answer = self._http.request(method, url, headers=headers, **options)
            judge(answer.status_code, answer.text, answer.headers)
            return answer.json() if answer.content else {}
        except (httpx.HTTPError, ValueError) as error:
            raise CalendarUnreachable from error


def judge(status: int, told: str, headers: Mapping[str, str]) -> None:
    """Raise what a refusal of either provider means; pass where it is none.

    Args:
        headers: By names in small letters.

    Raises:
        Conflict, Missing, Exists, CursorTooOld, CalendarRefused, CalendarUnreachable.
    """
    if status < 300:
        return
    told = told[:2000]
    if status == 429 or (status == 403 and "imitExceeded" in told):  # Google throttles with 403 too
        raise CalendarThrottled(retry_after(headers.get("retry-after")))
    if status in (401, 403):
        raise CalendarRefused
    if status == 404:
        raise Missing
    if status == 409:
        raise Exists
    if status == 410 or any(code in told for code in ("syncStateNotFound", "syncStateInvalid", "resyncRequired")):
        raise CursorTooOld
    if status == 412:
        raise Conflict
    if status == 503 and "retry-after" in headers:
        raise CalendarThrottled(retry_after(headers["retry-after"]))
    raise CalendarUnreachable


def retry_after(told: str | None) -> float:
    """Seconds to wait, of a header that has seconds or a date; a minute where it has neither, an hour at most."""
    try:
        wanted = float(told or 60)
    except ValueError:
        try:
            wanted = (parsedate_to_datetime(str(told)) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            wanted = 60
    return min(max(wanted, 1), LONGEST_WAIT)
