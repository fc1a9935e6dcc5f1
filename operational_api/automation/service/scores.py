"""Churn scores as the warehouse posts them: stored once each, announced where they changed, met by the rules."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from contracts.events.automation import ChurnScored
from operational_api.automation.errors import InvalidScores
from operational_api.automation.service import runs
from operational_api.core.outbox import publish
from operational_api.training import public as training

CLOCK_SKEW = timedelta(minutes=5)

# Scores arrive out of order when an old batch is repeated: only the newest of a customer counts for anything.
_STORE = text(
    """
    with given as (
        select * from jsonb_to_recordset(cast(:scores as jsonb))
            as g(customer_id uuid, coach_id uuid, probability double precision, reasons jsonb)
    ), latest as (
        select distinct on (s.customer_id) s.customer_id, s.probability, s.scored_at
        from automation.churn_scores s join given using (customer_id)
        order by s.customer_id, s.scored_at desc
    ), stored as (
        insert into automation.churn_scores
            (id, customer_id, coach_id, model_id, probability, reasons, scored_at, received_at)
        select uuidv7(), customer_id, coach_id, :model_id, probability, reasons, :scored_at, :now from given
        on conflict do nothing
        returning id, customer_id, probability
    )
    select s.id, s.customer_id, s.probability,
        l.probability is null or round(l.probability::numeric, 3) <> round(s.probability::numeric, 3) as is_changed
    from stored s left join latest l using (customer_id)
    where l.scored_at is null or l.scored_at <= :scored_at
    """
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a batch led to. `changed`: customers whose probability differs (by 0.001 or more) from the last known."""

    received: int
    changed: int
    treatment: int
    holdout: int


def receive_scores(
    session: Session, *, model_id: str, scored_at: datetime, scores: Sequence[dict[str, Any]], now: datetime
) -> Receipt:
    """Store a batch, announce changes, and let every active rule meet the customers in it.

    Repeating a batch changes nothing: a score is known by customer, model and time.

    Args:
        scores: JSON-ready {customer_id, coach_id, probability, reasons}, one a customer. The coach is the one known
            when the marts were built; today's, where there is one, takes their place.

    Raises:
        InvalidScores: scored in the future, or a customer twice.
    """
    if scored_at > now + CLOCK_SKEW:
        raise InvalidScores(f"These scores are of {scored_at.isoformat()}, which is still to come.")
    customers = [score["customer_id"] for score in scores]
    if len(set(customers)) < len(customers):
        raise InvalidScores("A customer is in this batch twice.")
    today = {str(client): str(coach) for client, coach in training.coaches_of(session, map(UUID, customers)).items()}
    given = [score | {"coach_id": today.get(score["customer_id"], score["coach_id"])} for score in scores]
    stored = session.execute(
        _STORE, {"scores": json.dumps(given), "model_id": model_id, "scored_at": scored_at, "now": now}
    ).all()
    changed = [row for row in stored if row.is_changed]
    for row in changed:
        publish(
            session,
            ChurnScored(
                occurred_at=now, customer_id=row.customer_id, probability=row.probability, model_id=model_id
            ),
        )  # fmt: skip
    started = runs.start_runs(session, score_ids=[_uuid(row.id) for row in stored], now=now)
    return Receipt(
        received=len(scores),
        changed=len(changed),
        treatment=sum(run.arm == "treatment" for run in started),
        holdout=sum(run.arm == "holdout" for run in started),
    )


def _uuid(value: object) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))
