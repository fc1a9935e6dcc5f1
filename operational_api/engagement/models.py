"""Tables of the schema `engagement`."""

from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Integer, SmallInteger, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from operational_api.core.claims import Claimable
from operational_api.core.database import Base, Id, RequiredTime, ServerTime

SCHEMA = {"schema": "engagement"}


class Lead(Base):
    """Somebody interested, not yet an account. `source` is where they came from, `owner` who sells to them (a name);
    of who was forgotten `email` is empty."""

    __tablename__ = "leads"
    __table_args__ = (
        Index("ix_leads_email", text("lower(email)")),
        Index("ix_leads_created_at", "created_at", "id"),
        Index(
            "ix_leads_waiting", "created_at", "id", postgresql_where=text("converted_at is null and lost_at is null")
        ),
        Index("ix_leads_lost", "created_at", "id", postgresql_where=text("lost_at is not null and email <> ''")),
        Index("ix_leads_name_trigrams", text("lower(name) gin_trgm_ops"), postgresql_using="gin"),
        SCHEMA,
    )
    id: Mapped[Id]
    name: Mapped[str]
    email: Mapped[str]
    source: Mapped[str] = mapped_column(String(30))
    phone: Mapped[str | None] = mapped_column(String(40))
    owner: Mapped[str | None] = mapped_column(String(200))
    location_id: Mapped[UUID | None]
    customer_id: Mapped[UUID | None] = mapped_column(index=True)
    created_at: Mapped[RequiredTime]
    converted_at: Mapped[datetime | None]
    lost_at: Mapped[datetime | None]


class Message(Base):
    """A message between a client and a coach. `kind`: chat, nudge, system. A thread is all messages of one customer."""

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_customer_id_sent_at", "customer_id", "sent_at"),
        Index("ix_messages_recipient_unread", "recipient_id", postgresql_where=text("read_at is null")),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID]
    sender_id: Mapped[UUID]
    recipient_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(20), server_default="chat")
    body: Mapped[str]
    automation_run_id: Mapped[UUID | None] = mapped_column(index=True)
    sent_at: Mapped[RequiredTime]
    read_at: Mapped[datetime | None]


class MessageTemplate(Base):
    """Words a coach uses again, with merge fields (`{{first_name}}`) that were checked when it was saved."""

    __tablename__ = "message_templates"
    __table_args__ = (
        Index("uq_message_templates_name", "owner_id", text("lower(name)"), unique=True),
        SCHEMA,
    )
    id: Mapped[Id]
    owner_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(60))
    body: Mapped[str]
    updated_at: Mapped[RequiredTime]


class ScheduledMessage(Base):
    """A chat message for later. `send_at` is the instant of `local_at` in `time_zone`, the recipient's.

    `status`: scheduled, sent, cancelled or refused (`reason` says why).
    """

    __tablename__ = "scheduled_messages"
    __table_args__ = (
        Index("ix_scheduled_messages_due", "send_at", postgresql_where=text("status = 'scheduled'")),
        Index("ix_scheduled_messages_customer", "customer_id", "send_at"),
        CheckConstraint("status in ('scheduled', 'sent', 'cancelled', 'refused')", name="status"),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID]
    sender_id: Mapped[UUID]
    body: Mapped[str]
    local_at: Mapped[datetime] = mapped_column(DateTime(timezone=False))
    time_zone: Mapped[str]
    send_at: Mapped[RequiredTime]
    status: Mapped[str] = mapped_column(String(20), server_default="scheduled")
    message_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    created_at: Mapped[ServerTime]
    files: Mapped[list["ScheduledFile"]] = relationship(
        order_by="ScheduledFile.id", lazy="selectin", cascade="all, delete-orphan", passive_deletes=True
    )


