"""What is sold and for how much."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import AmountMinor, Base, Currency, Id, RequiredTime, ServerTime

SCHEMA = {"schema": "commerce"}


class Plan(Base):
    """A membership, billed each `interval_months`, or `sessions_included` credits, paid once: a pack, a single session
    (drop_in), or an introduction for people who are new (intro). A top-up (top_up) is no service: what is paid for it
    is in the buyer's wallet, and is taxed where it is spent.

    `days_left`: what becomes of paid days when their owner ends a membership before them: they go back to the card
    (refund), wait for whoever comes back (credit), or are lost (forfeit).
    """

    __tablename__ = "plans"
    __table_args__ = (
        CheckConstraint("kind in ('membership', 'pack', 'drop_in', 'intro', 'top_up')", name="kind"),
        CheckConstraint("days_left in ('refund', 'credit', 'forfeit')", name="days_left"),
        SCHEMA,
    )
    id: Mapped[Id]
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    description: Mapped[str]
    kind: Mapped[str] = mapped_column(String(20))
    interval_months: Mapped[int | None] = mapped_column(SmallInteger)
    sessions_included: Mapped[int | None] = mapped_column(SmallInteger)  # a month, or in the pack; null: unlimited
    trial_days: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    validity_days: Mapped[int | None] = mapped_column(SmallInteger)  # packs only
    days_left: Mapped[str] = mapped_column(String(20), server_default="refund")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    sort_order: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    created_at: Mapped[ServerTime]


class PlanPrice(Base):
    """The price of a plan in one currency from `valid_from` until `valid_to` (null: today's).

    `reaches_members`: whoever has the plan at the price before goes on to it.
    """

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
    reaches_members: Mapped[bool] = mapped_column(server_default="false")
    stripe_price_id: Mapped[str | None]
