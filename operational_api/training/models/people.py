"""Clients, who coaches them, and how far they are in setting up."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, SmallInteger, String, text
from sqlalchemy.dialects.postgresql import REAL, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Id, RequiredTime

SCHEMA = {"schema": "training"}


class Client(Base):
    """A customer as somebody who trains; the id is the account's. `coach_id` is today's coach.

    `on_hold_since` is set while an answer of the health questionnaire waits for the coach: what they answered is
    health data, that they wait is not. `missed_week_of` is the Monday of the last week announced as missed.
    """

    __tablename__ = "clients"
    __table_args__ = (
        Index("ix_clients_display_name", "display_name", "id"),
        Index("ix_clients_name_trigrams", text("display_name gin_trgm_ops"), postgresql_using="gin"),
        SCHEMA,
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    display_name: Mapped[str]
    coach_id: Mapped[UUID | None] = mapped_column(index=True)
    location_id: Mapped[UUID | None]
    goal: Mapped[str] = mapped_column(String(30), server_default="general_fitness")
    level: Mapped[str] = mapped_column(String(20), server_default="beginner")
    birth_year: Mapped[int | None] = mapped_column(SmallInteger)
    home_distance_km: Mapped[float | None] = mapped_column(REAL)
    time_zone: Mapped[str] = mapped_column(server_default="UTC")
    joined_at: Mapped[RequiredTime]
    on_hold_since: Mapped[datetime | None]
    missed_week_of: Mapped[date | None]


class CoachAssignment(Base):
    """Which coach had which client when, one at a time; `ended_at` null is now."""

    __tablename__ = "coach_assignments"
    __table_args__ = (
        Index("uq_coach_assignments_current", "customer_id", unique=True, postgresql_where=text("ended_at is null")),
        ExcludeConstraint(
            (text("customer_id"), "="),
            (text("tstzrange(assigned_at, ended_at)"), "&&"),
            name="ex_coach_assignments_one_at_a_time",
        ),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id))
    coach_id: Mapped[UUID]
    assigned_at: Mapped[RequiredTime]
    ended_at: Mapped[datetime | None]
    reason: Mapped[str | None]


class OnboardingStep(Base):
    """One step of setting up: when its page was first opened, and when and how (`outcome`: done, skipped) it was left.

    A step that was entered and not left within a week is where somebody dropped off.
    """

    __tablename__ = "onboarding_steps"
    __table_args__ = (SCHEMA,)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id), primary_key=True)
    step: Mapped[str] = mapped_column(String(20), primary_key=True)
    entered_at: Mapped[RequiredTime]
    left_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(10))
