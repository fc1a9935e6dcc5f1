"""Messages for later: at a time of the recipient's own clock, once, unless they are cancelled before."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.engagement import MessageScheduled, ScheduledMessageCancelled
from operational_api.core.errors import DomainError
from operational_api.core.outbox import publish
from operational_api.engagement.errors import MessageRejected, ScheduledNotFound, TooSoon
from operational_api.engagement.models import ScheduledMessage
from operational_api.engagement.sending import zone_of
from operational_api.engagement.service import threads
from operational_api.engagement.service.contacts import contact, contacts
from operational_api.engagement.service.messages import LONGEST_MESSAGE
from operational_api.engagement.service.threads import Conversation
from operational_api.training import public as training

FARTHEST = timedelta(days=365)


def schedule(
    session: Session, *, thread: Conversation, sender_id: UUID, body: str, local_at: datetime, now: datetime
) -> ScheduledMessage:
    """Keep a message for a time on the recipient's wall clock.

    Where clocks go back and the time comes twice, the first one counts.

    Args:
        local_at: Without a zone: the recipient's.

    Raises:
        MessageRejected: empty or too long.
        TooSoon: past, more than a year ahead, or a time that the clocks jump over there.
    """
    body = body.strip()
    if not body or len(body) > LONGEST_MESSAGE or "\0" in body:
        raise MessageRejected
    recipient_id = thread.customer_id if sender_id != thread.customer_id else thread.coach_id
    person = contact(session, recipient_id) if recipient_id else None
    zone_name = person.time_zone if person else "UTC"
    send_at = local_at.replace(tzinfo=zone_of(zone_name), fold=0).astimezone(UTC)
    is_skipped = send_at.astimezone(zone_of(zone_name)).replace(tzinfo=None) != local_at.replace(tzinfo=None)
    if is_skipped or not now < send_at <= now + FARTHEST:
        raise TooSoon
    row = ScheduledMessage(
        customer_id=thread.customer_id, sender_id=sender_id, body=body, local_at=local_at.replace(tzinfo=None),
        time_zone=zone_name, send_at=send_at,
    )  # fmt: skip
    session.add(row)
    session.flush()
    publish(
        session,
        MessageScheduled(
            occurred_at=now, scheduled_id=row.id, customer_id=row.customer_id, sender_id=sender_id, send_at=send_at
        ),
    )
    return row


def waiting(session: Session, customer_id: UUID, sender_id: UUID) -> Sequence[ScheduledMessage]:
    """What the sender has waiting in a thread, the next one first."""
    return session.scalars(
        select(ScheduledMessage)
        .where(
            ScheduledMessage.customer_id == customer_id, ScheduledMessage.sender_id == sender_id,
            ScheduledMessage.status == "scheduled",
        )
        .order_by(ScheduledMessage.send_at)
    ).all()  # fmt: skip


def scheduled_message(session: Session, scheduled_id: UUID) -> ScheduledMessage:
    """One of them, whatever became of it.

    Raises:
        ScheduledNotFound: there is none.
    """
    row = session.get(ScheduledMessage, scheduled_id)
    if row is None:
        raise ScheduledNotFound
    return row


def cancel(session: Session, *, scheduled_id: UUID, sender_id: UUID, now: datetime) -> None:
    """Do not send it. Of a cancellation and its time one wins: a message that is leaving is waited for.

    Raises:
        ScheduledNotFound: it is not the sender's, or has left or been cancelled.
    """
    row = session.get(ScheduledMessage, scheduled_id, with_for_update=True, populate_existing=True)
    if row is None or (row.sender_id, row.status) != (sender_id, "scheduled"):
        raise ScheduledNotFound
    row.status = "cancelled"
    publish(
        session,
        ScheduledMessageCancelled(
            occurred_at=now, scheduled_id=row.id, customer_id=row.customer_id, cancelled_by=sender_id
        ),
    )


def send_due(session: Session, now: datetime) -> None:
    """Send what is due, to whoever is on the other side by then. A refusal ends it with its reason: nobody hears from
    somebody who is here no longer."""
    due = select(ScheduledMessage).where(ScheduledMessage.status == "scheduled", ScheduledMessage.send_at <= now)
    rows = session.scalars(
        due.order_by(ScheduledMessage.send_at, ScheduledMessage.id).limit(200).with_for_update(skip_locked=True)
    ).all()
    here = contacts(session, {row.sender_id for row in rows})
    for row in rows:
        if row.sender_id not in here:
            row.status, row.reason = "refused", "sender_is_gone"
            continue
        coach_id = training.coach_of(session, row.customer_id)
        if row.sender_id not in (row.customer_id, coach_id):
            row.status, row.reason = "refused", "no_longer_their_coach"
            continue
        try:
            with session.begin_nested():
                thread = Conversation(row.customer_id, coach_id)
                message = threads.write(session, thread=thread, sender_id=row.sender_id, body=row.body, now=now)
        except DomainError as refusal:
            row.status, row.reason = "refused", refusal.detail[:200]
        else:
            row.status, row.message_id = "sent", message.id
