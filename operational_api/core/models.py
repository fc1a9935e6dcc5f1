"""Tables of the schema `platform`: events going out, messages coming in, requests already answered, who did what."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    String,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Id, RequiredTime, ServerTime


class OutboxEvent(Base):
    """One fact, written in the transaction that made it true. Append-only: a trigger refuses every other change
    than setting `relayed_at` once. `position` orders the events of one aggregate."""

    __tablename__ = "outbox_events"
    __table_args__ = (
        Index("ix_outbox_events_unrelayed", "position", postgresql_where=text("relayed_at is null")),
        Index("ix_outbox_events_aggregate", "aggregate_id", "position"),
        {"schema": "platform"},
    )
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=False), unique=True)
    type: Mapped[str]
    version: Mapped[int] = mapped_column(SmallInteger)
    aggregate_id: Mapped[UUID]
    occurred_at: Mapped[RequiredTime]
    payload: Mapped[dict[str, Any]]
    traceparent: Mapped[str | None] = mapped_column(String(55))
    relayed_at: Mapped[datetime | None]


class EventSeal(Base):
    """One link of the chain over the events: those of one batch of the relay, each with its digest, in order.

    `events` is `[[event_id, digest], ...]`, `hash` covers number, the link before and them. Append-only by trigger;
    `core.seals` makes and verifies links.
    """

    __tablename__ = "event_seals"
    __table_args__ = (CheckConstraint("number > 0", name="number"), {"schema": "platform"})
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    previous: Mapped[str] = mapped_column(String(64))
    events: Mapped[list[Any]] = mapped_column(JSONB)
    hash: Mapped[str] = mapped_column(String(64))
    sealed_at: Mapped[RequiredTime]


class InboxMessage(Base):
    """A message received once, from a provider's webhook or for one of our own consumers; handled once.

    `aggregate_id` and `position` are the event's, null for webhooks: of one aggregate, one source handles in order.
    `parked_at`: given up after too many failed attempts; a person decides (`core.consumers.redrive`).
    """

    __tablename__ = "inbox_messages"
    __table_args__ = (
        Index("ix_inbox_messages_unhandled", "source", "received_at", postgresql_where=text("handled_at is null")),
        Index(
            "ix_inbox_messages_due",
            "received_at",
            "position",
            postgresql_where=text("handled_at is null and parked_at is null"),
        ),
        Index(
            "ix_inbox_messages_aggregate",
            "source",
            "aggregate_id",
            "position",
            postgresql_where=text("handled_at is null and parked_at is null"),
        ),
        {"schema": "platform"},
    )
    source: Mapped[str] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]]
    traceparent: Mapped[str | None] = mapped_column(String(55))
    received_at: Mapped[ServerTime]
    handled_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    next_attempt_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    aggregate_id: Mapped[UUID | None]
    position: Mapped[int | None] = mapped_column(BigInteger)
    parked_at: Mapped[datetime | None]


class IdempotencyKey(Base):
    """The first answer to a POST, returned again to whoever repeats it with the same key."""

    __tablename__ = "idempotency_keys"
    __table_args__ = ({"schema": "platform"},)
    principal: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[str | None]
    created_at: Mapped[ServerTime]


class AuditGroup(Base):
    """People whom a reading was about, when they were several. Append-only by trigger.

    `subjects` is sorted, and the id is made of it (`core.audit.group_of`; checked): the same people are the same group.
    """

    __tablename__ = "audit_groups"
    __table_args__ = (
        Index("ix_audit_groups_subjects", "subjects", postgresql_using="gin"),
        CheckConstraint(
            "id = encode(substring(sha256(convert_to(subjects::text, 'UTF8')) from 1 for 16), 'hex')::uuid",
            name="named_by_its_people",
        ),
        {"schema": "platform"},
    )
    id: Mapped[Id]
    subjects: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))


class AuditEntry(Base):
    """Who did what to which object, whose data it was, from where, why, and how it ended. Append-only by trigger.

    Whose: of one person (`subject_id`), of several (`group_id`), or of nobody. Written by `core.audit`, read by
    compliance. `sequence` numbers the entries without meaning their order of commit;
    `platform.audit_bytes(entry)` is what a seal is computed over. `outcome`: done, refused or failed.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_object", "object_type", "object_id"),
        Index("ix_audit_entries_subject", "subject_id", "sequence"),
        Index("ix_audit_entries_actor", "actor_id", "sequence"),
        Index("ix_audit_entries_action", "action", "sequence"),
        Index("ix_audit_entries_group", "group_id", "sequence", postgresql_where=text("group_id is not null")),
        {"schema": "platform"},
    )
    id: Mapped[Id]
    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    actor_id: Mapped[UUID | None]
    actor_role: Mapped[str | None] = mapped_column(String(20))
    action: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[str]
    subject_id: Mapped[UUID | None]
    purpose: Mapped[str | None] = mapped_column(String(40))
    outcome: Mapped[str] = mapped_column(String(20), server_default="done")
    address: Mapped[str | None] = mapped_column(String(45))
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    traceparent: Mapped[str | None] = mapped_column(String(55))
    occurred_at: Mapped[ServerTime]
    group_id: Mapped[UUID | None] = mapped_column(ForeignKey(AuditGroup.id))


class ConsentMark(Base):
    """How often consents have changed, each connection's changes in one of the rows; asked by `platform.consents_mark`.

    Counted by a trigger. While the sum is the same, no customer lets others see anything else than before.
    """

    __tablename__ = "consent_marks"
    __table_args__ = ({"schema": "platform"},)
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    changes: Mapped[int] = mapped_column(BigInteger)


class Revocation(Base):
    """A session (`sid` of tokens) or a grant (`gid`) that has ended: what names it is believed no longer."""

    __tablename__ = "revocations"
    __table_args__ = ({"schema": "platform"},)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    ended_at: Mapped[RequiredTime] = mapped_column(index=True)


class RoleChange(Base):
    """The role of somebody whose role has changed: what tokens issued before `changed_at` say is no longer true."""

    __tablename__ = "role_changes"
    __table_args__ = ({"schema": "platform"},)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    changed_at: Mapped[RequiredTime]


class BulkLoad(Base):
    """A load of many transactions. One without `finished_at` was interrupted: its rows are half of something."""

    __tablename__ = "bulk_loads"
    __table_args__ = ({"schema": "platform"},)
    id: Mapped[Id]
    name: Mapped[str]
    parameters: Mapped[dict[str, Any]]
    started_at: Mapped[RequiredTime]
    finished_at: Mapped[datetime | None]
