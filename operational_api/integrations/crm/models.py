"""Tables of the CRM's two ways, in the schema `integrations`. None is captured: they hold copies of people's values."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Id, RequiredTime

SCHEMA = {"schema": "integrations"}


class CrmContact(Base):
    """A person of ours and who they are there. `due_at`: there may be something to do; null: nothing.

    `known_ours` and `known_theirs` are the values of both sides when they last agreed, `pending` what we were about to
    write there. `marks` counts who said that there may be something to do: what is marked while it is done stays due.
    `is_leaving`: the person left us; the contact is archived there, and then this row goes.
    `forgotten_at`: there they asked to be erased, and are told of no more; only that they are not to be is kept.
    """

    __tablename__ = "crm_contacts"
    __table_args__ = (
        Index("uq_crm_contacts_person", "provider", "person_id", unique=True),
        Index("uq_crm_contacts_contact", "provider", "contact_id", unique=True),
        Index("ix_crm_contacts_due", "due_at", postgresql_where=text("due_at is not null")),
        SCHEMA,
    )
    id: Mapped[Id]
    provider: Mapped[str] = mapped_column(String(20))
    person_id: Mapped[UUID]
    contact_id: Mapped[str | None] = mapped_column(String(40))
    known_ours: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    known_theirs: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    pending: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    is_leaving: Mapped[bool] = mapped_column(server_default="false")
    due_at: Mapped[datetime | None]
    marks: Mapped[int] = mapped_column(Integer, server_default="0")
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    problem: Mapped[str | None] = mapped_column(String(300))
    synced_at: Mapped[datetime | None]
    forgotten_at: Mapped[datetime | None]


class CrmDeal(Base):
    """A sale of ours as a deal there: what it is to be, and what was written. `due_at` null: nothing to do."""

    __tablename__ = "crm_deals"
    __table_args__ = (
        Index("uq_crm_deals_sale", "provider", "sale_id", unique=True),
        Index("ix_crm_deals_due", "due_at", postgresql_where=text("due_at is not null")),
        SCHEMA,
    )
    id: Mapped[Id]
    provider: Mapped[str] = mapped_column(String(20))
    sale_id: Mapped[UUID]
    person_id: Mapped[UUID]
    deal_id: Mapped[str | None] = mapped_column(String(40))
    wanted: Mapped[dict[str, Any]]
    as_of: Mapped[RequiredTime]
    due_at: Mapped[datetime | None]
    marks: Mapped[int] = mapped_column(Integer, server_default="0")
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    problem: Mapped[str | None] = mapped_column(String(300))
    synced_at: Mapped[datetime | None]


class CrmState(Base):
    """How far one CRM is read: its changes up to `changed_until`. Until `rest_until` it is left alone: it asked for it,
    does not answer, or refuses us (`problem`).

    `resynced_for`: the connecting or resync for which everybody was looked at last.
    """

    __tablename__ = "crm_states"
    __table_args__ = (CheckConstraint("provider in ('hubspot')", name="provider"), SCHEMA)
    provider: Mapped[str] = mapped_column(String(20), primary_key=True)
    changed_until: Mapped[datetime | None]
    next_poll_at: Mapped[RequiredTime]
    rest_until: Mapped[datetime | None]
    problem: Mapped[str | None] = mapped_column(String(300))
    prepared_at: Mapped[datetime | None]
    resynced_for: Mapped[datetime | None]
