"""Announcing facts: events go into the transaction that makes them true. Relaying them is `operational_api.worker`."""

from sqlalchemy.orm import Session

from contracts.events.envelope import Event
from contracts.telemetry import current_traceparent
from operational_api.core.models import OutboxEvent


def publish(session: Session, event: Event) -> OutboxEvent:
    """Write the event in this transaction; it leaves after the commit, at least once, or never if it rolls back."""
    row = OutboxEvent(
        event_id=event.event_id,
        type=event.type,
        version=event.version,
        aggregate_id=event.aggregate_id,
        occurred_at=event.occurred_at,
        payload=event.facts(),
        traceparent=current_traceparent(),
    )
    session.add(row)
    return row
