"""What engagement knows of a person whose account was closed: where they are reached, what they allowed, their files.

Every table that names a person is in one of the two lists; a test compares them with the schema, so that a new one
cannot be forgotten.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from operational_api.engagement.models import (
    Attachment,
    ChannelChoice,
    ContactPreference,
    OutgoingMessage,
    Phone,
    PushSubscription,
    ScheduledMessage,
)

FORGOTTEN: dict[str, InstrumentedAttribute[Any]] = {
    "phones": Phone.customer_id,
    "push_subscriptions": PushSubscription.customer_id,
    "channel_choices": ChannelChoice.customer_id,
    "contact_preferences": ContactPreference.customer_id,
    "attachments": Attachment.customer_id,
    "scheduled_messages": ScheduledMessage.customer_id,
}
"""Tables whose rows about the person are deleted, by the column that says so. Contents of files go with their rows."""

KEPT: dict[str, str] = {
    "messages": "a thread is the other person's too, and names nobody once the account is erased",
    "outgoing_emails": "that something was sent; to which address and what it said is taken out",
    "lifecycle_facts": "ids and kinds that stages of the past are counted from",
    "lifecycle_stages": "an id and a stage",
    "leads": "an enquiry from before there was an account, with a life of its own",
    "announcements": "news to everybody, by who wrote it",
    "message_templates": "words of the business",
}
"""Tables that name people and keep their rows, and why."""


def forget_person(session: Session, account_id: UUID, *, now: datetime) -> None:
    """Delete where a person was reached and what they allowed; of what was sent keep that it was. Repeating it does no
    more."""
    for column in FORGOTTEN.values():
        session.execute(delete(column.class_).where(column == account_id).execution_options(synchronize_session=False))
    done = OutgoingMessage.status.in_(("sent", "failed", "withheld"))
    session.execute(
        update(OutgoingMessage)
        .where(OutgoingMessage.customer_id == account_id, done)
        .values(recipient="", context={})
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
