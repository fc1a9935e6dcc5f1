"""What every world can do: the other side of an adapter, and a person's own hand on it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from operational_api.scheduling.calendars.addresses import Guard

LOCAL = Guard.of("127.0.0.0/8")
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
BERLIN = "Europe/Berlin"


class World(Protocol):
    """One kind of calendar."""

    calendar_id: str
    can_throttle: bool

    def adapter(self) -> Any:
        """Ours, for the person's calendar."""

    def add(self, starts_at: datetime, *, is_free: bool = False) -> str:
        """An hour of theirs; its id."""

    def add_days(self, first: date, days: int) -> str:
        """Whole days of theirs."""

    def add_series(self, starts_at: datetime) -> str:
        """Four weekly hours on Berlin's clock, of which the second is skipped and the third is two hours later."""

    def move(self, id_: str, starts_at: datetime) -> None:
        """They move theirs, or ours."""

    def remove(self, id_: str) -> None:
        """They delete theirs, or ours."""

    def note(self, id_: str) -> None:
        """They add a reminder to ours."""

    def shows(self, id_: str) -> tuple[str, datetime, bool] | None:
        """Title and start of ours as it is there, and whether their reminder is on it; None: it is gone."""

    def occurrences(self, id_: str) -> dict[datetime, datetime]:
        """What the calendar has of our series, as it draws it itself: by when the rule has it, when it is."""

    def move_one(self, id_: str, recurs_at: datetime, to: datetime) -> None:
        """They move one occurrence of our series."""

    def remove_one(self, id_: str, recurs_at: datetime) -> None:
        """They delete one occurrence of our series."""

    def move_all(self, id_: str, by: timedelta) -> None:
        """They move a whole series, theirs or ours; what was different of one of its occurrences is so no more."""

    def split(self, id_: str, number: int, by: timedelta) -> None:
        """They move an occurrence of their series and all that follow, as calendar apps do: the series ends before it,
        and another of two weeks begins."""

    def forget(self) -> None:
        """The server forgets where anybody was."""

    def throttle(self) -> None:
        """The server asks to wait for 7 seconds, once."""


def weeks_later(moment: datetime, weeks: int) -> datetime:
    """The same hour on Berlin's clock, so many weeks later."""
    return (moment.astimezone(ZoneInfo(BERLIN)) + weeks * WEEK).astimezone(UTC)


def utc(told: dict[str, str] | str) -> datetime:
    """A moment as Google or Microsoft tells it."""
    moment = datetime.fromisoformat((told if isinstance(told, str) else told["dateTime"]).replace(".0000000", ""))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
