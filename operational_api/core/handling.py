"""How a route reads a request and answers it: what FastAPI does, in fewer steps, where little is declared.

FastAPI finds out at each request what a route declares, reads JSON by Python's own reader, and asks each dependency
through a solver of its own: a sixth of what a request costs in the event loop (ADR 0045). A route whose endpoint is a
coroutine, whose dependencies are coroutines that take nothing but the request, and which is sent and answers JSON of
models, is looked at once. Whatever is not as it should be (a body that is no JSON, a value that is refused) is handed
to FastAPI, which reads it again and refuses it in its own words: nothing has been done by then.

Does not belong here: who asks and the transaction, which `routing` finds.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

from fastapi import Request, Response, params
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import ResponseValidationError
from pydantic import BaseModel
from pydantic_core import from_json

Handler = Callable[[Request], Awaitable[Response]]
_JSON = ("application/json", "application/json; charset=utf-8")
_WITHOUT_BODY = (204, 205, 304)
_SOURCES = (
    ("path_params", lambda request: request.path_params),
    ("query_params", lambda request: request.query_params),
    ("header_params", lambda request: request.headers),
    ("cookie_params", lambda request: request.cookies),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a route declares, looked at once.

    Attributes:
        asked: Dependencies in their order: the parameter that each fills, and what it calls the request, if anything.
        sources: The parameters of path, query, headers and cookies, and where they are found.
        body: The parameter that is sent as JSON, and its field.
        request_name: The parameter that is the request.
    """

    call: Callable[..., Awaitable[Any]]
    asked: tuple[tuple[str | None, Callable[..., Awaitable[Any]], str | None], ...]
    sources: tuple[tuple[Any, Callable[[Request], Any]], ...]
    body: tuple[str, Any] | None
    request_name: str | None
    answer: Any
    by_alias: bool
    status: int


def plan_of(route: Any) -> Plan | None:
    """How a route, as it was included, is handled here; None where FastAPI does it.

    Args:
        route: Has what a route of FastAPI has.
    """
    about: Dependant = route.dependant
    is_plain = (
        iscoroutinefunction(about.call)
        and _takes_only_what_is_known(about)
        and isinstance(route.response_class, DefaultPlaceholder)
        and route.response_field is not None
        and route.stream_item_field is None
        and (route.status_code or 200) not in _WITHOUT_BODY
        and not (route.response_model_include or route.response_model_exclude)
        and not (route.response_model_exclude_unset or route.response_model_exclude_defaults)
        and not route.response_model_exclude_none
    )
    if not is_plain or not all(map(_is_simple, about.dependencies)):
        return None
    calls = [one.call for one in about.dependencies]
    if any(calls.count(one) > 1 for one in calls):  # asked once by FastAPI, which keeps what it said
        return None
    if len(about.body_params) > 1 or any(not _is_model(one) for one in about.body_params):
        return None
    return Plan(
        about.call,  # type: ignore[arg-type]  # a coroutine function, as was looked at
        tuple((one.name, one.call, one.request_param_name) for one in about.dependencies),  # type: ignore[misc]
        tuple((fields, find) for name, find in _SOURCES if (fields := getattr(about, name))),
        next(((one.name, one) for one in about.body_params), None),
        about.request_param_name,
        route.response_field,
        route.response_model_by_alias,
        route.status_code or 200,
    )


def _takes_only_what_is_known(about: Dependant) -> bool:
    others = (
        about.websocket_param_name, about.http_connection_param_name, about.response_param_name,
        about.background_tasks_param_name, about.security_scopes_param_name,
    )  # fmt: skip
    return not any(others)


def _is_simple(about: Dependant) -> bool:
    """Whether a dependency is a coroutine that takes the request and nothing else."""
    declares = (
        about.dependencies, about.path_params, about.query_params, about.header_params, about.cookie_params,
        about.body_params, about.concurrency,
    )  # fmt: skip
    call = about.call
    is_coroutine = iscoroutinefunction(call) or iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004
    return is_coroutine and not any(declares) and _takes_only_what_is_known(about)


def _is_model(field: Any) -> bool:
    """Whether a field is all of the body: one model, as JSON."""
    about, told = field.field_info, field.field_info.annotation
    is_json = type(about) is params.Body and not about.embed and about.media_type == "application/json"
    return is_json and isinstance(told, type) and issubclass(told, BaseModel)


async def handle(plan: Plan, request: Request, otherwise: Handler) -> Response:
    """Answer a request by a plan; `otherwise` is FastAPI's own way."""
    asked: dict[str, Any] = {}
    if plan.body is not None:
        name, field = plan.body
        found, errors = await _body(request, field)
        if errors:
            return await otherwise(request)
        asked[name] = found
    for fields, find in plan.sources:
        values, errors = request_params_to_args(fields, find(request))
        if errors:
            return await otherwise(request)
        asked.update(values)
    for told, ask, name_of_request in plan.asked:
        said = await (ask(**{name_of_request: request}) if name_of_request else ask())
        if told is not None:
            asked[told] = said
    if plan.request_name is not None:
        asked[plan.request_name] = request
    answer = await plan.call(**asked)
    if isinstance(answer, Response):
        return answer
    value, errors = plan.answer.validate(answer, {}, loc=("response",))
    if errors:
        raise ResponseValidationError(errors=errors, body=answer)
    content = plan.answer.serialize_json(value, by_alias=plan.by_alias)
    return Response(content, status_code=plan.status, media_type="application/json")


async def _body(request: Request, field: Any) -> tuple[Any, Any]:
    """The body, or that something is wrong with it: to be found out again by FastAPI, which sees the same."""
    try:
        sent = await request.body()
    except Exception as error:  # noqa: BLE001 - raised again where FastAPI reads it, which knows what to answer
        broken = error

        async def again() -> bytes:
            raise broken

        request.body = again  # type: ignore[method-assign]  # reading on would wait for what never comes
        return None, error
    if not sent or request.headers.get("content-type") not in _JSON:
        return None, "not JSON"
    try:
        read = from_json(sent)
    except ValueError as error:
        return None, error
    found, errors = field.validate(read, {}, loc=("body",))
    return found, errors
