"""Deliveries: queued once for each endpoint that hears of an event, in their person's order, sent, and what came of it.

Of one person at one endpoint a later delivery waits for an earlier one, whatever holds it; nobody else's does. Nothing
here asks a server: that is `outgoing.sender`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, String, cast, delete, exists, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from contracts.events.envelope import Event
from contracts.events.integrations import WebhookGivenUp
from contracts.ids import new_id
from operational_api.core import audit
from operational_api.core.models import InboxMessage, OutboxEvent
from operational_api.core.outbox import publish
from operational_api.core.paging import after, cut
from operational_api.core.retries import RetryPolicy
from operational_api.integrations.errors import DeliveryNotFound, EndpointDisabled
from operational_api.integrations.outgoing.catalogue import TEST_KIND, body_of, body_of_event, person_of
from operational_api.integrations.outgoing.models import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from operational_api.integrations.outgoing.service.endpoints import disable, endpoint

RETRY = RetryPolicy(attempts=30, first_seconds=5, longest_seconds=6 * 3600)
"""About four and a half days."""
DISABLED_AFTER = timedelta(days=5)
KEPT = timedelta(days=30)
_REST = RetryPolicy(first_seconds=5, longest_seconds=300)
"""Between tries of an endpoint that cannot be reached at all, whoever they are about."""
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try.

    Args:
        status: None where no answer came.
        problem: Why it counts as failed; None: delivered.
        rest: The endpoint wants to be left alone for so long.
        is_unreachable: Nothing there answered; that is about the endpoint, not about what was sent.
    """

    started_at: datetime
    latency_ms: int
    status: int | None = None
    problem: str | None = None
    head: str | None = None
    rest: timedelta | None = None
    is_unreachable: bool = False


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
    """Have an endpoint get these events once more, or for the first time, in their order."""
    rows = [
        {
            "id": new_id(), "endpoint_id": endpoint_id, "event_id": one.event_id, "kind": one.type,
            "person_id": person_of(one.payload, one.aggregate_id), "position": one.position,
            "occurred_at": one.occurred_at, "next_attempt_at": now, "replay_id": replay_id,
            "body": body_of(one.type, one.version, one.occurred_at, one.payload),
        }
        for one in events
    ]  # fmt: skip
    if not rows:
        return
    statement = insert(WebhookDelivery)
    again = {
        "state": "waiting", "attempts": 0, "next_attempt_at": now, "done_at": None, "last_problem": None,
        "replay_id": replay_id,
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
    """Send one once more, whatever became of it; one that waits is tried at once.

    Raises:
        DeliveryNotFound.
        EndpointDisabled: nothing is sent there.
    """
    row = session.get(WebhookDelivery, delivery_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise DeliveryNotFound
    if endpoint(session, row.endpoint_id).state == "disabled":
        raise EndpointDisabled
    row.state, row.attempts, row.next_attempt_at, row.done_at = "waiting", 0, now, None
    session.flush()
    _audited(session, row, "replayed", admin_id, now)
    return row


def heads(session: Session, endpoint_id: UUID, source: str, *, now: datetime, limit: int) -> list[WebhookDelivery]:
    """What an endpoint may get now: what is due and stands behind nothing of its person, the oldest first.

    Args:
        source: Of the inbox of whoever calls `queue`: an earlier event that waits there is waited for.
    """
    one, earlier = WebhookDelivery, aliased(WebhookDelivery)
    is_behind_another = exists().where(
        earlier.endpoint_id == one.endpoint_id,
        earlier.person_id == one.person_id,
        earlier.state == "waiting",
        tuple_(earlier.position, earlier.id) < tuple_(one.position, one.id),
    )
    facts = InboxMessage.payload["facts"]
    named = func.coalesce(*(facts[name].astext for name in ("customer_id", "account_id", "person_id", "lead_id")))
    comes_before_it = exists().where(
        InboxMessage.source == source,
        InboxMessage.handled_at.is_(None),
        InboxMessage.parked_at.is_(None),
        InboxMessage.position < one.position,
        named == cast(one.person_id, String),
    )
    return list(
        session.scalars(
            select(one)
            .where(
                one.endpoint_id == endpoint_id, one.state == "waiting", one.next_attempt_at <= now,
                ~is_behind_another, ~comes_before_it,
            )
            .order_by(one.position, one.id)
            .limit(limit)
        )
    )  # fmt: skip


def take_endpoint(session: Session, *, now: datetime, lease: timedelta) -> WebhookEndpoint | None:
    """An endpoint that something is due for, for this worker alone until the lease ends; the longest unserved first."""
    due = exists().where(
        WebhookDelivery.endpoint_id == WebhookEndpoint.id,
        WebhookDelivery.state == "waiting",
        WebhookDelivery.next_attempt_at <= now,
    )
    row = session.scalar(
        select(WebhookEndpoint)
        .where(
            WebhookEndpoint.state == "active",
            or_(WebhookEndpoint.leased_until.is_(None), WebhookEndpoint.leased_until <= now),
            or_(WebhookEndpoint.rest_until.is_(None), WebhookEndpoint.rest_until <= now),
            due,
        )
        .order_by(WebhookEndpoint.served_at.nulls_first())
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if row is not None:
        row.leased_until, row.served_at = now + lease, now
        session.flush()
    return row


def release(session: Session, endpoint_id: UUID, leased_until: datetime) -> None:
    """Let other workers have the endpoint, unless one has it already."""
    session.execute(
        update(WebhookEndpoint)
        .where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.leased_until == leased_until)
        .values(leased_until=None)
    )


def note(session: Session, delivery_id: UUID, answer: Answer, *, attempt: int, now: datetime) -> bool:
    """Keep what came of a try, and what follows from it for its delivery and its endpoint.

    Args:
        attempt: Tries before this one. Another number there now: it was replayed or tried meanwhile.

    Returns:
        Whether its endpoint may be sent more at once.
    """
    owner = select(WebhookDelivery.endpoint_id).where(WebhookDelivery.id == delivery_id).scalar_subquery()
    place = session.scalar(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.id == owner)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    row = session.get(WebhookDelivery, delivery_id, with_for_update=True, populate_existing=True)
    if row is None or place is None:
        return False  # removed meanwhile
    session.add(
        WebhookAttempt(
            id=new_id(), delivery_id=row.id, started_at=answer.started_at, status=answer.status,
            problem=answer.problem, latency_ms=answer.latency_ms, response_head=answer.head,
        )
    )  # fmt: skip
    if answer.problem is None:
        place.failing_since, place.rest_until, place.rests = None, None, 0
        if row.state == "waiting" and row.attempts == attempt:
            row.state, row.attempts, row.done_at, row.last_problem = "delivered", attempt + 1, now, None
        session.flush()
        return place.state == "active"
    if row.state == "waiting" and row.attempts == attempt:
        _fail(session, row, answer.problem, now)
    _suffer(session, place, answer, now)
    return place.state == "active" and place.rest_until is None


def _fail(session: Session, row: WebhookDelivery, problem: str, now: datetime) -> None:
    row.attempts += 1
    row.last_problem = problem
    if RETRY.is_last(row.attempts):
        row.state, row.done_at = "failed", now
        publish(
            session,
            WebhookGivenUp(occurred_at=now, endpoint_id=row.endpoint_id, delivery_id=row.id, kind=row.kind),
        )
        return
    row.next_attempt_at = now + RETRY.delay(row.attempts)
    session.flush()
    # What stands behind it need not be looked at before; `heads` keeps the order whether or not this was done.
    session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.endpoint_id == row.endpoint_id, WebhookDelivery.person_id == row.person_id,
            WebhookDelivery.state == "waiting", WebhookDelivery.position > row.position,
        )
        .values(next_attempt_at=func.greatest(WebhookDelivery.next_attempt_at, row.next_attempt_at))
        .execution_options(synchronize_session=False)
    )  # fmt: skip


def _suffer(session: Session, place: WebhookEndpoint, answer: Answer, now: datetime) -> None:
    place.failing_since = place.failing_since or now
    if answer.rest is not None:
        place.rest_until = now + answer.rest
    elif answer.is_unreachable:
        place.rests = min(place.rests + 1, 100)
        place.rest_until = now + _REST.delay(place.rests)
    if place.state == "active":
        if answer.status == 410:
            disable(session, place, reason="gone", now=now)
        elif now - place.failing_since >= DISABLED_AFTER:
            disable(session, place, reason="failing", now=now)


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
