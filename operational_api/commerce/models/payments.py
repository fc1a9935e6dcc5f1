"""Demands for money, attempts to collect them, what is given back and what is contested."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    case,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.commerce.models.memberships import Customer, SessionPack, Subscription
from operational_api.commerce.models.plans import SCHEMA
from operational_api.core import approvals
from operational_api.core.database import AmountMinor, Base, Currency, Id, RequiredTime


class Invoice(Base):
    """A demand for money. `status`: open, paid, void, uncollectible. `total = subtotal + tax`.

    A trigger refuses any change of what was issued: number, whose it is and to whom, amounts, period. Ours are numbered
    without a gap in a `series`; a provider's keep its number. `customer_id` is whom it is about, `payer_id` who else
    pays, `billed_to` to whom the payer had it addressed then.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        CheckConstraint("total_minor = subtotal_minor + tax_minor", name="total_is_sum"),
        CheckConstraint("subtotal_minor >= 0 and tax_minor >= 0", name="not_negative"),
        UniqueConstraint("series", "sequence"),
        SCHEMA,
    )
    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id), index=True)
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey(Subscription.id), index=True)
    session_pack_id: Mapped[UUID | None] = mapped_column(ForeignKey(SessionPack.id))
    status: Mapped[str] = mapped_column(String(20))
    currency: Mapped[Currency]
    subtotal_minor: Mapped[AmountMinor]
    tax_minor: Mapped[AmountMinor]
    total_minor: Mapped[AmountMinor]
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    issued_at: Mapped[RequiredTime]
    due_at: Mapped[RequiredTime]
    paid_at: Mapped[datetime | None]
    stripe_invoice_id: Mapped[str | None] = mapped_column(unique=True)
    series: Mapped[str | None] = mapped_column(String(20))
    sequence: Mapped[int | None]
    payer_id: Mapped[UUID | None] = mapped_column(ForeignKey(Customer.id), index=True)
    billed_to: Mapped[str | None] = mapped_column(String(400))


class Payment(Base):
    """One attempt to collect an invoice. `status`: pending, captured, failed, unknown."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("(status = 'captured') = (captured_at is not null)", name="captured_has_time"),
        UniqueConstraint("provider", "provider_payment_id", "attempt"),
        SCHEMA,
    )
    id: Mapped[Id]
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey(Invoice.id), index=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id), index=True)
    provider: Mapped[str] = mapped_column(String(20))
    provider_payment_id: Mapped[str | None]
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    status: Mapped[str] = mapped_column(String(20))
    amount_minor: Mapped[AmountMinor]
    fee_minor: Mapped[AmountMinor] = mapped_column(server_default="0")
    currency: Mapped[Currency]
    failure_code: Mapped[str | None]
    attempted_at: Mapped[RequiredTime]
    captured_at: Mapped[datetime | None]


class Refund(Base):
    """Money given back. `status`: pending, unknown (the provider's answer was lost), succeeded, failed.

    `provider_key` is what the provider was asked with: asking again with it gives nothing back twice.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        Index("ix_refunds_next_look_at", "next_look_at", postgresql_where=text("status in ('pending', 'unknown')")),
        SCHEMA,
    )
    id: Mapped[Id]
    payment_id: Mapped[UUID] = mapped_column(ForeignKey(Payment.id), index=True)
    customer_id: Mapped[UUID]
    amount_minor: Mapped[AmountMinor]
    currency: Mapped[Currency]
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(String(20))
    provider_refund_id: Mapped[str | None] = mapped_column(unique=True)
    refunded_at: Mapped[RequiredTime]
    provider_key: Mapped[str | None] = mapped_column(unique=True)
    next_look_at: Mapped[datetime | None]
    looks: Mapped[int] = mapped_column(SmallInteger, server_default="0")


class RefundRequest(approvals.Request, Base):
    """A refund that takes two (`core.approvals`): of an amount, or of a line of the payment's invoice, counted
    from 1. `fee_booking_id` is whose late cancellation that line charges: waived once it is approved."""

    __tablename__ = "refund_requests"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("(status = 'approved') = (refund_id is not null)", name="approved_has_refund"),
        CheckConstraint("fee_booking_id is null or line_position is not null", name="fee_is_a_line"),
        *approvals.rules("refund_requests", once=["payment_id"], about="customer_id"),
        SCHEMA,
    )
    payment_id: Mapped[UUID] = mapped_column(ForeignKey(Payment.id), index=True)
    customer_id: Mapped[UUID]
    amount_minor: Mapped[AmountMinor]
    currency: Mapped[Currency]
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey(Refund.id))
    line_position: Mapped[int | None] = mapped_column(SmallInteger)
    fee_booking_id: Mapped[UUID | None]


class Dispute(Base):
    """A payment contested at the bank. `status`: needs_response, won, lost. `returned_minor` is what came back of a won
    one, without the fee; null: all of it, as was taken for granted before it was noted. `has_evidence`: we have handed
    in what speaks for us, which the bank takes until `evidence_due_at`; null: the provider does not say."""

    __tablename__ = "disputes"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    payment_id: Mapped[UUID] = mapped_column(ForeignKey(Payment.id), index=True)
    customer_id: Mapped[UUID]
    amount_minor: Mapped[AmountMinor]
    returned_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[Currency]
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(String(20))
    provider_dispute_id: Mapped[str | None] = mapped_column(unique=True)
    evidence_due_at: Mapped[datetime | None]
    has_evidence: Mapped[bool] = mapped_column(default=False)
    opened_at: Mapped[RequiredTime]
    closed_at: Mapped[datetime | None]


LOST_MINOR = case(
    (Dispute.status == "lost", Dispute.amount_minor),
    (Dispute.status == "won", Dispute.amount_minor - func.coalesce(Dispute.returned_minor, Dispute.amount_minor)),
    else_=0,
)
"""How much of a payment a bank took back for good with a dispute."""
