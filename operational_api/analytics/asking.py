"""Whoever waits for an answer, so that work for somebody who has gone is stopped.

A request is asked for in one task and worked on in threads; what they have in common is a context variable. Work that
can be stopped registers how; when the client goes, each is stopped. Nothing here knows what is asked.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Lock

from fastapi import Request

from operational_api.analytics.errors import Abandoned

AGAIN_SECONDS = 0.05
"""Between two words that something is to stop."""


class Asking:
    """One client that waits. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._stops: list[Callable[[], object]] = []
        self._ends: list[Callable[[], object]] = []
        self.is_over = False

    @contextmanager
    def stopping(self, stop: Callable[[], object]) -> Iterator[None]:
        """Call `stop` when the client goes while the block runs.

        Raises:
            Abandoned: the client has gone already.
        """
        with self._lock:
            if self.is_over:
                raise Abandoned
            self._stops.append(stop)
        try:
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)

    def at_end(self, close: Callable[[], object]) -> None:
        """Call `close` once the answer is out, or nobody waits for it any more."""
        with self._lock:
            self._ends.append(close)

    @property
    def holds(self) -> bool:
        """Whether something waits to be closed."""
        return bool(self._ends)

    @property
    def is_worked_for(self) -> bool:
        """Whether something goes on for it that can be stopped."""
        return bool(self._stops)

    def go(self) -> None:
        """The client has gone."""
        with self._lock:  # whoever leaves its block waits here, so nobody else's work is stopped
            self.is_over = True
            for stop in self._stops:
                stop()

    def end(self) -> None:
        """Let go of everything that was held for the client."""
        self.is_over = True
        with self._lock:
            ends, self._ends = self._ends, []
        for close in ends:
            close()


_current: ContextVar[Asking | None] = ContextVar("asking", default=None)


def current() -> Asking:
    """Whoever the running work is for; somebody who never goes where nobody was named."""
    return _current.get() or Asking()


async def while_connected(request: Request) -> AsyncIterator[None]:
    """Dependency: work of this request stops when its client hangs up."""
    asking = Asking()
    token = _current.set(asking)

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        await asyncio.to_thread(asking.go)
        while asking.is_worked_for:  # what was between two statements has not noticed
            await asyncio.sleep(AGAIN_SECONDS)
            await asyncio.to_thread(asking.go)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await watching
        with suppress(ValueError):  # another context than the one that began it
            _current.reset(token)
        if asking.holds:
            await asyncio.to_thread(asking.end)
