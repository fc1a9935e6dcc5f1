"""One number, whoever asks and however: HTTP, console client, GraphQL and SQL agree to the cent, for every metric."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from consoles.client import Plyo
from contracts import notebook
from contracts.classification import masked
from contracts.metrics import METRICS
from contracts.relations import RELATIONS
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.core.principal import Principal
from operational_api.core.tokens import Delegation
from operational_api.gateway.graphql import execution
from operational_api.gateway.graphql.loaders import Context
from tests.operational_api.analytics.conftest import ANNA, ISSUER, KEY, MIA, person

Points = dict[tuple[str, str | None], float | None]


@pytest.fixture(scope="module")
def sql(settings: AnalyticsSettings) -> Iterator[duckdb.DuckDBPyConnection]:
    """What a notebook has."""
    with notebook.open_lake(settings) as lake:
        yield lake


class Graph:
    """The facade, over this analytics service."""

    def __init__(self, analytics: FastAPI) -> None:
        self.app = FastAPI()
        self.app.state.delegation = Delegation(ISSUER, lambda: KEY)
        self.app.state.analytics_client = TestClient(analytics, base_url=ISSUER)

    def ask(self, text: str, principal: Principal | None) -> dict[str, Any]:
        request = Request({"type": "http", "app": self.app, "headers": []})
        execution.checked(text, {}, may_introspect=False)
        context = Context(request, None, principal, now=datetime.now(UTC))  # type: ignore[arg-type]
        return execution.run(text, variables={}, operation_name=None, context=context)


@pytest.fixture(scope="module")
def graph(app: FastAPI) -> Graph:
    return Graph(app)


def whoever(role: str) -> Principal:
    return Principal(role=role, client_id="tests", account_id=ANNA)


def points(items: list[dict[str, Any]]) -> Points:
    return {(str(one["at"])[:10], one.get("currency")): one["value"] for one in items}


class TestEveryMetric:
    def test_is_the_same_by_api_console_graph_and_sql(
        self, app: FastAPI, graph: Graph, sql: duckdb.DuckDBPyConnection
    ) -> None:
        admin = person(app, "admin", ANNA)
        token = admin.headers["Authorization"].removeprefix("Bearer ")
        console = Plyo(api_url=ISSUER, analytics_url=ISSUER, token=token, transport=admin._transport)
        told: dict[str, Points] = {}
        for name, metric in METRICS.items():
            grain = metric.grains[-1]
            by_api = admin.get(f"/api/analytics/metrics/{name}?grain={grain}").json()
            told[name] = points(by_api["points"])
            assert points(console.metric(name, grain=grain).points.to_dicts()) == told[name], name
            text = f'{{ metric(name: "{name}", grain: "{grain}") {{ definition points {{ at value currency }} }} }}'
            by_graph = graph.ask(text, whoever("admin"))["data"]["metric"]
            assert (points(by_graph["points"]), by_graph["definition"]) == (told[name], metric.definition), name
            if "current_" not in metric.where + metric.expression:  # in SQL, now is now
                rows = sql.execute(f"from metrics.{name}('{grain}')").to_arrow_table().to_pylist()
                assert points(rows) == told[name], name
        assert sum(bool(found) for found in told.values()) > 0.8 * len(METRICS), "most metrics have something to tell"


class TestGraph:
    def test_is_refused_as_analytics_refuses(self, graph: Graph) -> None:
        found = graph.ask('{ metric(name: "mrr") { unit } }', whoever("coach"))
        assert found["data"] == {"metric": None}
        assert found["errors"][0]["extensions"]["code"] == "analytics.whole_business"
        [guest] = graph.ask('{ metric(name: "mrr") { unit } }', None)["errors"]
        assert guest["extensions"]["code"] == "core.unauthenticated"
        [unknown] = graph.ask('{ metric(name: "mrr", by: ["shoe"]) { unit } }', whoever("admin"))["errors"]
        assert unknown["extensions"]["allowed"] == list(METRICS["mrr"].dimensions)

    def test_compares_and_tells_apart(self, graph: Graph) -> None:
        text = """{ metric(name: "attendances", since: "2026-09-08", until: "2026-09-14", grain: "week", by: ["coach"],
            compare: "previous_period") { points { value dimensions { name value } }
            comparison { value compared change dimensions { value } } } }"""
        found = graph.ask(text, whoever("admin"))["data"]["metric"]
        anna = next(one for one in found["comparison"] if one["dimensions"][0]["value"] == str(ANNA))
        assert anna["change"] == anna["value"] - anna["compared"]


class TestSql:
    def test_is_masked_and_read_only(self, sql: duckdb.DuckDBPyConnection) -> None:
        for relation in RELATIONS.values():
            if hidden := masked(relation):
                filled = ", ".join(f"count({name})" for name in hidden)
                assert set(sql.execute(f"select {filled} from {relation.name}").fetchone()) == {0}, relation.name  # type: ignore[arg-type]
        assert sql.execute("select count(customer_id) from core.dim_customers").fetchone() == (3,)
        with pytest.raises(duckdb.Error):
            sql.execute("delete from marts.core.dim_customers")


class TestConsole:
    def test_is_told_that_it_knows_already(self, app: FastAPI) -> None:
        heard: list[int] = []
        admin = person(app, "admin", MIA)
        admin.event_hooks["response"] = []
        token = admin.headers["Authorization"].removeprefix("Bearer ")
        plyo = Plyo(api_url=ISSUER, analytics_url=ISSUER, token=token, transport=admin._transport)
        plyo._analytics.event_hooks = {"response": [lambda answer: heard.append(answer.status_code)]}
        first, second = (plyo.metric("mrr", since=date(2026, 9, 1)) for _ in range(2))
        assert heard == [200, 304]
        assert first.points.equals(second.points)
        assert second.freshness.state == "fresh"
