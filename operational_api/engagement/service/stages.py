"""Facts about people and the stages they make: heard from other contexts' events, folded anew with each, announced."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events import automation, commerce, engagement, registry
from contracts.events.engagement import LifecycleStageChanged
from contracts.events.envelope import Event
from operational_api.core.models import OutboxEvent
from operational_api.core.outbox import publish
from operational_api.engagement.lifecycle import Fact, Kind, Standing, fold
from operational_api.engagement.models import Lead, LifecycleFact, LifecycleStage

AT_RISK_FROM, RECOVERED_BELOW = 0.6, 0.4
"""Of a churn score's probability: two borders, so that a score that trembles changes nothing."""
CHANGES: dict[str, Kind] = {
    "started": "membership_started", "paused": "membership_paused", "resumed": "membership_resumed",
}  # fmt: skip
"""Other changes of a membership are no news here."""
TELLING = (
    commerce.SubscriptionStarted.type, commerce.SubscriptionChanged.type, commerce.SubscriptionCancelled.type,
    automation.ChurnScored.type, engagement.LeadCaptured.type,
)  # fmt: skip
"""Events that `told_by` reads."""
AT_ONCE = 5_000


class Told(TypedDict):
    """A fact as an event tells it; `fact_id` is the event's own, so that a second telling changes nothing."""

    fact_id: UUID
    person_id: UUID
    kind: Kind
    at: datetime


def told_by(event: Event) -> Told | None:
    """What an event says of where a person stands; None where it says nothing. A lead is a person of its own until it
    has an account, and a membership that will end is one until then."""
    person_id: UUID | None = None
    kind: Kind | None = None
    match event:
        case commerce.SubscriptionStarted():
            person_id, kind = event.customer_id, "trial_started" if event.is_trial else "membership_started"
        case commerce.SubscriptionChanged():
            person_id, kind = event.customer_id, CHANGES.get(event.kind)
        case commerce.SubscriptionCancelled() if event.ends_now:
            person_id, kind = event.customer_id, "membership_ended"
        case automation.ChurnScored() if event.probability >= AT_RISK_FROM:
            person_id, kind = event.customer_id, "became_at_risk"
        case automation.ChurnScored() if event.probability < RECOVERED_BELOW:
            person_id, kind = event.customer_id, "recovered"
        case engagement.LeadCaptured():
            person_id, kind = event.lead_id, "lead_captured"
    if person_id is None or kind is None:
        return None
    return Told(fact_id=event.event_id, person_id=person_id, kind=kind, at=event.occurred_at)


def learn(session: Session, *, person_id: UUID, fact_id: UUID, kind: Kind, at: datetime, now: datetime) -> None:
    """Take a fact, and put the person where all their facts say; a change of stage is announced once.

    Args:
        fact_id: The id of the event that told it: a second telling changes nothing.
    """
    session.execute(
        text("select pg_advisory_xact_lock(hashtextextended('lifecycle:' || :who, 0))"), {"who": str(person_id)}
    )
    statement = insert(LifecycleFact).values(id=fact_id, person_id=person_id, kind=kind, occurred_at=at)
    if session.scalar(statement.on_conflict_do_nothing().returning(LifecycleFact.id)) is not None:
        settle(session, person_id, now)


def settle(session: Session, person_id: UUID, now: datetime) -> None:
    """Store the stage that a person's facts make, where it is not stored already."""
    stages = fold(facts_of(session, person_id))
    if not stages:
        return
    newest = stages[-1]
    known = session.get(LifecycleStage, person_id, populate_existing=True)
    if known is not None and (known.stage, known.since) == (newest.stage, newest.since):
        return
    before = known.stage if known else None
    values = {"stage": newest.stage, "since": newest.since}
    statement = insert(LifecycleStage).values(person_id=person_id, **values)
    session.execute(statement.on_conflict_do_update(index_elements=[LifecycleStage.person_id], set_=values))
    if before != newest.stage:
        publish(
            session,
            LifecycleStageChanged(
                occurred_at=now, person_id=person_id, before=before, stage=newest.stage, since=newest.since
            ),
        )


def facts_of(session: Session, person_id: UUID) -> list[Fact]:
    """All that is known of a person."""
    rows = session.scalars(select(LifecycleFact).where(LifecycleFact.person_id == person_id))
    return [Fact(row.id, row.kind, row.occurred_at) for row in rows]  # type: ignore[arg-type]


def recomputed(session: Session) -> dict[UUID, Standing]:
    """Today's stage of everybody, from history alone: what the stored ones must equal. Two seconds for 10,000."""
    people: dict[UUID, list[Fact]] = {}
    for row in session.scalars(select(LifecycleFact)):
        people.setdefault(row.person_id, []).append(Fact(row.id, row.kind, row.occurred_at))  # type: ignore[arg-type]
    return {person_id: stages[-1] for person_id, facts in people.items() if (stages := fold(facts))}


def replay(session: Session) -> int:
    """Hear the whole record of events once more, and store the stages it makes; how many were others than stored.

    For a history that was brought in without anybody hearing it. Nothing is announced: what is long past is no news.
    Facts that are known stay, those of leads who have an account by now among them.
    """
    rows = session.execute(
        select(
            OutboxEvent.type, OutboxEvent.version, OutboxEvent.event_id, OutboxEvent.occurred_at, OutboxEvent.payload
        )
        .where(OutboxEvent.type.in_(TELLING))
        .order_by(OutboxEvent.position),
        execution_options={"yield_per": AT_ONCE},
    )
    for part in rows.mappings().partitions():
        events = [
            registry.parse(
                event_type=row["type"], version=row["version"], event_id=row["event_id"],
                occurred_at=row["occurred_at"], payload=row["payload"],
            )
            for row in part
        ]  # fmt: skip
        told = [fact for event in events if (fact := told_by(event)) is not None]
        if told:
            values = [
                {"id": one["fact_id"], "person_id": one["person_id"], "kind": one["kind"], "occurred_at": one["at"]}
                for one in told
            ]
            session.execute(insert(LifecycleFact).on_conflict_do_nothing(), values)
    known = session.execute(select(LifecycleStage.person_id, LifecycleStage.stage, LifecycleStage.since))
    stored = {row.person_id: (row.stage, row.since) for row in known}
    others = [
        {"person_id": person_id, "stage": one.stage, "since": one.since}
        for person_id, one in recomputed(session).items()
        if stored.get(person_id) != (one.stage, one.since)
    ]
    if others:
        statement = insert(LifecycleStage)
        fresh = {name: statement.excluded[name] for name in ("stage", "since")}
        session.execute(statement.on_conflict_do_update(index_elements=[LifecycleStage.person_id], set_=fresh), others)
    return len(others)


def carry_lead_over(session: Session, *, email: str, customer_id: UUID, now: datetime) -> None:
    """Somebody who was a lead has an account: when they were first heard of is a fact of the account's as well."""
    first = session.scalar(
        select(Lead).where(func.lower(Lead.email) == email.lower()).order_by(Lead.created_at).limit(1)
    )
    if first is not None:
        learn(
            session, person_id=customer_id, fact_id=first.id, kind="lead_captured", at=first.created_at, now=now
        )  # fmt: skip
