"""How many SQL statements something takes."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

_AROUND = (
    "SAVEPOINT", "RELEASE", "ROLLBACK", "SELECT identity.login_sessions.id AS ", "SELECT platform.role_changes.",
    "set local role ", "select set_config('plyo.", "select set_config('role'",
)  # fmt: skip


@pytest.fixture
def statements(session: Session) -> Iterator[Callable[[], list[str]]]:
    """The SQL statements since the last call, without what begins each request: the look at the caller's
    session and role, and saying who looks."""
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
