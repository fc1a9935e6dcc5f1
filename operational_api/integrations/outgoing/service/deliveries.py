"""Deliveries: queued once for each endpoint that hears of an event, again by a replay, listed, forgotten in the end.

When each may leave, and what follows from an answer, is `attempts`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events.envelope import Event
from contracts.ids import new_id
from operational_api.core import audit
from operational_api.core.models import OutboxEvent
from operational_api.core.paging import after, cut
from operational_api.integrations.errors import DeliveryNotFound, EndpointDisabled
from operational_api.integrations.outgoing.catalogue import TEST_KIND, body_of, body_of_event, person_of
from operational_api.integrations.outgoing.models import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from operational_api.integrations.outgoing.service.endpoints import endpoint

KEPT = timedelta(days=30)
_AT_ONCE = 1_000


def queue(session: Session, event: Event, now: datetime) -> int:
    """Have every endpoint that hears of such events get this one, once. Returns how many get it."""
    listening = session.scalars(
        select(WebhookEndpoint.id).where(
            WebhookEndpoint.state != "disabled", WebhookEndpoint.kinds.contains([event.type])
        )
    ).all()
    if not listening:
        return 0
    position = session.scalar(select(OutboxEvent.position).where(OutboxEvent.event_id == event.event_id))
    facts = event.facts()
    rows = [
        {
            "id": new_id(), "endpoint_id": one, "event_id": event.event_id, "kind": event.type,
            "person_id": person_of(facts, event.aggregate_id), "position": position or 0,
            "occurred_at": event.occurred_at, "body": body_of_event(event), "next_attempt_at": now,
        }
        for one in listening
    ]  # fmt: skip
    session.execute(insert(WebhookDelivery).on_conflict_do_nothing(), rows)
    return len(rows)


def queue_again(
    session: Session, endpoint_id: UUID, events: Sequence[OutboxEvent], *, replay_id: UUID, now: datetime
) -> None:
    """Have an endpoint, which the caller has locked, get these events once more or for the first time, in order."""
    rows = [
        {
            "id": new_id(), "endpoint_id": endpoint_id, "event_id": one.event_id, "kind": one.type,
            "person_id": person_of(one.payload, one.aggregate_id), "position": one.position,
            "occurred_at": one.occurred_at, "next_attempt_at": now, "replay_id": replay_id,
            "asks": 1, "body": body_of(one.type, one.version, one.occurred_at, one.payload),
        }
        for one in events
    ]  # fmt: skip
    if not rows:
        return
    statement = insert(WebhookDelivery)
    again = {
        "state": "waiting", "attempts": 0, "next_attempt_at": now, "done_at": None, "last_problem": None,
        "replay_id": replay_id, "asks": WebhookDelivery.asks + 1,
    }  # fmt: skip
    session.execute(statement.on_conflict_do_update(index_elements=["endpoint_id", "event_id"], set_=again), rows)


def queue_test(session: Session, endpoint_id: UUID, *, admin_id: UUID, now: datetime) -> WebhookDelivery:
    """Have an endpoint get an event about nobody, which waits for nothing.

    Raises:
        EndpointNotFound.
        EndpointDisabled: nothing is sent there.
    """
    row = endpoint(session, endpoint_id)
    if row.state != "active":
        raise EndpointDisabled
    id_ = new_id()
    made = WebhookDelivery(
        id=new_id(), endpoint_id=row.id, event_id=id_, kind=TEST_KIND, person_id=id_, position=0, occurred_at=now,
        body=body_of(TEST_KIND, 1, now, {"message": "Hello from Plyo"}), state="waiting", attempts=0,
        next_attempt_at=now,
    )  # fmt: skip
    session.add(made)
    session.flush()
    _audited(session, made, "tested", admin_id, now)
    return made


def replay(session: Session, delivery_id: UUID, *, admin_id: UUID, now: datetime) -> WebhookDelivery:
    """Send one once more, whatever became of it; one that waits is tried at once, for all who asked since it began to
    wait. One that is under way just now goes once more.

    Raises:
        DeliveryNotFound.
        EndpointDisabled: nothing is sent there.
    """
    endpoint_id = session.scalar(select(WebhookDelivery.endpoint_id).where(WebhookDelivery.id == delivery_id))
    if endpoint_id is None:
        raise DeliveryNotFound
    place = endpoint(session, endpoint_id, locked=True)
    row = session.get(WebhookDelivery, delivery_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise DeliveryNotFound
    if place.state == "disabled":
        raise EndpointDisabled
    row.state, row.attempts, row.next_attempt_at, row.done_at = "waiting", 0, now, None
    row.asks += 1
    session.flush()
    _audited(session, row, "replayed", admin_id, now)
    return row


def page(
    session: Session,
    endpoint_id: UUID,
    *,
    state: str | None = None,
    kind: str | None = None,
    person_id: UUID | None = None,
    limit: int,
    cursor: str | None,
) -> tuple[list[WebhookDelivery], str | None]:
    """Deliveries of an endpoint, the newest event first.

    Raises:
        EndpointNotFound.
    """
    endpoint(session, endpoint_id)
    wanted: list[ColumnElement[bool]] = [WebhookDelivery.endpoint_id == endpoint_id]
    if state:
        wanted.append(WebhookDelivery.state == state)
    if kind:
        wanted.append(WebhookDelivery.kind == kind)
    if person_id:
        wanted.append(WebhookDelivery.person_id == person_id)
    if cursor:
        (last,) = after(cursor, UUID)
        wanted.append(WebhookDelivery.id < last)
    rows = session.scalars(select(WebhookDelivery).where(*wanted).order_by(WebhookDelivery.id.desc()).limit(limit + 1))
    return cut(rows.all(), limit, lambda one: (one.id,))


def delivery(session: Session, delivery_id: UUID) -> tuple[WebhookDelivery, Sequence[WebhookAttempt]]:
    """One with its tries, the newest first.

    Raises:
        DeliveryNotFound.
    """
    row = session.get(WebhookDelivery, delivery_id)
    if row is None:
        raise DeliveryNotFound
    tries = select(WebhookAttempt).where(WebhookAttempt.delivery_id == row.id)
    return row, session.scalars(tries.order_by(WebhookAttempt.started_at.desc(), WebhookAttempt.id.desc())).all()


def counts(session: Session) -> dict[UUID, dict[str, int]]:
    """How many deliveries of each endpoint wait, and how many failed. What was delivered is not counted."""
    rows = session.execute(
        select(WebhookDelivery.endpoint_id, WebhookDelivery.state, func.count())
        .where(WebhookDelivery.state != "delivered")
        .group_by(WebhookDelivery.endpoint_id, WebhookDelivery.state)
    )
    found: dict[UUID, dict[str, int]] = {}
    for endpoint_id, state, number in rows:
        found.setdefault(endpoint_id, {})[state] = number
    return found


def forget_old(session: Session, now: datetime) -> None:
    """Drop what was done with long ago. For the worker; a thousand at a time."""
    old = select(WebhookDelivery.id).where(WebhookDelivery.done_at < now - KEPT).limit(_AT_ONCE).scalar_subquery()
    session.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(old)))


def _audited(session: Session, row: WebhookDelivery, change: str, admin_id: UUID, now: datetime) -> None:
    audit.record(
        session, "integrations.manage_webhooks", "WebhookDelivery", row.id, actor_id=admin_id, purpose="operations",
        details={"change": change, "kind": row.kind}, now=now,
    )  # fmt: skip
