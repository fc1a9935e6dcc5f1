"""What refusals of Google's and Microsoft's REST APIs mean, Retry-After among them, and answers that are not theirs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from contracts.telemetry import get_logger
from operational_api.scheduling.calendars.errors import (
    CalendarGone,
    CalendarRefused,
    CalendarThrottled,
    CalendarUnreachable,
    CursorTooOld,
)

log = get_logger(__name__)
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


@contextmanager
def reading() -> Iterator[None]:
    """Of an answer: one that is not theirs is no answer, and what is missing is the calendar."""
    try:
        yield
    except Missing as error:
        raise CalendarGone from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        log.warning("calendar_answer_not_understood", exc_info=True)
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
