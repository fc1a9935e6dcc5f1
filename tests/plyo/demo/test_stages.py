"""Stages of the demo's people: its whole history, heard in any order and twice, stores what replaying it makes."""

import random
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, delete, select
from sqlalchemy.orm import Session

from contracts.events import commerce, registry
from operational_api.core.models import OutboxEvent
from operational_api.engagement import handlers
from operational_api.engagement.models import LifecycleFact, LifecycleStage
from operational_api.engagement.service import stages
from tests.conftest import sqlalchemy_url, taken_back
from tests.plyo.demo.conftest import Business

LEARNS = {
    commerce.SubscriptionStarted.type: handlers.learn_of_start,
    commerce.SubscriptionChanged.type: handlers.learn_of_change,
    commerce.SubscriptionCancelled.type: handlers.learn_of_end,
}


@pytest.fixture
def session(business: Business) -> Iterator[Session]:
    engine = create_engine(sqlalchemy_url(business.url), connect_args={"options": "-c timezone=UTC"})
    with taken_back(engine) as session:
        yield session
    engine.dispose()


def hear(session: Session, rows: list[OutboxEvent]) -> dict[object, tuple[str, object]]:
    for row in rows:
        event = registry.parse(
            event_type=row.type, version=row.version, event_id=row.event_id, occurred_at=row.occurred_at,
            payload=row.payload,
        )  # fmt: skip
        LEARNS[row.type](session, event)
    session.flush()
    return {one.person_id: (one.stage, one.since) for one in session.scalars(select(LifecycleStage))}


def test_history_heard_in_any_order_and_replayed_makes_the_same_stages(session: Session) -> None:
    rows = list(session.scalars(select(OutboxEvent).where(OutboxEvent.type.in_(LEARNS)).order_by(OutboxEvent.position)))
    stored = hear(session, rows)
    assert {person: (one.stage, one.since) for person, one in stages.recomputed(session).items()} == stored
    assert {stage for stage, _ in stored.values()} >= {"active", "churned"}
    session.execute(delete(LifecycleStage))
    session.execute(delete(LifecycleFact))
    session.expire_all()
    mixed = random.Random(7).sample(rows + rows[: len(rows) // 3], len(rows) + len(rows) // 3)
    assert hear(session, mixed) == stored


def test_who_has_a_membership_is_in_a_stage_of_members(session: Session) -> None:
    """The product's own word for who is a member today, against what the facts make."""
    rows = list(session.scalars(select(OutboxEvent).where(OutboxEvent.type.in_(LEARNS)).order_by(OutboxEvent.position)))
    stored = hear(session, rows)
    statuses = session.connection().exec_driver_sql(
        "select customer_id, array_agg(distinct status) from commerce.subscriptions group by customer_id"
    )
    running = {"trialing", "active", "past_due", "paused"}
    wrong = {
        str(customer_id): (found, stored.get(customer_id))
        for customer_id, found in statuses
        if bool(running & set(found)) != (stored.get(customer_id, ("", None))[0] in stages_of_members())
    }
    assert wrong == {}


def stages_of_members() -> frozenset[str]:
    return frozenset({"trial", "active", "paused", "at_risk", "won_back"})
