"""What crosses HTTP."""

from datetime import datetime, time
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from operational_api.engagement.models import ContactPreference, Message
from operational_api.engagement.service.contacts import Contact
from operational_api.engagement.service.threads import Thread

NO_NUL = r"^[^\x00]*$"


class MessageCreate(BaseModel):
    body: Annotated[str, Field(max_length=4000, pattern=NO_NUL)]


class MessageRead(BaseModel):
    """One message. `kind`: chat, nudge (a coach's check-in) or system."""

    id: UUID
    customer_id: UUID
    sender_id: UUID
    sender_name: str | None
    recipient_id: UUID
    kind: str
    body: str
    sent_at: datetime
    read_at: datetime | None

    @classmethod
    def of(cls, message: Message, people: dict[UUID, Contact]) -> "MessageRead":
        """From the row and whoever is known of its sender."""
        sender = people.get(message.sender_id)
        columns = {name: getattr(message, name) for name in cls.model_fields if name != "sender_name"}
        return cls(**columns, sender_name=sender.display_name if sender else None)


class ThreadRead(BaseModel):
    """A conversation in the coach's list."""

    customer_id: UUID
    customer_name: str
    last_message: str
    last_message_at: datetime
    is_last_message_mine: bool
    unread_count: int

    @classmethod
    def of(cls, thread: Thread, reader_id: UUID | None) -> "ThreadRead":
        """As one reader sees it."""
        return cls(
            customer_id=thread.customer_id,
            customer_name=thread.customer_name,
            last_message=thread.last_message.body[:200],
            last_message_at=thread.last_message.sent_at,
            is_last_message_mine=thread.last_message.sender_id == reader_id,
            unread_count=thread.unread_count,
        )


class ReadReceipt(BaseModel):
    """How many messages were unread until now."""

    read: int


class PreferencesWrite(BaseModel):
    """What a customer allows. Quiet hours in their local time; both null: always reachable."""

    allows_nudges: bool = True
    allows_marketing: bool = False
    quiet_from: time | None = None
    quiet_until: time | None = None


class PreferencesRead(PreferencesWrite):
    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def of(cls, row: ContactPreference) -> "PreferencesRead":
        """From the row, or from the defaults of somebody who said nothing."""
        return cls.model_validate(row)


class LeadCreate(BaseModel):
    """A guest's contact form."""

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)]
    email: Annotated[str, Field(min_length=3, max_length=254, pattern=NO_NUL)]
    source: Literal["website", "referral", "instagram", "walk_in", "event", "other"] = "website"
    location_id: UUID | None = None


class LeadReceipt(BaseModel):
    """Thanks; nothing is said about whether the address was known."""

    state: Literal["received"] = "received"
