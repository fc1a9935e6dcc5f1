"""One number, whoever asks and however: HTTP, both consoles, GraphQL and SQL agree to the cent, for every metric."""

import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import panel as pn
import pytest
from fastapi import FastAPI, Request
from streamlit.testing.v1 import AppTest

from consoles import figures
from consoles.admin.tiles import tile
from consoles.admin.views.catalogue import Catalogue
from consoles.client import Plyo
from consoles.coach.views import numbers
from contracts import notebook
from contracts.classification import masked
from contracts.metrics import METRICS, Metric
from contracts.money import exponent
from contracts.relations import RELATIONS
from contracts.warehouse import LakeMissing
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.core.principal import Principal
from operational_api.core.tokens import Delegation
from operational_api.gateway.graphql import execution
from operational_api.gateway.graphql.loaders import Context
from tests.fakes.stripe.testing import served
from tests.operational_api.analytics.conftest import (
    ANNA,
    BORIS,
    ISSUER,
    KEY,
    MIA,
    client_of,
    person,
    serve,
)

pytestmark = pytest.mark.usefixtures("one_loop")

Points = dict[tuple[str, str | None], float | None]
Told = tuple[FastAPI, duckdb.DuckDBPyConnection]


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
        self.app.state.analytics_client = client_of(analytics)

    def ask(self, text: str, principal: Principal | None) -> dict[str, Any]:
        request = Request({"type": "http", "app": self.app, "headers": []})
        execution.checked(text, {}, may_introspect=False)
        context = Context(request, None, principal, now=datetime.now(UTC))  # type: ignore[arg-type]
        return execution.run(text, variables={}, operation_name=None, context=context)


@pytest.fixture(scope="module")
def graph(app: FastAPI, one_loop: None) -> Graph:
    return Graph(app)


def whoever(role: str) -> Principal:
    return Principal(role=role, client_id="tests", account_id=ANNA)


def points(items: list[dict[str, Any]]) -> Points:
    return {(str(one["at"])[:10], one.get("currency")): one["value"] for one in items}


def parts(items: list[dict[str, Any]], by: str) -> dict[tuple[str, str | None, str], float | None]:
    """Points of the parts that a dimension makes."""
    return {(str(one["at"])[:10], one.get("currency"), str(one[by])): one["value"] for one in items}


def read(shown: str, unit: str, currency: str) -> tuple[float, float] | None:
    """A written value back as a number in the metric's own unit, and how far off it may be by its rounding.

    Nothing of what wrote it is used, so a wrong factor, sign or currency is seen.
    """
    if shown == "–":
        return None
    digits = re.search(r"-?[^\d-]*([\d,]+(?:\.\d+)?)", shown)
    assert digits is not None, shown
    number = Decimal(digits[1].replace(",", "")) * (-1 if "-" in shown else 1)
    off = Decimal("0.5").scaleb(-len(digits[1].partition(".")[2]))
    if unit == "money":
        assert {"EUR": "€", "USD": "$"}[currency] in shown
        return float(number.scaleb(exponent(currency))), 0.0  # to the cent
    if unit == "ratio":
        assert shown.endswith(" %")
        if shown.startswith("under "):
            return 0.0, float(number / 100)
        return float(number / 100), float(off / 100)
    assert unit in ("count", "number") or shown.endswith({"hours": " h"}.get(unit, f" {unit}"))
    return float(number), 0.0 if unit == "count" else float(off)


def is_as(shown: str, value: float | None, metric: Metric, currency: str) -> bool:
    """Whether a text tells a number, as exactly as the text is."""
    told = read(shown, metric.unit, currency)
    if told is None or value is None:
        return told is None and value is None
    return abs(told[0] - value) <= told[1] * (1 + 1e-9)


def asks_the_clock(metric: Metric) -> bool:
    """Whether now is in its definition: in SQL that is the moment of asking, on screen that of the snapshot."""
    return "current_" in metric.where + metric.expression


def of_notebook(sql: duckdb.DuckDBPyConnection, metric: Metric, grain: str) -> list[dict[str, Any]]:
    """A metric's points by SQL; none where it asks the clock."""
    if asks_the_clock(metric):
        return []
    return sql.execute(f"from metrics.{metric.name}('{grain}')").to_arrow_table().to_pylist()


def drawn_value(page: pn.viewable.Viewable) -> str:
    """The large figure of a tile or of a metric's page, out of what is sent to the browser."""
    [found] = [
        found[1]
        for pane in page.select(pn.pane.HTML)
        if (found := re.search(r'class="plyo-value"[^>]*>([^<]*)</div>', str(pane.object)))
    ]
    return found


