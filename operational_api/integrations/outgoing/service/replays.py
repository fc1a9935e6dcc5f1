"""Replays: what happened in a span, sent to one endpoint once more, from the outbox, which forgets nothing.

So what an endpoint missed while it was disabled, or before it was there, can be had too. The worker reads a piece of
the outbox at a time, and a replay that was cut off goes on where it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.events.integrations import WebhookReplayAsked
from contracts.ids import new_id
from operational_api.core import audit
from operational_api.core.models import OutboxEvent
from operational_api.core.outbox import publish
from operational_api.integrations.errors import EndpointDisabled, NoSuchSpan, ReplayUnderWay
from operational_api.integrations.outgoing.models import WebhookDelivery, WebhookEndpoint, WebhookReplay
from operational_api.integrations.outgoing.service.deliveries import queue_again
from operational_api.integrations.outgoing.service.endpoints import endpoint

LONGEST = timedelta(days=31)
PIECE = 5_000
"""Positions of the outbox that are looked at in one transaction."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is: events found so far, and of those the ones delivered and given up. A delivery belongs to the
    last replay that asked for it."""

    replay: WebhookReplay
    delivered: int
    failed: int

    @property
    def share(self) -> int:
        """Per cent, 100 only when all is done."""
        if self.replay.finished_at is None:
            return 0
        done = self.delivered + self.failed
        return 100 if done >= self.replay.found else min(99, 100 * done // self.replay.found)


def ask(
    session: Session, endpoint_id: UUID, *, from_at: datetime, until_at: datetime, admin_id: UUID, now: datetime
) -> WebhookReplay:
    """Have an endpoint get what happened in a span, of the kinds it hears of now.

    Raises:
        EndpointNotFound, NoSuchSpan.
        EndpointDisabled: nothing is sent there.
        ReplayUnderWay: one at a time.
    """
    if not from_at < until_at <= from_at + LONGEST:
        raise NoSuchSpan
    row = endpoint(session, endpoint_id, locked=True)
    if row.state == "disabled":
        raise EndpointDisabled
    unfinished = select(WebhookReplay.id).where(
        WebhookReplay.endpoint_id == row.id, WebhookReplay.finished_at.is_(None)
    )
    if session.scalar(unfinished.limit(1)) is not None:
        raise ReplayUnderWay
    made = WebhookReplay(
        id=new_id(), endpoint_id=row.id, from_at=from_at, until_at=until_at, asked_by=admin_id, asked_at=now,
        position=0, last_position=session.scalar(select(func.max(OutboxEvent.position))) or 0, found=0,
    )  # fmt: skip
    session.add(made)
    session.flush()
    publish(
        session,
        WebhookReplayAsked(
            occurred_at=now, endpoint_id=row.id, replay_id=made.id, from_at=from_at, until_at=until_at,
            asked_by=admin_id,
        ),
    )  # fmt: skip
    audit.record(
        session, "integrations.manage_webhooks", "WebhookEndpoint", row.id, actor_id=admin_id, purpose="operations",
        details={"change": "replay_asked", "from": from_at.isoformat(), "until": until_at.isoformat()}, now=now,
    )  # fmt: skip
    return made


def step(session: Session, now: datetime) -> bool:
    """Queue the next piece of a replay that is not read to its end. Returns whether there was one."""
    unfinished = select(WebhookReplay.id, WebhookReplay.endpoint_id).where(WebhookReplay.finished_at.is_(None))
    oldest = session.execute(unfinished.order_by(WebhookReplay.asked_at, WebhookReplay.id).limit(1)).first()
    if oldest is None:
        return False
    # The endpoint first, as whoever notes an answer does: they would wait for each other's rows otherwise.
    place = session.get(
        WebhookEndpoint, oldest.endpoint_id, with_for_update={"key_share": True}, populate_existing=True
    )
    row = session.get(WebhookReplay, oldest.id, with_for_update=True, populate_existing=True)
    if place is None or row is None or row.finished_at is not None:
        return True  # removed, or read by another worker meanwhile; there may be others
    upto = min(row.position + PIECE, row.last_position)
    events = session.scalars(
        select(OutboxEvent)
        .where(
            OutboxEvent.position > row.position, OutboxEvent.position <= upto, OutboxEvent.type.in_(place.kinds),
            OutboxEvent.occurred_at >= row.from_at, OutboxEvent.occurred_at < row.until_at,
        )
        .order_by(OutboxEvent.position)
    ).all()  # fmt: skip
    queue_again(session, row.endpoint_id, events, replay_id=row.id, now=now)
    row.position, row.found = upto, row.found + len(events)
    if upto >= row.last_position:
        row.finished_at = now
    session.flush()
    return True


def of_endpoint(session: Session, endpoint_id: UUID, *, limit: int = 5) -> Sequence[Progress]:
    """The newest replays of an endpoint and how far they are.

    Raises:
        EndpointNotFound.
    """
    endpoint(session, endpoint_id)
    done = func.count().filter
    rows = session.execute(
        select(
            WebhookReplay,
            done(WebhookDelivery.state == "delivered").label("delivered"),
            done(WebhookDelivery.state == "failed").label("failed"),
        )
        .outerjoin(WebhookDelivery, WebhookDelivery.replay_id == WebhookReplay.id)
        .where(WebhookReplay.endpoint_id == endpoint_id)
        .group_by(WebhookReplay.id)
        .order_by(WebhookReplay.id.desc())
        .limit(limit)
    )
    return [Progress(replay, delivered, failed) for replay, delivered, failed in rows]
