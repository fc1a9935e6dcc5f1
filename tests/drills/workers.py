"""The deployed worker as a process that a drill may kill: forked from a server that has imported it once."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from tests.conftest import sqlalchemy_url
from tests.forks import Fork, Forks

forks = Forks("tests.operational_api.loaded")
PATIENCE_SECONDS = 600
"""A drill waits for what will come; it measures no time."""


def main(environment: dict[str, str]) -> None:
    """Work until SIGTERM."""
    os.environ.update(environment)
    from operational_api import worker

    sys.exit(worker.main())


class Workshop:
    """A database and the worker on it, of which there is one at a time.

    Attributes:
        kills: How often it was killed.
    """

    def __init__(self, libpq_url: str, **environment: str) -> None:
        self.url, self.kills = libpq_url, 0
        self._environment = {
            "PLYO_DATABASE_URL": sqlalchemy_url(libpq_url), "PLYO_IDLE_SECONDS": "0.2",
            "PLYO_RETRY_FIRST_SECONDS": "0.05", **environment,
        }  # fmt: skip
        self._worker: Fork | None = None

    def start(self) -> None:
        """A worker begins."""
        self._worker = forks.process(main, [self._environment])
        self._worker.start()

    def kill(self) -> None:
        """It ends as by a power cut."""
        assert self._worker is not None
        assert self._worker.is_alive(), "it ended by itself"
        self._worker.kill()
        self._worker.join()
        self.kills += 1

    def stop(self) -> None:
        """It is gone, if it was there."""
        if self._worker is not None:
            self._worker.kill()
            self._worker.join()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database says now."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def value(self, query: str) -> Any:
        """The one value it says."""
        return self.rows(query)[0][0]

    def run(self, statement: str) -> None:
        """Change something, as another process would."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def when(self, fact: Callable[[], Any]) -> Any:
        """The first truthy answer while the worker lives."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := fact()):
            assert time.monotonic() < deadline, "it never came so far"
            assert self._worker is None or self._worker.is_alive(), "the worker ended"
            time.sleep(0.01)
        return found

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction, committed in the end."""
        engine = create_engine(sqlalchemy_url(self.url))
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session
        engine.dispose()
