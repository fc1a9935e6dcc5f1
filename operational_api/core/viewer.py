"""Whom PostgreSQL shows health data to: said at the start of each transaction, asked by its row-level security.

Tables of health data show a customer their own rows, a coach those of their clients, the system all, and a transaction
that said nothing none at all (migration 0018). It is the second line: `policy` decides first. In a request the viewer
is whoever asks; a worker is the system.
"""

from collections.abc import Callable
from contextvars import ContextVar

from fastapi import Request
from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker
from starlette.types import ASGIApp, Receive, Scope, Send

from operational_api.core.errors import DomainError
from operational_api.core.principal import Principal, maybe_principal

SYSTEM = Principal(role="system", client_id="plyo")
"""Plyo itself: a worker following up events, a webhook whose signature was verified."""

Viewer = Callable[[], Principal | None]
_request: ContextVar[Request | None] = ContextVar("plyo_request", default=None)
_SAY = text("select set_config('plyo.role', :role, true), set_config('plyo.principal', :principal, true)")


class ViewerMiddleware:
    """Lets every session that is opened while a request is answered know which request that is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        token = _request.set(Request(scope))
        try:
            await self.app(scope, receive, send)
        finally:
            _request.reset(token)


def of_request() -> Principal | None:
    """Who asks, in a request; None for guests, for bad credentials, and outside of requests."""
    request = _request.get()
    if request is None or getattr(request.state, "is_authenticating", False):
        return None  # the sessions by which the person is found see nobody's health data
    try:
        return maybe_principal(request)
    except DomainError:
        return None


def show_as(viewer: Principal | None, connection: Connection | Session) -> None:
    """Say for the rest of the transaction who looks. None says nothing, and nothing is shown."""
    if viewer is not None:
        connection.execute(_SAY, {"role": viewer.role, "principal": str(viewer.account_id or "")})


def show_all(session: Session) -> None:
    """Go on as the system, for the rest of the transaction: after a check that is not about one person."""
    show_as(SYSTEM, session)


def attend(sessions: sessionmaker[Session], viewer: Viewer) -> None:
    """Have every transaction of these sessions begin by saying who looks."""

    def begin(_: Session, transaction: SessionTransaction, connection: Connection) -> None:
        if not transaction.nested:
            show_as(viewer(), connection)

    event.listen(sessions, "after_begin", begin)
