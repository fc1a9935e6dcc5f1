"""Datasets: Arrow and JSON, whose rows they hold, and what each role is refused."""

import csv
import json
from datetime import UTC, datetime
from uuid import UUID

import polars as pl
import pyarrow as pa
import pytest

from contracts import warehouse
from operational_api.analytics.catalogue import DATASETS, SCREENS
from tests.operational_api.analytics.conftest import (
    ANNA,
    BORIS,
    MIA,
    NOAH,
    OLGA,
    build,
    fill,
    insert,
    make_marts,
    person,
    serve,
)

pytestmark = pytest.mark.usefixtures("one_loop")

ARROW = {"Accept": "application/vnd.apache.arrow.stream"}


def path(name: str, customer=MIA) -> str:
    about = f"?customer_id={customer}" if DATASETS[name].subject == "client" else ""
    return f"/api/analytics/datasets/{name}{about}"


class TestFormats:
    @pytest.mark.parametrize("name", [name for name, one in SCREENS.items() if not one.is_health])
    def test_arrow_json_and_sql_hold_the_same_rows(self, admin, by_hand, name):
        arrow = admin.get(path(name), headers=ARROW)
        told = admin.get(path(name))
        assert arrow.status_code == told.status_code == 200, told.text
        frame = pl.from_arrow(pa.ipc.open_stream(arrow.content).read_all())
        body = told.json()
        assert len(frame) == len(body["items"]) == len(by_hand(body["sql"])) > 0
        assert frame.columns == list(body["items"][0])
        assert json.loads(arrow.headers["X-Plyo-Freshness"])["state"] == body["freshness"]["state"] == "fresh"

    def test_the_list_names_parameters(self, mia):
        items = {one["name"]: one for one in mia.get("/api/analytics/datasets").json()["items"]}
        assert items["client_progress"]["parameters"] == ["customer_id", "exercise_id", "from", "to"]
        assert items["watchlist"]["relations"] == ["ml.churn_scores", "ml.churn_models", "core.dim_customers"]

    def test_parameters_narrow(self, admin):
        rows = admin.get("/api/analytics/datasets/mrr_daily?currency=EUR&from=2026-08-02&to=2026-08-03").json()["items"]
        assert [(row["day"], row["currency"]) for row in rows] == [("2026-08-02", "EUR"), ("2026-08-03", "EUR")]
        assert admin.get(f"{path('client_progress')}&exercise_id=2").json()["items"] == []

    def test_a_file_of_the_first_rows_has_those_that_a_page_has(self, admin):
        page = admin.get("/api/analytics/datasets/mrr_daily?limit=2").json()
        file = admin.get("/api/analytics/datasets/mrr_daily?limit=2&format=csv").text
        assert page["next"]
        assert [(row["day"], row["currency"]) for row in csv.DictReader(file.splitlines())] == [
            (row["day"], row["currency"]) for row in page["items"]
        ]


class TestThen:
    """A row of the past is told with what was then, though the customer's own is another by now."""

    def test_a_step_of_revenue_has_the_plan_that_it_is_of(self, admin):
        rows = admin.get(path("mrr_movements")).json()["items"]
        assert [(row["kind"], row["plan_name"]) for row in rows] == [("expansion", "Premium"), ("new", "Basic")]

    def test_a_run_has_the_coach_whom_it_asked(self, admin):
        [row] = admin.get(path("automation_runs")).json()["items"]
        assert (row["coach_id"], row["coach_name"]) == (str(BORIS), "Boris")


class TestAdmin:
    def test_sees_everybody(self, admin):
        assert len(admin.get("/api/analytics/datasets/watchlist").json()["items"]) == 3
        assert len(admin.get(f"/api/analytics/datasets/coach_clients?coach_id={ANNA}").json()["items"]) == 2

    def test_does_not_see_health_data(self, admin):
        assert admin.get(path("client_wearables")).status_code == 404

    def test_sees_what_suites_said_a_row_for_each_look(self, empty_settings):
        with warehouse.writing(empty_settings) as lake:
            make_marts(lake)
            build(lake, 100, datetime.now(UTC))
            for number, day, where, expectation, refused in (
                (1, 3, "in raw", "the suite", 0), (2, 4, "before landing", "the suite", 3),
                (2, 4, "before landing", "currency is known", 1), (2, 4, "before landing", "amount is above 0", 2),
            ):  # fmt: skip
                insert(lake, "quality.fct_suite_judgements", {
                    "judgement_id": UUID(int=number), "judged_at": datetime(2026, 11, day, tzinfo=UTC),
                    "judged_on": f"2026-11-0{day}", "raw_table": "stripe__charges", "judged_where": where,
                    "expectation": expectation, "judged_rows": 9, "refused_rows": refused, "is_met": refused == 0,
                })  # fmt: skip
        app = serve(empty_settings)
        rows = person(app, "admin").get("/api/analytics/datasets/suite_judgements").json()["items"]
        assert [(one["judged_on"], one["is_met"], one["refused_rows"], one["expectation"]) for one in rows] == [
            ("2026-11-04", False, 3, "amount is above 0 (2); currency is known (1)"), ("2026-11-03", True, 0, None),
        ]  # fmt: skip
        app.state.lake.close()


