"""How many SQL statements something takes."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

_AROUND = ("SAVEPOINT", "RELEASE", "ROLLBACK", "SELECT identity.login_sessions.id AS ")


@pytest.fixture
def statements(session: Session) -> Iterator[Callable[[], list[str]]]:
    """The SQL statements since the last call, without the look at the caller's session that begins each request."""
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
