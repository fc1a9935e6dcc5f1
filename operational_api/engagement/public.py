"""The only door to engagement for other contexts: ids and plain values in and out."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.engagement.service import messages, preferences
from operational_api.engagement.service.emails import queue_email
from operational_api.engagement.service.messages import unread_count

__all__ = ["may_nudge", "queue_email", "send_message", "unread_count"]


def send_message(
    session: Session,
    *,
    customer_id: UUID,
    sender_id: UUID,
    recipient_id: UUID,
    kind: str,
    body: str,
    automation_run_id: UUID | None = None,
    now: datetime,
) -> UUID:
    """Put a message (chat, nudge or system) into the customer's thread; returns its id.

    Raises:
        MessageRejected: the body is empty or longer than 4000 characters.
        NudgeRefused: a nudge that the customer's preferences, quiet hours or weekly measure forbid.
    """
    return messages.send_message(
        session, customer_id=customer_id, sender_id=sender_id, recipient_id=recipient_id, kind=kind, body=body,
        automation_run_id=automation_run_id, now=now,
    ).id  # fmt: skip


def may_nudge(session: Session, customer_id: UUID, now: datetime) -> bool:
    """Whether a nudge sent at `now` would be accepted."""
    return preferences.nudge_refusal(session, customer_id=customer_id, now=now) is None