class TestAMartMadeAnewBetweenTwoPages:
    def test_is_read_on_as_it_was_and_refused_from_the_start(self, empty_settings):
        with warehouse.writing(empty_settings) as writer:
            make_marts(writer)
            fill(writer)
            app = serve(empty_settings)
            admin, clients = person(app, "admin"), "/api/analytics/datasets/coach_clients"
            first = admin.get(clients, params={"limit": 1}).json()
            writer.execute("create or replace table marts.core.dim_customers (something integer)")
            app.state.lake._newest = (-1e9, -1)
            second = admin.get(clients, params={"limit": 1, "cursor": first["next"]})
            assert (second.status_code, second.json()["snapshot_id"]) == (200, first["snapshot_id"])
            assert second.json()["items"] != first["items"]
            anew = admin.get(clients, params={"limit": 1})
            assert (anew.status_code, anew.json()["code"]) == (503, "analytics.other_columns")
            app.state.lake.close()


class TestCoach:
    @pytest.mark.parametrize("name", [name for name, one in SCREENS.items() if one.subject == "business"])
    def test_is_refused_what_has_no_coach(self, anna, name):
        assert anna.get(path(name)).json()["code"] == "analytics.whole_business"

    @pytest.mark.parametrize("name", ["coach_clients", "watchlist"])
    def test_sees_own_clients_riskiest_or_by_name(self, anna, name):
        rows = anna.get(path(name)).json()["items"]
        assert {row["customer_id"] for row in rows} == {str(MIA), str(NOAH)}

    def test_sees_own_weeks(self, anna):
        rows = anna.get("/api/analytics/datasets/coach_utilisation").json()["items"]
        assert {row["coach_id"] for row in rows} == {str(ANNA)}

    @pytest.mark.asvs("8.2.2")
    @pytest.mark.parametrize("name", [name for name, one in SCREENS.items() if one.subject == "client"])
    def test_opens_own_clients_and_nobody_elses(self, anna, name):
        own, others = anna.get(path(name, MIA)), anna.get(path(name, OLGA))
        assert (own.status_code, len(own.json()["items"]) > 0) == (200, True)
        assert others.status_code == 404
        assert others.json() | {"trace_id": ""} == anna.get(path(name, ANNA)).json() | {"trace_id": ""}

    def test_sees_what_a_client_did_with_the_coach_before(self, anna):
        assert len(anna.get(path("client_workouts", MIA)).json()["items"]) == 1  # planned by Boris


class TestCustomer:
    @pytest.mark.parametrize("name", [name for name, one in SCREENS.items() if one.subject == "client"])
    def test_opens_own_page_and_nobody_elses(self, mia, name):
        own = mia.get(f"/api/analytics/datasets/{name}")
        assert own.status_code == 200
        assert {row["customer_id"] for row in own.json()["items"]} == {str(MIA)}
        assert mia.get(path(name, NOAH)).status_code == 404

    @pytest.mark.asvs("8.2.3")
    def test_is_not_told_the_own_churn_score(self, mia, anna):
        told = mia.get("/api/analytics/datasets/client_overview").json()
        assert not {"probability", "reasons"} & told["items"][0].keys()
        assert anna.get(path("client_overview", MIA)).json()["items"][0]["probability"] == pytest.approx(0.2)

    @pytest.mark.parametrize("name", [name for name, one in SCREENS.items() if one.subject != "client"])
    def test_is_refused_everything_else(self, mia, name):
        assert mia.get(path(name)).status_code == 403


class TestStrangers:
    @pytest.mark.parametrize(
        "what", ["metrics", "metrics/mrr", "datasets", "datasets/mrr_daily", "freshness", "lineage/mrr"]
    )
    def test_nobody_gets_in_without_a_token(self, admin, what):
        guest = admin.get(f"/api/analytics/{what}", headers={"Authorization": ""})
        assert (guest.status_code, guest.headers["content-type"]) == (401, "application/problem+json")
        assert admin.get(f"/api/analytics/{what}", headers={"Authorization": "Bearer nonsense"}).status_code == 401

    def test_services_ask_with_a_persons_token(self, app):
        answer = person(app, "service").get("/api/analytics/datasets/mrr_daily")
        assert (answer.status_code, answer.json()["code"]) == (403, "analytics.not_for_services")
