"""What one process remembers of answers. What all processes remember together is `shared`.

An answer belongs to a snapshot and its key says all that it depends on, so nothing is ever out of date, only forgotten.
Each is made once, by one of the threads that ask.
"""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillMaking
from threading import Lock
from typing import Any, Generic, TypeVar

from operational_api.analytics import asking
from operational_api.analytics.errors import Abandoned

T = TypeVar("T")
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
