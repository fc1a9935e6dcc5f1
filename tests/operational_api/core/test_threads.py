"""Turns of threads: they carry who asks, and are waited for whatever happens."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from operational_api.core.threads import in_a_turn

who: ContextVar[str] = ContextVar("who", default="nobody")


class TestInATurn:
    def test_carries_the_context_and_hands_on_what_came_of_it(self) -> None:
        def told(*, name: str) -> tuple[str, str, bool]:
            return who.get(), name, threading.current_thread() is threading.main_thread()

        def refuse() -> None:
            raise LookupError("none")

        async def go() -> None:
            who.set("somebody")
            assert await in_a_turn(told, name="a") == ("somebody", "a", False)
            with pytest.raises(LookupError, match="none"):
                await in_a_turn(refuse)

        asyncio.run(go())

    def test_has_ended_when_who_waited_for_it_is_cancelled(self) -> None:
        begun, may_end, ended = threading.Event(), threading.Event(), []

        def work() -> None:
            begun.set()
            may_end.wait()
            ended.append(True)

        async def go() -> None:
            task = asyncio.create_task(in_a_turn(work))
            while not begun.is_set():
                await asyncio.sleep(0)
            for _ in range(3):  # told again, it waits all the same
                task.cancel()
                await asyncio.sleep(0)
            assert not task.done()
            may_end.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert ended

        asyncio.run(go())
