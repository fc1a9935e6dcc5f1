"""A turn of a thread, for what waits for a database or computes: what is left to plain functions of a request.

A turn by AnyIO, which FastAPI takes for functions of its own, costs five times as much, and one by an executor twice:
there each is handed on by several locks and told through two futures.
"""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from itertools import count
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, TypeVar

AT_ONCE = 40
"""As many as AnyIO has."""
P = ParamSpec("P")
T = TypeVar("T")


class _Turn:
    """A call that waits for a thread, and who waits for what came of it."""

    __slots__ = ("call", "is_over", "loop", "told")

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], Any]) -> None:
        self.loop, self.call, self.told, self.is_over = loop, call, loop.create_future(), False

    def tell(self, answer: Any, error: BaseException | None) -> None:
        """In the event loop, once the call has ended. Who was cancelled meanwhile is told only that."""
        self.is_over = True
        if self.told.done():
            return
        if error is None:
            self.told.set_result(answer)
        else:
            self.told.set_exception(error)


_waiting: SimpleQueue[_Turn] = SimpleQueue()
_numbers = count(1)
_threads: list[Thread] = []


async def in_a_turn(do: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Call a plain function in a thread, and wait until it has ended whatever happens: what it holds is in use."""
    turn = _Turn(asyncio.get_running_loop(), partial(copy_context().run, do, *args, **named))
    if len(_threads) < AT_ONCE:
        _begin()
    _waiting.put(turn)
    try:
        answer: T = await turn.told
    except asyncio.CancelledError:
        while not turn.is_over:
            await _ended(turn)
        raise
    return answer


def _begin() -> None:
    # A process may end while one of them has nothing to do. What is asked for is waited for by who asked.
    thread = Thread(target=_take_turns, name=f"turn_{next(_numbers)}", daemon=True)
    _threads.append(thread)
    thread.start()


def _take_turns() -> None:
    while True:
        _take(_waiting.get())


def _take(turn: _Turn) -> None:
    answer, error = None, None
    try:
        answer = turn.call()
    except BaseException as raised:  # noqa: BLE001 - raised again where it is waited for
        error = raised
    try:
        turn.loop.call_soon_threadsafe(turn.tell, answer, error)
    except RuntimeError:  # its loop was closed: nobody waits
        return
    finally:
        del turn, answer, error  # a traceback knows this frame


async def _ended(turn: _Turn) -> None:
    turn.told = turn.loop.create_future()
    try:
        await asyncio.wait([turn.told])
    except asyncio.CancelledError:  # told already
        return
    turn.told.exception()  # looked at: it is the cancelled one's no more
