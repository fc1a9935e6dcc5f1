"""Finds the class of a stored event by its type, and brings old versions up to today's."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.events import (
    automation,
    billing,
    commerce,
    compliance,
    engagement,
    identity,
    integrations,
    scheduling,
    training,
    wallets,
)
from contracts.events.envelope import Event

Upcast = Callable[[dict[str, Any], datetime], dict[str, Any]]
"""From the facts of one version and when they occurred to the facts of the next."""
_MODULES = (
    automation, billing, commerce, compliance, engagement, identity, integrations, scheduling, training, wallets,
)  # fmt: skip


class UnknownEvent(LookupError):
    """No class in `contracts.events` has this type."""


def _concrete(cls: type[Event]) -> Iterator[type[Event]]:
    for child in cls.__subclasses__():
        if "type" in vars(child):
            yield child
        yield from _concrete(child)


EVENTS: dict[str, type[Event]] = {cls.type: cls for cls in _concrete(Event)}
UPCASTS: dict[tuple[str, int], Upcast] = {
    (commerce.PlanUpdated.type, 1): lambda facts, occurred_at: facts | {"valid_from": occurred_at},
}
"""By type and the version that they read. What was stored is never rewritten: it is read as today's."""


def parse(*, event_type: str, version: int, event_id: UUID, occurred_at: datetime, payload: dict[str, Any]) -> Event:
    """The stored event as its class, upcast step by step from the version it was written in.

    Raises:
        UnknownEvent: the type is not registered, or no upcast leads from `version` to today's.
    """
    cls = EVENTS.get(event_type)
    if cls is None:
        raise UnknownEvent(event_type)
    while version < cls.version:
        try:
            payload = UPCASTS[event_type, version](payload, occurred_at)
        except KeyError:
            raise UnknownEvent(f"{event_type} version {version} has no upcast") from None
        version += 1
    return cls.model_validate(payload | {"event_id": event_id, "occurred_at": occurred_at})
