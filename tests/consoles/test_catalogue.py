"""The admin console's page of every metric, and the way from a number down to the product's own rows."""

from datetime import date
from typing import Any

import panel as pn
import pytest

from consoles.admin.views.catalogue import Catalogue
from consoles.admin.views.overview import TILES, Overview
from tests.consoles import business
from tests.consoles.admin import words
from tests.consoles.conftest import PlyoServer


class TestCatalogue:
    @pytest.fixture
    def catalogue(self, server: PlyoServer) -> Catalogue:
        return Catalogue(server.client(), ["EUR", "VND"])

    def test_finds_by_every_word_of_name_label_and_meaning(self, catalogue: Catalogue) -> None:
        assert f"{len(TILES)} of {len(TILES)} metrics" in words(pn.Column(catalogue.count()))
        catalogue.search = "means arpm"
        assert list(catalogue.param.metric.objects.values()) == ["arpm"]
        assert catalogue.metric == "arpm"
        catalogue.search = "zebra"
        assert "No metric says that" in words(pn.Column(catalogue.count()))
        assert catalogue.metric == "arpm"
        catalogue.search, catalogue.domain = "", "Members"
        assert list(catalogue.param.metric.objects.values()) == ["attrition"]

    def test_is_searched_with_each_letter_and_cleared_when_a_tile_opens_another(self, catalogue: Catalogue) -> None:
        [search] = [one for one in catalogue.__panel__().select(pn.widgets.TextInput) if one.name == "Search"]
        search.value_input = "means arpm"
        assert list(catalogue.param.metric.objects.values()) == ["arpm"]
        catalogue.open("mrr")
        assert (search.value, search.value_input, catalogue.metric) == ("", "", "mrr")

    def test_opens_what_a_tile_names(self, catalogue: Catalogue, server: PlyoServer) -> None:
        catalogue.search = "arpm"
        catalogue.open("utilisation")
        assert catalogue.metric == "utilisation"
        overview = Overview(server.client(), ["EUR"], server.answers["api/bff/admin"], catalogue.open)
        buttons = [one for one in overview.tiles().select(pn.widgets.Button) if one.name.startswith("Trend")]
        buttons[0].clicks += 1
        assert catalogue.metric == TILES[0]

    def test_shows_the_number_its_comparison_and_a_table(self, catalogue: Catalogue) -> None:
        drawn = catalogue.trend()
        said = words(drawn)
        assert ">€15,000.00<" in said
        assert "▲ +€5,000.00 (+50.0 %) on €10,000.00" in said
        [table] = drawn.select(pn.widgets.Tabulator)
        assert table.value["Value"].iloc[-1] == "€10,000.00"

    def test_tells_parts_by_the_names_of_coaches(self, catalogue: Catalogue, server: PlyoServer) -> None:
        server.answers["api/analytics/datasets/core.dim_coaches"] = {
            "items": [{"coach_id": "c1", "display_name": "Cara Coach", "location_id": None, "location_name": None}]
        }
        told = business.metric("mrr")
        for items in (told["points"], told["total"]["items"], told["comparison"]["items"]):
            items[:] = [one | {"coach": who, "currency": "EUR"} for one in items[:3] for who in ("c1", None)]
        server.answers["api/analytics/metrics/mrr"] = told
        catalogue.by = "coach"
        drawn = catalogue.trend()
        table = next(one for one in drawn.select(pn.widgets.Tabulator) if "Change" in one.value)
        assert set(table.value["Coach"]) == {"Cara Coach", "not known"}
        assert set(table.value["Change"]) == {"+€5,000.00"}
        assert server.told[-1][1].get("by", "coach") == "coach"

    def test_leads_to_meaning_sql_and_lineage(self, catalogue: Catalogue) -> None:
        assert "*Owner:* finance" in words(pn.Column(catalogue.meaning()))
        assert "<summary>commerce.<wbr>subscriptions</summary>" in words(catalogue.sources())

    def test_lists_what_was_restated_since_a_day(self, catalogue: Catalogue, server: PlyoServer) -> None:
        path = "api/analytics/metrics/mrr/restatements"
        late = {"at": "2026-09-01", "currency": "EUR", "then": 1, "now": 2, "why": ["rows that were corrected"]}
        server.answers[path] = {"items": [late]}
        catalogue.restated_since = date(2026, 11, 3)
        assert "1 Sep 2026: €0.01, now €0.02 (rows that were corrected)" in words(catalogue.restatements())
        gone = {"at": "2026-08-01", "erased_at": "2026-11-05T02:25:00+00:00", "why": ["people were forgotten"]}
        server.answers[path] = {"items": [], "erased": [gone]}
        catalogue.restated_since = date(2026, 11, 2)
        told = "Aug 2026: told otherwise before 5 Nov 2026, and that is not kept (people were forgotten)"
        assert told in words(catalogue.restatements())
        server.answers[path] = {"items": []}
        catalogue.restated_since = date(2026, 11, 4)
        assert "Nothing was restated since 4 Nov 2026" in words(pn.Column(catalogue.restatements()))

    def test_says_when_there_is_nothing_and_when_it_is_refused(self, catalogue: Catalogue, server: PlyoServer) -> None:
        server.answers["api/analytics/metrics/mrr"] = business.metric("mrr") | {"points": []}
        assert "Choose a longer history" in words(catalogue.trend())
        server.refusals["api/analytics/metrics/mrr"] = (403, {"detail": "These are numbers of the whole business."})
        assert "These are numbers of the whole business." in words(pn.Column(catalogue.trend()))


