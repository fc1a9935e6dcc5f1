"""The rows behind a number are those that make it: all of them, no other, and no more than their reader may see."""

import io
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from contracts import metric_sql, warehouse
from contracts.metrics import METRICS, Metric
from operational_api.analytics.catalogue import DATASETS
from operational_api.analytics.settings import AnalyticsSettings
from tests.operational_api.analytics.conftest import ANNA, MIA, NOAH, decide, fill, make_marts, person, serve
from tests.operational_api.analytics.test_audited_reads import newest, since, subjects_of

pytestmark = pytest.mark.usefixtures("one_loop")

METRIC = "/api/analytics/metrics/"
SEPTEMBER = {"from": "2026-09-01", "to": "2026-09-30"}


def arrow(client: TestClient, name: str, **asked: str) -> pa.Table:
    answer = client.get(f"{METRIC}{name}/rows", params={"format": "arrow", **asked})
    assert answer.status_code == 200, (name, answer.text)
    return pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()


def summed(metric: Metric, rows: pa.Table) -> dict[str | None, Any]:
    """The metric's expression over rows, by somebody who knows neither its filter nor its period."""
    by = "currency" if metric.has_currency else "null"
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("rows", rows)
        found = connection.execute(f"select {by}, {metric_sql.typed(metric)} from rows group by all").fetchall()
    return dict(found)


def whoever(app: FastAPI, metric: Metric) -> TestClient:
    """Somebody who may see the metric and its rows: of training that is a coach, row by row."""
    is_health = DATASETS[metric.relation].is_health
    return person(app, "coach", ANNA) if is_health else person(app, "admin")


class TestEveryMetric:
    @pytest.mark.parametrize("asked", [SEPTEMBER, {"from": "2026-08-01", "to": "2026-08-31"}])
    def test_is_the_sum_of_its_rows(self, every_number: FastAPI, asked: dict[str, str]) -> None:
        made = set()
        for name, metric in METRICS.items():
            client = whoever(every_number, metric)
            told = client.get(f"{METRIC}{name}", params=asked).json()["total"]["items"]
            rows = arrow(client, name, **asked)
            found = summed(metric, rows) if rows.num_rows else {}
            assert {one.get("currency"): pytest.approx(one["value"]) for one in told} == found, name
            beside = client.get(f"{METRIC}{name}/rows", params=asked).json()
            assert beside["number"]["items"] == told, name
            assert beside["counted"] >= rows.num_rows, name
            if not DATASETS[metric.relation].is_health:
                assert beside["counted"] == rows.num_rows, name
            made |= {name} if any(value is not None for value in found.values()) else set()
        few = {"readiness", "sleep_efficiency"}  # told for five clients or more; a coach here has three
        assert made == set(METRICS) - few, "each has a number that other rows would have made otherwise"

    def test_is_not_that_of_all_rows_where_it_has_a_filter(self, every_number: FastAPI) -> None:
        admin, filtered = person(every_number, "admin"), 0
        for name, metric in METRICS.items():
            if metric.where and not DATASETS[metric.relation].is_health:
                whole = admin.get(f"/api/analytics/datasets/{metric.relation}?limit=1000").json()["items"]
                filtered += arrow(admin, name).num_rows < len(whole)
        assert filtered > 15


class TestRows:
    def test_are_narrowed_as_the_number_is(self, admin: TestClient) -> None:
        asked = SEPTEMBER | {"customer_id": str(NOAH), "currency": "USD"}
        told = admin.get(f"{METRIC}net_revenue/rows", params=asked).json()
        assert {(one["customer_id"], one["currency"], one["status"]) for one in told["items"]} == {
            (str(NOAH), "USD", "captured")
        }
        [number] = told["number"]["items"]
        assert sum(one["amount_minor"] - one["refunded_minor"] for one in told["items"]) == number["value"]
        assert told["key"] == ["payment_id"]
        assert told["trace"] == "/api/analytics/rows/finance.fct_payments"

    def test_of_a_dimension_are_those_of_its_value(self, admin: TestClient) -> None:
        found = {
            coach: admin.get(f"{METRIC}attendances/rows", params={"coach": coach}).json()["counted"]
            for coach in {one["coach_id"] for one in admin.get(f"{METRIC}attendances/rows").json()["items"]}
        }
        assert len(found) == 2
        assert sum(found.values()) == admin.get(f"{METRIC}attendances/rows").json()["counted"]

    def test_come_in_pages_that_are_the_whole(self, admin: TestClient) -> None:
        whole = admin.get(f"{METRIC}payments_captured/rows", params=SEPTEMBER).json()["items"]
        read: list[dict[str, Any]] = []
        cursor = None
        while True:
            asked = SEPTEMBER | {"limit": "7"} | ({"cursor": cursor} if cursor else {})
            page = admin.get(f"{METRIC}payments_captured/rows", params=asked).json()
            read += page["items"]
            if (cursor := page["next"]) is None:
                break
        assert read == whole
        assert len(whole) > 14

    def test_run_again_from_their_sql(self, admin: TestClient, by_hand) -> None:  # type: ignore[no-untyped-def]
        told = admin.get(f"{METRIC}mrr/rows", params=SEPTEMBER).json()
        assert len(by_hand(told["sql"])) == told["counted"] == 2, "one a currency, of the last day"
        assert {one["day"] for one in told["items"]} == {"2026-09-30"}

    @pytest.mark.parametrize("asked", ["period=soon", "colour=red", "by=shoe", "cursor=nonsense"])
    def test_mistakes_are_told(self, admin: TestClient, asked: str) -> None:
        answer = admin.get(f"{METRIC}mrr/rows?{asked}")
        assert (answer.status_code, answer.json()["code"]) == (422, "analytics.not_allowed")


