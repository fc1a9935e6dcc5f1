"""Random lives on the real database: a world that is taken back, and as many examples as were asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

World = TypeVar("World")


@contextmanager
def taken_back(engine: Engine, make: Callable[[Session], World]) -> Iterator[tuple[World, Connection]]:
    """A world inside a transaction that is taken back in the end."""
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
            world = make(session)
            session.commit()
            yield world, connection
        outer.rollback()


def live(machine: type[RuleBasedStateMachine], *, examples: int, steps: int) -> None:
    """Run so many examples of a state machine."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=max(examples, 1), stateful_step_count=steps, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
