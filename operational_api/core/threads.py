"""A turn of a thread, for what waits for a database or computes: what is left to plain functions of a request.

A turn by AnyIO, which FastAPI takes for functions of its own, costs twice as much. asyncio's own way (`run_in_executor`
under a shield) hands what came of it through three futures, and the event loop goes round once for each.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

AT_ONCE = 40
"""As many as AnyIO has."""
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="turn")
P = ParamSpec("P")
T = TypeVar("T")


async def in_a_turn(do: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Call a plain function in a thread, and wait until it has ended whatever happens: what it holds is in use."""
    turn = _threads.submit(partial(copy_context().run, do, *args, **named))
    try:
        await _end_of(turn)
    except asyncio.CancelledError:
        while not turn.done():
            with suppress(asyncio.CancelledError):  # told already
                await _end_of(turn)
        raise
    return turn.result()


def _end_of(turn: "Future[T]") -> "asyncio.Future[None]":
    """Something to wait for until a turn has ended. What becomes of it is nothing to the turn."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    turn.add_done_callback(lambda _: loop.call_soon_threadsafe(_tell, ended))
    return ended


def _tell(ended: "asyncio.Future[None]") -> None:
    if not ended.done():  # who waited was cancelled
        ended.set_result(None)
