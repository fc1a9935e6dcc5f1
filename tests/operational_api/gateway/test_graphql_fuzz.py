"""Queries generated from the graph itself, for every role: no crash, and no error without a code that we know."""

import os
import re

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, settings
from sqlalchemy.orm import Session

from operational_api.gateway.graphql.schema import SCHEMA
from tests.factories import account_of, make_account, make_booking, make_client, make_coach, make_slot
from tests.operational_api.conftest import SignIn

EXAMPLES = int(os.environ.get("PLYO_FUZZ_EXAMPLES", "3"))
schema = schemathesis.graphql.from_dict(SCHEMA.introspect())


@pytest.fixture
def people(session: Session, sign_in: SignIn, api: TestClient) -> dict[str, TestClient]:
    coach = make_coach(session)
    client = make_client(session, coach=coach)
    make_booking(session, slot=make_slot(session, coach=coach), customer_id=client.id)
    return {
        "guest": api,
        "customer": sign_in(account_of(session, client)),
        "coach": sign_in(account_of(session, coach)),
        "admin": sign_in(make_account(session, role="admin")),
    }


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, phases=[Phase.generate], deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_every_query_is_answered_or_refused_with_a_code(case: schemathesis.Case, people: dict[str, TestClient]) -> None:
    for role, person in people.items():
        answer = person.post("/api/graphql", json={"query": str(case.body)})
        found = answer.json()
        if answer.status_code != 200:
            assert answer.status_code in (403, 422), (role, found)
            assert re.fullmatch(r"(gateway|core)\.\w+", found["code"])
            continue
        for error in found.get("errors", []):
            assert error["extensions"]["code"] != "core.unexpected", (role, case.body, error)