@pytest.fixture(scope="module")
def told(every_number: FastAPI) -> Iterator[Told]:
    """The service in which each metric has a number, and what a notebook has of its lake."""
    with notebook.open_lake(every_number.state.settings) as lake:
        yield every_number, lake


def console_of(app: FastAPI) -> Plyo:
    """An admin's console over an analytics service."""
    admin = person(app, "admin", ANNA)
    token = admin.headers["Authorization"].removeprefix("Bearer ")
    return Plyo(api_url=ISSUER, analytics_url=ISSUER, token=token, transport=admin._transport)


class TestEveryMetric:
    def test_is_drawn_by_the_admin_console_as_sql_tells_it(self, told: Told) -> None:
        """Tiles in full, read back from their HTML and set beside the SQL that they name, run by somebody else."""
        app, sql = told
        console = console_of(app)
        drawn = set()
        for name, metric in METRICS.items():
            grain = metric.grains[-1]
            answer = console.metric(name, grain=grain)
            rows = sql.execute(answer.sql).to_arrow_table().to_pylist()  # what "How it is made" unfolds to
            if not asks_the_clock(metric):
                assert points(rows) == points(of_notebook(sql, metric, grain)), name
            for currency in ("EUR", "USD") if metric.has_currency else ("EUR",):
                mine = [one for one in rows if one.get("currency") in (None, currency)]
                last = max(mine, key=lambda one: one["at"])["value"] if mine else None
                shown = drawn_value(tile(answer, currency=currency))
                assert is_as(shown, last, metric, currency), (name, currency, shown, last)
                if metric.unit == "money" and last is not None:  # the reader above would see a cent
                    assert not is_as(shown, last + 1, metric, currency)
                drawn |= {name} if last is not None else set()
        assert drawn == set(METRICS), "each has a number that could have been drawn wrong"

    def test_has_a_page_in_the_catalogue_that_shows_its_number(self, told: Told) -> None:
        app, _ = told
        admin, catalogue = person(app, "admin", ANNA), Catalogue(console_of(app), ["EUR", "USD"])
        assert list(catalogue.param.metric.objects.values()) == list(METRICS), "it lists all of them"
        catalogue.period = "last_12_months"
        for name, metric in METRICS.items():
            catalogue.open(name)
            asked = {"period": "last_12_months"} | ({"currency": catalogue.currency} if metric.has_currency else {})
            [one] = admin.get(f"/api/analytics/metrics/{name}", params=asked).json()["total"]["items"]
            shown = drawn_value(catalogue.trend())
            assert is_as(shown, one["value"], metric, catalogue.currency), (name, shown, one)

    def test_is_compared_on_screen_as_the_rows_of_both_periods_tell(self, told: Told) -> None:
        """September beside August: the value, the other, and the change between them, each read back."""
        app, sql = told
        console = console_of(app)
        compared = set()
        for name, metric in METRICS.items():
            answer = console.metric(
                name, grain=None, since=date(2026, 9, 1), until=date(2026, 9, 30), compare="previous_period"
            )
            months = {} if metric.grains[0] == "week" else points(of_notebook(sql, metric, "month"))
            for currency in ("EUR", "USD") if metric.has_currency else ("EUR",):
                found = figures.compared(answer, currency)
                assert found is not None
                shown = drawn_value(tile(answer, currency=currency))
                assert shown == found.value
                whole = months.get(("2026-09-01", currency if metric.has_currency else None))
                if whole is not None:
                    assert is_as(shown, whole, metric, currency), (name, shown, whole)
                [row] = [
                    one for one in answer.comparison.iter_rows(named=True) if one.get("currency") in (None, currency)
                ] or [{}]
                if row.get("change"):
                    change = found.change.removeprefix("+").replace(" points", " %")
                    assert is_as(change, row["value"] - row["compared"], metric, currency), (name, found.change)
                    assert found.change[0] == ("+" if row["value"] > row["compared"] else "-") or change[0] == "0"
                    compared.add(name)
        assert len(compared) > 0.4 * len(METRICS)

    def test_is_the_same_by_api_console_graph_and_sql(self, told: Told) -> None:
        app, sql = told
        admin, console, graph = person(app, "admin", ANNA), console_of(app), Graph(app)
        numbers_told: dict[str, Points] = {}
        for name, metric in METRICS.items():
            grain = metric.grains[-1]
            by_api = admin.get(f"/api/analytics/metrics/{name}?grain={grain}").json()
            numbers_told[name] = found = points(by_api["points"])
            assert points(console.metric(name, grain=grain).points.to_dicts()) == found, name
            text = f'{{ metric(name: "{name}", grain: "{grain}") {{ definition points {{ at value currency }} }} }}'
            by_graph = graph.ask(text, whoever("admin"))["data"]["metric"]
            assert (points(by_graph["points"]), by_graph["definition"]) == (found, metric.definition), name
            if not asks_the_clock(metric):
                assert points(of_notebook(sql, metric, grain)) == found, name
        silent = {name for name, found in numbers_told.items() if not any(one is not None for one in found.values())}
        assert silent == set(), "each has a number that could have differed"

    @pytest.mark.parametrize("by_all", [False, pytest.param(True, marks=pytest.mark.drill)])
    def test_is_the_same_told_apart_by_each_of_its_dimensions(self, told: Told, by_all: bool) -> None:
        """By one of them, another for each metric in turn; the drill takes every one of every metric."""
        app, sql = told
        admin, console, graph = person(app, "admin", ANNA), console_of(app), Graph(app)
        apart = set()
        for turn, (name, metric) in enumerate(METRICS.items()):
            grain, ways = metric.grains[-1], metric.dimensions
            for by in ways if by_all else ways[turn % len(ways) :][:1] if ways else ():
                answer = admin.get(f"/api/analytics/metrics/{name}?grain={grain}&by={by}").json()
                found = parts(answer["points"], by)
                assert len(found) == len(answer["points"]), (name, by, "each part has one number")
                assert parts(console.metric(name, grain=grain, by=(by,)).points.to_dicts(), by) == found, (name, by)
                rows = sql.execute(answer["sql"]).to_arrow_table().to_pylist()
                assert parts(rows, by) == found, (name, by)
                text = f"""{{ metric(name: "{name}", grain: "{grain}", by: ["{by}"]) {{
                    points {{ at value currency dimensions {{ name value }} }} }} }}"""
                by_graph = graph.ask(text, whoever("admin"))["data"]["metric"]["points"]
                flat = [one | {part["name"]: part["value"] for part in one["dimensions"]} for one in by_graph]
                assert parts(flat, by) == found, (name, by)
                apart |= {by} if len({part for _, _, part in found}) > 1 else set()
        of_one = {"location", "cohort"}  # there is one studio here, and all joined in one month
        every = {by for metric in METRICS.values() for by in metric.dimensions}
        assert apart <= every - of_one
        assert apart == every - of_one or not by_all
        assert len(apart) > 5


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

    def test_before_the_first_build_says_so_and_not_that_a_metric_is_unknown(
        self, empty_settings: AnalyticsSettings
    ) -> None:
        with pytest.raises(LakeMissing, match="No mart is built yet"):
            notebook.open_lake(empty_settings)


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


