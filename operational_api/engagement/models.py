"""Tables of the schema `engagement`."""

from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Id, RequiredTime, ServerTime

SCHEMA = {"schema": "engagement"}


class Lead(Base):
    """Somebody interested, not yet an account. `source` is where they came from."""

    __tablename__ = "leads"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    name: Mapped[str]
    email: Mapped[str]
    source: Mapped[str] = mapped_column(String(30))
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


class ContactPreference(Base):
    """What a customer allows, and when they want quiet (local time; both null: always reachable)."""

    __tablename__ = "contact_preferences"
    __table_args__ = (SCHEMA,)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    allows_marketing: Mapped[bool] = mapped_column(server_default=text("false"))
    allows_nudges: Mapped[bool] = mapped_column(server_default=text("true"))
    quiet_from: Mapped[time | None]
    quiet_until: Mapped[time | None]
    updated_at: Mapped[ServerTime]


class OutgoingEmail(Base):
    """An e-mail to be sent once by the worker; `dedupe_key` makes asking twice harmless.

    `status`: queued, sent, failed.
    """

    __tablename__ = "outgoing_emails"
    __table_args__ = (
        Index("ix_outgoing_emails_due", "next_attempt_at", postgresql_where=text("status = 'queued'")),
        SCHEMA,
    )
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
