"""Announcing facts: events go into the transaction that makes them true. Relaying them is `operational_api.worker`."""

from collections.abc import Sequence

import orjson
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from contracts.events.envelope import Event
from contracts.telemetry import current_traceparent
from operational_api.core.models import OutboxEvent
from operational_api.core.statements import Change, connection_of

_WAITING = "events_waiting"


def publish(session: Session, event: Event) -> None:
    """Write the event in this transaction; it leaves after the commit, at least once, or never if it rolls back."""
    session.add(
        OutboxEvent(
            event_id=event.event_id, type=event.type, version=event.version, aggregate_id=event.aggregate_id,
            occurred_at=event.occurred_at, payload=event.facts(), traceparent=current_traceparent(),
        )
    )  # fmt: skip


_STORE = Change(
    text(
        """
        insert into platform.outbox_events (event_id, type, version, aggregate_id, occurred_at, payload, traceparent)
        select event_id, type, version, aggregate_id, occurred_at, payload, traceparent
        from rows from (
            jsonb_to_recordset(cast(:events as jsonb)) as (
                event_id uuid, type text, version smallint, aggregate_id uuid, occurred_at timestamptz, payload jsonb,
                traceparent text
            )
        ) with ordinality as told (event_id, type, version, aggregate_id, occurred_at, payload, traceparent, place)
        order by place
        """
    )
)
_TOLD = ("event_id", "type", "version", "aggregate_id", "occurred_at", "payload", "traceparent")


@event.listens_for(Session, "before_flush")
def _set_aside(session: Session, *_: object) -> None:
    """Events are written by one statement of ours, after what they tell of."""
    events = [one for one in session.new if isinstance(one, OutboxEvent)]
    for one in events:
        session.expunge(one)
    if session.new or session.dirty or session.deleted:
        session.info[_WAITING] = events
    else:
        _store(session, events)


@event.listens_for(Session, "after_flush")
def _write(session: Session, *_: object) -> None:
    _store(session, session.info.pop(_WAITING, ()))


def _store(session: Session, events: Sequence[OutboxEvent]) -> None:
    if events:
        told = [{name: getattr(one, name) for name in _TOLD} for one in events]
        _STORE.do(connection_of(session), {"events": orjson.dumps(told).decode()})
