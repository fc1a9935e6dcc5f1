"""What a process remembers of answers, and what all processes remember together.

An answer belongs to a snapshot and its key says all that it depends on, so nothing is ever out of date, only forgotten.
Each answer is made once: by one of the threads that ask, and by one of the processes where they share a store.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillMaking
from threading import Lock
from typing import Any, Generic, TypeVar, cast

import pyarrow as pa
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from contracts.ids import new_id
from contracts.telemetry import get_logger
from operational_api.analytics import asking
from operational_api.analytics.errors import Abandoned

log = get_logger(__name__)
T = TypeVar("T")
_LOOK_SECONDS = 0.01
"""Between two looks whether what another process makes is there."""
_GONE_SECONDS = 0.25
"""Between two looks whether somebody still waits for what another thread makes."""


class Remembered(Generic[T]):
    """Values by key up to a total weight, least recently used out first; equal questions at once are made once."""

    def __init__(self, limit: int) -> None:
        self._limit, self._weight = limit, 0
        self._kept: OrderedDict[Any, tuple[T, int]] = OrderedDict()
        self._making: dict[Any, Future[T]] = {}
        self._lock = Lock()

    def get(self, key: object, make: Callable[[], T], weigh: Callable[[T], int] = lambda _: 1) -> T:
        """The value of `key`, made by `make` when it is not there; what `make` raises is not remembered.

        Raises:
            Abandoned: whoever asks has gone. When the one that made it has gone, one of those who wait makes it.
        """
        while True:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key][0]
                others = self._making.get(key)
                if others is None:
                    mine = self._making[key] = Future()
            if others is None:
                return self._make(key, mine, make, weigh)
            try:
                return self._wait(others)
            except Abandoned:
                if asking.current().is_over:
                    raise

    def find(self, key: object) -> T | None:
        """The value of `key` where it is there."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def keep(self, key: object, value: T, weight: int = 1) -> None:
        """Remember a value that was made elsewhere."""
        with self._lock:
            self._keep(key, value, weight)

    def _make(self, key: object, mine: Future[T], make: Callable[[], T], weigh: Callable[[T], int]) -> T:
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._making[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._making[key]
            self._keep(key, value, weigh(value))
        mine.set_result(value)
        return value

    @staticmethod
    def _wait(others: Future[T]) -> T:
        me = asking.current()
        while True:
            try:
                return others.result(_GONE_SECONDS)
            except StillMaking:
                if others.done():  # it was the making that took too long
                    raise
                if me.is_over:
                    raise Abandoned from None

    def _keep(self, key: object, value: T, weight: int) -> None:
        if weight > self._limit // 4:
            return
        if key in self._kept:
            self._weight -= self._kept.pop(key)[1]
        self._kept[key] = (value, weight)
        self._weight += weight
        while self._weight > self._limit:
            _, (_, gone) = self._kept.popitem(last=False)
            self._weight -= gone


class Shared:
    """Answers of all processes, in the store that also counts requests; without one, or while it is down, of none.

    Args:
        url: `redis://` address; empty for none.
        seconds: How long an answer is kept, and how long one process may take to make it.
        largest_bytes: Of an answer that is kept: the store is small and counts are worth more than answers.
    """

    def __init__(self, url: str, *, seconds: int = 600, making_seconds: float = 15, largest_bytes: int = 128 * 1024):
        self._seconds, self._making_ms, self._largest = seconds, int(making_seconds * 1000), largest_bytes
        self._left_alone_until = 0.0
        self._store = (
            redis.Redis.from_url(url, socket_timeout=0.25, socket_connect_timeout=0.25, retry=Retry(NoBackoff(), 0))
            if url
            else None
        )

    def get(self, key: str, make: Callable[[], pa.Table]) -> pa.Table:
        """The table of a key: another process's, or made here while the others wait for it."""
        if self._store is None or time.monotonic() < self._left_alone_until:
            return make()
        name = "plyo:answer:" + hashlib.sha256(key.encode()).hexdigest()
        try:
            found, token = self._find(self._store, name)
        except redis.RedisError as error:
            self._leave_alone(error)
            return make()
        if found is not None:
            return _table(found)
        try:
            table = make()
            if (told := _bytes(table)) is not None and len(told) <= self._largest:
                self._try(lambda store: store.set(name, told, ex=self._seconds))
            return table
        finally:
            if token is not None:
                self._try(lambda store: store.eval(_RELEASE, 1, f"{name}:making", token))

    def _find(self, store: redis.Redis, name: str) -> tuple[bytes | None, str | None]:
        """What is kept; or nothing, and the mark that says this process makes it."""
        token = str(new_id())
        me = asking.current()
        until = time.monotonic() + self._making_ms / 1000
        while time.monotonic() < until:
            if (found := cast(bytes | None, store.get(name))) is not None:
                return found, None
            if store.set(f"{name}:making", token, nx=True, px=self._making_ms):
                # Between the look and the mark another may have finished.
                if (found := cast(bytes | None, store.get(name))) is None:
                    return None, token
                store.eval(_RELEASE, 1, f"{name}:making", token)
                return found, None
            if me.is_over:
                raise Abandoned
            time.sleep(_LOOK_SECONDS)
        return None, None

    def _try(self, work: Callable[[redis.Redis], object]) -> None:
        if self._store is None:
            return
        try:
            work(self._store)
        except redis.RedisError as error:
            self._leave_alone(error)

    def _leave_alone(self, error: Exception) -> None:
        self._left_alone_until = time.monotonic() + 1.0
        log.warning("answer_store_down", error=type(error).__name__)


_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


def _bytes(table: pa.Table) -> bytes | None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _table(told: bytes) -> pa.Table:
    with pa.ipc.open_stream(told) as stream:
        return stream.read_all()