class TestRowsBehind:
    @pytest.fixture
    def told(self, server: PlyoServer) -> dict[str, Any]:
        """MRR of this month: two of its 70 rows, then another; the first was made of a membership, that of a change."""
        rows: dict[str, Any] = {
            "metric": "mrr", "relation": "finance.fct_mrr_daily", "where": "is_paying", "counted": 70,
            "number": {"items": [{"value": 1_500_000.0, "currency": "EUR"}]}, "key": ["day", "currency"],
            "snapshot_id": 41, "next": "more",
            "items": [{"day": f"2026-11-0{n}", "currency": "EUR", "mrr_minor": n * 5} for n in (1, 2)],
        }  # fmt: skip
        membership = {"relation": "finance.dim_memberships", "key": ["membership_id"], "is_more": False,
                      "items": [{"membership_id": "m-1"}]}  # fmt: skip
        change = {
            "table": "commerce.subscriptions", "key": {"id": "s-1"}, "operation": "update", "lsn": "0/14",
            "committed_at": "2026-11-02T23:30:00+00:00", "values": {"status": "active"}, "masked": ["note"],
        }  # fmt: skip
        empty = {"grain": "One.", "snapshot_id": 41, "read_up_to_lsn": "0/3C", "next": None, "why_not": None}
        server.answers |= {
            "api/analytics/metrics/mrr/rows": rows,
            "api/analytics/rows/finance.fct_mrr_daily": empty
            | {"row": {"day": "2026-11-02", "mrr_minor": None}, "parts": [membership], "changes": []},
            "api/analytics/rows/finance.dim_memberships": empty
            | {"row": {"membership_id": "m-1"}, "parts": [], "changes": [change]},
        }
        return rows

    @pytest.fixture
    def page(self, server: PlyoServer, told: dict[str, Any]) -> pn.viewable.Viewable:
        page = Catalogue(server.client(), ["EUR", "VND"], zone="Europe/Berlin").rows()
        press(page, "Show rows behind it")
        return page

    def test_are_those_that_the_number_counts(self, page: pn.viewable.Viewable, server: PlyoServer) -> None:
        said = words(page)
        assert "**€15,000.00** is made of 70 rows of `finance.fct_mrr_daily` where `is_paying`" in said
        assert "rows 1 to 2, as of snapshot 41." in said
        asked = {"period": "this_month", "currency": "EUR", "limit": "50"}
        assert server.told[-1] == ("api/analytics/metrics/mrr/rows", asked)

    def test_lead_to_the_products_own_rows_and_back(self, page: pn.viewable.Viewable, server: PlyoServer) -> None:
        choose(page, 1)
        press(page, "Where this row comes from")
        assert server.told[-1][1] == {"day": "2026-11-02", "currency": "EUR", "snapshot": "41"}
        assert "finance.fct_mrr_daily: 2026-11-02, EUR" in words(page)
        press(page, "Where this row comes from")
        assert server.told[-1] == (
            "api/analytics/rows/finance.dim_memberships",
            {"membership_id": "m-1", "snapshot": "41"},
        )
        [table] = [one.value for one in page.select(pn.widgets.Tabulator) if "Table" in one.value]
        assert table.iloc[0].to_list() == [
            "commerce.subscriptions", "s-1", "update", "Tue 3 Nov, 00:30", "0/14", "status active"
        ]  # fmt: skip
        press(page, "Back to finance.fct_mrr_daily: 2026-11-02, EUR")
        press(page, "Back to all rows")
        assert "is made of 70 rows" in words(page)

    def test_come_in_pages(self, page: pn.viewable.Viewable, server: PlyoServer, told: dict[str, Any]) -> None:
        told |= {"next": None, "items": told["items"][:1]}
        press(page, "More rows")
        assert server.told[-1][1]["cursor"] == "more"
        assert "rows 51 to 51" in words(page)
        press(page, "Rows before")
        assert "cursor" not in server.told[-1][1]

    def test_who_may_not_see_them_is_told_the_number_and_why(self, server: PlyoServer, told: dict[str, Any]) -> None:
        told |= {"items": [], "next": None}
        page = Catalogue(server.client(), ["EUR"]).rows()
        press(page, "Show rows behind it")
        assert "You may see this number, and not its rows one by one." in words(page)
        server.refusals["api/analytics/metrics/mrr/rows"] = (403, {"detail": "Rows are for coaches.", "code": "x"})
        press(page, "Show rows behind it")
        assert "Rows are for coaches." in words(page)


def press(page: pn.viewable.Viewable, name: str) -> None:
    [button] = [one for one in page.select(pn.widgets.Button) if one.name == name]
    button.clicks += 1


def choose(page: pn.viewable.Viewable, place: int) -> None:
    [row] = [one for one in page.select(pn.widgets.Select) if one.name == "Row"]
    row.value = place
