"""Tables of the schema `compliance`."""

from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

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
