"""Tables of the schema `commerce`.

Amounts are integer minor units beside a currency; the ledger lines of one journal sum to 0.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core import approvals
from operational_api.core.database import AmountMinor, Base, Currency, Id, RequiredTime, ServerTime

SCHEMA = {"schema": "commerce"}


class Plan(Base):
    """A membership, billed each `interval_months`, or `sessions_included` credits, paid once: a pack, a single session
    (drop_in), or an introduction for people who are new (intro)."""

    __tablename__ = "plans"
    __table_args__ = (CheckConstraint("kind in ('membership', 'pack', 'drop_in', 'intro')", name="kind"), SCHEMA)
    id: Mapped[Id]
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    description: Mapped[str]
    kind: Mapped[str] = mapped_column(String(20))
    interval_months: Mapped[int | None] = mapped_column(SmallInteger)
    sessions_included: Mapped[int | None] = mapped_column(SmallInteger)  # a month, or in the pack; null: unlimited
    trial_days: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    validity_days: Mapped[int | None] = mapped_column(SmallInteger)  # packs only
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    sort_order: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    created_at: Mapped[ServerTime]


class PlanPrice(Base):
    """The price of a plan in one currency from `valid_from` until `valid_to` (null: today's)."""

    __tablename__ = "plan_prices"
    __table_args__ = (
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        Index("uq_plan_prices_current", "plan_id", "currency", unique=True, postgresql_where=text("valid_to is null")),
        SCHEMA,
    )
    id: Mapped[Id]
    plan_id: Mapped[UUID] = mapped_column(ForeignKey(Plan.id))
    currency: Mapped[Currency]
    amount_minor: Mapped[AmountMinor]
    tax_rate_bp: Mapped[int] = mapped_column(SmallInteger, server_default="0")  # basis points, included in the price
    valid_from: Mapped[RequiredTime]
    valid_to: Mapped[datetime | None]
    stripe_price_id: Mapped[str | None]


class Customer(Base):
    """An account as a payer. Where `payer_id` is set, that account pays instead: a parent, an employer."""

    __tablename__ = "customers"
    __table_args__ = (CheckConstraint("payer_id <> id", name="payer_is_another"), SCHEMA)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    currency: Mapped[Currency]
    stripe_customer_id: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[ServerTime]
    payer_id: Mapped[UUID | None] = mapped_column(ForeignKey("commerce.customers.id"), index=True)


class Subscription(Base):
    """A customer's membership. `amount_minor` is the contracted price per interval, tax included.

    `status`: incomplete, trialing, active, paused, past_due, cancelled. `cancel_kind`: voluntary or involuntary.
    `billed_by`: provider, whose state we follow, or plyo (`commerce.billing`), which counts in days of `time_zone` from
    `anchor_on`; what is charged of the running period already is in the columns `covered_…`.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint(
            "status in ('incomplete', 'trialing', 'active', 'paused', 'past_due', 'cancelled')", name="status"
        ),
        CheckConstraint("(status = 'cancelled') = (ended_at is not null)", name="ended_when_cancelled"),
        CheckConstraint("billed_by in ('provider', 'plyo')", name="billed_by"),
        CheckConstraint("resumes_on is null or status = 'paused'", name="paused_until"),
        Index(
            "ix_subscriptions_next_step",
            "next_step_at",
            postgresql_where=text("billed_by = 'plyo' and next_step_at is not null"),
        ),
        Index(
            "uq_subscriptions_one_live",
            "customer_id",
            unique=True,
            postgresql_where=text("status not in ('cancelled', 'incomplete')"),
        ),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id), index=True)
    plan_id: Mapped[UUID] = mapped_column(ForeignKey(Plan.id))
    price_id: Mapped[UUID] = mapped_column(ForeignKey(PlanPrice.id))
    status: Mapped[str] = mapped_column(String(20))
    amount_minor: Mapped[AmountMinor]
    currency: Mapped[Currency]
    interval_months: Mapped[int] = mapped_column(SmallInteger)
    started_at: Mapped[datetime | None]
    trial_ends_at: Mapped[datetime | None]
    current_period_start: Mapped[datetime | None]
    current_period_end: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    cancel_at: Mapped[datetime | None]
    cancel_kind: Mapped[str | None] = mapped_column(String(20))
    cancel_reason: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    stripe_subscription_id: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[ServerTime]
    billed_by: Mapped[str] = mapped_column(String(20), server_default="provider")
    time_zone: Mapped[str] = mapped_column(server_default="UTC")
    anchor_on: Mapped[date | None]
    resumes_on: Mapped[date | None]
    next_price_id: Mapped[UUID | None] = mapped_column(ForeignKey(PlanPrice.id))
    covered_from: Mapped[date | None]
    covered_until: Mapped[date | None]
    covered_minor: Mapped[int | None] = mapped_column(BigInteger)
    covered_tax_minor: Mapped[int | None] = mapped_column(BigInteger)
    next_step_at: Mapped[datetime | None]


class SubscriptionChange(Base):
    """One step in a subscription's life, append-only: what its monthly recurring revenue was and became.

    `kind`: trial_started, started, paused, resumed, price_changed, plan_changed, ended. MRR is excluding tax.
    """

    __tablename__ = "subscription_changes"
    __table_args__ = (Index("ix_subscription_changes_changed_at", "changed_at"), SCHEMA)
    id: Mapped[Id]
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey(Subscription.id), index=True)
    customer_id: Mapped[UUID]
    plan_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(20))
    mrr_before_minor: Mapped[AmountMinor]
    mrr_after_minor: Mapped[AmountMinor]
    currency: Mapped[Currency]
    changed_at: Mapped[RequiredTime]


class SessionPack(Base):
    """Prepaid sessions. `sessions_used` never passes `sessions_total`.

    Of `net_minor`, its price without tax, `recognised_minor` was earned by sessions held or by running out; null for
    packs brought over, which were earned when they were sold.
    """

    __tablename__ = "session_packs"
    __table_args__ = (
        CheckConstraint("sessions_used between 0 and sessions_total", name="used_within_total"),
        CheckConstraint("recognised_minor between 0 and coalesce(net_minor, 0)", name="recognised"),
        Index("ix_session_packs_unrecognised", "expires_at", postgresql_where=text("recognised_minor < net_minor")),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id), index=True)
    plan_id: Mapped[UUID] = mapped_column(ForeignKey(Plan.id))
    sessions_total: Mapped[int] = mapped_column(SmallInteger)
    sessions_used: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    purchased_at: Mapped[RequiredTime]
    expires_at: Mapped[RequiredTime]
    net_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    recognised_minor: Mapped[AmountMinor] = mapped_column(server_default="0")


class Invoice(Base):
    """A demand for money. `status`: open, paid, void, uncollectible. `total = subtotal + tax`.

    A trigger refuses any change of what was issued: number, whose it is, amounts, period. Ours are numbered without a
    gap in a `series`; a provider's keep its number. `customer_id` is whom it is about, `payer_id` who else pays.
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
    """A refund that takes two (`core.approvals`)."""

    __tablename__ = "refund_requests"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("(status = 'approved') = (refund_id is not null)", name="approved_has_refund"),
        *approvals.rules("refund_requests", once=["payment_id"], about="customer_id"),
        SCHEMA,
    )
    payment_id: Mapped[UUID] = mapped_column(ForeignKey(Payment.id), index=True)
    customer_id: Mapped[UUID]
    amount_minor: Mapped[AmountMinor]
    currency: Mapped[Currency]
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey(Refund.id))