class ScheduledFile(Base):
    """A file of a message for later. It becomes an attachment, and is looked through for viruses, when that leaves."""

    __tablename__ = "scheduled_files"
    __table_args__ = (Index("ix_scheduled_files_scheduled_id", "scheduled_id"), SCHEMA)
    id: Mapped[Id]
    scheduled_id: Mapped[UUID] = mapped_column(ForeignKey(ScheduledMessage.id, ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(120))
    media_type: Mapped[str] = mapped_column(String(40))
    size_bytes: Mapped[int] = mapped_column(Integer)
    content: Mapped[bytes] = mapped_column(deferred=True)


class Attachment(Base):
    """A file in a thread. Its content lies apart, where change capture does not reach (`AttachmentFile`)."""

    __tablename__ = "attachments"
    __table_args__ = (
        Index("ix_attachments_message_id", "message_id"),
        Index("ix_attachments_customer_id", "customer_id"),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID]
    message_id: Mapped[UUID] = mapped_column(ForeignKey("engagement.messages.id", ondelete="CASCADE"))
    uploader_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(120))
    media_type: Mapped[str] = mapped_column(String(40))
    size_bytes: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[RequiredTime]
    file: Mapped["AttachmentFile | None"] = relationship(
        primaryjoin="Attachment.id == foreign(AttachmentFile.attachment_id)", viewonly=True, lazy="joined"
    )

    @property
    def status(self) -> str:
        """Whether it can be opened: checking, ready or refused."""
        return self.file.status if self.file is not None else "refused"


class AttachmentFile(Claimable, Base):
    """Where the content of a file is, and what is to be done about it at `due_at` (null: nothing).

    `status`: checking (nobody may have it yet), ready, refused (`scan` says as what), or removed. A trigger removes it
    when its attachment goes, by whichever way: this row stays until the object store has forgotten the bytes.
    `content` is here until the store has it; `is_sealed`: what lies there is sealed with the keys of health data.
    """

    __tablename__ = "attachment_files"
    __table_args__ = (
        CheckConstraint("status in ('checking', 'ready', 'refused', 'removed')", name="status"),
        Index("ix_attachment_files_due", "due_at", postgresql_where=text("due_at is not null")),
        SCHEMA,
    )
    attachment_id: Mapped[UUID] = mapped_column(primary_key=True)
    content: Mapped[bytes | None] = mapped_column(deferred=True)
    status: Mapped[str] = mapped_column(String(20), server_default="ready")
    scan: Mapped[str | None] = mapped_column(String(80))
    is_stored: Mapped[bool] = mapped_column(server_default="false")
    is_sealed: Mapped[bool] = mapped_column(server_default="false")
    due_at: Mapped[datetime | None] = mapped_column(server_default=text("now()"))
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")


class Announcement(Base):
    """News of the business to a segment of customers, as it was sent out.

    `cancelled_at`: somebody took back what had not left, first then; `called_off`: to so many.
    """

    __tablename__ = "announcements"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    author_id: Mapped[UUID]
    segment: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(120))
    body: Mapped[str]
    recipients: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[RequiredTime]
    cancelled_at: Mapped[datetime | None]
    called_off: Mapped[int] = mapped_column(Integer, server_default="0")


class ContactPreference(Base):
    """What a customer allows, and when they want quiet (local time; both null: always reachable).

    `language`: en or vi; null takes the account's.
    """

    __tablename__ = "contact_preferences"
    __table_args__ = (SCHEMA,)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    allows_marketing: Mapped[bool] = mapped_column(server_default=text("false"))
    allows_nudges: Mapped[bool] = mapped_column(server_default=text("true"))
    quiet_from: Mapped[time | None]
    quiet_until: Mapped[time | None]
    language: Mapped[str | None] = mapped_column(String(5))
    updated_at: Mapped[ServerTime]


class ChannelChoice(Base):
    """A yes or a no to one purpose by one channel; what was never said has its default (`sending.Wishes`)."""

    __tablename__ = "channel_choices"
    __table_args__ = (SCHEMA,)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(10), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20), primary_key=True)
    is_allowed: Mapped[bool]
    decided_at: Mapped[RequiredTime]


