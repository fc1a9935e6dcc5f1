"""A calendar that is only an address with an iCalendar file behind it: read whole each time it changed."""

import hashlib

from operational_api.scheduling.calendars import ics
from operational_api.scheduling.calendars.addresses import Guard, fetch
from operational_api.scheduling.calendars.port import Changes, Window


class SubscribedCalendar:
    """One feed.

    Args:
        url: https or webcal; it is a secret, for whoever has it reads the calendar.
    """

    def __init__(self, url: str, guard: Guard) -> None:
        self._url = f"https://{url[9:]}" if url.lower().startswith("webcal://") else url
        self._guard = guard

    def close(self) -> None:
        """Nothing is kept open."""

    def changes(self, calendar_id: str, cursor: str | None, window: Window, *, zone: str) -> Changes:  # noqa: ARG002
        """All of it, or nothing where the server or the bytes say that it is the file we know.

        The cursor is the server's ETag and a hash of the file: most servers of feeds have no ETag.
        """
        etag, _, known = (cursor or "").rpartition(" ")
        fetched = fetch(self._url, self._guard, largest=ics.LARGEST_BYTES, etag=etag)
        if fetched.content is None:
            return Changes((), frozenset(), (), cursor or "", False)
        digest = hashlib.sha256(fetched.content).hexdigest()
        told = f"{fetched.etag} {digest}"
        if digest == known:
            return Changes((), frozenset(), (), told, False)
        return Changes(ics.busy_times(fetched.content, window, zone=zone), frozenset(), (), told, True)
