"""DuckDB's cursors as the analytics service uses them: so many at once, stopped when they take too long.

What is asked with one, and how its errors are told, is `lake`.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from math import inf
from threading import Condition, Lock, Thread
from time import monotonic

import duckdb
import pyarrow as pa

from operational_api.analytics.asking import AGAIN_SECONDS
from operational_api.analytics.errors import Busy


def following(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    """The next batch. What stops DuckDB while it is read from comes as an OSError with DuckDB's words."""
    try:
        return next(reader, None)
    except OSError as error:
        if "INTERRUPT" in str(error):
            raise duckdb.InterruptException(str(error)) from error
        if "Out of Memory" in str(error):
            raise duckdb.OutOfMemoryException(str(error)) from error
        raise


class Deadlines:
    """Blocks that are stopped when they take too long, by one thread for all: one for each block took longer to begin
    than many a question takes. It is there while there is something to watch, and a while longer."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._running: dict[object, tuple[float, Callable[[], object]]] = {}
        self._looks_at = inf
        self._watch: Thread | None = None

    @contextmanager
    def stopped_after(self, seconds: float, stop: Callable[[], object]) -> Iterator[None]:
        """Stop what the block does when it takes longer; never what comes after it.

        DuckDB forgets that it was stopped between two statements: it is told until the block is left.
        """
        block, until = object(), monotonic() + seconds
        with self._changed:
            self._running[block] = (until, stop)
            if self._watch is None:
                self._looks_at = until
                self._watch = Thread(target=self._look, name="deadlines", daemon=True)
                self._watch.start()
            elif until < self._looks_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:  # who stops waits here, or has stopped before the block is left
                del self._running[block]

    def _look(self) -> None:
        with self._changed:
            while self._running:
                now = monotonic()
                late = [stop for until, stop in self._running.values() if until <= now]
                for stop in late:
                    with suppress(duckdb.Error):  # its connection is closed: what it did has ended with it
                        stop()
                nearest = min(until for until, _ in self._running.values())
                self._looks_at = now + AGAIN_SECONDS if late else nearest
                self._changed.wait(self._looks_at - now)
            self._watch = None


class Cursors:
    """So many at once, whoever has waited longest first. One that is not there yet is None."""

    def __init__(self, count: int) -> None:
        self._lock = Lock()
        self._free: list[duckdb.DuckDBPyConnection | None] = [None] * count
        self._waiting: deque[Future[duckdb.DuckDBPyConnection | None]] = deque()

    def take(self, seconds: float) -> duckdb.DuckDBPyConnection | None:
        """A cursor, waited for.

        Raises:
            Busy: none was free in time.
        """
        with self._lock:
            if self._free:
                return self._free.pop()
            mine: Future[duckdb.DuckDBPyConnection | None] = Future()
            self._waiting.append(mine)
        try:
            return mine.result(seconds)
        except TimeoutError:
            with self._lock:
                if mine.done():  # handed over in the last moment
                    return mine.result()
                self._waiting.remove(mine)
            raise Busy from None

    def put(self, cursor: duckdb.DuckDBPyConnection | None) -> None:
        """Hand it to whoever waits: who comes now does not get before them."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set_result(cursor)
            else:
                self._free.append(cursor)
