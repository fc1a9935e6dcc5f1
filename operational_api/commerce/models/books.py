"""Providers' books and what differs between them and ours, and whether ours are what events tell."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Double, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.commerce.models.plans import SCHEMA
from operational_api.core.database import AmountMinor, Base, Currency, Id, RequiredTime


class ProviderMovement(Base):
    """A line of a provider's books as it was imported: money paid, given back, taken away or paid out."""

    __tablename__ = "provider_movements"
    __table_args__ = (
        CheckConstraint("kind in ('payment', 'refund', 'dispute', 'dispute_reversal', 'payout', 'other')", name="kind"),
        Index("ix_provider_movements_occurred_at", "provider", "occurred_at"),
        Index("ix_provider_movements_payout_id", "provider", "payout_id"),
        Index("ix_provider_movements_source_id", "provider", "source_id"),
        Index("ix_provider_movements_object_id", "provider", "object_id"),
        SCHEMA,
    )
    provider: Mapped[str] = mapped_column(String(20), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    source_id: Mapped[str | None]
    object_id: Mapped[str | None]
    amount_minor: Mapped[AmountMinor]
    currency: Mapped[Currency]
    settled_minor: Mapped[AmountMinor]
    settled_currency: Mapped[Currency]
    fee_minor: Mapped[AmountMinor] = mapped_column(server_default="0")
    exchange_rate: Mapped[float | None] = mapped_column(Double)
    provider_customer_id: Mapped[str | None]
    payout_id: Mapped[str | None]
    is_live: Mapped[bool] = mapped_column(server_default=text("true"))
    occurred_at: Mapped[RequiredTime]


class ProviderPayout(Base):
    """Money that a provider sent to our bank account. `status`: pending, paid, failed."""

    __tablename__ = "provider_payouts"
    __table_args__ = (Index("ix_provider_payouts_sent_at", "provider", "sent_at"), SCHEMA)
    provider: Mapped[str] = mapped_column(String(20), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    amount_minor: Mapped[AmountMinor]
    currency: Mapped[Currency]
    status: Mapped[str] = mapped_column(String(20))
    sent_at: Mapped[RequiredTime]
    arrives_at: Mapped[RequiredTime]


class ReconciliationFinding(Base):
    """A difference between a provider's books and ours, append-only. `subject` names what differs: a provider's id.
    `theirs_currency`: of their amount, where it is another than ours."""

    __tablename__ = "reconciliation_findings"
    __table_args__ = (UniqueConstraint("provider", "kind", "subject", "found_on"), SCHEMA)
    id: Mapped[Id]
    provider: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str]
    found_on: Mapped[date]
    found_at: Mapped[RequiredTime]
    currency: Mapped[str | None] = mapped_column(String(3))
    ours_minor: Mapped[int | None] = mapped_column(BigInteger)
    theirs_minor: Mapped[int | None] = mapped_column(BigInteger)
    theirs_currency: Mapped[str | None] = mapped_column(String(3))
    customer_id: Mapped[UUID | None]
    payment_id: Mapped[UUID | None]
    note: Mapped[str] = mapped_column(server_default="")


class FindingResolution(Base):
    """What somebody did about a finding, and why; append-only.

    `outcome`: booked (our books were corrected), provider_corrected, accepted, no_fault. The last two are not raised
    again while the amounts stay.
    """

    __tablename__ = "finding_resolutions"
    __table_args__ = (
        CheckConstraint("outcome in ('booked', 'provider_corrected', 'accepted', 'no_fault')", name="outcome"),
        SCHEMA,
    )
    finding_id: Mapped[UUID] = mapped_column(ForeignKey(ReconciliationFinding.id), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str]
    resolved_by: Mapped[UUID]
    resolved_at: Mapped[RequiredTime]


class ReconciliationRun(Base):
    """One comparison with a provider's books, append-only: from when to when, over how many of its lines
    (`movements`), with how many findings."""

    __tablename__ = "reconciliation_runs"
    __table_args__ = (Index("ix_reconciliation_runs_ran_at", "provider", "ran_at"), SCHEMA)
    id: Mapped[Id]
    provider: Mapped[str] = mapped_column(String(20))
    since: Mapped[RequiredTime]
    until: Mapped[RequiredTime]
    ran_at: Mapped[RequiredTime]
    movements: Mapped[int] = mapped_column(Integer)
    new_findings: Mapped[int] = mapped_column(Integer)


class Retelling(Base):
    """One look at whether money's tables are what its events tell: once a day, and whenever somebody asks.

    `asked_by`: null for the daily one. The rest is null until it is done. `differences`: the first hundred of
    `difference_count`, `[[about, id, what], ...]`.
    """

    __tablename__ = "retellings"
    __table_args__ = (
        Index("uq_retellings_waiting", text("(true)"), unique=True, postgresql_where=text("finished_at is null")),
        SCHEMA,
    )
    id: Mapped[Id]
    asked_by: Mapped[UUID | None]
    asked_at: Mapped[RequiredTime] = mapped_column(index=True)
    finished_at: Mapped[datetime | None]
    compared: Mapped[int | None] = mapped_column(BigInteger)
    difference_count: Mapped[int | None] = mapped_column(Integer)
    differences: Mapped[list[Any] | None] = mapped_column(JSONB)
