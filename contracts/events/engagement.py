"""Facts about people talking to each other, and about leads."""

from typing import ClassVar
from uuid import UUID

from contracts.events.envelope import Event


class LeadCaptured(Event):
    type: ClassVar[str] = "engagement.lead_captured"
    aggregate: ClassVar[str] = "lead_id"
    lead_id: UUID
    source: str


class MessageSent(Event):
    """`kind` is chat, nudge or system."""

    type: ClassVar[str] = "engagement.message_sent"
    aggregate: ClassVar[str] = "message_id"
    message_id: UUID
    customer_id: UUID
    sender_id: UUID
    recipient_id: UUID
    kind: str


class MessageRead(Event):
    type: ClassVar[str] = "engagement.message_read"
    aggregate: ClassVar[str] = "message_id"
    message_id: UUID
    customer_id: UUID
