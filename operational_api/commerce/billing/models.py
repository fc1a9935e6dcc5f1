"""Tables of our own billing, in the schema `commerce`. Amounts are integer minor units beside a currency."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.commerce.models import SCHEMA, Customer, Invoice, PlanPrice, Refund, SessionPack, Subscription
from operational_api.core.database import AmountMinor, Base, Currency, Id, RequiredTime, ServerTime


class NumberSeries(Base):
    """The last number given in a series of documents. Its row is the lock under which the next one is given."""

    __tablename__ = "number_series"
    __table_args__ = (SCHEMA,)
    series: Mapped[str] = mapped_column(String(20), primary_key=True)
    last_number: Mapped[int] = mapped_column(Integer, server_default="0")


class PlanChange(Base):
    """A change of plan that is paid for before it holds. `status`: pending (until it is known whether its invoice was
    paid), held, failed. `mode`: invoice, reset. It counts from `asked_on`, a day of the customer's."""

    __tablename__ = "plan_changes"
    __table_args__ = (
        CheckConstraint("mode in ('invoice', 'reset')", name="mode"),
        CheckConstraint("status in ('pending', 'held', 'failed')", name="status"),
        CheckConstraint("(status = 'pending') = (decided_at is null)", name="decided"),
        Index(
            "uq_plan_changes_one_pending", "subscription_id", unique=True, postgresql_where=text("status = 'pending'")
        ),
        Index("ix_plan_changes_customer_id", "customer_id", "asked_at"),
        SCHEMA,
    )
    id: Mapped[Id]
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey(Subscription.id))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id))
    from_price_id: Mapped[UUID] = mapped_column(ForeignKey(PlanPrice.id))
    to_price_id: Mapped[UUID] = mapped_column(ForeignKey(PlanPrice.id))
    mode: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20), server_default="pending")
    asked_on: Mapped[date]
    asked_at: Mapped[RequiredTime]
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey(Invoice.id), unique=True)
    decided_at: Mapped[datetime | None]
    failure_code: Mapped[str | None]


class ParkedInvoice(Base):
    """An invoice that would be absurd: not issued, not numbered, not charged, until an admin says. Its items are held
    by it (`BillingItem.parked_id`). `reason`: too_large, negative, too_many_lines, charged_twice. `status`: waiting,
    approved (then `invoice_id` is what was made of it), voided."""

    __tablename__ = "parked_invoices"
    __table_args__ = (
        CheckConstraint("reason in ('too_large', 'negative', 'too_many_lines', 'charged_twice')", name="reason"),
        CheckConstraint("status in ('waiting', 'approved', 'voided')", name="status"),
        CheckConstraint("(status = 'waiting') = (decided_at is null)", name="decided"),
        CheckConstraint("(status = 'approved') = (invoice_id is not null)", name="invoiced"),
        Index("ix_parked_invoices_waiting", "parked_at", postgresql_where=text("status = 'waiting'")),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id), index=True)
    payer_id: Mapped[UUID | None] = mapped_column(ForeignKey(Customer.id), index=True)
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey(Subscription.id), index=True)
    reason: Mapped[str] = mapped_column(String(20))
    currency: Mapped[Currency]
    total_minor: Mapped[AmountMinor]
    line_count: Mapped[int]
    status: Mapped[str] = mapped_column(String(20), server_default="waiting")
    parked_at: Mapped[RequiredTime]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    decision_reason: Mapped[str | None]
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey(Invoice.id), unique=True)


