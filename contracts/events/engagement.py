"""Facts about people talking to each other, and about leads."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from contracts.events.envelope import Event


class LeadCaptured(Event):
    type: ClassVar[str] = "engagement.lead_captured"
    aggregate: ClassVar[str] = "lead_id"
    lead_id: UUID
    source: str


class LeadConverted(Event):
    """A lead has an account now, with the address that they left."""

    type: ClassVar[str] = "engagement.lead_converted"
    aggregate: ClassVar[str] = "lead_id"
    lead_id: UUID
    customer_id: UUID


class LeadChanged(Event):
    """Something of a lead's is another now; `changed` names what. `by` is the system that said so, e.g. hubspot."""

    type: ClassVar[str] = "engagement.lead_changed"
    aggregate: ClassVar[str] = "lead_id"
    lead_id: UUID
    changed: tuple[str, ...]
    by: str


class LeadLost(Event):
    """Who asked is not coming: somebody of the business said so. They may ask again, which is another lead."""

    type: ClassVar[str] = "engagement.lead_lost"
    aggregate: ClassVar[str] = "lead_id"
    lead_id: UUID
    lost_by: UUID


class LeadReopened(Event):
    """That a lead was lost is taken back: they wait again."""

    type: ClassVar[str] = "engagement.lead_reopened"
    aggregate: ClassVar[str] = "lead_id"
    lead_id: UUID
    reopened_by: UUID


class LeadForgotten(Event):
    """Who asked wants to be forgotten: name, address and number are gone, and whoever has a copy takes them out too."""

    type: ClassVar[str] = "engagement.lead_forgotten"
    aggregate: ClassVar[str] = "lead_id"
    lead_id: UUID
    forgotten_by: UUID


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


class MessageLeft(Event):
    """A provider took a message to a person. `channel` is email, sms, whatsapp or push; `segments`: of an SMS, as how
    many it is charged."""

    type: ClassVar[str] = "engagement.message_left"
    aggregate: ClassVar[str] = "outgoing_id"
    outgoing_id: UUID
    person_id: UUID
    channel: str
    purpose: str
    template: str
    segments: int | None = None


class MessageFailed(Event):
    """A message to a person ends unsent: withheld by what they want, or given up. `reason` is a word for which."""

    type: ClassVar[str] = "engagement.message_failed"
    aggregate: ClassVar[str] = "outgoing_id"
    outgoing_id: UUID
    person_id: UUID
    channel: str
    purpose: str
    template: str
    reason: str


class MessageDelivered(Event):
    """A provider says that a message arrived. Whether it was opened nobody knows."""

    type: ClassVar[str] = "engagement.message_delivered"
    aggregate: ClassVar[str] = "outgoing_id"
    outgoing_id: UUID
    person_id: UUID
    channel: str


class ContactChoiceMade(Event):
    """A person said yes or no to one purpose by one channel. `source`: preferences, unsubscribe or stop."""

    type: ClassVar[str] = "engagement.contact_choice_made"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    channel: str
    purpose: str
    is_allowed: bool
    source: str


class MessageScheduled(Event):
    """Somebody wrote a message for later."""

    type: ClassVar[str] = "engagement.message_scheduled"
    aggregate: ClassVar[str] = "scheduled_id"
    scheduled_id: UUID
    customer_id: UUID
    sender_id: UUID
    send_at: datetime


class ScheduledMessageChanged(Event):
    """It says something else, or leaves at another time: `send_at` is the new one."""

    type: ClassVar[str] = "engagement.scheduled_message_changed"
    aggregate: ClassVar[str] = "scheduled_id"
    scheduled_id: UUID
    customer_id: UUID
    sender_id: UUID
    send_at: datetime


class ScheduledMessageCancelled(Event):
    type: ClassVar[str] = "engagement.scheduled_message_cancelled"
    aggregate: ClassVar[str] = "scheduled_id"
    scheduled_id: UUID
    customer_id: UUID
    cancelled_by: UUID


class AnnouncementMade(Event):
    """News went to a segment. Who was reached by what is in the messages."""

    type: ClassVar[str] = "engagement.announcement_made"
    aggregate: ClassVar[str] = "announcement_id"
    announcement_id: UUID
    author_id: UUID
    segment: str
    recipients: int


class AnnouncementCancelled(Event):
    """Of those an announcement was for, `called_off` are not told any more: word to them had not left."""

    type: ClassVar[str] = "engagement.announcement_cancelled"
    aggregate: ClassVar[str] = "announcement_id"
    announcement_id: UUID
    cancelled_by: UUID
    called_off: int


class LifecycleStageChanged(Event):
    """A person entered a stage: lead, trial, active, paused, at_risk, churned or won_back. `before` may be None."""

    type: ClassVar[str] = "engagement.lifecycle_stage_changed"
    aggregate: ClassVar[str] = "person_id"
    person_id: UUID
    before: str | None
    stage: str
    since: datetime
