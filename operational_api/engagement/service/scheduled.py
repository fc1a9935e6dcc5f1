"""Messages for later: at a time of the recipient's own clock, once, as they were changed last, or not if cancelled."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.engagement import MessageScheduled, ScheduledMessageCancelled, ScheduledMessageChanged
from operational_api.core.errors import DomainError
from operational_api.core.outbox import publish
from operational_api.engagement.errors import MessageRejected, ScheduledNotFound, TooSoon
from operational_api.engagement.models import ScheduledFile, ScheduledMessage
from operational_api.engagement.sending import zone_of
from operational_api.engagement.service import threads
from operational_api.engagement.service.attachments import judge
from operational_api.engagement.service.contacts import contact, contacts
from operational_api.engagement.service.messages import LONGEST_MESSAGE
from operational_api.engagement.service.threads import Conversation
from operational_api.training import public as training

FARTHEST = timedelta(days=365)
MOST_FILES = 3


def schedule(
    session: Session,
    *,
    thread: Conversation,
    sender_id: UUID,
    body: str,
    local_at: datetime,
    files: Sequence[tuple[str, bytes]] = (),
    now: datetime,
) -> ScheduledMessage:
    """Keep a message for a time on the recipient's wall clock.

    Where clocks go back and the time comes twice, the first one counts.

    Args:
        local_at: Without a zone: the recipient's.
        files: Their names, and what is in them.

    Raises:
        MessageRejected: neither words nor files, or too many of either.
        TooSoon: past, more than a year ahead, or a time that the clocks jump over there.
        FileRejected: too large, or of a kind that is not taken.
    """
    row = ScheduledMessage(customer_id=thread.customer_id, sender_id=sender_id, files=[])
    _write(session, row, thread, body=body, local_at=local_at, files=files, now=now)
    publish(
        session,
        MessageScheduled(
            occurred_at=now, scheduled_id=row.id, customer_id=row.customer_id, sender_id=sender_id, send_at=row.send_at
        ),
    )
    return row


def change(
    session: Session,
    *,
    scheduled_id: UUID,
    thread: Conversation,
    sender_id: UUID,
    body: str,
    local_at: datetime,
    files: Sequence[tuple[str, bytes]] = (),
    keep: Collection[UUID] | None = None,
    now: datetime,
) -> ScheduledMessage:
    """Have it say something else, or leave at another time. Of a change and its time one wins: while it is leaving it
    is waited for, and what has left is not changed; while it is changed it does not leave.

    Args:
        files: New ones.
        keep: Of those that it has; None keeps all.

    Raises:
        ScheduledNotFound: it is not the sender's, or has left or been cancelled.
        MessageRejected, TooSoon, FileRejected: as for `schedule`.
    """
    row = _waiting_one(session, scheduled_id, sender_id)
    row.files = [one for one in row.files if keep is None or one.id in keep]
    _write(session, row, thread, body=body, local_at=local_at, files=files, now=now)
    publish(
        session,
        ScheduledMessageChanged(
            occurred_at=now, scheduled_id=row.id, customer_id=row.customer_id, sender_id=sender_id, send_at=row.send_at
        ),
    )
    return row


def _write(
    session: Session,
    row: ScheduledMessage,
    thread: Conversation,
    *,
    body: str,
    local_at: datetime,
    files: Sequence[tuple[str, bytes]],
    now: datetime,
) -> None:
    body, number = body.strip(), len(row.files) + len(files)
    if not (body or number) or len(body) > LONGEST_MESSAGE or number > MOST_FILES or "\0" in body:
        raise MessageRejected
    for name, content in files:
        safe, media_type = judge(name, content)
        row.files.append(ScheduledFile(name=safe, media_type=media_type, size_bytes=len(content), content=content))
    recipient_id = thread.customer_id if row.sender_id != thread.customer_id else thread.coach_id
    person = contact(session, recipient_id) if recipient_id else None
    row.time_zone = person.time_zone if person else "UTC"
    row.body, row.local_at = body, local_at.replace(tzinfo=None)
    row.send_at = _instant(row.local_at, row.time_zone, now)
    session.add(row)
    session.flush()


def _instant(local_at: datetime, time_zone: str, now: datetime) -> datetime:
    zone = zone_of(time_zone)
    send_at = local_at.replace(tzinfo=zone, fold=0).astimezone(UTC)
    is_skipped = send_at.astimezone(zone).replace(tzinfo=None) != local_at
    if is_skipped or not now < send_at <= now + FARTHEST:
        raise TooSoon
    return send_at


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
    row = _waiting_one(session, scheduled_id, sender_id)
    row.status, row.files = "cancelled", []
    publish(
        session,
        ScheduledMessageCancelled(
            occurred_at=now, scheduled_id=row.id, customer_id=row.customer_id, cancelled_by=sender_id
        ),
    )


def _waiting_one(session: Session, scheduled_id: UUID, sender_id: UUID) -> ScheduledMessage:
    row = session.get(ScheduledMessage, scheduled_id, with_for_update=True, populate_existing=True)
    if row is None or (row.sender_id, row.status) != (sender_id, "scheduled"):
        raise ScheduledNotFound
    return row


def send_due(session: Session, now: datetime) -> None:
    """Send what is due, to whoever is on the other side by then. A refusal ends it with its reason: nobody hears from
    somebody who is here no longer."""
    due = select(ScheduledMessage).where(ScheduledMessage.status == "scheduled", ScheduledMessage.send_at <= now)
    rows = session.scalars(
        due.order_by(ScheduledMessage.send_at, ScheduledMessage.id).limit(200).with_for_update(skip_locked=True)
    ).all()
    here = contacts(session, {row.sender_id for row in rows})
    for row in rows:
        row.reason = "sender_is_gone" if row.sender_id not in here else None
        coach_id = training.coach_of(session, row.customer_id)
        if row.reason is None and row.sender_id not in (row.customer_id, coach_id):
            row.reason = "no_longer_their_coach"
        if row.reason is None:
            _send(session, row, Conversation(row.customer_id, coach_id), now)
        row.status = "sent" if row.message_id else "refused"
        row.files = []


def _send(session: Session, row: ScheduledMessage, thread: Conversation, now: datetime) -> None:
    try:
        with session.begin_nested():
            if not row.files:
                message = threads.write(session, thread=thread, sender_id=row.sender_id, body=row.body, now=now)
                row.message_id = message.id
                return
            files = [(one.name, one.content) for one in row.files]
            sent = threads.write_with_files(
                session, thread=thread, sender_id=row.sender_id, body=row.body, files=files, now=now
            )
            row.message_id = sent[0].message_id
    except DomainError as refusal:
        row.reason = refusal.detail[:200]
