"""Connections to PostgreSQL as the driver opens them, and one for statements that an event loop waits for.

Sessions, and the engines that they work on, are `database`.
"""

from asyncio import Lock
from select import POLLIN, poll
from typing import Any

import psycopg
from sqlalchemy import make_url

from operational_api.core.statements import Change, Row, Statement, Values


class Line:
    """A connection of one event loop, for statements that stand alone: each is committed when it is done.

    It is opened when something is to be said, and anew when PostgreSQL has ended it. One statement goes over it at a
    time; others wait. Errors are the driver's: SQLAlchemy's way of waiting in a loop takes several times what the
    driver and PostgreSQL need for a look-up.

    Args:
        url: `postgresql+psycopg://…`.
        application_name: Shown in `pg_stat_activity`.
    """

    def __init__(self, url: str, *, application_name: str) -> None:
        self._address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._name = application_name
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._turn = Lock()

    async def say(self, change: Change, values: Values) -> None:
        """Say something that is answered with no rows."""
        async with self._turn:
            await change.alone(await self._opened(), values)

    async def ask(self, statement: Statement[Row], values: Values) -> list[Row]:
        """Every row, of values as the driver has them."""
        async with self._turn:
            cursor = await statement.alone(await self._opened(), values)
            return await cursor.fetchall()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _opened(self) -> psycopg.AsyncConnection[Any]:
        found = self._connection
        if found is not None and not found.closed and not has_spoken(found):
            return found
        await self.close()
        self._connection = await psycopg.AsyncConnection.connect(
            self._address, autocommit=True, **connecting(self._name)
        )  # fmt: skip
        return self._connection


def connecting(application_name: str) -> dict[str, Any]:
    """How each of our connections to PostgreSQL is opened."""
    return {"application_name": application_name, "options": "-c timezone=UTC -c statement_timeout=30s"}


def has_spoken(connection: psycopg.BaseConnection[Any]) -> bool:
    """Whether a connection at rest has ended: it has nothing to say but that.

    Asking it each time, as `pool_pre_ping` does, would be a statement more for every transaction.
    """
    heard = poll()
    heard.register(connection.fileno(), POLLIN)
    return bool(heard.poll(0))
