"""How many requests work in a transaction at once: never more than there are connections for.

A request holds its connection from its first dependency to its last, over several turns in worker threads. If more
were let in than there are connections, the ones waiting for a connection would hold all threads, and the ones that
have one would find no thread to go on in: nobody moves until the pool gives up, 30 seconds later. So who comes too
many waits here, where waiting costs neither; too long, and they are told to come back.
"""

import asyncio
from asyncio import AbstractEventLoop, Semaphore
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from operational_api.core.errors import DomainError


class Busy(DomainError):
    """Too many people are at it right now. Try again in a moment."""

    status = 503


class Admission:
    """Lets in as many as there is room for, in the order in which they came.

    Args:
        at_once: How many.
        patience_seconds: How long somebody waits before they are told to come back.
    """

    def __init__(self, at_once: int, *, patience_seconds: float = 10.0) -> None:
        self._at_once, self._patience = at_once, patience_seconds
        # One for each event loop; a process that serves has one.
        self._rooms: WeakKeyDictionary[AbstractEventLoop, Semaphore] = WeakKeyDictionary()

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """A place, for the length of a block.

        Raises:
            Busy: none came free in time.
        """
        leave = await self.enter()
        try:
            yield
        finally:
            leave()

    async def enter(self) -> Callable[[], None]:
        """A place, until what is returned is called.

        Raises:
            Busy: none came free in time.
        """
        loop = asyncio.get_running_loop()
        room = self._rooms.get(loop)
        if room is None:
            room = self._rooms[loop] = Semaphore(self._at_once)
        if not room.locked():  # there is a place: nobody needs to be told when to stop waiting for it
            await room.acquire()
            return room.release
        try:
            async with asyncio.timeout(self._patience):
                await room.acquire()
        except TimeoutError as error:
            raise Busy(retry_after=2) from error
        return room.release