class BillingItem(Base):
    """Something charged, or given back where negative, that waits for an invoice until `invoice_id` is set.

    What is used in part is split: the rest waits in a row of its own with the same `origin_id`. What a change of plan
    comes to has its `plan_change_id`: if that fails, it was never owed. `payer_id` is whose it is where that is not the
    customer: who paid for them when it was caused, or had paid for the days; another payer since has nothing to do with
    it. A credit that went back to the card has its `refund_id`. `parked_id` holds it for an invoice that was parked.
    A fee that its invoice asks for no more has `let_go_at`.

    `settled_as` is what somebody, or a rule, made of it instead: paid_outside (a credit, by other means), written_off
    (a credit that is not given back), waived (a charge), voided (with a parked invoice; a credit with the payment that
    a bank took back or that was given back), too_small (a charge).
    """

    __tablename__ = "billing_items"
    __table_args__ = (
        CheckConstraint("kind in ('membership', 'unused', 'discount', 'drop_in', 'pack', 'fee')", name="kind"),
        Index("ix_billing_items_waiting", "customer_id", postgresql_where=text("invoice_id is null")),
        Index("ix_billing_items_plan_change_id", "plan_change_id", postgresql_where=text("plan_change_id is not null")),
        Index("ix_billing_items_payer_id", "payer_id", postgresql_where=text("payer_id is not null")),
        Index("ix_billing_items_refund_id", "refund_id", postgresql_where=text("refund_id is not null")),
        Index(
            "ix_billing_items_credits",
            "made_at",
            postgresql_where=text("kind = 'unused' and invoice_id is null and refund_id is null"),
        ),
        CheckConstraint("invoice_id is null or refund_id is null", name="used_once"),
        CheckConstraint(
            "settled_as in ('paid_outside', 'written_off', 'waived', 'voided', 'too_small')", name="settled_as"
        ),
        CheckConstraint(
            "(settled_as is null) = (settled_at is null) and (settled_as is null) = (settled_reason is null) "
            "and (settled_as is null or (invoice_id is null and refund_id is null and parked_id is null))",
            name="settled",
        ),
        CheckConstraint("parked_id is null or (invoice_id is null and refund_id is null)", name="parked"),
        Index("ix_billing_items_parked_id", "parked_id", postgresql_where=text("parked_id is not null")),
        Index("ix_billing_items_settled_at", "settled_at", postgresql_where=text("settled_at is not null")),
        SCHEMA,
    )
    id: Mapped[Id]
    origin_id: Mapped[UUID]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id))
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey(Subscription.id), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    description: Mapped[str]
    amount_minor: Mapped[AmountMinor]
    tax_minor: Mapped[AmountMinor]
    tax_rate_bp: Mapped[int] = mapped_column(SmallInteger)
    currency: Mapped[Currency]
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    made_at: Mapped[RequiredTime]
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey(Invoice.id), index=True)
    plan_change_id: Mapped[UUID | None] = mapped_column(ForeignKey(PlanChange.id))
    payer_id: Mapped[UUID | None] = mapped_column(ForeignKey(Customer.id))
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey(Refund.id))
    parked_id: Mapped[UUID | None] = mapped_column(ForeignKey(ParkedInvoice.id))
    settled_as: Mapped[str | None] = mapped_column(String(20))
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[UUID | None]
    settled_reason: Mapped[str | None]
    let_go_at: Mapped[datetime | None]


class InvoiceLine(Base):
    """One line of an invoice, never changed. All lines of an invoice are inserted by one statement, and a trigger
    refuses one after which they are not the invoice's total and tax."""

    __tablename__ = "invoice_lines"
    __table_args__ = (UniqueConstraint("invoice_id", "position"), SCHEMA)
    id: Mapped[Id]
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey(Invoice.id))
    position: Mapped[int] = mapped_column(SmallInteger)
    kind: Mapped[str] = mapped_column(String(20))
    description: Mapped[str]
    amount_minor: Mapped[AmountMinor]  # tax included; negative where given back
    tax_minor: Mapped[AmountMinor]
    tax_rate_bp: Mapped[int] = mapped_column(SmallInteger)
    currency: Mapped[Currency]
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]  # the day after the last


