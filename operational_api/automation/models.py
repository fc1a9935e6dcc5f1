"""Tables of the schema `automation`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, text
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Id, RequiredTime, ServerTime

SCHEMA = {"schema": "automation"}


class Rule(Base):
    """When `trigger` matches `condition`, do `action` for all but a random `holdout_percent` of customers.

    `trigger`: churn_score. `condition`: {"probability_at_least": 0.4}. `action`: suggest_nudge (a coach decides).
    """

    __tablename__ = "rules"
    __table_args__ = (CheckConstraint("holdout_percent between 0 and 90", name="holdout_percent"), SCHEMA)
    id: Mapped[Id]
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    trigger: Mapped[str] = mapped_column(String(30))
    condition: Mapped[dict[str, Any]]
    action: Mapped[str] = mapped_column(String(30))
    message_template: Mapped[str]
    holdout_percent: Mapped[int] = mapped_column(SmallInteger, server_default="20")
    cooldown_days: Mapped[int] = mapped_column(SmallInteger, server_default="30")
    outcome_days: Mapped[int] = mapped_column(SmallInteger, server_default="14")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[ServerTime]


class ChurnScore(Base):
    """A churn probability as the warehouse told it.

    `reasons`: [{"feature", "label", "value", "contribution"}], largest first.
    """

    __tablename__ = "churn_scores"
    __table_args__ = (
        CheckConstraint("probability between 0 and 1", name="probability"),
        Index("uq_churn_scores_once", "customer_id", "model_id", "scored_at", unique=True),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID]
    coach_id: Mapped[UUID | None] = mapped_column(index=True)
    model_id: Mapped[str]
    probability: Mapped[float] = mapped_column(DOUBLE_PRECISION)
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    scored_at: Mapped[RequiredTime]
    received_at: Mapped[ServerTime]


class Run(Base):
    """One rule met one customer. `arm`: treatment or holdout. `status`: open, acted, dismissed, expired, held_out."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("uq_runs_one_open", "rule_id", "customer_id", unique=True, postgresql_where=text("status = 'open'")),
        Index("ix_runs_coach_open", "coach_id", postgresql_where=text("status = 'open'")),
        SCHEMA,
    )
    id: Mapped[Id]
    rule_id: Mapped[UUID] = mapped_column(ForeignKey(Rule.id))
    customer_id: Mapped[UUID] = mapped_column(index=True)
    coach_id: Mapped[UUID | None]
    score_id: Mapped[UUID | None] = mapped_column(ForeignKey(ChurnScore.id))
    arm: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20))
    suggested_message: Mapped[str | None]
    message_id: Mapped[UUID | None]
    started_at: Mapped[RequiredTime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]
    dismiss_reason: Mapped[str | None]
