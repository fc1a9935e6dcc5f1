"""The admin console's pages, built by Panel against a server that speaks the real API."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from queue import Queue
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import httpx
import panel as pn
import polars as pl
import pytest
from panel import auth
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, create_signed_value

from consoles.admin import sign_out
from consoles.admin.app import screen
from consoles.admin.tiles import comparison, tile
from consoles.admin.views import automations, coaches, connectors, effects, retention
from consoles.admin.views.data import QUALITY, Data, waiting
from consoles.admin.views.overview import TILES, Overview
from consoles.admin.views.revenue import Revenue
from consoles.settings import ConsoleSettings
from consoles.theme import colour
from contracts.metrics import Better
from tests.consoles import business
from tests.consoles.admin import words
from tests.consoles.conftest import PlyoServer


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
        ways, _menu, tabs = screen(server.client(), "http://x").objects
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
    def test_sets_the_periods_number_beside_the_others_in_its_own_unit(self, server: PlyoServer) -> None:
        drawn = words(tile(server.client().metric("mrr"), currency="VND"))
        assert ">1,500,000 ₫<" in drawn
        assert "▲ +500,000 ₫ (+50.0 %) on 1,000,000 ₫, 1 Oct to 26 Oct 2026" in drawn

    @pytest.mark.parametrize(
        ("better", "change", "token"),
        [("less", 0.05, "bad"), ("less", -0.05, "good"), ("more", 0.05, "good"), ("neither", 0.05, "ink-soft"),
         ("more", 0, "ink-soft")],
    )  # fmt: skip
    def test_colours_what_is_good_news(self, server: PlyoServer, better: Better, change: float, token: str) -> None:
        answer = server.client().metric("attrition")
        moved = answer.comparison.with_columns(change=pl.lit(change), relative_change=pl.lit(change / 0.1))
        drawn = words(comparison(replace(answer, better=better, comparison=moved), "EUR"))
        assert f"color:{colour(token)}" in drawn
        assert ("▲" in drawn, "▼" in drawn) == (change > 0, change < 0)

    @pytest.mark.parametrize("state", ["fresh", "late", "stale"])
    def test_says_how_late_it_is_and_for_what_it_waits(self, server: PlyoServer, state: str) -> None:
        told = {"state": state, "age_seconds": 1200, "because": "commerce__payments"}
        server.answers["api/analytics/metrics/mrr"] |= {"freshness": told}
        drawn = words(tile(server.client().metric("mrr"), currency="EUR"))
        waits = ", waits for commerce payments" if state != "fresh" else ""
        token = {"fresh": "good", "late": "warn", "stale": "bad"}[state]
        assert f'color:{colour(token)}" title="How old the data is">● {state}, 20 min old{waits}<' in drawn

    def test_what_was_never_judged_is_not_called_fresh(self, server: PlyoServer) -> None:
        nobody = {"state": "not judged yet", "age_seconds": None, "data_as_of": None, "snapshot_id": 1}
        told = business.metric("drifted_columns") | {"points": [], "freshness": nobody}
        server.answers["api/analytics/metrics/drifted_columns"] = told
        said = words(tile(server.client().metric("drifted_columns"), currency=""))
        assert "not judged yet" in said
        assert "fresh" not in said.replace("How old the data is", "")

    def test_unfolds_to_meaning_owner_and_sql(self, server: PlyoServer) -> None:
        drawn = words(tile(server.client().metric("mrr"), currency="EUR"))
        assert "What mrr means." in drawn
        assert "*Left out:* None." in drawn
        assert "*Owner:* finance" in drawn
        assert "select 1" in drawn


class TestPages:
    def test_revenue(self, server: PlyoServer) -> None:
        page = Revenue(server.client(), ["EUR"]).body()
        assert "Monthly recurring revenue" in words(page)
        assert server.asked == ["api/analytics/datasets/mrr_daily"], "with the first screen that is two calls"
        assert "Collected, failed, given back" in words(page[3].object())

    def test_revenue_is_told_by_plan(self, server: PlyoServer) -> None:
        told = server.answers["api/analytics/metrics/mrr"] = business.metric("mrr")
        told["comparison"]["items"] = [
            {"plan": plan, "currency": "EUR", "value": value, "compared": 10_000, "change": value - 10_000,
             "relative_change": value / 10_000 - 1} for plan, value in (("coach-1", 9_000), ("unlimited", 12_000))
        ]  # fmt: skip
        nothing = {"plan": None, "currency": "EUR", "value": 0, "compared": 0, "change": 0, "relative_change": None}
        told["comparison"]["items"].append(nothing)
        plans = [{"plan_code": "coach-1", "plan_name": "Once a week", "currency": one} for one in business.CURRENCIES]
        server.answers["api/analytics/datasets/core.dim_plans"] = {"items": plans}
        drawn = Revenue(server.client(), ["EUR"]).body()[2].object()
        [table] = drawn.select(pn.widgets.Tabulator)
        assert table.value.iloc[0].to_list() == ["unlimited", "€120.00", "€100.00", "+€20.00", "+20.0 %"]
        assert table.value["Plan"].to_list() == ["unlimited", "Once a week"], "of no plan is nothing: left out"
        assert "€210.00 together" in words(drawn)
        assert any(asked.get("by") == "plan" for _, asked in server.told)

    def test_revenue_of_no_plan_is_in_what_adds_up(self, server: PlyoServer) -> None:
        told = server.answers["api/analytics/metrics/mrr"] = business.metric("mrr")
        one = {"currency": "EUR", "value": 10_000, "compared": 10_000, "change": 0, "relative_change": 0.0}
        told["comparison"]["items"] = [{"plan": "unlimited"} | one, {"plan": None} | one]
        server.answers["api/analytics/datasets/core.dim_plans"] = {"items": []}
        drawn = Revenue(server.client(), ["EUR"]).body()[2].object()
        [table] = drawn.select(pn.widgets.Tabulator)
        assert set(table.value["Plan"]) == {"unlimited", "of no plan"}
        assert "€200.00 together" in words(drawn)

    def test_revenue_tells_what_pack_buyers_are_worth_the_most_first(self, server: PlyoServer) -> None:
        drawn = Revenue(server.client(), ["EUR"]).body()[4].object()
        [shown] = drawn.select(pn.widgets.Tabulator)
        assert shown.value["Customer"].to_list() == ["Often Otto", "Rare Rita"]
        assert shown.value.iloc[0].to_list()[4:] == ["97%", 10.4, "€120.00", "€1,248.02"]
        assert "2 without a membership, who will probably bring €1,320.02" in words(drawn)

    def test_revenue_says_why_pack_buyers_are_told_no_value(self, server: PlyoServer) -> None:
        drawn = Revenue(server.client(), ["VND"]).body()[4].object()
        assert "not known yet: 2 people bought twice." in words(drawn)
        drawn = Revenue(server.client(), ["USD"]).body()[4].object()
        assert "Nobody without a membership has bought a pack" in words(drawn)

    def test_retention_tells_what_follows_training_load(self, server: PlyoServer) -> None:
        drawn = effects.card(server.client())
        said = words(drawn)
        assert "no proof of a cause" in said
        [shown] = drawn.select(pn.widgets.Tabulator)
        spike, rest, _ = shown.value.to_dict("records")
        assert (spike["Difference"], spike["95 % interval"]) == ("+4.4 %", "1.2 to 7.6 %")
        assert (rest["Difference"], rest["Clients in it"]) == ("–", 4)
        missed, left = drawn.select(pn.pane.Plotly)
        assert [len(one.object.data[0].y) for one in (missed, left)] == [2, 1], "each with the same client's, if known"

    def test_retention_says_that_nothing_was_measured_yet(self, server: PlyoServer) -> None:
        server.datasets["training_effects"] = server.datasets["training_effects"].head(0)
        assert "weekly after that" in words(effects.card(server.client()))

    def test_retention(self, server: PlyoServer) -> None:
        page = words(retention.page(server.client(), "Europe/Berlin"))
        assert "Who may leave within 30 days" in page
        assert "How long members stay" in page

    def test_retention_tells_where_new_people_stop(self, server: PlyoServer) -> None:
        page = retention.page(server.client(), "Europe/Berlin")
        told = [one.object for one in page.select(pn.pane.Plotly) if list(one.object.data[0].x)[:1] == ["goal"]]
        assert [list(one.data[0].x) for one in told] == [["goal", "screening", "consents", "plan", "booking", "mood"]]
        assert "What onboarding_drop_off means." in words(page)
        server.answers["api/analytics/metrics/onboarding_drop_off"]["total"]["items"] = []
        assert "had a week for it" in words(retention.page(server.client(), "Europe/Berlin"))

    def test_retention_tells_what_pushes_most_and_whole_words(self, server: PlyoServer) -> None:
        found = [{"label": f"A reason of {n} words that is long", "contribution": n / 10} for n in range(-1, 7)]
        one = server.datasets["watchlist"].head(1).with_columns(reasons=pl.lit(json.dumps(found)))
        server.datasets["watchlist"] = one
        [shown, _] = retention.page(server.client(), "Europe/Berlin").select(pn.widgets.Tabulator)
        assert list(shown.value["Why"]) == [" · ".join(f"A reason of {n} words that is long" for n in (6, 5, 4, 3))]

    def test_what_did_not_answer_is_asked_again_in_its_place(self, server: PlyoServer) -> None:
        server.refusals["api/analytics/datasets/watchlist"] = (503, {"detail": "Plyo is down."})
        page = retention.page(server.client(), "Europe/Berlin")
        assert "Who may leave" not in words(page)
        server.refusals.clear()
        [again] = [one for one in page.select(pn.widgets.Button) if one.name == "Try again"]
        again.clicks += 1
        assert "Who may leave" in words(page)
        assert not [one for one in page.select(pn.widgets.Button) if one.name == "Try again"]

    def test_automations_save_a_rule(self, server: PlyoServer) -> None:
        page = automations.page(server.client(), "Europe/Berlin")
        button = next(widget for widget in page.select(pn.widgets.Button) if widget.name == "Save")
        button.clicks += 1
        method, path, body, _ = server.acted[-1]
        assert (method, path) == ("PATCH", "api/automation/rules/rule1")
        assert body["holdout_percent"] == 20

    def test_automations_say_what_came_of_each_run(self, server: PlyoServer) -> None:
        at = datetime(2026, 11, 2, 23, 30, tzinfo=UTC)
        runs = server.datasets["automation_runs"].with_columns(started_at=pl.lit(at))
        server.datasets["automation_runs"] = runs
        [table] = automations.page(server.client(), "Europe/Berlin").select(pn.widgets.Tabulator)
        assert table.value["Came"].to_list() == ["–", "yes", "no"]
        assert set(table.value["Met"]) == {"3 Nov 2026, 00:30"}, "as the reader's clock has it"
        assert table.value["State"].to_list() == ["open", "acted", "held out"]
        assert table.value["Risk %"].to_list() == [50.0, 60.0, 70.0]

    def test_coaches(self, server: PlyoServer) -> None:
        told = {"Cara Coach": 0.7, "Ben Mentor": 0.4667}
        items = [{"coach": name, "value": share} for name, share in told.items()]
        server.answers["api/analytics/metrics/utilisation"]["total"]["items"] = items
        page = coaches.page(server.client())
        assert "Coach utilisation" in words(page)
        (table,) = page.select(pn.widgets.Tabulator)
        shown = table.value.set_index("coach_name")["utilisation"]
        assert list(shown.items()) == [("Cara Coach", 70.0), ("Ben Mentor", 46.7)]

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
        page = Data(server.client(), "http://x", zone="UTC")
        assert f'<li style="color:{colour("warn")}">● commerce__payments is late, 20 min: 2 numbers' in words(
            page.freshness()
        )
        assert "The change stream wrote 6 s ago." in words(page.freshness())
        for name in QUALITY:
            server.answers[f"api/analytics/metrics/{name}"] = business.metric(name)
        assert words(page.quality()).count("fresh, 20 s old") == len(QUALITY)
        assert "/warehouse/quality" in words(page.__panel__())
        [table] = page.freshness().select(pn.widgets.Tabulator)
        assert table.value.values.tolist() == [["finance.fct_mrr_daily", "fresh", "20 s", "10 min"]]

    def test_data_says_of_what_nobody_has_judged_only_what_numbers_wait_for(self) -> None:
        unjudged = {"source": "quality.fct_column_distances", "state": "not judged yet", "age_seconds": None}
        assert "is not judged yet: 1 number waits for it" in waiting({"sources": [unjudged | {"metrics": ["a"]}]})
        assert waiting({"sources": [unjudged | {"metrics": []}]}) == ""

    def test_data_tells_what_suites_said_the_newest_first(self, server: PlyoServer) -> None:
        page = Data(server.client(), "http://x", zone="Europe/Berlin")
        told = {
            "judged_at": "2026-11-03T17:30:00+00:00", "raw_table": "stripe__charges", "judged_where": "before landing",
            "judged_rows": 1200, "refused_rows": 3, "is_met": False, "expectation": "amount is above 0 (3)",
        }  # fmt: skip
        good = told | {"judged_where": "in raw", "refused_rows": 0, "is_met": True, "expectation": None}
        server.answers["api/analytics/datasets/suite_judgements"] = {"items": [told, good]}
        [table] = page.judgements().select(pn.widgets.Tabulator)
        assert list(table.value.columns) == ["When", "Table", "Judged", "Outcome", "Rows aside", "Not met"]
        assert table.value.values.tolist() == [
            ["Tue 3 Nov, 18:30", "stripe__charges", "a batch", "3 of 1,200 are not", 3, "amount is above 0 (3)"],
            ["Tue 3 Nov, 18:30", "stripe__charges", "what is in raw", "all rows are good", 0, "–"],
        ]
        server.answers["api/analytics/datasets/suite_judgements"] = {"items": []}
        assert "No suite has judged anything yet." in words(pn.Column(page.judgements()))

    def test_all_of_them_in_tabs(self, server: PlyoServer) -> None:
        _, menu, pages = screen(server.client(), "http://x").objects
        assert list(menu.options) == pages._names
        assert len(menu.options) == 8

    def test_are_opened_by_a_menu_of_buttons_that_follows_them(self, server: PlyoServer) -> None:
        _, menu, pages = screen(server.client(), "http://x").objects
        menu.value = menu.options["Data"]
        assert pages._names[pages.active] == "Data"
        pages.active = 0
        assert menu.value == 0

    def test_a_tile_leads_to_its_metrics_page(self, server: PlyoServer) -> None:
        _, menu, pages = screen(server.client(), "http://x").objects
        drawn = pages.objects[0].tiles() if hasattr(pages.objects[0], "tiles") else pages.objects[0]
        next(one for one in drawn.select(pn.widgets.Button) if one.name.startswith("Trend")).clicks += 1
        assert pages._names[pages.active] == "Metrics"
        assert menu.value == menu.options["Metrics"]

    def test_only_those_that_the_policy_opens(self, server: PlyoServer) -> None:
        server.answers["api/bff/admin"] |= {"screens": ["connectors"], "figures": {}, "currencies": None}
        shown = screen(server.client(), "http://x").objects[2]
        assert shown._names == ["Connectors"]


class TestThePast:
    """A day is chosen: everything is asked as of then, and the page says so for as long as it is."""

    def test_is_asked_for_and_announced(self, server: PlyoServer) -> None:
        overview = Overview(server.client(), ["EUR"], server.answers["api/bff/admin"])
        assert "As known on" not in words(pn.Column(overview.banner()))
        overview.as_of = date(2026, 11, 3)
        assert "**As known on 3 Nov 2026.**" in words(overview.banner())
        drawn = overview.tiles()
        assert len(drawn.objects) == len(TILES)
        mine = [told for path, told in server.told if path == "api/analytics/metrics/mrr"]
        assert {told["as_of"] for told in mine} == {"2026-11-03"}
        assert sorted(told.get("compare", "") for told in mine) == ["", "previous_period"]
        [back] = overview.banner().select(pn.widgets.Button)
        back.clicks += 1
        assert overview.as_of is None

    def test_marks_what_was_restated_and_why(self, server: PlyoServer) -> None:
        late = {"at": "2026-09-01", "currency": "EUR", "then": 100_00, "now": 120_50,
                "why": ["late rows: they arrived after this was told"]}  # fmt: skip
        server.answers["api/analytics/metrics/mrr"] |= {"restated": [late, late | {"currency": "VND"}]}
        drawn = tile(server.client().metric("mrr", as_of="2026-10-01"), currency="EUR")
        [marker] = [
            card for card in drawn.select(pn.Card) if "Restated since: 1 point" in words(pn.Column(card.header))
        ]
        assert "1 Sep 2026: €100.00, now €120.50 (late rows: they arrived after this was told)" in words(marker)

    def test_further_than_the_lake_remembers_is_said(self, server: PlyoServer) -> None:
        overview = Overview(server.client(), ["EUR"], server.answers["api/bff/admin"])
        for name in TILES:
            server.refusals[f"api/analytics/metrics/{name}"] = (
                422,
                {"detail": "The lake does not remember that moment."},
            )
        overview.as_of = date(2020, 1, 1)
        assert "The lake does not remember that moment." in words(pn.Column(overview.tiles()))


class TestTileByCurrency:
    def test_counts_told_by_currency_show_the_chosen_one(self, server: PlyoServer) -> None:
        members = business.metric("active_members")
        members["points"] = [
            point | {"currency": currency, "value": value}
            for point in members["points"]
            for currency, value in (("EUR", 64), ("USD", 49))
        ]
        del members["total"], members["comparison"]
        server.answers["api/analytics/metrics/active_members"] = members
        drawn = tile(server.client().metric("active_members"), currency="EUR")
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
