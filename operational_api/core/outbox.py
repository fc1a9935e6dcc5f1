"""Announcing facts: events go into the transaction that makes them true. Relaying them is `operational_api.worker`."""

from collections.abc import Sequence
from uuid import UUID

import orjson
from sqlalchemy import cast, event, func, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Session, class_mapper

from contracts.events.envelope import Event
from contracts.telemetry import current_traceparent
from operational_api.core.models import OutboxEvent
from operational_api.core.statements import Change, connection_of

_WAITING = "events_waiting"
_EVENTS = class_mapper(OutboxEvent, configure=False).class_manager


def publish(session: Session, event: Event) -> None:
    """Write the event in this transaction; it leaves after the commit, at least once, or never if it rolls back."""
    waiting = _EVENTS.new_instance()
    vars(waiting).update(  # nobody watches what it is given: it is written by a statement of ours, and changed by none
        event_id=event.event_id, type=event.type, version=event.version, aggregate_id=event.aggregate_id,
        occurred_at=event.occurred_at, payload=event.facts(), traceparent=current_traceparent(),
    )  # fmt: skip
    session.add(waiting)


def forget_name(session: Session, account_id: UUID) -> None:
    """Take the name out of the event by which somebody registered; only where their account was closed since.

    It is the one thing of an event that ever changes: a trigger lets it, and `core.seals` knows it.
    """
    registered = OutboxEvent.type == "identity.account_registered"
    session.execute(
        update(OutboxEvent)
        .where(OutboxEvent.aggregate_id == account_id, registered)
        .values(payload=func.jsonb_set(OutboxEvent.payload, cast(["display_name"], ARRAY(TEXT)), cast("", JSONB)))
        .execution_options(synchronize_session=False)
    )


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
        told = [{name: vars(one).get(name) for name in _TOLD} for one in events]
        _STORE.do(connection_of(session), {"events": orjson.dumps(told).decode()})
