"""What a capture brought: rows, time by phase, how far behind it is. Counting only; nothing is read or written here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

PHASES = ("read", "decode", "land", "commit")

T = TypeVar("T")


@dataclass
class Landed:
    """What one lake commit, or several together, brought.

    Args:
        rows: Changes appended, by raw table; rows of snapshots are not among them.
        snapshots: Rows copied as a whole table, by raw table.
        blocked: Why a table's changes are not landed, for every table that is blocked now.
        seconds: Time of each phase: `read` (waiting for PostgreSQL), `decode`, `land`, `commit`. Snapshots: none.
        batches: Lake commits that brought changes.
        lsn: Everything in the source before it is in the lake.
        lag_bytes: Log of the source after that, when it was last looked at.
        lag_seconds: Age of the newest change that was landed, when it was landed; 0 when there was none.
    """

    rows: dict[str, int] = field(default_factory=dict)
    snapshots: dict[str, int] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    batches: int = 0
    lsn: int = 0
    lag_bytes: int = 0
    lag_seconds: float = 0.0

    def timed(self, items: Iterable[T], phase: str) -> Iterator[T]:
        """The items, with the time it takes to get each counted as time of a phase."""
        iterator = iter(items)
        while True:
            started = monotonic()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self.seconds[phase] += monotonic() - started
            yield item

    def add(self, other: "Landed") -> None:
        """Count what came after this too."""
        for mine, more in ((self.rows, other.rows), (self.snapshots, other.snapshots)):
            for table, rows in more.items():
                mine[table] = mine.get(table, 0) + rows
        for phase, spent in other.seconds.items():
            self.seconds[phase] += spent
        self.batches += other.batches
        self.blocked, self.lsn = other.blocked, other.lsn
        self.lag_bytes, self.lag_seconds = other.lag_bytes, other.lag_seconds
