"""Random lives on the real database: each in a transaction that is taken back, and as many as were asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.orm import Session

from tests.conftest import sqlalchemy_url

World = TypeVar("World")
SWEPT_AFTER = 20
"""Lives whose rows, taken back, may lie about before the server clears them away: what looks for a broken promise
reads over all of them, so that each life costs more than the one before it until they are gone."""


class Stage(Generic[World]):
    """A database of its own in which a world stands for good, and on which one life after the other is lived."""

    def __init__(self, engine: Engine, world: World) -> None:
        self.world, self._engine, self._lives = world, engine, 0
        self._connection = engine.connect()

    def enter(self) -> tuple[Connection, Session]:
        """Begin a life: whatever it writes or commits is gone once it is `left`."""
        self._connection.begin()
        return self._connection, Session(
            self._connection, join_transaction_mode="create_savepoint", expire_on_commit=False
        )

    def leave(self, session: Session) -> None:
        """End a life."""
        session.close()
        self._connection.rollback()
        self._lives += 1
        if self._lives % SWEPT_AFTER == 0:
            self._sweep()

    def _sweep(self) -> None:
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            used = "select format('%I.%I', schemaname, relname) from pg_stat_user_tables where n_tup_ins > 0"
            if tables := connection.scalars(text(used)).all():
                connection.execute(text(f"vacuum {', '.join(tables)}"))

    def close(self) -> None:
        """Nobody lives here any more."""
        self._connection.close()


@contextmanager
def stage(libpq_url: str, make: Callable[[Session], World]) -> Iterator[Stage[World]]:
    """A world in a database that is nobody else's.

    Args:
        libpq_url: Of that database, migrated and empty.
        make: Puts into it what every life begins with.
    """
    engine = create_engine(sqlalchemy_url(libpq_url), connect_args={"options": "-c timezone=UTC -c jit=off"})
    with Session(engine, expire_on_commit=False) as session:
        world = make(session)
        session.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("analyze"))
    made = Stage(engine, world)
    yield made
    made.close()
    engine.dispose()


def live(machine: type[RuleBasedStateMachine], *, examples: int, steps: int) -> None:
    """Run so many examples of a state machine."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=max(examples, 1), stateful_step_count=steps, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
