"""What every HTTP answer has in common: problem+json, trace ids, security headers, a log line."""

import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.orm import Session, sessionmaker
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.telemetry import current_traceparent, get_logger, trace
from operational_api.core import audit
from operational_api.core.errors import DomainError, Forbidden, Unavailable
from operational_api.core.rate_limit import headers_of
from operational_api.core.threads import in_a_turn

log = get_logger(__name__)
ProblemPage = Callable[[Request, dict[str, Any]], Response]


def problem(status: int, code: str, detail: str, **extra: object) -> dict[str, Any]:
    """A problem document (RFC 9457). `code` is stable; `trace_id` finds the request in the logs."""
    traceparent = current_traceparent()
    return {
        "type": f"urn:plyo:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "trace_id": traceparent.split("-")[1] if traceparent else None,
    } | extra


class Problem(BaseModel):
    """What every refusal looks like (RFC 9457); a refusal may add members of its own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str | None


_PROBLEM = {"content": {"application/problem+json": {"schema": Problem.model_json_schema()}}}
REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "Refused; `code` says why and stays the same, `detail` is for people."} | _PROBLEM,
    "503": {"description": "A part of Plyo or a provider is down; trying again is right."} | _PROBLEM,
}
"""Answers that any route may give, for an app's description of itself."""


def _answer(request: Request, document: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    page: ProblemPage | None = getattr(request.app.state, "problem_page", None)
    if (
        page is not None
        and "text/html" in request.headers.get("accept", "")
        and not request.url.path.startswith("/api")
    ):
        return page(request, document)
    return JSONResponse(
        jsonable_encoder(document),
        status_code=document["status"],
        media_type="application/problem+json",
        headers=headers,
    )


def _domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)  # noqa: S101 - registered for this class only
    if isinstance(error, Forbidden):
        _note_refusal(request, error)
    headers = {"WWW-Authenticate": error.challenge} if error.status == HTTPStatus.UNAUTHORIZED else {}
    if "retry_after" in error.extra:
        headers["Retry-After"] = str(error.extra["retry_after"])
    return _answer(request, problem(error.status, error.code(), error.detail, **error.extra), headers)


def _note_refusal(request: Request, error: Forbidden) -> None:
    """A role that may not, or an account that is closed. What one object's policy refuses, `core.policy` notes."""
    principal = getattr(request.state, "principal", None)
    if principal is not None:
        route = getattr(request.scope.get("route"), "path", request.url.path)
        audit.refused(
            principal, "core.call_route", "Route", f"{request.method} {route}", details={"code": error.code()}
        )


def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    fields = [{"field": ".".join(str(part) for part in e["loc"][1:]), "message": e["msg"]} for e in error.errors()]
    told = "; ".join(f"{f['field'] or 'body'}: {f['message']}" for f in fields)
    return _answer(request, problem(422, "core.invalid_request", told, errors=fields))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    return _answer(
        request,
        problem(error.status_code, f"core.http_{error.status_code}", str(error.detail)),
        dict(error.headers or {}),
    )


def _impossible_value(request: Request, error: Exception) -> Response:
    """A NUL in a text or a number beyond its column: well-formed, and no value PostgreSQL can hold."""
    log.info("value_refused_by_database", error=str(error).splitlines()[0])
    return _answer(request, problem(422, "core.invalid_request", "One of the values cannot be stored or compared."))


def _database_down(request: Request, error: Exception) -> Response:
    log.error("database_unavailable", error=str(error).splitlines()[0])
    return _answer(request, problem(503, Unavailable.code(), Unavailable().detail), {"Retry-After": "5"})


def audit_sessions(app: FastAPI) -> sessionmaker[Session] | None:
    """Where an app writes what is not part of a request's own transaction; None where it has no database."""
    found: sessionmaker[Session] | None = getattr(app.state, "audit_sessions", None)
    return found if found is not None else getattr(app.state, "sessions", None)


class Around:
    """What goes around every request: a trace id, a log line, security headers, and 500 for what nobody caught.

    Refusals that were noted on the way are kept before the answer leaves. HEAD is asked as GET is, with the same gates
    and limits: FastAPI's routes know no HEAD, and servers leave out its body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, request, path = time.perf_counter(), Request(scope), scope["path"]
        status, milliseconds = 0, 0.0
        with trace(request.headers.get("traceparent")) as traceparent, audit.watching(request) as refusals:

            async def answer(message: Message) -> None:
                nonlocal status, milliseconds
                if message["type"] == "http.response.start":
                    status = message["status"]
                    if refusals and (sessions := audit_sessions(request.app)) is not None:
                        await in_a_turn(audit.keep, sessions, refusals)
                    _secure(message, request, traceparent)
                milliseconds = (time.perf_counter() - began) * 1000
                await send(message)

            try:
                asked = {**scope, "method": "GET"} if request.method == "HEAD" else scope
                await self.app(asked, receive, answer)
            except Exception:
                log.exception("request_crashed", method=request.method, path=path)
                if status:  # half of an answer has left: it can only be broken off
                    raise
                response = _answer(
                    request,
                    problem(500, "core.unexpected", "Something broke on our side. It has been logged with this id."),
                )
                await response(scope, receive, answer)
            log_request(request.method, path, status, milliseconds)


def say_unless_said(message: Message, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Give the start of an answer the headers that it has not got. Names in lower case, as in the message."""
    said = message["headers"] = list(message.get("headers", ()))
    known = {name for name, _ in said}
    said.extend(one for one in headers if one[0] not in known)


_ALWAYS = (
    (b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin"), (b"x-frame-options", b"DENY"),
)  # fmt: skip
_NEVER_KEPT = (b"cache-control", b"no-store")
_NO_PAGE = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


def _secure(message: Message, request: Request, traceparent: str) -> None:
    limits = [(name.lower().encode(), value.encode()) for name, value in headers_of(request).items()]
    kind = next((value for name, value in message.get("headers", ()) if name == b"content-type"), b"")
    trace_id = (b"x-trace-id", traceparent.split("-")[1].encode())
    say_unless_said(message, [trace_id, *limits, *_guards(request.scope["path"], kind)])


def guard(headers: MutableHeaders, path: str) -> None:
    """The headers that keep browsers from doing more with an answer than it is for."""
    for name, value in _guards(path, headers.get("content-type", "").encode()):
        headers.setdefault(name.decode(), value.decode())


def _guards(path: str, kind: bytes) -> list[tuple[bytes, bytes]]:
    if not path.startswith("/api"):
        return [*_ALWAYS]
    return [*_ALWAYS, _NEVER_KEPT] if kind.startswith(b"text/html") else [*_ALWAYS, _NEVER_KEPT, _NO_PAGE]


def log_request(method: str, path: str, status: int, milliseconds: float) -> None:
    """The line that every request leaves."""
    log.info("request", method=method, path=path, status=status, milliseconds=round(milliseconds, 1))


def install(app: FastAPI) -> None:
    """Give an app the error documents, trace ids and security headers of the house."""
    app.add_exception_handler(DomainError, _domain_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(OperationalError, _database_down)
    app.add_exception_handler(DataError, _impossible_value)
    app.add_middleware(Around)
