"""The admin console's pages, built by Panel against a server that speaks the real API."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from queue import Queue
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import httpx
import panel as pn
import pytest
from panel import auth
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, create_signed_value

from consoles.admin import sign_out
from consoles.admin.app import screen
from consoles.admin.tiles import tile
from consoles.admin.views import automations, coaches, connectors, retention
from consoles.admin.views.data import Data
from consoles.admin.views.overview import TILES, Overview
from consoles.admin.views.revenue import Revenue
from consoles.settings import ConsoleSettings
from consoles.theme import colour
from tests.consoles import business
from tests.consoles.conftest import PlyoServer


@pytest.fixture
def server(plyo_server: PlyoServer) -> PlyoServer:
    plyo_server.datasets |= business.datasets()
    names = {*TILES, "mrr"}
    plyo_server.answers |= {f"api/analytics/metrics/{name}": business.metric(name) for name in names}
    screens = ("overview", "revenue", "retention", "automations", "coaches", "connectors", "data")
    plyo_server.answers["api/bff/admin"] = {
        "account_id": "a", "screens": list(screens), "staff_pages": {"/staff/requests": "Requests"},
        "person": {"display_name": "Ada", "time_zone": "UTC"},
        "currencies": list(business.CURRENCIES), "figures": {name: business.metric(name) for name in TILES},
        "freshness": "fresh", "connectors": [], "is_partial": False, "missing": {},
    }  # fmt: skip
    plyo_server.answers |= {
        "api/analytics/metrics": {"items": [business.metric(name) for name in TILES]},
        "api/analytics/freshness": business.freshness(),
        "api/analytics/lineage/mrr": business.lineage(),
        "api/automation/rules": {"items": [business.rule()]},
        "api/integrations/connectors": {"items": business.connectors()},
    }
    return plyo_server


def words(page: pn.viewable.Viewable) -> str:
    """Everything a page says, as HTML and Markdown sources."""
    return " ".join(str(pane.object) for pane in page.select(pn.pane.PaneBase) if isinstance(pane.object, str))


class TestOverview:
    def test_draws_every_tile_with_its_freshness(self, server: PlyoServer) -> None:
        page = Overview(server.client(), ["EUR", "USD"]).tiles()
        assert len(page.objects) == len(TILES)
        assert words(page).count("fresh, 20 s old") == len(TILES)

    def test_shows_the_chosen_currency(self, server: PlyoServer) -> None:
        overview = Overview(server.client(), ["EUR", "VND"])
        overview.currency = "VND"
        assert "₫" in words(overview.tiles())

    def test_says_what_is_wrong_when_analytics_is_down(self, server: PlyoServer) -> None:
        server.answers["api/bff/admin"] |= {
            "figures": {},
            "is_partial": True,
            "missing": dict.fromkeys(TILES, "failed"),
        }
        assert "not available right now: the figures." in words(Overview(server.client(), ["EUR"]).tiles())

    def test_says_what_is_wrong_when_nothing_answers(self, server: PlyoServer) -> None:
        server.refusals["api/bff/admin"] = (503, {"detail": "Plyo is down."})
        assert "Plyo is down." in words(Overview(server.client(), ["EUR"]).tiles())

    def test_shows_the_figures_that_came_and_names_the_others(self, server: PlyoServer) -> None:
        screen = server.answers["api/bff/admin"]
        del screen["figures"]["mrr"]
        screen |= {"is_partial": True, "missing": {"mrr": "late", "connectors": "failed"}}
        page = Overview(server.client(), ["EUR"], screen).tiles()
        assert words(page).count("fresh, 20 s old") == len(TILES) - 1
        assert "Some of this page is not available right now: MRR and connectors." in words(page)

    def test_is_drawn_from_two_calls(self, server: PlyoServer) -> None:
        """The first screen and the chart below it; it was fifteen."""
        ways, tabs = screen(server.client(), "http://x").objects
        said = words(tabs.objects[0])
        assert 'href="/staff/requests"' in ways.object
        assert said.count("fresh, 20 s old") == len(TILES)
        assert "Customers by stage" in said
        assert sorted(server.asked) == ["api/analytics/datasets/stages_daily", "api/bff/admin"]

    def test_asks_again_for_other_months_and_not_for_another_currency(self, server: PlyoServer) -> None:
        overview = Overview(server.client(), ["EUR", "VND"], server.answers["api/bff/admin"])
        overview.currency = "VND"
        assert "₫" in words(overview.tiles())
        assert server.asked == []
        overview.months = 6
        overview.tiles()
        assert server.asked == ["api/bff/admin"]


class TestTile:
    def test_a_fall_in_attrition_is_good(self, server: PlyoServer) -> None:
        answer = server.client().metric("attrition")
        falling = replace(answer, points=answer.points.with_columns(value=answer.points["value"].reverse()))
        drawn = words(tile(falling, currency="EUR", is_running=False))
        assert "▼" in drawn
        assert colour("good") in drawn

    def test_no_change_is_neither_good_nor_bad(self, server: PlyoServer) -> None:
        answer = server.client().metric("active_members")
        level = replace(answer, points=answer.points.with_columns(value=30.0))
        assert "as the month before" in words(tile(level, currency="EUR", is_running=False))


class TestPages:
    def test_revenue(self, server: PlyoServer) -> None:
        page = Revenue(server.client(), ["EUR"]).body()
        assert "Monthly recurring revenue" in words(page)
        assert server.asked == ["api/analytics/datasets/mrr_daily"], "with the first screen that is two calls"
        assert "Collected, failed, given back" in words(page[2].object())

    def test_retention(self, server: PlyoServer) -> None:
        page = words(retention.page(server.client()))
        assert "Who may leave within 30 days" in page
        assert "How long members stay" in page

    def test_automations_save_a_rule(self, server: PlyoServer) -> None:
        page = automations.page(server.client())
        button = next(widget for widget in page.select(pn.widgets.Button) if widget.name == "Save")
        button.clicks += 1
        method, path, body, _ = server.acted[-1]
        assert (method, path) == ("PATCH", "api/automation/rules/rule1")
        assert body["holdout_percent"] == 20

    def test_automations_say_what_came_of_each_run(self, server: PlyoServer) -> None:
        [table] = automations.page(server.client()).select(pn.widgets.Tabulator)
        assert table.value["Came"].to_list() == ["–", "yes", "no"]
        assert table.value["State"].to_list() == ["open", "acted", "held out"]
        assert table.value["Risk %"].to_list() == [50.0, 60.0, 70.0]

    def test_coaches(self, server: PlyoServer) -> None:
        assert "Coach utilisation" in words(coaches.page(server.client()))

    def test_connectors_tell_how_they_fare(self, server: PlyoServer) -> None:
        page = connectors.page(server.client())
        said = words(page)
        assert "● healthy" in said
        assert "Failing since 2 h ago: deals: HTTP 500" in said
        assert "<code>PLYO_TERRA_API_KEY</code>" in said
        [table, _] = page.select(pn.widgets.Tabulator)
        assert table.value["Goes on after"].to_list() == ["evt_9"]
        shown = [button.name for button in page.select(pn.widgets.Button)]
        assert shown == ["Test", "Pause", "Resync", "Revoke", "Test", "Resume", "Revoke", "Connect"]

    def test_connectors_are_acted_on_and_revoked_only_when_asked_twice(self, server: PlyoServer) -> None:
        page = connectors.page(server.client())

        def press(name: str) -> None:
            next(button for button in page.select(pn.widgets.Button) if button.name == name).clicks += 1

        press("Pause")
        press("Revoke")
        assert [path for _, path, _, _ in server.acted] == ["api/integrations/connectors/stripe/pause"]
        press("Really end Stripe?")
        assert server.acted[-1][1] == "api/integrations/connectors/stripe/revoke"

    def test_connectors_say_why_something_was_not_done(self, server: PlyoServer) -> None:
        path = "api/integrations/connectors/stripe/resync"
        server.refusals[path] = (409, {"detail": "This connector is not connected."})
        page = connectors.page(server.client())
        next(button for button in page.select(pn.widgets.Button) if button.name == "Resync").clicks += 1
        assert "Not done:** This connector is not connected." in words(page)

    def test_data(self, server: PlyoServer) -> None:
        page = Data(server.client(), "http://x")
        assert "What mrr means." in words(page.definition())
        assert "<summary>commerce.<wbr>subscriptions</summary>" in words(page.definition())
        assert "The change stream wrote 6 s ago." in words(page.freshness())
        [table] = page.freshness().select(pn.widgets.Tabulator)
        assert table.value.values.tolist() == [["finance.fct_mrr_daily", "fresh", "20 s", "10 min"]]

    def test_all_of_them_in_tabs(self, server: PlyoServer) -> None:
        assert len(screen(server.client(), "http://x").objects[1].objects) == 7

    def test_only_those_that_the_policy_opens(self, server: PlyoServer) -> None:
        server.answers["api/bff/admin"] |= {"screens": ["connectors"], "figures": {}, "currencies": None}
        shown = screen(server.client(), "http://x").objects[1]
        assert shown._names == ["Connectors"]


class TestTileByCurrency:
    def test_counts_told_by_currency_show_the_chosen_one(self, server: PlyoServer) -> None:
        members = business.metric("active_members")
        members["points"] = [
            point | {"currency": currency, "value": value}
            for point in members["points"]
            for currency, value in (("EUR", 64), ("USD", 49))
        ]
        server.answers["api/analytics/metrics/active_members"] = members
        drawn = tile(server.client().metric("active_members"), currency="EUR", is_running=False)
        assert ">64<" in words(drawn)


class TestSignOut:
    """The handler that Panel is given, answering real requests."""

    PUBLIC = "https://plyo.test"

    @pytest.fixture
    def served(self) -> Iterator[str]:
        settings = ConsoleSettings(
            public_url=self.PUBLIC, console_client_id="plyo-admin", console_client_secret="",
            console_cookie_secret="a-secret",
        )  # fmt: skip
        sign_out.install(settings)
        started: Queue[Any] = Queue()

        def run() -> None:
            async def main() -> None:
                web = Application([("/admin/logout", auth.LogoutHandler)], cookie_secret="a-secret")
                server = HTTPServer(web)
                sockets = bind_sockets(0, "127.0.0.1")
                server.add_sockets(sockets)
                port = sockets[0].getsockname()[1]
                ended = asyncio.Event()
                started.put((asyncio.get_running_loop(), ended, port))
                await ended.wait()
                server.stop()

            asyncio.run(main())

        thread = Thread(target=run, daemon=True)
        thread.start()
        loop, ended, port = started.get(timeout=10)
        yield f"http://127.0.0.1:{port}/admin/logout"
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)

    def test_clears_every_cookie_where_it_was_set_and_signs_out_at_the_provider(self, served: str) -> None:
        held = {name: create_signed_value("a-secret", name, f"the-{name}").decode() for name in sign_out.COOKIES}
        answer = httpx.get(served, cookies=held)
        cleared = answer.headers.get_list("set-cookie")
        assert {one.split("=")[0] for one in cleared} == set(sign_out.COOKIES)
        assert all("Path=/admin" in one and "expires=" in one for one in cleared)
        address, _, query = answer.headers["location"].partition("?")
        assert address == f"{self.PUBLIC}/oidc/logout"
        assert parse_qs(query) == {
            "client_id": ["plyo-admin"], "post_logout_redirect_uri": [f"{self.PUBLIC}/admin/"],
            "id_token_hint": ["the-id_token"],
        }  # fmt: skip

    def test_without_a_believable_cookie_leaves_the_question_to_the_provider(self, served: str) -> None:
        forged = create_signed_value("another-secret", "id_token", "x").decode()
        answer = httpx.get(served, cookies={"id_token": forged})
        assert "id_token_hint" not in answer.headers["location"]