class DigestChoice(Base):
    """That a person has messages of a purpose as one list, at `hour` (0-23) of their clock; no row: each at once."""

    __tablename__ = "digest_choices"
    __table_args__ = (
        CheckConstraint("hour between 0 and 23", name="hour"),
        SCHEMA,
    )
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20), primary_key=True)
    hour: Mapped[int] = mapped_column(Integer)
    is_weekly: Mapped[bool] = mapped_column(server_default=text("false"))
    decided_at: Mapped[RequiredTime]


class Suppression(Base):
    """An address that gets nothing more by a channel. `reason`: bounce, complaint, stop or unsubscribe."""

    __tablename__ = "suppressions"
    __table_args__ = (
        CheckConstraint("reason in ('bounce', 'complaint', 'stop', 'unsubscribe')", name="reason"),
        SCHEMA,
    )
    channel: Mapped[str] = mapped_column(String(10), primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[RequiredTime]


class Phone(Base):
    """A customer's number (E.164). Nothing but one question goes to it until its owner has answered START.

    `whatsapp_seen_at`: when they last wrote to us there; free text may follow for 24 hours.
    """

    __tablename__ = "phones"
    __table_args__ = (Index("ix_phones_number", "number"), SCHEMA)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(16))
    confirmed_at: Mapped[datetime | None]
    whatsapp_seen_at: Mapped[datetime | None]
    asked_at: Mapped[RequiredTime]


class PushSubscription(Base):
    """A browser (`kind` web: `endpoint` and the two keys of RFC 8291) or a phone's app (fcm: `endpoint` is a token)."""

    __tablename__ = "push_subscriptions"
    __table_args__ = (Index("ix_push_subscriptions_customer", "customer_id"), SCHEMA)
    id: Mapped[Id]
    customer_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(5))
    endpoint: Mapped[str] = mapped_column(unique=True)
    p256dh: Mapped[str] = mapped_column(server_default="")
    auth: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[RequiredTime]


class OutgoingMessage(Base):
    """A message that leaves once, by e-mail, SMS, WhatsApp or push; `dedupe_key` makes asking twice harmless.

    The table has the name of its first kind. `status`: queued, sent, failed, withheld, or undecided (it may have left,
    and waits for somebody to say what becomes of it); `reason` says why one was withheld or failed, or that one that
    waits is sent a second time. `fallbacks`: channels that may still carry it, in order. `in_doubt_since`: it may have
    left, and nobody knows. `topic`: then, by what a provider knows it that puts a copy in the place of the first; null
    of one that does not. It is the message's own id, or that of the list which it was in as that may have left.

    `segments`: as how many texts it was charged, whichever channel carried it in the end; null where none left.
    `cost_thousandths`: what they cost at the price of when they left, in thousandths of a minor unit of
    `cost_currency`; null where nobody had said it, or not of all of them.

    `digest_at`: it waits for the list of that time. `digest_id`: the message that carries the list it is in, which is
    one of them; who carries it has its own id there (`service.digests`).
    """

    __tablename__ = "outgoing_emails"
    __table_args__ = (
        Index("ix_outgoing_emails_due", "channel", "next_attempt_at", postgresql_where=text("status = 'queued'")),
        Index(
            "ix_outgoing_emails_lately", "customer_id", "purpose", "sent_at",
            postgresql_where=text("purpose <> 'transactional' and sent_at is not null"),
        ),
        Index(
            "ix_outgoing_emails_waiting", "customer_id", "template", postgresql_where=text("status = 'queued'")
        ),
        Index(
            "ix_outgoing_emails_undecided", "customer_id", "in_doubt_since",
            postgresql_where=text("status = 'undecided'"),
        ),
        Index("ix_outgoing_emails_provider", "provider_message_id"),
        Index(
            "ix_outgoing_emails_gathered", "channel", "digest_at",
            postgresql_where=text("status = 'queued' and digest_at is not null and digest_id is null"),
        ),
        Index("ix_outgoing_emails_digest", "digest_id", postgresql_where=text("digest_id is not null")),
        Index("ix_outgoing_emails_charged", "sent_at", postgresql_where=text("segments is not null")),
        CheckConstraint("channel in ('email', 'sms', 'whatsapp', 'push')", name="channel"),
        CheckConstraint("purpose in ('transactional', 'reminders', 'coaching', 'marketing')", name="purpose"),
        SCHEMA,
    )  # fmt: skip
    id: Mapped[Id]
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    recipient: Mapped[str]
    template: Mapped[str]
    context: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(String(20), server_default="queued")
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    next_attempt_at: Mapped[RequiredTime]
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    created_at: Mapped[ServerTime]
    channel: Mapped[str] = mapped_column(String(10), server_default="email")
    purpose: Mapped[str] = mapped_column(String(20), server_default="transactional")
    customer_id: Mapped[UUID | None]
    language: Mapped[str] = mapped_column(String(5), server_default="en")
    fallbacks: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'"))
    expires_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    in_doubt_since: Mapped[datetime | None]
    topic: Mapped[UUID | None]
    provider_message_id: Mapped[str | None]
    delivered_at: Mapped[datetime | None]
    digest_at: Mapped[datetime | None]
    digest_id: Mapped[UUID | None]
    segments: Mapped[int | None] = mapped_column(SmallInteger)
    cost_thousandths: Mapped[int | None] = mapped_column(BigInteger)
    cost_currency: Mapped[str | None] = mapped_column(String(3))


