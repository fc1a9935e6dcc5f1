"""Edges of metrics' words that a few rows show: what their SQL says of them."""

from collections.abc import Sequence
from typing import Any

import duckdb
import pytest

from contracts import metric_sql
from contracts.metrics import METRICS
from contracts.relations import RELATIONS


def total(name: str, rows: Sequence[dict[str, Any]], by: Sequence[str] = ("currency",)) -> float | None:
    """A metric's number over rows of its mart, all of one period; columns that are not told are null.

    Args:
        by: What it is told apart by, where it has currencies.
    """
    metric = METRICS[name]
    with duckdb.connect() as connection:
        columns = RELATIONS[metric.relation].columns
        connection.execute(f"create table mart ({', '.join(f'{one} {kind}' for one, kind in columns.items())})")
        for row in rows:
            told = {"currency": "EUR"} | row if "currency" in columns else row
            marks = ", ".join(f"${column} as {column}" for column in told)
            connection.execute(f"insert into mart by name select {marks}", told)
        query = metric_sql.series(
            metric, source="mart", period="date '2026-01-01'", by=by if metric.has_currency else ()
        )
        found = connection.execute(query).fetchall()
    assert len(found) <= 1
    return found[0][-1] if found else None


class TestHealthOfFew:
    @pytest.mark.parametrize("name", ["readiness", "sleep_efficiency"])
    def test_a_mean_is_of_five_who_have_a_number_and_not_of_five_of_whom_four_have_none(self, name: str) -> None:
        def days(told: int, silent: int) -> list[dict[str, Any]]:
            return [
                {"customer_id": f"00000000-0000-0000-0000-00000000000{who}", "day": "2026-01-05"}
                | ({name: 0.5} if who < told else {"steps": 9000})
                for who in range(told + silent)
            ]

        assert total(name, days(5, 0)) == 0.5
        assert total(name, days(4, 5)) is None
        assert total(name, days(1, 4)) is None

    @pytest.mark.parametrize("name", ["readiness", "sleep_efficiency"])
    def test_what_was_told_of_fewer_is_withdrawn(self, name: str) -> None:
        assert [one.is_withdrawn for one in METRICS[name].former] == [True]


class TestAtRisk:
    @pytest.mark.parametrize(("before", "now", "is_at_risk"), [(5, 4, True), (100, 81, False), (5, 5, False)])
    def test_a_fall_by_exactly_a_fifth_is_a_fall_by_a_fifth(self, before: int, now: int, is_at_risk: bool) -> None:
        fine = {"days_since_last_session": 3, "sessions_attended_7d": 1, "has_next_booking": True, "tenure_days": 90}
        fell = {"as_of": "2026-01-05", "adherence_drop": 1.0 - now / before}
        assert (total("at_risk_clients", [fine | fell]) == 1) is is_at_risk

    def test_of_whom_nobody_is_at_risk_any_more_none_is_and_not_those_of_monday(self) -> None:
        fell = {"as_of": "2026-01-05", "days_since_last_session": 20}
        came = {
            "as_of": "2026-01-07",
            "days_since_last_session": 1,
            "sessions_attended_7d": 1,
            "has_next_booking": True,
        }
        assert total("at_risk_clients", [fell]) == 1
        assert total("at_risk_clients", [fell, came]) == 0


class TestCostOfCustomers:
    def test_months_without_spend_bring_nobody_for_nothing(self) -> None:
        months = [
            {"month": "2026-01-01", "members_new": 2, "marketing_spend_minor": 1000},
            {"month": "2026-02-01", "members_new": 8},
            {"month": "2026-03-01", "members_new": 0, "marketing_spend_minor": 500},
        ]
        assert total("cac", months) == 750
        assert total("cac", months[1:2]) is None
        assert total("cac", months[2:]) is None


