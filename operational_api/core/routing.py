"""Routers that say at once that a path is none of theirs, routes that take one turn of a thread.

Which routes there are is each context's to say.
"""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.routing import Match
from starlette.types import Scope


class ContextRouter(APIRouter):
    """A router of one part of the API, whose prefix begins every path of it.

    FastAPI asks one route after the other, and those of all contexts are many: whole routers are passed over here.
    Not for routers that another one includes under a prefix of its own.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether one of its routes answers a path."""
        path: str = scope["path"]
        if not path.removeprefix(scope.get("root_path", "")).startswith(self.prefix):
            return Match.NONE, {}
        return super().matches(scope)


class Route(APIRoute):
    """A route whose endpoint, a plain function, takes one turn of a thread.

    FastAPI takes a second one to look at its answer, which is less work than a turn is.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint if iscoroutinefunction(endpoint) else _in_a_thread(endpoint), **options)


def _in_a_thread(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(endpoint)
    async def answer(**asked: Any) -> Any:
        return await run_in_threadpool(endpoint, **asked)

    return answer
