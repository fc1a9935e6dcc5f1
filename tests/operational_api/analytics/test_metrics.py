"""One number, one meaning: metric endpoint, dataset and SQL agree; bad questions are told what is allowed."""

from collections import defaultdict
from uuid import UUID

import pytest

from contracts.metrics import METRICS
from tests.operational_api.analytics.conftest import ANNA, BORIS, MIA

pytestmark = pytest.mark.usefixtures("one_loop")


def points(answer) -> dict[tuple[str, str | None], float]:
    assert answer.status_code == 200, answer.text
    return {(point["at"], point.get("currency")): point["value"] for point in answer.json()["points"]}


class TestDictionary:
    def test_lists_every_metric_with_what_it_means(self, mia):
        items = mia.get("/api/analytics/metrics").json()["items"]
        assert [item["name"] for item in items] == list(METRICS)
        assert all(item["definition"] and item["owner"] and item["exclusions"] for item in items)


class TestSameNumberEverywhere:
    @pytest.mark.parametrize("name", METRICS)
    def test_the_sql_told_gives_the_points_told(self, admin, by_hand, name):
        for grain in METRICS[name].grains:
            told = admin.get(f"/api/analytics/metrics/{name}?grain={grain}")
            again = by_hand(told.json()["sql"])
            assert points(told) == {(str(row[0]), row[1] if len(row) == 3 else None): row[-1] for row in again}

    def test_mrr_is_the_datasets_last_day_and_the_marts(self, admin, by_hand):
        metric = points(admin.get("/api/analytics/metrics/mrr?grain=month"))
        rows = admin.get("/api/analytics/datasets/mrr_daily").json()["items"]
        last = max(row["day"] for row in rows if row["day"] < "2026-10-01")
        from_dataset = {row["currency"]: row["mrr_minor"] for row in rows if row["day"] == last}
        mart = "marts.finance.fct_mrr_daily where day = date '2026-09-30'"
        from_mart = dict(by_hand(f"select currency, sum(mrr_minor) from {mart} group by all"))
        assert {currency: metric["2026-09-01", currency] for currency in ("EUR", "USD")} == from_dataset == from_mart

    @pytest.mark.parametrize(
        ("metric", "dataset", "column"),
        [
            ("new_mrr", "mrr_daily", "new_minor"),
            ("churned_mrr", "mrr_daily", "churn_minor"),
            ("payments_captured", "payments_daily", "captured_minor"),
        ],
    )
    def test_sums_of_a_dataset_are_the_metric(self, admin, metric, dataset, column):
        months = defaultdict(int)
        for row in admin.get(f"/api/analytics/datasets/{dataset}").json()["items"]:
            months[row["day"][:7] + "-01", row.get("currency")] += row[column]
        told = points(admin.get(f"/api/analytics/metrics/{metric}?grain=month"))
        assert told == {point: value for point, value in months.items() if point in told}
        assert sum(told.values()) == sum(months.values())

    def test_utilisation_is_hours_over_hours(self, admin):
        weeks = admin.get("/api/analytics/datasets/coach_utilisation").json()["items"]
        first = [week for week in weeks if week["week_starts_on"] == "2026-09-07"]
        expected = sum(one["delivered_hours"] for one in first) / sum(one["available_hours"] for one in first)
        assert points(admin.get("/api/analytics/metrics/utilisation?grain=week"))["2026-09-07", None] == expected


class TestAnswer:
    def test_carries_everything_needed_to_trust_it(self, admin):
        told = admin.get("/api/analytics/metrics/mrr?grain=month&from=2026-09-01&currency=EUR").json()
        assert told["label"] == "Monthly recurring revenue"
        assert told["definition"] == METRICS["mrr"].definition
        assert told["relation"] == "finance.fct_mrr_daily"
        assert told["freshness"]["state"] == "fresh"
        assert told["freshness"]["snapshot_id"] > 0
        assert "at (version =>" in told["sql"]
        assert [point["at"] for point in told["points"]] == ["2026-09-01", "2026-10-01"]

    def test_a_stock_is_its_last_day_a_flow_its_sum(self, admin):
        stock = points(admin.get("/api/analytics/metrics/mrr?grain=month&currency=EUR&to=2026-08-31"))
        flow = points(admin.get("/api/analytics/metrics/new_mrr?grain=month&currency=EUR&to=2026-08-31"))
        assert stock == {("2026-08-01", "EUR"): 100000 + 37 * 30}
        assert flow == {("2026-08-01", "EUR"): 500 * 31}

    def test_from_and_to_are_inclusive(self, admin):
        told = points(admin.get("/api/analytics/metrics/mrr?currency=EUR&from=2026-08-02&to=2026-08-04"))
        assert [at for at, _ in told] == ["2026-08-02", "2026-08-03", "2026-08-04"]

    def test_counts_may_cross_currencies_when_asked(self, admin):
        assert points(admin.get("/api/analytics/metrics/active_members?currency=all&to=2026-08-01")) == {
            ("2026-08-01", None): 20
        }

    def test_money_never_does(self, admin):
        answer = admin.get("/api/analytics/metrics/mrr?currency=all")
        assert (answer.status_code, answer.json()["code"]) == (422, "analytics.across_currencies")


