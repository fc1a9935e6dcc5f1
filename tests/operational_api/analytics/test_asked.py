"""Metrics told apart, for a period, beside another, and at a snapshot: counted again in SQL of the test's own."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from contracts import warehouse
from contracts.dimensions import DIMENSIONS
from contracts.metrics import METRICS
from operational_api.analytics.metrics import changes
from operational_api.analytics.settings import AnalyticsSettings
from tests.operational_api.analytics.conftest import ANNA, BORIS, LOCATION, insert, person, serve

pytestmark = pytest.mark.usefixtures("one_loop")

METRIC = "/api/analytics/metrics/"


class TestDimensions:
    @pytest.mark.parametrize("name", METRICS)
    def test_of_every_metric_add_up_to_it(self, admin: TestClient, name: str) -> None:
        """Told apart by everything it can be: counts and money of a flow are the whole, and the SQL told says so."""
        metric = METRICS[name]
        apart = [one for one in metric.dimensions if one != "currency"][:4]
        whole = admin.get(f"{METRIC}{name}", params={"grain": metric.grains[-1]}).json()
        told = admin.get(f"{METRIC}{name}", params={"grain": metric.grains[-1], "by": ",".join(apart)})
        assert told.status_code == 200, told.text
        points = told.json()["points"]
        assert all(set(apart) <= one.keys() for one in points)
        if metric.unit in ("count", "money") and "distinct" not in metric.expression and "/" not in metric.expression:
            assert sum(one["value"] or 0 for one in points) == sum(one["value"] or 0 for one in whole["points"])

    def test_follow_the_customer_where_rows_know_no_more(self, admin: TestClient, by_hand) -> None:  # type: ignore[no-untyped-def]
        told = admin.get(f"{METRIC}workouts_completed?by=coach&grain=month").json()
        # Boris planned them all, so each is his: the row's own coach comes before the customer's of today.
        assert {one["coach"] for one in told["points"]} == {str(BORIS)}
        apart = admin.get(f"{METRIC}adherence?by=coach&grain=month").json()
        assert {one["coach"] for one in apart["points"]} == {str(ANNA), str(BORIS)}
        again = by_hand(apart["sql"])
        assert sorted((str(row[1]), row[2]) for row in again) == sorted(
            (one["coach"], one["value"]) for one in apart["points"]
        )

    def test_are_filters_too_and_may_be_several(self, admin: TestClient) -> None:
        def total(**asked: object) -> int:
            return sum(one["value"] for one in admin.get(f"{METRIC}attendances", params=asked).json()["points"])

        assert total(coach=str(ANNA)) + total(coach=str(BORIS)) == total(coach=[str(ANNA), str(BORIS)]) == total()
        assert total(location=str(LOCATION)) == total()

    @pytest.mark.parametrize(
        "asked", ["by=shoe", "by=plan", "coach=me", "by=coach,coach,location,city,kind,status,cohort", "plan=x"]
    )
    def test_that_a_metric_does_not_know_are_refused(self, admin: TestClient, asked: str) -> None:
        answer = admin.get(f"{METRIC}{'fill_rate' if 'plan' in asked else 'attendances'}?{asked}")
        assert (answer.status_code, answer.json()["code"]) == (422, "analytics.not_allowed")

    def test_give_a_coach_no_more_than_their_own(self, anna: TestClient) -> None:
        points = anna.get(f"{METRIC}attendances?by=coach").json()["points"]
        assert {one["coach"] for one in points} == {str(ANNA)}

    def test_are_declared_by_every_metric(self) -> None:
        assert all(set(metric.dimensions) <= DIMENSIONS.keys() for metric in METRICS.values())
        assert METRICS["net_revenue"].dimensions[:3] == ("currency", "plan", "coach")


class TestPeriod:
    def test_is_one_number_beside_the_one_before(self, admin: TestClient, by_hand) -> None:  # type: ignore[no-untyped-def]
        asked = {"from": "2026-09-01", "to": "2026-09-30", "compare": "previous_period"}
        for name, column in (("new_mrr", "sum(new_minor)"), ("payments_captured", None), ("no_show_rate", None)):
            told = admin.get(f"{METRIC}{name}", params=asked).json()
            rows = told["comparison"]["items"]
            assert (told["comparison"]["from"], told["comparison"]["to"]) == ("2026-08-02", "2026-08-31")
            assert [row[-1] for row in by_hand(told["total"]["sql"])] == [
                one["value"] for one in told["total"]["items"]
            ]
            if column:
                mart = "marts.finance.fct_mrr_daily where day between '2026-09-01' and '2026-09-30'"
                by_currency = dict(by_hand(f"select currency, {column} from {mart} group by all"))
                assert {one["currency"]: one["value"] for one in rows} == by_currency
            for one in rows:
                if one["compared"]:
                    assert one["relative_change"] == pytest.approx((one["value"] - one["compared"]) / one["compared"])

    def test_a_stock_is_that_of_the_periods_last_day(self, admin: TestClient, by_hand) -> None:  # type: ignore[no-untyped-def]
        told = admin.get(f"{METRIC}mrr?from=2026-08-05&to=2026-09-10").json()["total"]["items"]
        mart = "marts.finance.fct_mrr_daily where day = '2026-09-10'"
        assert {one["currency"]: one["value"] for one in told} == dict(
            by_hand(f"select currency, mrr_minor from {mart}")
        )

    def test_is_whole_months_of_what_is_known_by_month(self, admin: TestClient) -> None:
        told = admin.get(f"{METRIC}attrition?from=2026-08-20&to=2026-09-10").json()
        assert (told["total"]["from"], told["total"]["to"]) == ("2026-08-01", "2026-09-30")

    def test_of_march_is_compared_with_february_alone(self, own: AnalyticsSettings) -> None:
        with warehouse.writing(own) as lake:
            for month, lost in (("2026-01-01", 50), ("2026-02-01", 2), ("2026-03-01", 3)):
                insert(lake, "finance.fct_membership_months", {
                    "month": month, "currency": "EUR", "members_at_start": 100, "members_lost": lost,
                })  # fmt: skip
        app = serve(own)
        asked = {"from": "2026-03-01", "to": "2026-03-31", "compare": "previous_period"}
        told = person(app, "admin").get(f"{METRIC}attrition", params=asked).json()["comparison"]
        app.state.lake.close()
        assert (told["from"], told["to"]) == ("2026-02-01", "2026-02-28")
        assert [(one["value"], one["compared"]) for one in told["items"]] == [(0.03, 0.02)]

    @pytest.mark.parametrize(
        "asked", ["period=soon", "period=today&from=2026-01-01", "compare=previous_period", "period=today&zone=Mars",
                  "from=2026-02-01&to=2026-01-01", "period=today&compare=last_life"],
    )  # fmt: skip
    def test_mistakes_are_told(self, admin: TestClient, asked: str) -> None:
        answer = admin.get(f"{METRIC}mrr?{asked}")
        assert (answer.status_code, answer.json()["code"]) == (422, "analytics.not_allowed")

    def test_a_series_that_is_new_has_nothing_to_be_compared_with(self) -> None:
        told = [{"at": "x", "currency": "EUR", "value": 5}, {"at": "x", "currency": "USD", "value": 3}]
        before = [{"at": "y", "currency": "EUR", "value": -4}, {"at": "y", "currency": "VND", "value": 1}]
        assert [(one["currency"], one["change"], one["relative_change"]) for one in changes(told, before)] == [
            ("EUR", 9, 2.25), ("USD", None, None), ("VND", None, None),
        ]  # fmt: skip
        assert changes([{"value": 5}], [{"value": 0}])[0]["relative_change"] is None


class TestPlans:
    @pytest.mark.parametrize("name", ["mrr", "new_mrr", "active_members"])
    def test_of_recurring_revenue_come_to_the_whole(self, every_number: FastAPI, name: str) -> None:
        admin = person(every_number, "admin")
        asked = {"from": "2026-09-01", "to": "2026-09-30"}
        whole = admin.get(f"{METRIC}{name}", params=asked).json()["total"]["items"]
        parts = admin.get(f"{METRIC}{name}", params=asked | {"by": "plan"}).json()["total"]["items"]
        assert len({one["plan"] for one in parts}) > 2
        for one in whole:
            mine = [part["value"] for part in parts if part.get("currency") == one.get("currency")]
            assert sum(mine) == one["value"]

    def test_are_not_in_the_series_of_days(self, every_number: FastAPI) -> None:
        told = person(every_number, "admin").get("/api/analytics/datasets/mrr_daily?limit=1000").json()["items"]
        assert len({(one["day"], one["currency"]) for one in told}) == len(told)


class TestAskedTwice:
    @pytest.mark.parametrize(
        "asked",
        [
            "metrics/active_members?currency=EUR&currency=USD", f"metrics/attendances?coach_id={ANNA}&coach_id={BORIS}",
            "metrics/attendances?" + "&".join(["status=attended"] * 51), "datasets/mrr_daily?currency=EUR&currency=USD",
            "metrics/attendances/rows?from=2026-09-01&from=2026-09-02",
        ],
    )  # fmt: skip
    def test_what_counts_once_is_refused_and_not_half_heard(self, admin: TestClient, asked: str) -> None:
        answer = admin.get(f"/api/analytics/{asked}")
        assert (answer.status_code, answer.json()["code"]) == (422, "analytics.not_allowed"), answer.text
