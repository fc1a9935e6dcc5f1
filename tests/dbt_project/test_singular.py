"""Tests of the dbt project that hold the business together: each sees the untruth that it is there for."""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from contracts import warehouse
from tests.dbt_project import lake as lakes

PLANTED = {
    "captured_payments_are_in_the_ledger": [
        "update marts.finance.fct_payments set amount_minor = amount_minor + 1 where status = 'captured'",
        "delete from marts.finance.fct_payments where status = 'captured'",
    ],
    "cohorts_of_a_month_are_its_members": [
        "update marts.retention.fct_cohort_retention set retained = retained + 1 where months_since = 1",
        "update marts.finance.fct_membership_months set members_new = members_new + 1 where month = '2026-05-01'",
        "delete from marts.retention.fct_cohort_retention where cohort_month = '2026-01-01'",
    ],
    "every_customer_is_in_one_stage": ["update marts.core.dim_customers set stage = 'paused' where stage = 'lead'"],
    "ledger_sums_to_zero": ["delete from marts.finance.fct_ledger_balances where account = 'refunds'"],
    "members_of_a_month_balance": [
        "update marts.finance.fct_membership_months set members_joined = 0 where month = '2026-05-01'",
        "update marts.finance.fct_membership_months set members_at_end = members_at_end + 1, "
        "members_joined = members_joined + 1 where month = '2026-05-01'",
    ],
    "members_of_mrr_are_customers_on_stage": [
        "update marts.core.dim_customers set stage = 'churned' where stage = 'won_back'",
    ],
    "mrr_movements_add_up_to_mrr": [
        "delete from marts.finance.fct_mrr_movements where kind = 'churn'",
        "delete from marts.finance.fct_mrr_movements where currency = 'VND'",
    ],
    "mrr_of_a_day_is_that_of_its_plans_months": [
        "update marts.finance.fct_mrr_daily set mrr_minor = mrr_minor + 1 where day = '2026-05-31'",
        "delete from marts.finance.fct_mrr_months where month = '2026-05-01'",
    ],
    "mrr_of_a_month_balances": [
        "update marts.finance.fct_mrr_months set churn_minor = churn_minor + 1 where churn_minor < 0",
        "update marts.finance.fct_mrr_months set transfer_minor = 1, end_minor = end_minor + 1 where end_minor > 0",
    ],
    "nobody_is_booked_twice_at_once": [
        "insert into marts.scheduling.fct_bookings by name select * replace (uuid() as booking_id) "
        "from marts.scheduling.fct_bookings where status = 'attended' limit 1",
    ],
    "stays_in_stages_have_no_gap": [
        "update marts.core.fct_customer_stages set valid_to = valid_to + interval 1 day where valid_to is not null",
        "update marts.core.fct_customer_stages set valid_to = now() where valid_to is null",
    ],
}  # fmt: skip
"""By test, what somebody may have done to a mart."""


@pytest.fixture(scope="module")
def queries(built_lake, target: Path) -> dict[str, str]:
    """Each test's SQL, as compiled by the build."""
    nodes = json.loads((target / "manifest.json").read_text())["nodes"].values()
    return {
        node["name"]: node["compiled_code"]
        for node in nodes
        if node["resource_type"] == "test" and node["path"].endswith(".sql") and "test_metadata" not in node
    }


@pytest.fixture(scope="module")
def copy(built_lake, postgres) -> Iterator[duckdb.DuckDBPyConnection]:
    """A lake to do wrong to."""
    with warehouse.writing(lakes.copied(built_lake, postgres)) as lake:
        yield lake


def test_every_one_has_an_untruth_to_see(queries):
    assert queries.keys() == PLANTED.keys()


@pytest.mark.parametrize(("name", "untruth"), [(name, one) for name, told in PLANTED.items() for one in told])
def test_an_untruth_is_seen(copy, queries, name, untruth):
    assert copy.execute(queries[name]).fetchall() == []
    copy.execute("begin")
    try:
        copy.execute(untruth)
        assert copy.execute(queries[name]).fetchall() != []
    finally:
        copy.execute("rollback")
