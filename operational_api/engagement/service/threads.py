"""Conversations: whose they are, what is in them, what is unread."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, func, select, tuple_, update
from sqlalchemy.orm import Session

from contracts.events.engagement import MessageRead
from operational_api.core.outbox import publish
from operational_api.core.paging import after, cut
from operational_api.core.policy import Resource, require
from operational_api.core.principal import Principal
from operational_api.engagement.errors import NoCoachYet, ThreadNotFound
from operational_api.engagement.models import Attachment, Message
from operational_api.engagement.service.attachments import attach
from operational_api.engagement.service.contacts import Contact, contacts
from operational_api.engagement.service.messages import send_message
from operational_api.training import public as training


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation in a list: with whom, its last message, how many of its messages the reader has not read."""

    customer_id: UUID
    customer_name: str
    last_message: Message
    unread_count: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """The two sides of one customer's thread today. `coach_id` is None while they have no coach."""

    customer_id: UUID
    coach_id: UUID | None


def reach_thread(session: Session, principal: Principal, customer_id: UUID, action: str) -> Conversation:
    """The conversation, where the policy lets the principal do `action`.

    Raises:
        ThreadNotFound: it is not the principal's, or there is no such client.
    """
    coach_id = training.coach_of(session, customer_id)
    resource = Resource("Thread", customer_id, customer_id=customer_id, coach_id=coach_id)
    require(principal, action, resource, missing=ThreadNotFound)
    return Conversation(customer_id, coach_id)


def threads_of_coach(
    session: Session, coach_id: UUID, *, limit: int, cursor: str | None
) -> tuple[list[Thread], str | None]:
    """A page of the conversations with the coach's clients, the latest first. Clients never written to are absent."""
    clients = training.clients_of(session, coach_id)
    ranked = (
        select(
            Message.id,
            func.row_number()
            .over(partition_by=Message.customer_id, order_by=(Message.sent_at.desc(), Message.id.desc()))
            .label("rank"),
            func.count(case((Message.recipient_id == coach_id, case((Message.read_at.is_(None), 1)))))
            .over(partition_by=Message.customer_id)
            .label("unread"),
        )
        .where(Message.customer_id.in_(clients))
        .subquery()
    )
    statement = (
        select(Message, ranked.c.unread)
        .join(ranked, ranked.c.id == Message.id)
        .where(ranked.c.rank == 1)
        .order_by(Message.sent_at.desc(), Message.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        at, message_id = after(cursor, datetime, UUID)
        statement = statement.where((Message.sent_at < at) | ((Message.sent_at == at) & (Message.id < message_id)))
    rows = session.execute(statement).tuples().all()
    page, next_cursor = cut(rows, limit, lambda row: (row[0].sent_at, row[0].id))
    names = training.client_names(session, [message.customer_id for message, _ in page])
    told = [Thread(one.customer_id, names.get(one.customer_id, "A client"), one, unread) for one, unread in page]
    return told, next_cursor


def messages_of(
    session: Session, customer_id: UUID, *, limit: int, cursor: str | None = None
) -> tuple[list[Message], str | None]:
    """A page of a thread, newest first."""
    statement = (
        select(Message)
        .where(Message.customer_id == customer_id)
        .order_by(Message.sent_at.desc(), Message.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        at, message_id = after(cursor, datetime, UUID)
        statement = statement.where((Message.sent_at < at) | ((Message.sent_at == at) & (Message.id < message_id)))
    return cut(session.scalars(statement).all(), limit, lambda one: (one.sent_at, one.id))


def write(session: Session, *, thread: Conversation, sender_id: UUID, body: str, now: datetime) -> Message:
    """A chat message from one side of the thread to the other.

    Raises:
        NoCoachYet: a customer without a coach writes.
        MessageRejected: empty or too long.
    """
    recipient_id = thread.coach_id if sender_id == thread.customer_id else thread.customer_id
    if recipient_id is None:
        raise NoCoachYet
    return send_message(
        session, customer_id=thread.customer_id, sender_id=sender_id, recipient_id=recipient_id, kind="chat",
        body=body, now=now,
    )  # fmt: skip


def write_with_files(
    session: Session,
    *,
    thread: Conversation,
    sender_id: UUID,
    body: str,
    files: Sequence[tuple[str, bytes]],
    now: datetime,
) -> list[Attachment]:
    """A chat message with files; without words the first one's name stands for them.

    Args:
        files: At least one: its name, and what is in it.

    Raises:
        NoCoachYet: a customer without a coach writes.
        MessageRejected: too long.
        FileRejected: too large, or of a kind that is not taken.
    """
    words = body.strip() or files[0][0] or "File"
    message = write(session, thread=thread, sender_id=sender_id, body=words, now=now)
    return [attach(session, message=message, name=name, content=content, now=now) for name, content in files]


def mark_read(session: Session, *, customer_id: UUID, reader_id: UUID, up_to: UUID | None = None, now: datetime) -> int:
    """What was sent to the reader in the thread is read now; each is announced once. Returns how many.

    Args:
        up_to: The newest message that the reader was shown: what came after it stays unread. None: everything.
    """
    unread = update(Message).where(
        Message.customer_id == customer_id, Message.recipient_id == reader_id, Message.read_at.is_(None)
    )
    if up_to is not None:
        shown = select(Message.sent_at, Message.id).where(Message.id == up_to, Message.customer_id == customer_id)
        unread = unread.where(tuple_(Message.sent_at, Message.id) <= shown.scalar_subquery())
    statement = unread.values(read_at=now).returning(Message.id)
    read = session.scalars(statement, execution_options={"synchronize_session": "fetch"}).all()
    for message_id in read:
        publish(session, MessageRead(occurred_at=now, message_id=message_id, customer_id=customer_id))
    return len(read)


def people_of(session: Session, messages: Iterable[Message]) -> dict[UUID, Contact]:
    """Everybody who wrote one of these messages."""
    return contacts(session, (message.sender_id for message in messages))