class CreditNote(Base):
    """What of an invoice is not owed after all, never changed. `settlement`: refund (the document of money given back)
    or open (the invoice asks for so much less)."""

    __tablename__ = "credit_notes"
    __table_args__ = (
        CheckConstraint("amount_minor > 0 and tax_minor between 0 and amount_minor", name="amounts"),
        CheckConstraint("settlement in ('refund', 'open')", name="settlement"),
        CheckConstraint("(settlement = 'refund') = (refund_id is not null)", name="refund_has_refund"),
        UniqueConstraint("series", "sequence"),
        SCHEMA,
    )
    id: Mapped[Id]
    number: Mapped[str] = mapped_column(unique=True)
    series: Mapped[str] = mapped_column(String(20))
    sequence: Mapped[int]
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey(Invoice.id), index=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id), index=True)
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey(Refund.id), unique=True)
    settlement: Mapped[str] = mapped_column(String(20))
    amount_minor: Mapped[AmountMinor]  # tax included
    tax_minor: Mapped[AmountMinor]
    currency: Mapped[Currency]
    reason: Mapped[str]
    issued_at: Mapped[RequiredTime]


class Collection(Base):
    """How far collecting one of our invoices is. `status`: due, retrying, stopped (no card is charged by itself: it
    waits for a new one, or, where the membership has ended, for its payer's word, and is given up at
    `next_attempt_at`), paid, credited (nothing of it is owed after all), given_up.

    `attempts` counts those with an answer. While an answer is missing the same attempt is asked about again with its
    key, never made a second time.
    """

    __tablename__ = "collections"
    __table_args__ = (
        CheckConstraint("status in ('due', 'retrying', 'stopped', 'paid', 'credited', 'given_up')", name="status"),
        CheckConstraint(
            "(status in ('due', 'retrying', 'stopped')) = (next_attempt_at is not null)", name="open_has_next"
        ),
        Index("ix_collections_due", "next_attempt_at", postgresql_where=text("next_attempt_at is not null")),
        Index("ix_collections_customer_id", "customer_id"),
        Index("ix_collections_open", "invoice_id", postgresql_where=text("status in ('due', 'retrying', 'stopped')")),
        SCHEMA,
    )
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey(Invoice.id), primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id))
    payer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id), index=True)
    status: Mapped[str] = mapped_column(String(20), server_default="due")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    next_attempt_at: Mapped[datetime | None]
    last_failure_code: Mapped[str | None]
    started_at: Mapped[RequiredTime]
    ended_at: Mapped[datetime | None]


class Coupon(Base):
    """A code that makes a membership cheaper. `kind`: percent (basis points) or amount. `duration`: once, months,
    forever; counted in invoiced periods."""

    __tablename__ = "coupons"
    __table_args__ = (
        CheckConstraint("code = upper(code)", name="code_upper"),
        CheckConstraint(
            "(kind = 'percent' and percent_bp between 1 and 10000 and amount_minor is null and currency is null) or "
            "(kind = 'amount' and percent_bp is null and amount_minor > 0 and currency is not null)", name="worth",
        ),
        CheckConstraint("duration in ('once', 'months', 'forever')", name="duration"),
        CheckConstraint("(duration = 'months') = (duration_months is not null)", name="months"),
        CheckConstraint("redeemed_count <= max_redemptions", name="not_redeemed_too_often"),
        SCHEMA,
    )  # fmt: skip
    id: Mapped[Id]
    code: Mapped[str] = mapped_column(String(40), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    percent_bp: Mapped[int | None] = mapped_column(SmallInteger)
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    duration: Mapped[str] = mapped_column(String(20))
    duration_months: Mapped[int | None] = mapped_column(SmallInteger)
    max_redemptions: Mapped[int | None]
    redeemed_count: Mapped[int] = mapped_column(server_default="0")
    expires_at: Mapped[datetime | None]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[ServerTime]
    created_by: Mapped[UUID | None]


class CouponRedemption(Base):
    """A coupon used by a customer, once. `months_left` None: for ever; 0: used up, but for days that are charged anew
    before `covers_until`, where the last period that it counted ends; for ever and not counted yet, the day it was used
    on, or null where a version noted it that took it off all days. `counted_months` is what that period took of it, and
    is given back where nothing of the period is used; null: noted by a version that did not say."""

    __tablename__ = "coupon_redemptions"
    __table_args__ = (UniqueConstraint("coupon_id", "customer_id"), SCHEMA)
    id: Mapped[Id]
    coupon_id: Mapped[UUID] = mapped_column(ForeignKey(Coupon.id))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id), index=True)
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey(Subscription.id), index=True)
    months_left: Mapped[int | None] = mapped_column(SmallInteger)
    covers_until: Mapped[date | None]
    counted_months: Mapped[int | None] = mapped_column(SmallInteger)
    redeemed_at: Mapped[RequiredTime]


