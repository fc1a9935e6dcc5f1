"""DuckDB's cursors as the analytics service uses them: so many at once, stopped when they take too long.

What is asked with one, and how its errors are told, is `lake`.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Lock, Timer
from time import sleep

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


@contextmanager
def stopped_after(seconds: float, stop: Callable[[], object]) -> Iterator[None]:
    """Stop what the block does when it takes longer; never what comes after it.

    DuckDB forgets that it was stopped between two statements: it is told until the block is left.
    """
    is_running, lock = True, Lock()

    def expire() -> None:
        while True:
            with lock:
                if not is_running:
                    return
                stop()
            sleep(AGAIN_SECONDS)

    timer = Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            is_running = False
        timer.cancel()


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
