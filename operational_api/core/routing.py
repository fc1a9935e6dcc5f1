"""Routers that say at once that a path is none of theirs, paths known again, routes that take one turn of a thread.

Which routes there are is each context's to say.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import wraps
from inspect import Parameter, Signature, iscoroutinefunction, signature
from typing import Any, get_args

from fastapi import APIRouter, Request, Response, params
from fastapi.dependencies.utils import get_dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from operational_api.core import handling
from operational_api.core.database import end_early, transaction
from operational_api.core.principal import account_id, known_principal, opens_transaction, principal
from operational_api.core.threads import in_a_turn


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


class KnownPaths(BaseRoute):
    """The first route of an app: a path without parameters that was routed once goes the same way again.

    FastAPI looks for a route twice in each router on the way. What its look left in the scope is left there again. A
    request that is traced by OpenTelemetry is routed by FastAPI, which tells the trace.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], dict[str, Any]] = {}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the path was routed before."""
        if scope["type"] != "http" or scope.get("fastapi.telemetry") is not None:
            return Match.NONE, {}
        known = self._known.get(_path_of(scope))
        if known is None:
            scope[_BEFORE] = (self, frozenset(scope))
            return Match.NONE, {}
        return Match.FULL, {name: dict(value) if type(value) is dict else value for name, value in known.items()}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go there."""
        await scope["route"].handle(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """None of its own."""
        raise NoMatchFound(name, path_params)

    @staticmethod
    def remember(scope: Scope) -> None:
        """What a route that is gone to finds in the scope: to be left there again. Paths with parameters are many."""
        paths, before = scope.pop(_BEFORE, (None, frozenset()))
        if paths is not None and not scope["path_params"]:
            paths._known[_path_of(scope)] = {
                name: dict(value) if type(value) is dict else value
                for name, value in scope.items()
                if name not in before
            }


_BEFORE = "plyo.before_routing"


def _path_of(scope: Scope) -> tuple[str, str, str]:
    return scope["method"], scope.get("root_path", ""), scope["path"]


class Route(APIRoute):
    """A route whose endpoint, a plain function, takes one turn of a thread, the commit of its transaction included.

    FastAPI takes a turn for the endpoint, one to look at its answer and one for the commit, and each is more work than
    a look. An answer that is not yet of the model that the route promises may turn out to be none: that is committed
    after FastAPI looked at it, as ever. Who asks and the transaction, which most endpoints want, are found here once
    FastAPI has read what was sent: it takes a tenth of a millisecond to find out how.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        told = options.get("response_model")
        model = told if isinstance(told, type) else endpoint.__annotations__.get("return")
        wanted = {} if iscoroutinefunction(endpoint) else _wanted(endpoint, options.get("dependencies") or ())
        super().__init__(
            path, endpoint if iscoroutinefunction(endpoint) else _in_a_turn(endpoint, model, wanted), **options
        )
        if transaction in wanted.values():
            vars(self)["has_transaction"] = True

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's, or one that does the same in fewer steps (`handling`). One for each way the route is included."""
        by_fastapi, plans = super().get_route_handler(), list[handling.Plan | None]()

        async def handle(request: Request) -> Response:
            if not plans:
                plans.append(handling.plan_of(_as_included(self, request.scope)))
            plan = plans[0]
            if plan is None or request.scope.get("fastapi.telemetry") is not None or _is_overridden(request):
                return await by_fastapi(request)
            return await handling.handle(plan, request, by_fastapi)

        return handle

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and have the path known again."""
        if scope["method"] in (self.methods or ()):  # others are as many as somebody makes up
            KnownPaths.remember(scope)
        await super().handle(scope, receive, send)


def _as_included(route: APIRoute, scope: Scope) -> Any:
    """The route with what the routers on the way to it add, its dependencies for one."""
    found = scope.get("fastapi", {}).get("effective_route_context")
    return route if getattr(found, "original_route", None) is not route else found


def _is_overridden(request: Request) -> bool:
    return bool(getattr(request.scope.get("app"), "dependency_overrides", None))


Finding = Callable[[Request], Awaitable[Any]]
_FOUND_HERE: tuple[Finding, ...] = (known_principal, principal, account_id, transaction)
"""In the order in which they are found: a transaction is opened last."""


def _asked_for(parameter: Parameter) -> Any:
    return next((one.dependency for one in get_args(parameter.annotation)[1:] if isinstance(one, params.Depends)), None)


def _wanted(endpoint: Callable[..., Any], others: Iterable[params.Depends]) -> dict[str, Finding]:
    """The parameters of an endpoint that are found here. None where another dependency has the transaction as well:
    FastAPI gives both the same one."""
    asked = {name: _asked_for(one) for name, one in signature(endpoint).parameters.items()}
    found: dict[str, Finding] = {name: find for find in _FOUND_HERE for name, one in asked.items() if one is find}
    rest = [one for name, one in asked.items() if name not in found] + [one.dependency for one in others]
    if any(opens_transaction(get_dependant(path="", call=one)) for one in rest if one is not None):
        return {}
    return found


def _in_a_turn(endpoint: Callable[..., Any], model: object, wanted: dict[str, Finding]) -> Callable[..., Any]:
    is_model = isinstance(model, type) and issubclass(model, BaseModel)
    own = signature(endpoint).parameters
    session_name = next((name for name, one in own.items() if _asked_for(one) is transaction), None)
    request_name = next((name for name, one in own.items() if one.annotation is Request), None)

    def turn(asked: dict[str, Any]) -> Any:
        answer = endpoint(**asked)
        if is_model and type(answer) is model and session_name is not None:
            end_early(asked[session_name])
        return answer

    @wraps(endpoint)
    async def answer(**asked: Any) -> Any:
        if wanted:
            request = asked[request_name] if request_name else asked.pop(_REQUEST)
            for name, find in wanted.items():
                asked[name] = await find(request)
        return await in_a_turn(turn, asked)

    told = [one for name, one in own.items() if name not in wanted]
    if wanted and request_name is None:
        told.append(Parameter(_REQUEST, Parameter.KEYWORD_ONLY, annotation=Request))
    answer.__signature__ = Signature(told, return_annotation=signature(endpoint).return_annotation)  # type: ignore[attr-defined]
    return answer


_REQUEST = "the_request"
