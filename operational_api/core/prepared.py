"""A connection, and a statement on it that is said again and again: by libpq itself once the driver has prepared it.

What a cursor of the driver's does each time besides, and the turns of threads that it lets others have meanwhile, is
more than what a statement that is prepared needs (ADR 0045). The driver stays the one who knows what is prepared: what
it takes away after a rollback, or as one of too many, is said by its cursor again until it is prepared anew.

Does not belong here: how a statement is written, and what its rows become (`statements`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg._queries import PostgresQuery
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGresult

_BAD, _IDLE, _OPEN = pq.ConnStatus.BAD, pq.TransactionStatus.IDLE, pq.TransactionStatus.INTRANS
_DONE, _ROWS, _TEXT = pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK, pq.Format.TEXT


class DriverConnection(psycopg.Connection[Any]):
    """The driver's, which commits by libpq itself, and is asked nothing where there is nothing to roll back."""

    def commit(self) -> None:
        """End the transaction.

        Raises:
            psycopg.Error: refused, or the connection is broken.
        """
        if self.pgconn.transaction_status == _OPEN:
            _judge(self, self.pgconn.exec_(b"COMMIT"))
        else:
            super().commit()

    def rollback(self) -> None:
        """End the transaction, if any, as if it had not been."""
        if self.pgconn.transaction_status != _IDLE:
            super().rollback()


class Prepared:
    """One statement on one connection. Nothing of an answer stays with it.

    Args:
        sql: As the driver takes it.

    Attributes:
        codes: OIDs of the types of what it was answered last, by column.
    """

    __slots__ = ("_connection", "_driver", "_read_as", "_sql", "_written", "codes")

    def __init__(self, connection: "psycopg.Connection[Any]", sql: bytes) -> None:
        self._connection, self._sql = connection, sql
        self._driver = Transformer(connection)
        self._written: tuple[bytes, Sequence[str], Sequence[PyFormat]] | None = None
        self.codes: list[int] = []
        self._read_as: bytes | None = None

    def say(self, values: Mapping[str, Any]) -> tuple[list[tuple[Any, ...]], int]:
        """Rows, and how many the statement found or changed.

        Raises:
            psycopg.Error: refused, or the connection is broken.
        """
        driver, written = self._driver, self._written
        if written is None:
            query = PostgresQuery(driver)
            query.convert(self._sql, values)
            written = self._written = query.query, query._order or (), query._want_formats or ()
        sql, names, formats = written
        told = driver.dump_sequence([values[name] for name in names], formats)
        known, key = self._connection._prepared._names, (sql, driver.types or ())
        name = known.get(key)
        if name is None:
            return self._by_a_cursor(values)
        known.move_to_end(key)  # the first are taken away when there are too many
        libpq = self._connection.pgconn
        if libpq.transaction_status == _IDLE and not self._connection.autocommit:
            _judge(self._connection, libpq.exec_(self._connection._get_tx_start_command()))
        result = libpq.exec_prepared(name, told, driver.formats, _TEXT)  # type: ignore[arg-type]  # None is null
        if result.status == _ROWS:
            many = result.ntuples
            # Columns of one that is prepared are of the same types each time: how they are read is found out once.
            driver.set_pgresult(result, set_loaders=name != self._read_as)
            rows = driver.load_rows(0, many, tuple)
            driver.set_pgresult(None, set_loaders=False)
            self._read_as = name
            if not self.codes:
                self.codes = [result.ftype(at) for at in range(result.nfields)]
            return rows, many
        _judge(self._connection, result)
        return [], result.command_tuples or 0

    def _by_a_cursor(self, values: Mapping[str, Any]) -> tuple[list[tuple[Any, ...]], int]:
        with self._connection.cursor() as cursor:
            cursor.execute(self._sql, values)
            if cursor.description is None:
                return [], cursor.rowcount
            self.codes = [one.type_code for one in cursor.description]
            return cursor.fetchall(), cursor.rowcount


def _judge(connection: "psycopg.Connection[Any]", result: PGresult) -> None:
    if result.status == _DONE:
        return
    if connection.pgconn.status == _BAD:
        raise psycopg.OperationalError(connection.pgconn.get_error_message())
    raise error_from_result(result, encoding=connection.info.encoding)
