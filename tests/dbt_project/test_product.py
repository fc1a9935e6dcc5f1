"""What the product says of its own rows, as a page shows it, and what the marts made of them say: the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from datetime import UTC, date, datetime

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from contracts.metrics import METRICS
from operational_api.commerce.billing.service import payouts
from operational_api.engagement.service import sms_costs
from operational_api.training.service import onboarding
from tests.dbt_project.lake import NOW
from tests.dbt_project.test_marts import rows, who


@contextmanager
def reading(url: str) -> Iterator[Session]:
    """The product's own rows, of which the marts are made."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with Session(engine) as session:
        yield session
    engine.dispose()


class TestBoth:
    def test_what_is_left_to_pay_a_coach_is_what_the_page_of_pay_says(self, marts, business_database):
        assert rows(
            marts,
            "select payout_id, amount_minor, paid_on, reversed_at is not null "
            "from marts.finance.fct_commission_payouts order by recorded_at",
        ) == [(who("paid-1"), 1000, date(2026, 6, 2), False), (who("paid-2"), 1200, date(2026, 6, 2), True)]
        closed, paid = (
            rows(marts, f"select {one.expression} from marts.{one.relation} where {one.where or 'true'}")[0][0]
            for one in (METRICS["commission"], METRICS["commission_paid"])
        )
        with reading(business_database) as session:
            [balance] = payouts.balances(session)
        assert (balance.coach_id, balance.statement_id) == (who("kim"), who("pay-may"))
        assert (closed - paid, paid) == (balance.left_minor, 1000) == (1500, 1000)

    def test_what_texts_cost_is_what_the_page_of_announcements_says(self, marts, business_database):
        told = rows(
            marts,
            """select message_channel, message_purpose, messages, segments, cost_minor, currency
            from marts.engagement.fct_message_costs order by month, 1, 2, 5""",
        )
        # May: 2 segments at June's price and 3 at May's, 20500 + 29370 thousandths of a cent. June: 5 * 10250.
        assert told == [
            ("sms", "reminders", 2, 5, 50, "EUR"), ("sms", "reminders", 1, 4, None, None),
            ("email", "marketing", 1, None, None, None), ("email", "reminders", 1, None, None, None),
            ("email", "transactional", 1, None, None, None), ("sms", "reminders", 1, 1, 10, "USD"),
            ("sms", "reminders", 2, 5, 51, "EUR"),
        ]  # fmt: skip
        with reading(business_database) as session:
            page = sms_costs.lately(session, now=datetime.fromisoformat(NOW))
        assert (page.messages, page.segments, sorted(page.totals)) == (6, 15, [(10, "USD"), (101, "EUR")])
        assert sorted((one.segments, one.cost_minor, one.currency) for one in page.prices[:3]) == [
            (1, 10, "USD"), (3, 29, "EUR"), (7, 72, "EUR"),
        ]  # fmt: skip

    def test_the_products_funnel_and_the_mart_agree_on_every_step(self, marts, business_database):  # decision 43
        with reading(business_database) as session:
            since, until = datetime(2000, 1, 1, tzinfo=UTC), datetime.fromisoformat(NOW)
            asked = onboarding.funnel(session, since=since, until=until)
        told = rows(
            marts,
            """select step, count(*), count(*) filter (outcome = 'done'), count(*) filter (outcome = 'skipped'),
            count(*) filter (is_dropped), 60 * median(minutes_in_step) from marts.engagement.fct_onboarding_steps
            group by step""",
        )
        assert sorted(astuple(one) for one in asked if one.entered) == sorted(told)
        assert sum(one.dropped for one in asked) == 1
