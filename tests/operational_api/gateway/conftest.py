"""How many SQL statements something takes."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

_AROUND = (
    "SAVEPOINT",
    "RELEASE",
    "ROLLBACK",
    "set local role ",
    "select set_config('plyo.",
    "select set_config('role'",
)


@pytest.fixture
def statements(session: Session) -> Iterator[Callable[[], list[str]]]:
    """The SQL statements since the last call, without what begins each transaction: saying who looks."""
    heard: list[str] = []
    engine = session.get_bind().engine

    def note(*told: object) -> None:
        heard.append(str(told[2]))

    def since() -> list[str]:
        found = [one for one in heard if not one.startswith(_AROUND)]
        heard.clear()
        return found

    event.listen(engine, "before_cursor_execute", note)
    yield since
    event.remove(engine, "before_cursor_execute", note)
