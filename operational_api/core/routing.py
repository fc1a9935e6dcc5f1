"""Routers that say at once that a path is none of theirs, routes that take one turn of a thread.

Which routes there are is each context's to say.
"""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.routing import Match
from starlette.types import Scope

from operational_api.core.database import end_early


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
    """A route whose endpoint, a plain function, takes one turn of a thread, the commit of its transaction included.

    FastAPI takes a turn for the endpoint, one to look at its answer and one for the commit, and each is more work than
    a look. An answer that is not yet of the model that the route promises may turn out to be none: that is committed
    after FastAPI looked at it, as ever.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        told = options.get("response_model")
        model = told if isinstance(told, type) else endpoint.__annotations__.get("return")
        super().__init__(path, endpoint if iscoroutinefunction(endpoint) else _in_a_thread(endpoint, model), **options)


def _in_a_thread(endpoint: Callable[..., Any], model: object) -> Callable[..., Any]:
    is_model = isinstance(model, type) and issubclass(model, BaseModel)

    def turn(asked: dict[str, Any]) -> Any:
        answer = endpoint(**asked)
        if is_model and type(answer) is model:
            for one in asked.values():
                if isinstance(one, Session):
                    end_early(one)
        return answer

    @wraps(endpoint)
    async def answer(**asked: Any) -> Any:
        return await run_in_threadpool(turn, asked)

    return answer
