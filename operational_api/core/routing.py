"""Routers that say at once that a path is none of theirs. Which routes there are is each context's to say."""

from fastapi import APIRouter
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