class Dispute(Base):
    """A payment contested at the bank. `status`: needs_response, won, lost."""

    __tablename__ = "disputes"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    payment_id: Mapped[UUID] = mapped_column(ForeignKey(Payment.id), index=True)
    customer_id: Mapped[UUID]
    amount_minor: Mapped[AmountMinor]
    currency: Mapped[Currency]
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(String(20))
    provider_dispute_id: Mapped[str | None] = mapped_column(unique=True)
    opened_at: Mapped[RequiredTime]
    closed_at: Mapped[datetime | None]


class LedgerJournal(Base):
    """One business fact in the double-entry ledger. `(source_type, source_id, kind)` is posted once."""

    __tablename__ = "ledger_journals"
    __table_args__ = (UniqueConstraint("source_type", "source_id", "kind"), SCHEMA)
    id: Mapped[Id]
    kind: Mapped[str]  # invoice_issued, payment_captured, refund_paid, dispute_opened, dispute_won, written_off
    source_type: Mapped[str]
    source_id: Mapped[UUID]
    posted_at: Mapped[RequiredTime]


class LedgerLine(Base):
    """One side of a journal: debit positive, credit negative. All lines of a journal are inserted by one statement,
    and a trigger refuses a statement after which any journal it touched does not sum to 0 per currency.

    `account`: receivable, stripe_balance, momo_balance, membership_revenue, pack_revenue, tax_payable, payment_fees,
    refunds, disputes, bad_debt, deferred_packs, commission_expense, commission_payable.
    """

    __tablename__ = "ledger_lines"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    journal_id: Mapped[UUID] = mapped_column(ForeignKey(LedgerJournal.id), index=True)
    account: Mapped[str] = mapped_column(String(30))
    customer_id: Mapped[UUID | None]
    amount_minor: Mapped[AmountMinor]
    currency: Mapped[Currency]


class CheckoutSession(Base):
    """A customer on the way through the provider's payment page, kept so that return and webhook meet.

    `status`: open, unknown (money may have moved; we ask until we know), complete, expired, refused (paid otherwise
    than we asked). While `next_look_at` is set the provider is asked then.
    """

    __tablename__ = "checkout_sessions"
    __table_args__ = (
        Index(
            "ix_checkout_sessions_next_look_at", "next_look_at", postgresql_where=text("status in ('open', 'unknown')")
        ),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id), index=True)
    plan_id: Mapped[UUID] = mapped_column(ForeignKey(Plan.id))
    price_id: Mapped[UUID] = mapped_column(ForeignKey(PlanPrice.id))
    provider_session_id: Mapped[str | None] = mapped_column(unique=True)
    url: Mapped[str | None]
    status: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[ServerTime]
    completed_at: Mapped[datetime | None]
    retries: Mapped[int] = mapped_column(Integer, server_default="0")
    provider: Mapped[str] = mapped_column(String(20), server_default="stripe")
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)  # what the page asks for, where an invoice does not
    next_look_at: Mapped[datetime | None]


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
    """A difference between a provider's books and ours, append-only. `subject` names what differs: a provider's id."""

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
    """One comparison with a provider's books, append-only: from when to when, over how much, with how many findings."""

    __tablename__ = "reconciliation_runs"
    __table_args__ = (Index("ix_reconciliation_runs_ran_at", "provider", "ran_at"), SCHEMA)
    id: Mapped[Id]
    provider: Mapped[str] = mapped_column(String(20))
    since: Mapped[RequiredTime]
    until: Mapped[RequiredTime]
    ran_at: Mapped[RequiredTime]
    movements: Mapped[int] = mapped_column(Integer)
    new_findings: Mapped[int] = mapped_column(Integer)