def numbers_page(url: str, token: str) -> None:
    from consoles.client import Plyo
    from consoles.coach.session import Person
    from consoles.coach.views import numbers as view

    view.page(Plyo(api_url=url, analytics_url=url, token=token), Person("c", "Anna", "Europe/Berlin"))


class TestCoachConsole:
    """The page in full, drawn by Streamlit from a served analytics service."""

    def test_shows_each_of_the_coachs_numbers_as_the_service_tells_that_coach(
        self, settings: AnalyticsSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # Streamlit leaves its page there
        app = serve(settings)
        anna = person(app, "coach", ANNA)
        token = anna.headers["Authorization"].removeprefix("Bearer ")
        with served(app) as running:
            page = AppTest.from_function(numbers_page, args=(running.url, token), default_timeout=120).run()
            page.selectbox[0].set_value("last_12_months").run()
            assert not page.exception
            shown = {one.label: one.value for one in page.metric}
            names = [name for group in numbers.SHOWN.values() for name in group]
            assert list(shown) == [METRICS[name].label for name in names], "none is refused"
            asked = {"period": "last_12_months", "compare": "previous_period", "currency": "all"}
            for name in names:
                told = anna.get(f"/api/analytics/metrics/{name}", params=asked).json()["total"]["items"]
                value = told[0]["value"] if told else None
                assert is_as(shown[METRICS[name].label], value, METRICS[name], "EUR"), name
            assert sum(one != "–" for one in shown.values()) > 5
            clients = METRICS["active_clients"]
            boris = person(app, "coach", BORIS).get("/api/analytics/metrics/active_clients", params=asked).json()
            assert not is_as(shown[clients.label], boris["total"]["items"][0]["value"], clients, "EUR")
