"""Receiving a message once: stored first, handled later, marked. Used for webhooks and for consumers of our events."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.telemetry import current_traceparent
from operational_api.core.models import InboxMessage
from operational_api.core.statements import Statement


def receive(
    session: Session, *, source: str, message_id: str, kind: str, payload: dict[str, Any], now: datetime
) -> bool:
    """Store a message unless it is already here.

    Returns:
        True when it is new, False when this `(source, message_id)` was received before.
    """
    told = {
        "source": source, "message_id": message_id, "kind": kind, "payload": payload, "received_at": now,
        "traceparent": current_traceparent(),
    }  # fmt: skip
    return _STORE.first(session, told) is not None


_STORE = Statement(
    insert(InboxMessage)
    .values({
        name: bindparam(name, type_=InboxMessage.__table__.c[name].type)
        for name in ("source", "message_id", "kind", "payload", "received_at", "traceparent")
    })
    .on_conflict_do_nothing()
    .returning(InboxMessage.message_id)
)  # fmt: skip
