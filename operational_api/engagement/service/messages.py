"""Messages between a client and their coach. A thread is all messages of one customer."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.events.engagement import MessageSent
from operational_api.core.outbox import publish
from operational_api.engagement.errors import MessageRejected
from operational_api.engagement.models import Message
from operational_api.engagement.service import preferences

LONGEST_MESSAGE = 4000


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
) -> Message:
    """Put a message into a customer's thread and announce it.

    Args:
        customer_id: Whose thread it is.
        kind: chat, nudge or system. A nudge respects what the customer allows.

    Raises:
        MessageRejected: the body is empty or longer than 4000 characters.
        NudgeRefused: a nudge that the customer's preferences, quiet hours or weekly measure forbid.
    """
    body = body.strip()
    if not body or len(body) > LONGEST_MESSAGE or "\0" in body:
        raise MessageRejected
    if kind == "nudge" and (refusal := preferences.nudge_refusal(session, customer_id=customer_id, now=now)):
        raise refusal
    message = Message(
        customer_id=customer_id,
        sender_id=sender_id,
        recipient_id=recipient_id,
        kind=kind,
        body=body,
        automation_run_id=automation_run_id,
        sent_at=now,
    )
    session.add(message)
    session.flush()
    publish(
        session,
        MessageSent(
            occurred_at=now, message_id=message.id, customer_id=customer_id, sender_id=sender_id,
            recipient_id=recipient_id, kind=kind,
        ),
    )  # fmt: skip
    return message


def unread_count(session: Session, account_id: UUID) -> int:
    """Messages to this account that it has not read."""
    unread = select(func.count()).where(Message.recipient_id == account_id, Message.read_at.is_(None))
    return session.scalar(unread) or 0
