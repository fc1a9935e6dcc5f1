"""POST requests that carry `Idempotency-Key` take effect once: a repeat gets the first answer again.

Key and answer are written in the transaction that makes the effect: a crash leaves all of it or nothing, and a refusal
leaves the key free. Requests without the header pass through untouched.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from psycopg.errors import DeadlockDetected
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from operational_api.core.errors import DomainError, Invalid
from operational_api.core.models import IdempotencyKey
from operational_api.core.principal import maybe_principal
from operational_api.core.routing import Route
from operational_api.core.statements import Statement
from operational_api.core.threads import in_a_turn

HEADER = "idempotency-key"


class KeyInUse(DomainError):
    """Another request with this Idempotency-Key was just answered. Ask again with the same key to get its answer."""


class KeyReused(Invalid):
    """This Idempotency-Key was used for a different request. Use a new key for a new request."""


def check(key: str) -> None:
    """Raises Invalid unless it can be a key."""
    if not 1 <= len(key) <= 255 or not key.isprintable():
        raise Invalid("Idempotency-Key must be 1 to 255 characters.")


def digest_of(what: str, asked: bytes) -> str:
    """What tells one request from another that uses its key."""
    return hashlib.sha256(what.encode() + b"\0" + asked).hexdigest()


def answered(session: Session, principal: str, key: str, digest: str) -> IdempotencyKey | None:
    """What the key was answered with, None while it is free.

    Raises:
        KeyReused: it was for another request.
    """
    known = session.get(IdempotencyKey, (principal, key), populate_existing=True)
    if known is not None and known.request_hash != digest:
        raise KeyReused
    return known


_CLAIM = Statement(
    insert(IdempotencyKey)
    .values({name: bindparam(name) for name in ("principal", "key", "request_hash")})
    .on_conflict_do_nothing()
    .returning(IdempotencyKey.key)
)


def claim(session: Session, principal: str, key: str, digest: str) -> None:
    """Take a free key for the request whose transaction this is: rolled back, it is free again.

    Raises:
        KeyInUse: another one took it. A second request with the key waits here for the first one's transaction.
    """
    try:
        taken = _CLAIM.first(session, {"principal": principal, "key": key, "request_hash": digest})
    except OperationalError as error:
        if isinstance(error.orig, DeadlockDetected):  # two requests with several keys each, in opposite orders
            raise KeyInUse from error
        raise
    if taken is None:
        raise KeyInUse


def answer(
    session: Session, principal: str, key: str, *, status: int, body: str, headers: dict[str, str] | None = None
) -> None:
    """Keep what a claimed key is answered with."""
    row = session.get_one(IdempotencyKey, (principal, key))
    row.status, row.body, row.headers = status, body, headers or {}


def name_of(request: Request) -> str | None:
    """Names the one effect that a request with a key has, wherever it is asked for again; None where it has none."""
    claim = getattr(request.state, "claim", None)
    return None if claim is None else digest_of(f"{claim.principal}\0{claim.key}", claim.digest.encode())[:32]


class IdempotentRoute(Route):
    """Route class for routers with POSTs: `APIRouter(route_class=IdempotentRoute)`."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()

        async def once(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if request.method != "POST" or key is None:
                return await handle(request)
            check(key)
            digest = digest_of(request.url.path, await request.body())
            principal, known = await in_a_turn(_known, request, key, digest)
            if known is not None:
                return _replay(known)
            claim = request.state.claim = _Claim(principal, key, digest)
            response = await handle(request)
            claim.answer(response)  # the request's transaction is still open: FastAPI closes it after the route returns
            return response

        return once


def _known(request: Request, key: str, digest: str) -> tuple[str, IdempotencyKey | None]:
    found = maybe_principal(request)
    principal = found.key if found else f"guest:{request.client.host if request.client else ''}"
    with request.app.state.sessions() as session:
        return principal, answered(session, principal, key, digest)


@dataclass
class _Claim:
    """Called by `core.database.transaction` with the request's session; answered before that session commits."""

    principal: str
    key: str
    digest: str
    session: Session | None = None

    def __call__(self, session: Session) -> None:
        claim(session, self.principal, self.key, self.digest)
        self.session = session

    def answer(self, response: Response) -> None:
        if self.session is None:  # the endpoint used no transaction: nothing to repeat
            return
        headers = {name: value for name, value in response.headers.items() if name in ("content-type", "location")}
        answer(
            self.session, self.principal, self.key, status=response.status_code, body=bytes(response.body).decode(),
            headers=headers,
        )  # fmt: skip


def _replay(known: IdempotencyKey) -> Response:
    return Response(
        content=known.body or "",
        status_code=known.status or 200,
        headers=dict(known.headers or {}) | {"Idempotency-Replayed": "true"},
    )