OutgoingEmail = OutgoingMessage
"""The name from when there was e-mail alone."""


class InboxMessage(Base):
    """A message as its person reads it in the app, whatever became of it by the channels (`service.inbox`).

    `due_at`: when it was to leave; `landed_at`: when it was put before the person, null until then. What it says is
    made of `template` and `context`, as every channel makes it. No link or code that leads into an account is here.
    """

    __tablename__ = "inbox_messages"
    __table_args__ = (
        Index("ix_inbox_messages_due", "due_at", postgresql_where=text("landed_at is null")),
        Index(
            "ix_inbox_messages_person", "person_id", "landed_at", "id",
            postgresql_where=text("landed_at is not null"),
        ),
        Index(
            "ix_inbox_messages_unread", "person_id",
            postgresql_where=text("landed_at is not null and read_at is null and archived_at is null"),
        ),
        Index("ix_inbox_messages_landed", "landed_at"),
        SCHEMA,
    )  # fmt: skip
    id: Mapped[Id]
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[UUID]
    template: Mapped[str]
    purpose: Mapped[str] = mapped_column(String(20))
    context: Mapped[dict[str, Any]]
    language: Mapped[str] = mapped_column(String(5))
    due_at: Mapped[RequiredTime]
    expires_at: Mapped[datetime | None]
    landed_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]


class DoNotDisturb(Base):
    """Until when a person wants nothing but proofs by any channel; a row that has passed says nothing."""

    __tablename__ = "do_not_disturb"
    __table_args__ = (SCHEMA,)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    until: Mapped[RequiredTime]
    set_at: Mapped[RequiredTime]


class LifecycleFact(Base):
    """Something that happened between a person and the business; its id is the event's. Stages are folded from it."""

    __tablename__ = "lifecycle_facts"
    __table_args__ = (Index("ix_lifecycle_facts_person", "person_id", "occurred_at"), SCHEMA)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(30))
    occurred_at: Mapped[RequiredTime]


class LifecycleStage(Base):
    """The stage a person is in: what `lifecycle.fold` makes of their facts, kept so that it can be asked for."""

    __tablename__ = "lifecycle_stages"
    __table_args__ = (Index("ix_lifecycle_stages_stage", "stage"), SCHEMA)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(String(20))
    since: Mapped[RequiredTime]
