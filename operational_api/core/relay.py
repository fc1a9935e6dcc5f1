"""Moves events from the outbox into the inbox of every function that wants them. Running those is `core.consumers`.

A broker will sit between the two halves one day; nothing else changes (docs/adr/0012).
"""

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from contracts.events import registry
from contracts.events.envelope import Event
from contracts.telemetry import get_logger
from operational_api.core import clock, failpoints
from operational_api.core.models import InboxMessage

log = get_logger(__name__)
EventHandler = Callable[[Session, Event], None]
Consumer = Callable[[Session, InboxMessage], None]
RELAY_LOCK = 0x706C796F01  # "plyo", 1

# One statement: the event is relayed if and only if every consumer's inbox has it, and is sealed then.
_FAN_OUT = text(
    """
    with batch as materialized (
        select o.*, platform.event_digest(o) as digest
        from platform.outbox_events o where relayed_at is null order by position limit :limit
    ), sealed as (
        -- The next link of the chain over all events (`core.seals`): one relay at a time is what keeps it one chain.
        insert into platform.event_seals (number, previous, events, hash, sealed_at)
        select last.number + 1, last.hash, b.events, platform.seal_hash(last.number + 1, last.hash, b.events), :now
        from (select jsonb_agg(jsonb_build_array(event_id, digest) order by position) as events from batch) b
        cross join lateral (
            select number, hash from platform.event_seals
            union all select 0, '' order by number desc limit 1
        ) last
        where b.events is not null
        returning number
    ), delivered as (
        insert into platform.inbox_messages
            (source, message_id, kind, payload, traceparent, received_at, aggregate_id, position)
        select r.source, b.event_id::text, b.type,
            jsonb_build_object('version', b.version, 'occurred_at', b.occurred_at, 'facts', b.payload),
            b.traceparent, :now, b.aggregate_id, b.position
        from batch b join unnest(cast(:types as text[]), cast(:sources as text[])) as r(type, source) using (type)
        order by b.position
        on conflict do nothing
        returning 1
    ), relayed as (
        update platform.outbox_events o set relayed_at = :now from batch b where o.event_id = b.event_id returning 1
    )
    select (select count(*) from relayed) as relayed, (select count(*) from delivered) as delivered,
        (select number from sealed) as link
    """
)


def source_of(handler: EventHandler) -> str:
    """Name of a handler's inbox: `consumer:` and its dotted path. Renaming a function starts a new inbox."""
    return f"consumer:{handler.__module__}.{handler.__qualname__}"


class Routes:
    """Which functions want which events, collected from the `handlers` modules of the contexts.

    Raises:
        ValueError: a module names an event type that no class in `contracts.events` has.
    """

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self.types: list[str] = []
        self.sources: list[str] = []
        self.consumers: dict[str, Consumer] = {}
        for module in modules:
            handlers: Mapping[str, list[EventHandler]] = getattr(module, "HANDLERS", {})
            for event_type, functions in handlers.items():
                if event_type not in registry.EVENTS:
                    raise ValueError(f"{module.__name__}.HANDLERS: no event is called {event_type!r}")
                for function in functions:
                    self.types.append(event_type)
                    self.sources.append(source_of(function))
                    self.consumers[source_of(function)] = _consumer(function)
            self.consumers.update(getattr(module, "WEBHOOKS", {}))


def _consumer(handler: EventHandler) -> Consumer:
    def consume(session: Session, message: InboxMessage) -> None:
        event = registry.parse(
            event_type=message.kind,
            version=message.payload["version"],
            event_id=UUID(message.message_id),
            occurred_at=message.payload["occurred_at"],
            payload=message.payload["facts"],
        )
        handler(session, event)

    return consume


def relay_due(sessions: sessionmaker[Session], routes: Routes, *, limit: int = 500) -> bool:
    """Deliver the oldest waiting events to every inbox that wants them, and mark them relayed.

    One relay works at a time, whichever process it is in: batches that overtook each other would break the order of
    an aggregate. Those that find the lock taken do nothing.

    Returns:
        Whether more are probably waiting.
    """
    with sessions.begin() as session:
        if not session.scalar(text("select pg_try_advisory_xact_lock(:key)"), {"key": RELAY_LOCK}):
            return False
        parameters = {"limit": limit, "now": clock.now(), "types": routes.types, "sources": routes.sources}
        done = session.execute(_FAN_OUT, parameters).one()
        failpoints.hit("relay.before_commit")
    if done.relayed:
        failpoints.hit("relay.after_commit")
        log.info("events_relayed", events=done.relayed, deliveries=done.delivered, link=done.link)
    return bool(done.relayed == limit)