class TestReaders:
    def test_a_number_without_its_rows_is_told_to_who_may_not_see_them(self, app: FastAPI) -> None:
        admin = person(app, "admin")
        assert admin.get(f"{METRIC}training_volume").status_code == 200
        refused = admin.get(f"{METRIC}training_volume/rows")
        assert (refused.status_code, refused.json()["code"]) == (403, "analytics.health_data")

    def test_a_coach_sees_own_rows_and_no_money(self, anna: TestClient) -> None:
        told = anna.get(f"{METRIC}attendances/rows").json()
        assert {one["coach_id"] for one in told["items"]} == {str(ANNA)}
        assert anna.get(f"{METRIC}net_revenue/rows").status_code == 403

    def test_customers_and_services_see_none(self, app: FastAPI) -> None:
        for role in ("customer", "service"):
            assert person(app, role, MIA).get(f"{METRIC}attendances/rows").status_code == 403

    def test_an_analyst_sees_no_person(self, every_number: FastAPI) -> None:
        """`title` is somebody's words."""
        titles = {
            role: {
                one["title"]
                for one in person(every_number, role, ANNA).get(f"{METRIC}attendances/rows").json()["items"]
            }
            for role in ("data", "admin")
        }
        assert titles["data"] == {None}
        assert None not in titles["admin"]

    def test_who_withholds_is_counted_and_not_shown(self, empty_settings: AnalyticsSettings) -> None:
        with warehouse.writing(empty_settings) as lake:
            make_marts(lake)
            fill(lake)
        app = serve(empty_settings)
        anna = person(app, "coach", ANNA)
        before = anna.get(f"{METRIC}adherence/rows").json()
        decide(empty_settings, MIA, {"training": False})
        after = anna.get(f"{METRIC}adherence/rows").json()
        assert before["counted"] == after["counted"] == len(before["items"])
        assert {one["customer_id"] for one in before["items"]} - {one["customer_id"] for one in after["items"]} == {
            str(MIA)
        }
        app.state.lake.close()

    def test_reading_about_people_is_written_down(self, app: FastAPI, anna: TestClient) -> None:
        before = newest(app)
        anna.get(f"{METRIC}adherence/rows")
        entries = since(app, before)
        assert subjects_of(app, entries) == {MIA, NOAH}
        assert {entry.details["what"] for entry in entries} == {"dataset rows of adherence"}


class TestThePast:
    """A mart gains columns. Numbers from before are told as they were, and what was not there is not made up."""

    def test_of_a_mart_without_todays_columns(self, empty_settings: AnalyticsSettings) -> None:
        with warehouse.writing(empty_settings) as lake:
            make_marts(lake)
            fill(lake)
            lake.execute("alter table marts.finance.fct_mrr_daily drop column transfer_minor")
            lake.execute("alter table marts.finance.fct_payments drop column disputed_minor")
            then = warehouse.snapshot_id(lake, "marts")
            lake.execute("alter table marts.finance.fct_mrr_daily add column transfer_minor bigint")
            lake.execute("alter table marts.finance.fct_payments add column disputed_minor bigint")
        app = serve(empty_settings)
        admin = person(app, "admin")
        asked = SEPTEMBER | {"as_of": str(then)}
        assert admin.get(f"{METRIC}mrr", params=asked).json()["total"]["items"][0]["value"]
        rows = admin.get(f"{METRIC}mrr/rows", params=asked)
        assert rows.json()["counted"] == 2
        assert "transfer_minor" not in rows.json()["items"][0]
        assert admin.get("/api/analytics/datasets/mrr_daily", params=asked).json()["items"]
        lacking = admin.get(f"{METRIC}net_revenue", params=asked)
        assert (lacking.status_code, lacking.json()["code"]) == (503, "analytics.other_columns")
        app.state.lake.close()
