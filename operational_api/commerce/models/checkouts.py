"""Customers on the way through a provider's payment page."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.commerce.models.memberships import Customer
from operational_api.commerce.models.plans import SCHEMA, Plan, PlanPrice
from operational_api.core.database import Base, Id, ServerTime


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
