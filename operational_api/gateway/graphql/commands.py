"""How the graph acts: each mutation is a route of the HTTP API by another way, and never an easier one.

It counts against that route's rate limit, is let pass by that route's action, takes effect once for its key in the
same store, in a savepoint of its own: a refused mutation changes nothing and spoils no other of the request.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import strawberry
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from contracts.telemetry import current_traceparent
from operational_api.core import audit, idempotency
from operational_api.core.errors import DomainError, Forbidden, Unauthenticated
from operational_api.core.policy import may_principal
from operational_api.core.principal import Principal
from operational_api.core.rate_limit import count
from operational_api.gateway.graphql.loaders import Context

Read = TypeVar("Read", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Command:
    """What a mutation stands for: a route's method, path and action."""

    method: str
    path: str
    action: str


COMMANDS = {
    "bookSession": Command("POST", "/api/scheduling/bookings", "scheduling.book"),
    "cancelBooking": Command("POST", "/api/scheduling/bookings/{booking_id}/cancellation", "scheduling.cancel_booking"),
    "logWorkout": Command("POST", "/api/training/workouts", "training.log_workout"),
    "sendMessage": Command("POST", "/api/engagement/threads/{customer_id}/messages", "engagement.send_message"),
    "markThreadRead": Command("POST", "/api/engagement/threads/{customer_id}/read", "engagement.send_message"),
    "updateProfile": Command("PATCH", "/api/identity/me", "identity.keep_account"),
    "setPreferences": Command("PUT", "/api/engagement/preferences", "engagement.set_preferences"),
    "decideConsents": Command("PUT", "/api/compliance/consents", "compliance.decide_consents"),
}
"""Every mutation by its name in the graph."""


@strawberry.type(description="One value that does not pass, by where it stands in the arguments.")
class FieldProblem:
    field: str
    message: str


@strawberry.type(
    description="Why nothing was done. `code` is the stable code that problem documents of the HTTP API have, "
    "`detail` is for people."
)
class Problem:
    code: str
    status: int
    detail: str
    fields: list[FieldProblem]
    retry_after: int | None
    trace_id: str | None

    @classmethod
    def of(cls, code: str, status: int, detail: str, **extra: Any) -> "Problem":
        """With the id by which the log is found."""
        traceparent = current_traceparent()
        return cls(
            code=code, status=status, detail=detail, fields=extra.get("fields", []),
            retry_after=extra.get("retry_after"), trace_id=traceparent.split("-")[1] if traceparent else None,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Done(Generic[Read]):
    """What came of a command: what it told, or the problem. `is_replay`: it was done by an earlier request."""

    read: Read | None = None
    problem: Problem | None = None
    is_replay: bool = False


def act(
    context: Context,
    name: str,
    *,
    key: str,
    asked: dict[str, Any],
    told: type[Read],
    do: Callable[[Session, Principal], Read],
) -> Done[Read]:
    """Do a command once for its key.

    Args:
        name: Of the mutation, in `COMMANDS`.
        key: Made by the caller. A repeat with the same arguments gets the first answer, other arguments are refused.
        asked: The arguments, JSON-ready.
        told: What `do` returns; an earlier answer is read back as it.
        do: The context's command. It decides about the object.
    """
    try:
        return _once(context, name, key=key, asked=asked, told=told, do=do)
    except DomainError as error:
        return Done(problem=Problem.of(error.code(), error.status, error.detail, **error.extra))
    except ValidationError as error:
        fields = [
            FieldProblem(field=".".join(map(str, one["loc"])), message=one["msg"])
            for one in error.errors(include_url=False, include_context=False)
        ]
        detail = "; ".join(f"{one.field}: {one.message}" for one in fields)
        return Done(problem=Problem.of("core.invalid_request", 422, detail, fields=fields))
    except DataError:  # a NUL in a text: well-formed, and no value that PostgreSQL can hold
        detail = "One of the values cannot be stored or compared."
        return Done(problem=Problem.of("core.invalid_request", 422, detail))


def _once(
    context: Context,
    name: str,
    *,
    key: str,
    asked: dict[str, Any],
    told: type[Read],
    do: Callable[[Session, Principal], Read],
) -> Done[Read]:
    command = COMMANDS[name]
    count(context.request, command.method, command.path)
    principal = _let_pass(context.principal, command, name)
    idempotency.check(key)
    digest = idempotency.digest_of(f"graphql:{name}", json.dumps(asked, sort_keys=True).encode())
    session = context.session
    with session.begin_nested():
        if known := idempotency.answered(session, principal.key, key, digest):
            return Done(read=told.model_validate_json(known.body or ""), is_replay=True)
        idempotency.claim(session, principal.key, key, digest)
        read = do(session, principal)
        idempotency.answer(session, principal.key, key, status=200, body=read.model_dump_json())
    return Done(read=read)


def _let_pass(principal: Principal | None, command: Command, name: str) -> Principal:
    if principal is None:
        raise Unauthenticated
    if not may_principal(principal, command.action):
        audit.refused(principal, command.action, "Mutation", name)
        raise Forbidden
    return principal
