"""How many SQL statements each operation takes, fixed in `statements.json`: one more is a decision, never an accident.

`python -m pytest tests/operational_api/test_statements.py --record-statements` writes what is measured, and review
reads the difference.
What begins a transaction (who looks) is not counted. An operation that is refused with what the matrix sends
has no row.
"""

import asyncio
import json
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session

from tests.operational_api.matrix import ROLES_OF
from tests.operational_api.reach import OBJECTS
from tests.operational_api.statements import heard
from tests.operational_api.world import Asking, asking_of, routes_of

RECORDED = Path(__file__).with_name("statements.json")
BY_THE_CLOCK = ("identity.signing_keys", "identity.oauth_clients.access_token_seconds")
"""Asked once a while by whichever request comes then."""


def measured(app: FastAPI, session: Session, asking: Asking) -> dict[str, list[str]]:
    """What each operation says to the database the second time, asked by the first role that may."""
    found: dict[str, list[str]] = {}

    async def go() -> None:
        for route in routes_of(app):
            about, roles = OBJECTS.get(route.key), ROLES_OF[route.action or ""].split()
            if about:
                roles = [one for one in roles if one in (about.own or about.every).split()]
            role = roles[0] if roles[0] != "guest" or "customer" not in roles else "customer"
            id_ = asking.world.own(about.of, role) if about else None
            await asking.ask(route, role, id_, about)  # caches are warm from here on
            with heard(session.connection().engine) as said:
                answer = await asking.ask(route, role, id_, about)
            if answer.status < 400:
                found[f"{route.key} {role}"] = [one for one in said if not any(known in one for known in BY_THE_CLOCK)]

    asyncio.run(go())
    return found


def counts(found: dict[str, list[str]]) -> dict[str, int]:
    return {key: len(said) for key, said in sorted(found.items())}


class TestStatements:
    def test_each_operation_takes_as_many_as_written_down(
        self, app: FastAPI, session: Session, request: pytest.FixtureRequest
    ) -> None:
        found = measured(app, session, asking_of(app, session))
        if request.config.getoption("--record-statements"):
            RECORDED.write_text(json.dumps(counts(found), indent=2) + "\n")
        expected = json.loads(RECORDED.read_text())
        wrong = [
            f"{key}: {len(found.get(key, []))} instead of {expected.get(key)}\n  " + "\n  ".join(found.get(key, []))
            for key in sorted(found.keys() | expected.keys())
            if len(found.get(key, [])) != expected.get(key)
        ]
        assert not wrong, "\n".join(wrong)

    def test_none_takes_more_where_there_is_more(self, app: FastAPI, session: Session) -> None:
        """No operation asks once for each row."""
        few = measured(app, session, asking_of(app, session, of_each=2))
        many = measured(app, session, asking_of(app, session, of_each=5))
        assert few.keys() == many.keys()
        wrong = [
            f"{key}: {len(said)}, then {len(many[key])}\n  " + "\n  ".join(many[key])
            for key, said in few.items()
            if len(many[key]) > len(said)
        ]
        assert not wrong, "\n".join(wrong)
