"""A turn of a thread, for what waits for a database or computes: what is left to plain functions of a request.

A turn by AnyIO, which FastAPI takes for functions of its own, costs twice as much.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
    call = partial(copy_context().run, do, *args, **named)
    turn = asyncio.get_running_loop().run_in_executor(_threads, call)
    try:
        return await asyncio.shield(turn)
    except asyncio.CancelledError:
        while not turn.done():
            await _ended(turn)
        raise


async def _ended(turn: "asyncio.Future[T]") -> None:
    try:
        await asyncio.wait([turn])
    except asyncio.CancelledError:  # told already
        return
