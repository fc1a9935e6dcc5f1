"""A line asks PostgreSQL in an event loop: one at a time, each committed, opened anew when it was ended."""

import asyncio

import psycopg
import pytest
from sqlalchemy import Integer, column, text

from operational_api.core.lines import Line
from operational_api.core.statements import Change, Statement
from plyo.postgres import PostgresServer

_WHO: Statement[tuple[int]] = Statement(text("select pg_backend_pid() as pid").columns(column("pid", Integer)))
_DOUBLE: Statement[tuple[int]] = Statement(
    text("select 2 * cast(:n as integer) as n from pg_sleep(0.01)").columns(column("n", Integer))
)


@pytest.fixture
def line(postgres: PostgresServer) -> Line:
    return Line(postgres.url().replace("postgresql://", "postgresql+psycopg://"), application_name="test-line")


class TestLine:
    def test_answers_many_who_ask_at_once_each_their_own(self, line: Line) -> None:
        async def ask() -> list[list[tuple[int]]]:
            told = await asyncio.gather(*(line.ask(_DOUBLE, {"n": n}) for n in range(8)))
            await line.close()
            return told

        assert asyncio.run(ask()) == [[(2 * n,)] for n in range(8)]

    def test_goes_on_over_another_connection_when_its_own_was_ended(self, line: Line, postgres: PostgresServer) -> None:
        async def ask() -> None:
            [(first,)] = await line.ask(_WHO, {})
            with psycopg.connect(postgres.url(), autocommit=True) as admin:
                admin.execute("select pg_terminate_backend(%s, 5000)", [first])
            [(second,)] = await line.ask(_WHO, {})
            assert second != first
            await line.close()

        asyncio.run(ask())

    def test_a_refused_statement_ends_nothing_and_a_said_one_is_committed(
        self, line: Line, postgres: PostgresServer
    ) -> None:
        async def say() -> None:
            await line.say(Change(text("create table told_once (n integer primary key)")), {})
            told = Change(text("insert into told_once values (:n)"))
            await line.say(told, {"n": 1})
            [(before,)] = await line.ask(_WHO, {})
            with pytest.raises(psycopg.errors.UniqueViolation):
                await line.say(told, {"n": 1})
            assert await line.ask(_WHO, {}) == [(before,)]
            await line.close()

        asyncio.run(say())
        with psycopg.connect(postgres.url(), autocommit=True) as admin:
            assert admin.execute("select n from told_once").fetchall() == [(1,)]
            admin.execute("drop table told_once")
