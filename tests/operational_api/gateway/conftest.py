"""How many SQL statements something takes."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy.orm import Session

from tests.operational_api.statements import heard


@pytest.fixture
def statements(session: Session) -> Iterator[Callable[[], list[str]]]:
    """The SQL statements since the last call, without what begins each transaction: saying who looks."""
    with heard(session.connection().engine) as said:

        def since() -> list[str]:
            found = list(said)
            said.clear()
            return found

        yield since