class TestPacks:
    def test_one_that_was_given_back_whole_was_not_left_unrenewed(self) -> None:
        pack = {"ended_on": "2026-01-20", "is_outcome_known": True, "sessions_total": 10}
        kept, back = pack | {"sessions_refunded": 4}, pack | {"sessions_refunded": 10, "is_renewed": False}
        assert total("package_renewal_rate", [kept | {"is_renewed": True}, kept | {"is_renewed": False}, back]) == 0.5


class TestLifetimes:
    """Of several months, what was known at the end of the last."""

    MONTHS = (
        {"month": "2026-01-01", "lifetime_months": 4.0, "revenue_minor": 3000, "members_any": 3},
        {"month": "2026-02-01", "lifetime_months": 2.5, "revenue_minor": 1000, "members_any": 1},
    )

    def test_are_those_of_the_last_month_and_not_the_longest_ever_told(self) -> None:
        assert total("customer_lifetime", self.MONTHS) == 2.5
        assert total("ltv_by_lifetime", self.MONTHS) == 2500  # 4,000 of 4 members, for 2.5 months

    def test_across_currencies_there_is_none(self) -> None:
        euro, dong = ({"month": "2026-02-01", "currency": one, "lifetime_months": 3.0} for one in ("EUR", "VND"))
        assert total("customer_lifetime", [euro, dong], by=[]) is None
        assert total("customer_lifetime", [dong], by=[]) == 3

    def test_of_several_cohorts_the_months_kept_are_a_mean_of_their_members_and_no_sum_of_means(self) -> None:
        january = [
            {"cohort_month": "2026-01-01", "months_since": 0, "members": 10, "retained": 10, "retention": 1.0},
            {"cohort_month": "2026-01-01", "months_since": 1, "members": 10, "retained": 5, "retention": 0.5},
        ]
        february = {"cohort_month": "2026-02-01", "months_since": 0, "members": 2, "retained": 2, "retention": 1.0}
        assert total("cohort_lifetime", january) == 1.5
        assert total("cohort_lifetime", [*january, february]) == pytest.approx(17 / 12)

    def test_what_was_billed_by_the_end_is_not_that_of_all_months_together(self) -> None:
        first = {"month": "2026-01-01", "billed_to_date_minor": 1000, "memberships_to_date": 10}
        last = {"month": "2026-02-01", "billed_to_date_minor": 6000, "memberships_to_date": 20}
        assert total("ltv_billed", [first, last]) == 300


class TestLoads:
    def test_who_stopped_training_is_in_no_average(self) -> None:
        here = {"day": "2026-01-05", "acwr": 1.0, "acwr_smoothed": 1.2}
        gone = {"day": "2026-01-05", "acwr_smoothed": 0.02}
        assert total("acwr_smoothed", [here, gone]) == 1.2
        assert total("acwr_smoothed", [gone]) is None


class TestPlateaus:
    def test_what_has_no_estimated_maximum_stands_in_no_share(self) -> None:
        still = {"performed_on": "2026-01-05", "best_e1rm_kg": 80.0, "is_plateau": True}
        plank = {"performed_on": "2026-01-05", "is_plateau": False}
        assert total("plateau_rate", [still, still | {"is_plateau": False}, plank, plank]) == 0.5
        assert total("plateau_rate", [plank]) is None


class TestAnswers:
    def test_nobody_answered_is_no_score(self) -> None:
        assert total("nps", []) is None
        day = {"answered_on": "2026-01-05"}
        assert total("nps", [day | {"attitude": one} for one in ("promoter", "promoter", "passive", "detractor")]) == 25


class TestStocks:
    def test_the_last_day_is_that_of_the_mart_and_not_of_the_rows_that_count(self) -> None:
        left_out = {name for name, metric in METRICS.items() if metric.kind == "stock" and metric.where}
        assert left_out == {"visiting_members"}, "of whose mart each stage has a row each day"

    def test_what_a_stock_counts_of_its_last_day_is_what_its_rows_are(self) -> None:
        counting = [metric for metric in METRICS.values() if metric.counts]
        assert [metric.name for metric in counting if f"(where {metric.counts})" not in metric.expression] == []
        assert {metric.kind for metric in counting} == {"stock"}
