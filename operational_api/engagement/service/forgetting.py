"""What engagement knows of a person whose account was closed: where they are reached, what they allowed, their files.

Every table that names a person is in one of the two lists; a test compares them with the schema, so that a new one
cannot be forgotten.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from contracts.events.identity import AccountClosed
from operational_api.core.models import OutboxEvent
from operational_api.engagement.models import (
    Attachment,
    ChannelChoice,
    ContactPreference,
    DigestChoice,
    DoNotDisturb,
    InboxMessage,
    Lead,
    Message,
    OutgoingMessage,
    Phone,
    PushSubscription,
    ScheduledMessage,
    Suppression,
)
from operational_api.engagement.service import leads
from operational_api.engagement.service.contacts import contact_by_email

FORGOTTEN: dict[str, InstrumentedAttribute[Any]] = {
    "phones": Phone.customer_id,
    "push_subscriptions": PushSubscription.customer_id,
    "channel_choices": ChannelChoice.customer_id,
    "contact_preferences": ContactPreference.customer_id,
    "digest_choices": DigestChoice.customer_id,
    "attachments": Attachment.customer_id,
    "inbox_messages": InboxMessage.person_id,
    "do_not_disturb": DoNotDisturb.account_id,
    "scheduled_messages": ScheduledMessage.customer_id,
}
"""Tables whose rows about the person are deleted, by the column that says so. Contents of files go with their rows."""

DONE = ("sent", "failed", "withheld", "undecided")
SENT_WITHIN = timedelta(days=30)
"""From its writing a message has gone out, or is given up."""
REMOVED = "Removed with the account."
KEPT: dict[str, str] = {
    "messages": "that something was written, and when; what it said is taken out",
    "outgoing_emails": "that something was sent; to which address and what it said is taken out",
    "lifecycle_facts": "ids and kinds that stages of the past are counted from",
    "lifecycle_stages": "an id and a stage",
    "leads": "where somebody came from; who, of one that became the account, is taken out",
    "announcements": "news to everybody, by who wrote it",
    "message_templates": "words of the business",
    "suppressions": "that an address wants nothing from us, whoever has it; that mails to it came back goes",
}
"""Tables that name people and keep their rows, and why."""


def forget_sent(session: Session, now: datetime) -> None:
    """Take addresses and words out of what went out to people after their account was closed: that a session is off."""
    closed = exists().where(
        OutboxEvent.aggregate_id == OutgoingMessage.customer_id, OutboxEvent.type == AccountClosed.type
    )
    session.execute(
        update(OutgoingMessage)
        .where(
            OutgoingMessage.status.in_(DONE), OutgoingMessage.recipient != "",
            OutgoingMessage.created_at > now - SENT_WITHIN, closed,
        )
        .values(recipient="", context={})
        .execution_options(synchronize_session=False)
    )  # fmt: skip


def forget_address(session: Session, address: str, *, account_id: UUID, now: datetime) -> None:
    """Take an account's address, and what was said to it, out of whatever was sent there; what still waits is not sent.

    So it goes with the addresses that it had before, and with one that nobody confirmed: mails about the account, which
    say its id in their key, went there. Who has such an address now keeps what they were sent.
    """
    about = OutgoingMessage.customer_id.is_(None) & OutgoingMessage.dedupe_key.contains(f":{account_id}:")
    written_to = func.lower(OutgoingMessage.recipient)
    former = session.scalars(select(written_to).where(about, OutgoingMessage.recipient != "")).all()
    gone = {address.lower(), *(one for one in former if contact_by_email(session, one) is None)}
    for one in gone:  # where they had asked before
        leads.forget_at(session, one, forgotten_by=account_id, now=now)
    theirs = about | written_to.in_(gone)
    emptied = {"recipient": "", "context": {}}
    for statement in (
        update(OutgoingMessage)
        .where(theirs, OutgoingMessage.status == "queued")
        .values(status="withheld", reason="account_closed", **emptied),
        update(OutgoingMessage).where(theirs, OutgoingMessage.status.in_(DONE)).values(**emptied),
        delete(Suppression).where(
            Suppression.channel == "email", Suppression.address.in_(gone), Suppression.reason == "bounce"
        ),
    ):
        session.execute(statement.execution_options(synchronize_session=False))


def forget_person(session: Session, account_id: UUID, *, now: datetime) -> None:
    """Delete where a person was reached and what they allowed; of what was sent keep that it was. Repeating it does no
    more."""
    for column in FORGOTTEN.values():
        session.execute(delete(column.class_).where(column == account_id).execution_options(synchronize_session=False))
    session.execute(
        update(OutgoingMessage)
        .where(OutgoingMessage.customer_id == account_id, OutgoingMessage.status.in_(DONE))
        .values(recipient="", context={})
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Message)
        .where(Message.customer_id == account_id)
        .values(body=REMOVED)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Lead)
        .where(Lead.customer_id == account_id)
        .values(name="Former client", email="", phone=None)
        .execution_options(synchronize_session=False)
    )
    # What is still queued has nobody left to reach, but for the goodbye that is written to the address itself.
    session.execute(
        update(OutgoingMessage)
        .where(
            OutgoingMessage.customer_id == account_id, OutgoingMessage.status == "queued",
            OutgoingMessage.created_at < now,
        )
        .values(status="withheld", reason="account_closed", recipient="", context={})
        .execution_options(synchronize_session=False)
    )  # fmt: skip
