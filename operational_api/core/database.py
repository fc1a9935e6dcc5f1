"""Engine, declarative base, column types and the request's session. No tables of a context, no queries."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import BigInteger, Connection, DateTime, Engine, MetaData, String, create_engine, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, sessionmaker

from contracts.ids import new_id
from operational_api.core import viewer as viewers
from operational_api.core.admission import admitted
from operational_api.core.principal import in_transaction
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


Found = TypeVar("Found")
Id = Annotated[UUID, mapped_column(primary_key=True, default=new_id)]
"""A UUIDv7 primary key."""

AmountMinor = Annotated[int, mapped_column(BigInteger)]
"""Integer minor units; the row's `currency` says of what."""

Currency = Annotated[str, mapped_column(String(3))]
"""ISO 4217, upper case."""

RequiredTime = Annotated[datetime, mapped_column(DateTime(timezone=True))]
ServerTime = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=text("now()"))]


def make_engine(url: str, *, application_name: str, pool_size: int = 10, is_checked: bool = True) -> Engine:
    """An engine on psycopg 3.

    Args:
        url: `postgresql+psycopg://…`.
        application_name: Shown in `pg_stat_activity`.
        pool_size: Connections kept open; up to as many again under load.
        is_checked: Whether a connection is tried before each use: a round trip. Without it, who uses it asks again
            when a server that was restarted has left it dead (`asked_twice`).
    """
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=is_checked,
        connect_args={"application_name": application_name, "options": "-c timezone=UTC -c statement_timeout=30s"},
    )


def asked_twice(engine: Engine, ask: Callable[[Connection], Found]) -> Found:
    """What a question finds, asked again over a new connection where the pool's was dead. For what changes nothing."""
    try:
        with engine.connect() as connection:
            return ask(connection)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    with engine.connect() as connection:
        return ask(connection)


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
def transaction(request: Request, _: Annotated[None, Depends(admitted, scope="function")]) -> Iterator[Session]:
    """One transaction around one request: committed when the endpoint returns, rolled back when it raises.

    A request that carries an Idempotency-Key claims it here, in the same transaction as its effect. Its first statement
    asks whether the person's credential still holds; an endpoint that made none is asked at its end.
    """
    viewers.of_request()  # a page's cookie is looked up by a connection: not while another one is held
    with request.app.state.sessions.begin() as session:
        if claim := getattr(request.state, "claim", None):
            claim(session)
        yield session
        if (refusal := getattr(request.state, "refusal", None)) is not None:
            raise refusal
        if getattr(getattr(request.state, "principal", None), "credential", None) is not None:
            session.connection()


# Commits before the response leaves. With the default scope a client gets 201 for a commit that failed.
DbSession = Annotated[Session, Depends(transaction, scope="function")]
