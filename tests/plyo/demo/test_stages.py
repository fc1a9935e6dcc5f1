"""Stages of the demo's people: its whole history, heard in any order and twice, stores what replaying it makes."""

import random
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, delete, select, update
from sqlalchemy.orm import Session

from contracts.events import registry
from operational_api.core.models import OutboxEvent
from operational_api.engagement import handlers
from operational_api.engagement.models import LifecycleFact, LifecycleStage
from operational_api.engagement.service import stages
from tests.conftest import sqlalchemy_url, taken_back
from tests.plyo.demo.conftest import Business


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
        handlers.learn(session, event)
    session.flush()
    return stored_in(session)


def stored_in(session: Session) -> dict[object, tuple[str, object]]:
    return {one.person_id: (one.stage, one.since) for one in session.scalars(select(LifecycleStage))}


def told(session: Session) -> list[OutboxEvent]:
    query = select(OutboxEvent).where(OutboxEvent.type.in_(stages.TELLING))
    return list(session.scalars(query.order_by(OutboxEvent.position)))


def test_history_heard_in_any_order_and_replayed_makes_the_same_stages(session: Session) -> None:
    rows, stored = told(session), stored_in(session)
    assert {stage for stage, _ in stored.values()} >= {"active", "churned"}
    assert stages.replay(session) == 0
    for ways in (rows, random.Random(7).sample(rows + rows[: len(rows) // 3], len(rows) + len(rows) // 3)):
        session.execute(delete(LifecycleStage))
        session.execute(delete(LifecycleFact))
        session.expire_all()
        assert hear(session, ways) == stored
    one, other = list(stored)[:2]
    session.execute(delete(LifecycleStage).where(LifecycleStage.person_id == one))
    session.execute(update(LifecycleStage).where(LifecycleStage.person_id == other).values(stage="at_risk"))
    assert stages.replay(session) == 2
    session.expire_all()
    assert stored_in(session) == stored


def test_who_has_a_membership_is_in_a_stage_of_members(session: Session) -> None:
    """The product's own word for who is a member today, against what the facts make."""
    stored = stored_in(session)
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
