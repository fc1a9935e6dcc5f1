"""Whom PostgreSQL shows health data to: said at the start of each transaction, asked by its row-level security.

The same statement asks whether they may still look at anything (`core.standing`). Tables of health data show a customer
their own rows, a coach those of their clients, the system all, and a transaction that said nothing none at all
(migration 0018). It is the second line: `policy` decides first. In a request the viewer is whoever asks; a worker is
the system.
"""

from collections.abc import Callable

from sqlalchemy import ARRAY, Connection, Uuid, bindparam, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker

from operational_api.core import answering, standing
from operational_api.core.errors import DomainError
from operational_api.core.principal import Principal, maybe_principal
from operational_api.core.statements import Change

SYSTEM = Principal(role="system", client_id="plyo")
"""Plyo itself: a worker following up events, a webhook whose signature was verified."""

Viewer = Callable[[], Principal | None]
_SAID = "select set_config('plyo.role', :role, true), set_config('plyo.principal', :principal, true)"
_SAY = Change(text(_SAID))
_SAY_AND_ASK = Change(text(f"{_SAID}, {standing.HOLDS}").bindparams(bindparam("named", type_=ARRAY(Uuid))))


def of_request() -> Principal | None:
    """Who asks, in a request; None for guests, for bad credentials, and outside of requests."""
    request = answering.current()
    if request is None or getattr(request.state, "is_authenticating", False):
        return None  # the sessions by which the person is found see nobody's health data
    try:
        return maybe_principal(request)
    except DomainError:
        return None


def show_as(viewer: Principal | None, connection: Connection | Session) -> None:
    """Say for the rest of the transaction who looks. None says nothing, and nothing is shown.

    Raises:
        Unauthenticated: what the viewer's credential says holds no longer. The transaction has failed.
    """
    if viewer is None:
        return
    said = {"role": viewer.role, "principal": str(viewer.account_id or "")}
    if viewer.credential is None:
        _SAY.do(connection, said)
        return
    try:
        _SAY_AND_ASK.do(connection, said | standing.parameters(viewer))
    except DBAPIError as error:
        if (refusal := standing.refusal(error)) is None:
            raise
        if (request := answering.current()) is not None:
            request.state.refusal = refusal  # whoever swallows it: the request ends with it all the same
        raise refusal from None


def show_all(session: Session) -> None:
    """Go on as the system, for the rest of the transaction: after a check that is not about one person."""
    show_as(SYSTEM, session)


def attend(sessions: sessionmaker[Session], viewer: Viewer) -> None:
    """Have every transaction of these sessions begin by saying who looks."""

    def begin(_: Session, transaction: SessionTransaction, connection: Connection) -> None:
        if not transaction.nested:
            show_as(viewer(), connection)

    event.listen(sessions, "after_begin", begin)
