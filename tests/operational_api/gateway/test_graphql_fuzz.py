"""Queries generated from the graph itself, for every role: no crash, and no error without a code that we know.

The whole graph is asked: each field of the query, and of a mutation as soon as there is one. `make fuzz` asks hundreds.
"""

import re

import pytest
import schemathesis

from operational_api.gateway.graphql.schema import SCHEMA
from tests.operational_api.fuzzing import FEW_OR_MANY, Everybody, asked, everybody

__all__ = ["asked", "everybody"]
TOLD = SCHEMA.introspect()
schema = schemathesis.graphql.from_dict(TOLD)
REACHED: set[str] = set()
"""Root fields that somebody's generated query was run for and not only refused as a text."""


def root_fields() -> set[str]:
    """Every field of the graph that a request can begin with."""
    types = {one["name"]: one for one in TOLD["__schema"]["types"]}
    roots = [TOLD["__schema"][f"{kind}Type"] for kind in ("query", "mutation", "subscription")]
    return {field["name"] for root in roots if root for field in types[root["name"]]["fields"]}


@schema.parametrize()
@FEW_OR_MANY
def test_every_query_is_answered_or_refused_with_a_code(case: schemathesis.Case, asked: Everybody) -> None:
    for role in asked.headers:
        answer = asked.ask(role, "POST", "/api/graphql", json={"query": str(case.body)})
        found = answer.json()
        if answer.status_code != 200:
            assert answer.status_code in (403, 422), (role, found)
            assert re.fullmatch(r"(gateway|core)\.\w+", found["code"])
            continue
        REACHED.add(case.operation.definition.field_name)
        for error in found.get("errors", []):
            assert error["extensions"]["code"] != "core.unexpected", (role, case.body, error)


def test_the_whole_graph_was_asked() -> None:
    """Runs last, in the file's own order; a field that nobody's query reached was not tested, whatever passed."""
    if not REACHED:
        pytest.skip("this test was run alone")
    assert root_fields() == REACHED
