"""Who pays, what they subscribe to, and the sessions they have paid for."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.commerce.models.plans import SCHEMA, Plan, PlanPrice
from operational_api.core.database import AmountMinor, Base, Currency, Id, RequiredTime, ServerTime


class Customer(Base):
    """An account as a payer. Where `payer_id` is set, that account pays instead: a parent, an employer.

    `billed_to` is what its invoices are addressed to instead of the person's name, on a line each: a company, its
    address, its tax number. While it is parked no money of it moves by itself. `books_off_minor` is by how much its
    books are known to be off: for as much it is not parked again.
    """

    __tablename__ = "customers"
    __table_args__ = (
        CheckConstraint("payer_id <> id", name="payer_is_another"),
        CheckConstraint("(parked_at is null) = (parked_reason is null)", name="parked"),
        Index("ix_customers_parked_at", "parked_at", postgresql_where=text("parked_at is not null")),
        SCHEMA,
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    currency: Mapped[Currency]
    stripe_customer_id: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[ServerTime]
    payer_id: Mapped[UUID | None] = mapped_column(ForeignKey("commerce.customers.id"), index=True)
    parked_at: Mapped[datetime | None]
    parked_reason: Mapped[str | None] = mapped_column(String(20))
    books_off_minor: Mapped[AmountMinor] = mapped_column(server_default="0")
    billed_to: Mapped[str | None] = mapped_column(String(400))


class Subscription(Base):
    """A customer's membership. `amount_minor` is the contracted price per interval, tax included.

    `status`: incomplete, trialing, active, paused, past_due, cancelled. `cancel_kind`: voluntary or involuntary.
    `billed_by`: provider, whose state we follow, or plyo (`commerce.billing`), which counts in days of `time_zone` from
    `anchor_on`; what is charged of the running period already is in the columns `covered_…`. `renewal_told_at` is when
    its owner was told last that a year is followed by another.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint(
            "status in ('incomplete', 'trialing', 'active', 'paused', 'past_due', 'cancelled')", name="status"
        ),
        CheckConstraint("(status = 'cancelled') = (ended_at is not null)", name="ended_when_cancelled"),
        CheckConstraint("billed_by in ('provider', 'plyo')", name="billed_by"),
        CheckConstraint("resumes_on is null or status = 'paused'", name="paused_until"),
        Index("ix_subscriptions_plan_id", "plan_id", "status"),
        Index("ix_subscriptions_next_price_id", "next_price_id", postgresql_where=text("next_price_id is not null")),
        Index(
            "ix_subscriptions_next_step",
            "next_step_at",
            postgresql_where=text("billed_by = 'plyo' and next_step_at is not null"),
        ),
        Index(
            "ix_subscriptions_ends_elsewhere",
            "cancel_at",
            postgresql_where=text("billed_by = 'provider' and stripe_subscription_id is null and ended_at is null"),
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
    renewal_told_at: Mapped[datetime | None]

    @property
    def is_at_provider(self) -> bool:
        """Whether a provider charges for it: neither we do, nor a system that it was brought over from."""
        return self.billed_by == "provider" and self.stripe_subscription_id is not None


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
    """Prepaid sessions. `sessions_used` never passes `sessions_total`; of those `sessions_refunded` cannot be used any
    more, because their money was given back.

    Of `net_minor`, its price without tax, `recognised_minor` was earned by sessions held or by running out; null for
    packs brought over, which were earned when they were sold.
    """

    __tablename__ = "session_packs"
    __table_args__ = (
        CheckConstraint("sessions_used between 0 and sessions_total", name="used_within_total"),
        CheckConstraint("sessions_refunded between 0 and sessions_total", name="refunded_within_total"),
        CheckConstraint("recognised_minor between 0 and coalesce(net_minor, 0)", name="recognised"),
        Index("ix_session_packs_plan_id", "plan_id"),
        Index("ix_session_packs_unrecognised", "expires_at", postgresql_where=text("recognised_minor < net_minor")),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id), index=True)
    plan_id: Mapped[UUID] = mapped_column(ForeignKey(Plan.id))
    sessions_total: Mapped[int] = mapped_column(SmallInteger)
    sessions_used: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    sessions_refunded: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    purchased_at: Mapped[RequiredTime]
    expires_at: Mapped[RequiredTime]
    net_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    recognised_minor: Mapped[AmountMinor] = mapped_column(server_default="0")

    @property
    def sessions_left(self) -> int:
        """How many can still be used, where it has not run out."""
        return max(0, self.sessions_total - self.sessions_refunded - self.sessions_used)
