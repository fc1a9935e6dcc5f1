"""Tries: which deliveries may leave now, and what follows from what came of a try.

Of one person at one endpoint a later delivery waits for an earlier one, whatever holds it; nobody else's does. Nothing
here asks a server: that is `outgoing.sender`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, String, cast, exists, func, or_, select, tuple_, update
from sqlalchemy.orm import Session, aliased

from contracts.events.integrations import WebhookGivenUp
from contracts.ids import new_id
from operational_api.core.models import InboxMessage
from operational_api.core.outbox import publish
from operational_api.core.retries import RetryPolicy
from operational_api.integrations.outgoing.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from operational_api.integrations.outgoing.service.endpoints import disable

RETRY = RetryPolicy(attempts=30, first_seconds=5, longest_seconds=6 * 3600)
"""About four and a half days."""
DISABLED_AFTER = timedelta(days=5)
_REST = RetryPolicy(first_seconds=5, longest_seconds=300)
"""Between tries of an endpoint that cannot be reached at all, whoever they are about."""


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


def heads(session: Session, endpoint_id: UUID, source: str, *, now: datetime, limit: int) -> list[WebhookDelivery]:
    """What an endpoint may get now: what is due and stands behind nothing of its person, the oldest first.

    Args:
        source: Of the inbox of whoever calls `queue`: an earlier event that waits there is waited for.
    """
    one = WebhookDelivery
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
                ~_is_behind_another(), ~comes_before_it,
            )
            .order_by(one.position, one.id)
            .limit(limit)
        )
    )  # fmt: skip


def may_leave(session: Session, delivery_id: UUID, *, asks: int) -> bool:
    """Whether what was taken a while ago is still to be sent, and first of its person: a replay may have come since."""
    is_as_taken = WebhookDelivery.id == delivery_id, WebhookDelivery.state == "waiting", WebhookDelivery.asks == asks
    return session.scalar(select(WebhookDelivery.id).where(*is_as_taken, ~_is_behind_another())) is not None


def _is_behind_another() -> ColumnElement[bool]:
    one, earlier = WebhookDelivery, aliased(WebhookDelivery)
    return exists().where(
        earlier.endpoint_id == one.endpoint_id,
        earlier.person_id == one.person_id,
        earlier.state == "waiting",
        tuple_(earlier.position, earlier.id) < tuple_(one.position, one.id),
    )


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
        .with_for_update(skip_locked=True, key_share=True)
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


def note(session: Session, delivery_id: UUID, answer: Answer, *, asks: int, attempt: int, now: datetime) -> bool:
    """Keep what came of a try, and what follows from it for its delivery and its endpoint.

    Args:
        asks: Of the delivery as it was taken. Another number there now: it was asked for again while it was under way,
            and leaves once more for that.
        attempt: Tries before this one. Another number there now: it was tried meanwhile.

    Returns:
        Whether its endpoint may be sent more at once.
    """
    owner = select(WebhookDelivery.endpoint_id).where(WebhookDelivery.id == delivery_id).scalar_subquery()
    place = session.scalar(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.id == owner)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    row = session.get(WebhookDelivery, delivery_id, with_for_update=True, populate_existing=True)
    if row is None or place is None:
        return False  # removed meanwhile
    is_as_taken = (row.state, row.asks, row.attempts) == ("waiting", asks, attempt)
    session.add(
        WebhookAttempt(
            id=new_id(), delivery_id=row.id, started_at=answer.started_at, status=answer.status,
            problem=answer.problem, latency_ms=answer.latency_ms, response_head=answer.head,
        )
    )  # fmt: skip
    if answer.problem is None:
        place.failing_since, place.rest_until, place.rests = None, None, 0
        if is_as_taken:
            row.state, row.attempts, row.done_at, row.last_problem = "delivered", attempt + 1, now, None
        session.flush()
        return place.state == "active"
    if is_as_taken:
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