class CommissionRate(Base):
    """What a coach earns from a day on, until the next rate: so much a session, a share of what packs brought, and so
    much for each class that they assist."""

    __tablename__ = "commission_rates"
    __table_args__ = (
        CheckConstraint("per_session_minor >= 0 and pack_share_bp between 0 and 10000", name="within"),
        CheckConstraint("per_class_minor >= 0", name="class"),
        UniqueConstraint("coach_id", "currency", "valid_from"),
        SCHEMA,
    )
    id: Mapped[Id]
    coach_id: Mapped[UUID]
    currency: Mapped[Currency]
    per_session_minor: Mapped[AmountMinor]
    pack_share_bp: Mapped[int] = mapped_column(SmallInteger)
    per_class_minor: Mapped[AmountMinor] = mapped_column(server_default="0")
    valid_from: Mapped[date]
    set_by: Mapped[UUID | None]
    set_at: Mapped[RequiredTime]


class DeliveredSession(Base):
    """A session that was held or missed by the customer, as far as money knows of it. `revenue_minor` is its part of
    the pack's price, without tax; 0 on a membership; what of it was given back is in corrections. `held_on` is the
    studio's day of it; where it is null, a version counted it that did not know, and its UTC day counts."""

    __tablename__ = "delivered_sessions"
    __table_args__ = (Index("ix_delivered_sessions_coach", "coach_id", "delivered_at"), SCHEMA)
    booking_id: Mapped[UUID] = mapped_column(primary_key=True)
    coach_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    session_pack_id: Mapped[UUID | None] = mapped_column(ForeignKey(SessionPack.id), index=True)
    has_attended: Mapped[bool]
    revenue_minor: Mapped[AmountMinor] = mapped_column(server_default="0")
    currency: Mapped[Currency]
    delivered_at: Mapped[RequiredTime]
    held_on: Mapped[date | None]
    statement_id: Mapped[UUID | None] = mapped_column(ForeignKey("commerce.commission_statements.id"), index=True)


class AssistedClass(Base):
    """A class that a coach assisted and that was held: somebody came, or missed it. In the currency of who was marked
    first; worth what the rate of its day says."""

    __tablename__ = "assisted_classes"
    __table_args__ = (
        UniqueConstraint("class_id", "coach_id"),
        Index("ix_assisted_classes_open", "coach_id", "held_on", postgresql_where=text("statement_id is null")),
        SCHEMA,
    )
    id: Mapped[Id]
    class_id: Mapped[UUID]
    coach_id: Mapped[UUID]
    currency: Mapped[Currency]
    held_on: Mapped[date]
    noted_at: Mapped[RequiredTime]
    statement_id: Mapped[UUID | None] = mapped_column(ForeignKey("commerce.commission_statements.id"), index=True)


