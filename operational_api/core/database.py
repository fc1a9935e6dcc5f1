"""Engine, declarative base, column types and the request's session. No tables of a context, no queries."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import psycopg
from anyio import CancelScope, CapacityLimiter, to_thread
from fastapi import Depends, Request
from sqlalchemy import BigInteger, Connection, DateTime, Engine, MetaData, String, create_engine, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from contracts.ids import new_id
from operational_api.core import viewer as viewers
from operational_api.core.admission import Admission
from operational_api.core.lines import connecting, has_spoken
from operational_api.core.prepared import DriverConnection
from operational_api.core.principal import in_transaction
from operational_api.core.statements import connection_of
from operational_api.core.threads import in_a_turn
from operational_api.core.viewer import Viewer

SCHEMAS = (
    "platform", "identity", "commerce", "training", "scheduling", "engagement", "automation", "compliance",
    "integrations",
)  # fmt: skip
"""One PostgreSQL schema per context, and `platform` for outbox, inbox and idempotency keys."""

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of every table. Times are timestamptz; text without a length is `text`."""

    metadata = MetaData(naming_convention=CONVENTION)
    type_annotation_map = {datetime: DateTime(timezone=True), dict[str, Any]: JSONB, str: String}


Id = Annotated[UUID, mapped_column(primary_key=True, default=new_id)]
"""A UUIDv7 primary key."""

AmountMinor = Annotated[int, mapped_column(BigInteger)]
"""Integer minor units; the row's `currency` says of what."""

Currency = Annotated[str, mapped_column(String(3))]
"""ISO 4217, upper case."""

RequiredTime = Annotated[datetime, mapped_column(DateTime(timezone=True))]
ServerTime = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=text("now()"))]


def make_engine(url: str, *, application_name: str, pool_size: int = 10) -> Engine:
    """An engine on psycopg 3.

    Args:
        url: `postgresql+psycopg://…`.
        application_name: Shown in `pg_stat_activity`.
        pool_size: Connections kept open; up to as many again under load.
    """
    engine = create_engine(url, pool_size=pool_size, max_overflow=pool_size, connect_args=connecting(application_name))
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "checkout", _expect_silence)
    return engine


def _connect(_: object, __: object, address: list[Any], named: dict[str, Any]) -> DriverConnection:
    return DriverConnection.connect(*address, **named)


def _expect_silence(_: object, record: ConnectionPoolEntry, *__: object) -> None:
    """Have the pool replace a connection that PostgreSQL has ended.

    Raises:
        DisconnectionError: it said something.
    """
    connection = record.driver_connection
    assert isinstance(connection, psycopg.BaseConnection)  # noqa: S101 - as `make_engine` says
    if has_spoken(connection):
        raise DisconnectionError


def session_factory(
    bind: Engine | Connection, *, viewer: Viewer = viewers.of_request, **options: Any
) -> sessionmaker[Session]:
    """Sessions that keep loaded values after commit, so a response can be built from them.

    Args:
        viewer: Who looks, for row-level security; by default whoever's request is being answered.
        options: Of `sessionmaker`.
    """
    made = sessionmaker(bind, expire_on_commit=False, **options)
    viewers.attend(made, viewer)
    return made


@in_transaction
async def transaction(request: Request) -> Session:
    """One transaction around one request: committed when the endpoint returns, rolled back when it raises.

    A request that carries an Idempotency-Key claims it here, in the same transaction as its effect. Its first statement
    asks whether the person's credential still holds; an endpoint that made none is asked at its end. Opening costs no
    thread's turn, as nothing is said to the database before the first statement.
    """
    if not hasattr(request.state, "principal"):
        # A page's cookie is looked up by a connection: not while another one is held.
        await in_a_turn(viewers.of_request)
    admission: Admission = request.app.state.admission
    leave = await admission.enter()
    session: Session = request.app.state.sessions()
    claim = getattr(request.state, "claim", None)
    if claim is None:  # what a key is answered with is kept in the same transaction: not known before the end
        session.info[_END] = partial(_commit, request, session)

    async def end(kind: type[BaseException] | None, *_: object) -> None:
        is_due = session.info.pop(_END, None) is not None or claim is not None
        try:
            if kind is None and is_due:
                await _at_once(_commit, request, session)
        finally:
            if session.in_transaction():
                await _at_once(session.close)
            leave()

    # Where FastAPI ends what generators began, once the endpoint has returned and before its answer leaves: with any
    # later end a client gets 201 for a commit that failed. A generator of ours costs three times as much.
    ends: AsyncExitStack = request.scope["fastapi_function_astack"]
    ends.push_async_exit(end)
    if claim is not None:
        await in_a_turn(claim, session)
    return session


_END = "end_of_request"


def end_early(session: Session) -> None:
    """Commit what `transaction` would commit at its end, in the turn of a thread that is being had."""
    if (end := session.info.pop(_END, None)) is not None:
        end()


def _commit(request: Request, session: Session) -> None:
    if (refusal := getattr(request.state, "refusal", None)) is not None:
        raise refusal
    if getattr(getattr(request.state, "principal", None), "credential", None) is not None:
        connection_of(session)
    session.commit()
    session.close()


async def _at_once(do: Callable[..., None], *about: object) -> None:
    """In a thread that is not one of those counted: who holds a connection never waits for who wants one."""
    with CancelScope(shield=True):
        await to_thread.run_sync(do, *about, limiter=CapacityLimiter(1))


DbSession = Annotated[Session, Depends(transaction)]
