"""A membership's history as it is written down: in the order in which it is read, whatever a provider says of times."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.lifecycle import Step
from operational_api.commerce.models import SubscriptionChange
from operational_api.commerce.service import subscriptions
from tests.factories import LONG_AGO, make_subscription


def told(session: Session) -> list[tuple[str, int, int]]:
    """Steps as the warehouse orders them."""
    rows = session.scalars(select(SubscriptionChange).order_by(SubscriptionChange.changed_at, SubscriptionChange.id))
    return [(row.kind, row.mrr_before_minor, row.mrr_after_minor) for row in rows]


class TestRecord:
    def test_a_plan_that_changed_at_the_periods_start_follows_the_pause_since(self, session: Session) -> None:
        row = make_subscription(session, customer_id=new_id())
        began = LONG_AGO + timedelta(days=30)
        for kind, before, after, at in [
            ("started", 0, 100, LONG_AGO), ("paused", 100, 0, began + timedelta(days=5)),
            ("resumed", 0, 100, began + timedelta(days=9)), ("plan_changed", 100, 300, began),
        ]:  # fmt: skip
            subscriptions.record(session, row, [Step(kind, before, after)], {kind: at})
            session.flush()
        assert told(session) == [
            ("started", 0, 100), ("paused", 100, 0), ("resumed", 0, 100), ("plan_changed", 100, 300),
        ]  # fmt: skip

    def test_steps_of_one_instant_keep_their_order(self, session: Session) -> None:
        """Ids of one millisecond are in no order."""
        for _ in range(8):
            row = make_subscription(session, customer_id=new_id(), status="paused")
            steps = [Step("trial_started", 0, 0), Step("started", 0, 300), Step("paused", 300, 0)]
            subscriptions.record(session, row, steps, dict.fromkeys(("trial_started", "started", "paused"), LONG_AGO))
            session.flush()
            kinds = session.scalars(
                select(SubscriptionChange.kind)
                .where(SubscriptionChange.subscription_id == row.id)
                .order_by(SubscriptionChange.changed_at, SubscriptionChange.id)
            ).all()
            assert kinds == ["trial_started", "started", "paused"]
