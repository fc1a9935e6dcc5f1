"""Tables of the schema `compliance`."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core import approvals
from operational_api.core.claims import Claimable
from operational_api.core.database import Base, Id, RequiredTime

SCHEMA = {"schema": "compliance"}


class Consent(Base):
    """One decision of a customer on one kind of data for one purpose. Append-only by trigger: the newest one counts.

    `data_kind`: activity, sleep, daily or body of a device; training or injuries as entered in Plyo. `purpose`:
    coaching (kept, and shown to customer and coach) or modelling (used to predict). `policy_version`: of the words that
    were agreed to. `decided_by`: usually the customer.
    """

    __tablename__ = "consents"
    __table_args__ = (
        CheckConstraint(
            "data_kind in ('activity', 'sleep', 'daily', 'body', 'training', 'injuries')", name="data_kind"
        ),
        CheckConstraint("purpose in ('coaching', 'modelling')", name="purpose"),
        Index("ix_consents_newest", "customer_id", "data_kind", "purpose", "decided_at"),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID]
    data_kind: Mapped[str] = mapped_column(String(20))
    purpose: Mapped[str] = mapped_column(String(20))
    is_given: Mapped[bool]
    policy_version: Mapped[str] = mapped_column(String(20))
    decided_at: Mapped[RequiredTime]
    decided_by: Mapped[UUID]


class Export(approvals.Request, Base):
    """A file of many customers' data for a purpose, asked for by one of us and approved by another.

    `dataset`: customers, payments or events. `purpose`: accounting, legal, research or migration. `from_on` and `to_on`
    narrow it to days (UTC, both included) of joining, of payment or on which something happened; null does not. The
    rest is null until the file is made.
    """

    __tablename__ = "exports"
    __table_args__ = (
        CheckConstraint("dataset in ('customers', 'payments', 'events')", name="dataset"),
        CheckConstraint("purpose in ('accounting', 'legal', 'research', 'migration')", name="purpose"),
        CheckConstraint("to_on >= from_on", name="ends_after_start"),
        *approvals.rules("exports", once=["requested_by", "dataset"]),
        SCHEMA,
    )
    dataset: Mapped[str] = mapped_column(String(20))
    purpose: Mapped[str] = mapped_column(String(20))
    from_on: Mapped[date | None]
    to_on: Mapped[date | None]
    row_count: Mapped[int | None] = mapped_column(Integer)
    made_at: Mapped[datetime | None]
    file_expires_at: Mapped[datetime | None]


class PersonalExport(Base):
    """A copy of all that is known of one person, for that person alone: `account_id`. No copy is made twice.

    `requested_by` is the person, or one of us for them, who then said why (`reason`). The rest is null until it is
    made.
    """

    __tablename__ = "personal_exports"
    __table_args__ = (
        Index("ix_personal_exports_account_id", "account_id", "requested_at"),
        CheckConstraint("(requested_by = account_id) = (reason is null)", name="others_say_why"),
        SCHEMA,
    )
    id: Mapped[Id]
    account_id: Mapped[UUID]
    requested_by: Mapped[UUID]
    reason: Mapped[str | None] = mapped_column(String(500))
    requested_at: Mapped[RequiredTime]
    made_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    row_count: Mapped[int | None] = mapped_column(Integer)
    file_count: Mapped[int | None] = mapped_column(Integer)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)


class StoredFile(Claimable, Base):
    """The file of an export of either kind: where it is, and what is to be done about it. Never leaves by capture.

    `kind`: business (an `Export`) or personal. `status`: making, ready, or removed; the row stays until the store has
    forgotten the file. A worker may take it at `due_at`; taking counts `attempts`, and the file lies below
    `exports/{export_id}/{edition}/`, where `edition` is the taking that made it.
    """

    __tablename__ = "stored_files"
    __table_args__ = (
        CheckConstraint("kind in ('business', 'personal')", name="kind"),
        CheckConstraint("status in ('making', 'ready', 'removed')", name="status"),
        CheckConstraint("(status = 'ready') = (expires_at is not null)", name="ready_expires"),
        Index("ix_stored_files_due_at", "due_at"),
        SCHEMA,
    )
    export_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(10), server_default="making")
    due_at: Mapped[RequiredTime]
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    edition: Mapped[int] = mapped_column(Integer, server_default="0")
    size_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    is_sealed: Mapped[bool] = mapped_column(server_default="false")
    expires_at: Mapped[datetime | None]


class ExportFile(Base):
    """A file from before there was a store for them, until it expires. Nothing is written here any more; the table goes
    with the next revision that contracts."""

    __tablename__ = "export_files"
    __table_args__ = (SCHEMA,)
    export_id: Mapped[UUID] = mapped_column(ForeignKey(Export.id, ondelete="CASCADE"), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[RequiredTime] = mapped_column(index=True)


class EventCheck(Base):
    """One look at whether the events are as they were sealed (`core.seals`): once a day, and whenever somebody asks.

    `asked_by`: null for the daily one. The rest is null until it is done. `head_link` and `head`: the newest link then,
    which the next look expects to find. `faults`: the first hundred of `fault_count`, `[[link, event_id, what], ...]`.
    """

    __tablename__ = "event_checks"
    __table_args__ = (
        Index("uq_event_checks_waiting", text("(true)"), unique=True, postgresql_where=text("finished_at is null")),
        SCHEMA,
    )
    id: Mapped[Id]
    asked_by: Mapped[UUID | None]
    asked_at: Mapped[RequiredTime] = mapped_column(index=True)
    finished_at: Mapped[datetime | None]
    links: Mapped[int | None] = mapped_column(BigInteger)
    events: Mapped[int | None] = mapped_column(BigInteger)
    unsealed: Mapped[int | None] = mapped_column(BigInteger)
    head_link: Mapped[int | None] = mapped_column(BigInteger)
    head: Mapped[str | None] = mapped_column(String(64))
    fault_count: Mapped[int | None] = mapped_column(Integer)
    faults: Mapped[list[Any] | None] = mapped_column(JSONB)
