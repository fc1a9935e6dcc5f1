"""What a process remembers of answers, and what all processes remember together.

An answer belongs to a snapshot and its key says all that it depends on, so nothing is ever out of date, only forgotten.
Each answer is made once: by one of the threads that ask, and by one of the processes where they share a store.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillMaking
from threading import Event, Lock, Thread
from typing import Any, Generic, TypeVar

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
_CLAIM_SECONDS, _RENEWED_SECONDS = 4.0, 0.5
"""How long a claim lasts of a process that is not heard of any more, and between two times that it is heard of."""
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
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

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

    Who makes an answer says so again and again while they do: of a process that was killed the others hear nothing, and
    one of them makes it instead.

    Args:
        url: `redis://` address; empty for none.
        seconds: How long an answer is kept, and how long one process may take to make it.
        largest_bytes: Of an answer that is kept: the store is small and counts are worth more than answers.
    """

    def __init__(self, url: str, *, seconds: int = 600, making_seconds: float = 15, largest_bytes: int = 128 * 1024):
        self._seconds, self._making_ms, self._largest = seconds, int(making_seconds * 1000), largest_bytes
        self._left_alone_until = 0.0
        self._lock, self._closed = Lock(), Event()
        self._claims: dict[bytes, str] = {}
        self._renewing: Thread | None = None
        self._store = (
            redis.Redis.from_url(url, socket_timeout=0.25, socket_connect_timeout=0.25, retry=Retry(NoBackoff(), 0))
            if url
            else None
        )
        if self._store is not None:
            self._begin, self._end = self._store.register_script(_BEGIN), self._store.register_script(_END)
            self._renew = self._store.register_script(_RENEW)

    def close(self) -> None:
        """Claim nothing any more."""
        self._closed.set()

    def get(self, key: str, make: Callable[[], pa.Table]) -> pa.Table:
        """The table of a key: another process's, or made here while the others wait for it."""
        if self._store is None or time.monotonic() < self._left_alone_until:
            return make()
        name = "plyo:answer:" + hashlib.sha256(key.encode()).hexdigest()
        names = [name, f"{name}:making"]
        token = str(new_id()).encode()
        try:
            found, is_mine = self._find(names, token)
        except redis.RedisError as error:
            self._leave_alone(error)
            return make()
        if found is not None:
            return _table(found)
        told = b""
        try:
            table = make()
            told = _bytes(table)
            return table
        finally:
            with self._lock:
                self._claims.pop(token, None)
            kept = told if len(told) <= self._largest else b""
            if is_mine or kept:
                try:
                    self._end(names, [token if is_mine else b"", kept, self._seconds])
                except redis.RedisError as error:
                    self._leave_alone(error)

    def _find(self, names: Sequence[str], token: bytes) -> tuple[bytes | None, bool]:
        """What is kept; or nothing, and whether this process is the one that makes it."""
        me = asking.current()
        until = time.monotonic() + self._making_ms / 1000
        while time.monotonic() < until:
            found, is_mine = self._begin(names, [token, int(_CLAIM_SECONDS * 1000)])
            if is_mine:
                self._claim(names[1], token)
            if found is not None or is_mine:
                return found, bool(is_mine)
            if me.is_over:
                raise Abandoned
            time.sleep(_LOOK_SECONDS)
        return None, False

    def _claim(self, name: str, token: bytes) -> None:
        with self._lock:
            self._claims[token] = name
            if self._renewing is None:
                self._renewing = Thread(target=self._renew_claims, name="claims", daemon=True)
                self._renewing.start()

    def _renew_claims(self) -> None:
        while not self._closed.wait(_RENEWED_SECONDS):
            with self._lock:
                claims = list(self._claims.items())
            for token, name in claims:
                try:
                    self._renew([name], [token, int(_CLAIM_SECONDS * 1000)])
                except redis.RedisError as error:  # at the worst somebody else makes it too
                    self._leave_alone(error)

    def _leave_alone(self, error: Exception) -> None:
        self._left_alone_until = time.monotonic() + 1.0
        log.warning("answer_store_down", error=type(error).__name__)


_BEGIN = """
local found = redis.call('get', KEYS[1])
if found then return {found, 0} end
return {false, redis.call('set', KEYS[2], ARGV[1], 'nx', 'px', ARGV[2]) and 1 or 0}
"""
"""What is kept; or the mark that this process makes it, unless another does."""
_RENEW = """
if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('pexpire', KEYS[1], ARGV[2]) end
"""
"""That whoever has the mark is there still."""
_END = """
if ARGV[2] ~= '' then redis.call('set', KEYS[1], ARGV[2], 'ex', ARGV[3]) end
if redis.call('get', KEYS[2]) == ARGV[1] then redis.call('del', KEYS[2]) end
"""
"""What was made, and the mark taken away where it is ours still."""


# Packed by whoever made it: handing columns of a few kilobytes to other threads takes longer than packing them.
_PACKED = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_PACKED) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _table(told: bytes) -> pa.Table:
    with pa.ipc.open_stream(told) as stream:
        return stream.read_all()