class TestBadQuestions:
    @pytest.mark.parametrize(
        ("path", "status", "code", "allowed"),
        [
            ("metrics/mrrr", 404, "analytics.unknown_metric", "mrr"),
            ("metrics/attrition?grain=day", 422, "analytics.not_allowed", "month"),
            ("metrics/mrr?coach_id=00000000-0000-0000-0000-000000000001", 422, "analytics.not_allowed", None),
            ("metrics/mrr?colour=red", 422, "analytics.not_allowed", "grain"),
            ("metrics/no_show_rate?currency=EUR", 422, "analytics.not_allowed", None),
            ("datasets/nothing", 404, "analytics.unknown_dataset", "watchlist"),
            ("datasets/client_workouts", 422, "analytics.not_allowed", "customer_id"),
            ("datasets/mrr_daily?coach_id=00000000-0000-0000-0000-000000000001", 422, "analytics.not_allowed", "from"),
            ("lineage/nothing.at_all", 404, "analytics.unknown_relation", "core.dim_customers"),
        ],
    )
    def test_are_told_what_is_allowed(self, admin, path, status, code, allowed):
        answer = admin.get(f"/api/analytics/{path}")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert allowed is None or allowed in answer.json()["allowed"]

    @pytest.mark.parametrize(
        "path",
        [
            "metrics/mrr?from=yesterday", "metrics/mrr?currency=euro", "metrics/mrr?currency=' or 1=1 --",
            "metrics/no_show_rate?coach_id=me", "metrics/mrr?as_of=soon", "metrics/mrr?as_of=2026-01-01T00:00:00",
            "metrics/mrr?as_of=2999-01-01", "metrics/mrr?as_of=1999-01-01", "metrics/mrr/restatements",
            "datasets/client_progress?customer_id=1&exercise_id=x",
        ],
    )  # fmt: skip
    def test_are_refused_without_a_crash(self, admin, path):
        answer = admin.get(f"/api/analytics/{path}")
        assert answer.status_code == 422, answer.text
        assert answer.json()["detail"]


class TestRowPolicy:
    def test_a_coach_sees_own_sessions_only(self, anna, admin):
        own = points(anna.get("/api/analytics/metrics/active_clients?grain=month"))
        named = points(admin.get(f"/api/analytics/metrics/active_clients?grain=month&coach_id={ANNA}"))
        everybody = points(admin.get("/api/analytics/metrics/active_clients?grain=month"))
        assert own == named
        assert max(own.values()) == 2
        assert max(everybody.values()) == 3

    def test_naming_another_coach_gives_a_coach_nothing(self, anna):
        assert points(anna.get(f"/api/analytics/metrics/active_clients?grain=month&coach_id={BORIS}")) == {}

    def test_a_metric_of_customers_is_kept_to_the_coachs_clients(self, anna, admin):
        told = anna.get("/api/analytics/metrics/adherence?grain=week").json()
        assert "coach_id = uuid" in told["sql"]
        assert [point["value"] for point in told["points"]] == [0.75, 0.75]

    @pytest.mark.parametrize("name", ["mrr", "net_revenue", "attrition"])
    def test_money_is_not_for_coaches(self, anna, name):
        answer = anna.get(f"/api/analytics/metrics/{name}")
        assert (answer.status_code, answer.json()["code"]) == (403, "analytics.whole_business")

    def test_a_customer_sees_only_themself(self, mia, admin):
        own = points(mia.get("/api/analytics/metrics/active_clients?grain=month"))
        named = points(admin.get(f"/api/analytics/metrics/active_clients?grain=month&customer_id={MIA}"))
        assert own == named
        assert own
        assert points(mia.get(f"/api/analytics/metrics/active_clients?customer_id={UUID(int=2)}")) == {}
        assert mia.get("/api/analytics/metrics/mrr").status_code == 403