class CommissionCorrection(Base):
    """What a held session counts for its coach was `before_minor` and changed by `revenue_minor`: money of its pack was
    given back, or a bank returned it after all. Never changed, but for the statement that it is in.

    `source_type`: refund, dispute; `source_id` says which. `noted_on` is the earliest day that it was at a studio.
    """

    __tablename__ = "commission_corrections"
    __table_args__ = (
        CheckConstraint("source_type in ('refund', 'dispute')", name="source_type"),
        CheckConstraint(
            "revenue_minor <> 0 and before_minor >= 0 and before_minor + revenue_minor >= 0", name="changes"
        ),
        SCHEMA,
    )
    id: Mapped[Id]
    booking_id: Mapped[UUID] = mapped_column(ForeignKey(DeliveredSession.booking_id), index=True)
    coach_id: Mapped[UUID]
    currency: Mapped[Currency]
    source_type: Mapped[str] = mapped_column(String(20))
    source_id: Mapped[UUID]
    before_minor: Mapped[AmountMinor]
    revenue_minor: Mapped[AmountMinor]
    noted_on: Mapped[date]
    noted_at: Mapped[RequiredTime]
    statement_id: Mapped[UUID | None] = mapped_column(ForeignKey("commerce.commission_statements.id"), index=True)


class CommissionStatement(Base):
    """What one coach earned in one closed pay period, in one currency; never changed. Both days belong to it, as
    studios have them. `classes` are those that they assisted. `corrected_minor` is what `corrections` of sessions
    changed, mostly below 0; so may the total be: then the coach has had more than they earned."""

    __tablename__ = "commission_statements"
    __table_args__ = (
        CheckConstraint("last_on >= first_on", name="ends_after_start"),
        CheckConstraint(
            "total_minor = session_pay_minor + class_pay_minor + pack_pay_minor + corrected_minor", name="total"
        ),
        UniqueConstraint("coach_id", "currency", "first_on"),
        SCHEMA,
    )
    id: Mapped[Id]
    coach_id: Mapped[UUID]
    first_on: Mapped[date]
    last_on: Mapped[date]
    currency: Mapped[Currency]
    sessions: Mapped[int]
    pack_revenue_minor: Mapped[AmountMinor]
    session_pay_minor: Mapped[AmountMinor]
    classes: Mapped[int] = mapped_column(server_default="0")
    class_pay_minor: Mapped[AmountMinor] = mapped_column(server_default="0")
    pack_pay_minor: Mapped[AmountMinor]
    corrections: Mapped[int] = mapped_column(server_default="0")
    corrected_minor: Mapped[AmountMinor] = mapped_column(server_default="0")
    total_minor: Mapped[AmountMinor]
    closed_at: Mapped[RequiredTime]
    closed_by: Mapped[UUID | None]


class CommissionPayout(Base):
    """That a coach was paid so much of a closed statement, or, with an amount below 0, that one of these rows was a
    mistake; never changed. `paid_on` is the day it was paid; `reference` are the bank's words for it; `batch_id` is of
    those that were noted at once. Nobody records what they are paid themselves."""

    __tablename__ = "commission_payouts"
    __table_args__ = (
        CheckConstraint("amount_minor <> 0 and (reverses_id is null) = (amount_minor > 0)", name="direction"),
        CheckConstraint(
            "(reverses_id is null) = (reason is null) and (reverses_id is null or reference is null)", name="reversed"
        ),
        CheckConstraint("recorded_by <> coach_id", name="not_ones_own"),
        Index("ix_commission_payouts_batch_id", "batch_id", postgresql_where=text("batch_id is not null")),
        SCHEMA,
    )
    id: Mapped[Id]
    statement_id: Mapped[UUID] = mapped_column(ForeignKey(CommissionStatement.id), index=True)
    coach_id: Mapped[UUID] = mapped_column(index=True)
    currency: Mapped[Currency]
    amount_minor: Mapped[AmountMinor]
    paid_on: Mapped[date]
    reference: Mapped[str | None] = mapped_column(String(140))
    reverses_id: Mapped[UUID | None] = mapped_column(ForeignKey("commerce.commission_payouts.id"), unique=True)
    reason: Mapped[str | None] = mapped_column(String(500))
    recorded_by: Mapped[UUID]
    recorded_at: Mapped[RequiredTime]
    batch_id: Mapped[UUID | None]
