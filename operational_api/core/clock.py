"""What time it is to a worker: the machine's clock, which a test may move to see all of it live at another moment.

What people ask for over HTTP is at the machine's time, whatever is said here.
"""

from datetime import UTC, datetime, timedelta

_ahead = timedelta()


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC) + _ahead


def move(to: datetime | None) -> None:
    """Let this process's clock go on from another moment; None: from the machine's own. For tests."""
    global _ahead
    _ahead = timedelta() if to is None else to - datetime.now(UTC)
