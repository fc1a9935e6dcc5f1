"""Health data: what hurts, what a device saw, the questionnaire before training, goals, habits and check-ins.

Row-level security shows all of it to the client, to today's coach and to the system.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, Integer, SmallInteger, String, text
from sqlalchemy.dialects.postgresql import REAL
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Id, RequiredTime
from operational_api.training.models.people import SCHEMA, Client


class Injury(Base):
    """Something that hurts. `severity` 1-3. Health data: read only by the client and their coach."""

    __tablename__ = "injuries"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id), index=True)
    body_part: Mapped[str] = mapped_column(String(30))
    severity: Mapped[int] = mapped_column(SmallInteger)
    occurred_on: Mapped[date]
    resolved_on: Mapped[date | None]


class WearableDay(Base):
    """One day as one device saw it. Two devices, two rows; the warehouse decides which counts."""

    __tablename__ = "wearable_days"
    __table_args__ = (SCHEMA,)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    device: Mapped[str] = mapped_column(String(30), primary_key=True)
    sleep_minutes: Mapped[int | None] = mapped_column(SmallInteger)
    hrv_rmssd_ms: Mapped[float | None] = mapped_column(REAL)
    resting_heart_rate_bpm: Mapped[int | None] = mapped_column(SmallInteger)
    steps: Mapped[int | None] = mapped_column(Integer)
    received_at: Mapped[RequiredTime]


class Screening(Base):
    """The health questionnaire as it was answered once: `answers` by question, `is_red` when one says be careful.

    A red one holds training until today's coach clears it with a note. `version` is that of the questions.
    """

    __tablename__ = "screenings"
    __table_args__ = (
        CheckConstraint(
            "(cleared_at is null) = (cleared_by is null) and (cleared_at is null) = (clearance_note is null)",
            name="cleared_by_somebody",
        ),
        Index("ix_screenings_customer_id_answered_at", "customer_id", "answered_at"),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id))
    version: Mapped[str] = mapped_column(String(10))
    answers: Mapped[dict[str, Any]]
    is_red: Mapped[bool]
    answered_at: Mapped[RequiredTime]
    cleared_at: Mapped[datetime | None]
    cleared_by: Mapped[UUID | None]
    clearance_note: Mapped[str | None]


class Goal(Base):
    """What a client wants to reach. `status`: open, reached, dropped."""

    __tablename__ = "goals"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id), index=True)
    text: Mapped[str]
    target_on: Mapped[date | None]
    status: Mapped[str] = mapped_column(String(10), server_default="open")
    set_at: Mapped[RequiredTime]
    closed_at: Mapped[datetime | None]


class Habit(Base):
    """Something small to do on `times_per_week` days of each week; archived, it is not asked for any more."""

    __tablename__ = "habits"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id), index=True)
    name: Mapped[str]
    times_per_week: Mapped[int] = mapped_column(SmallInteger, server_default=text("7"))
    begun_at: Mapped[RequiredTime]
    archived_at: Mapped[datetime | None]


class HabitCheck(Base):
    """That a habit was kept on a day of the client's calendar."""

    __tablename__ = "habit_checks"
    __table_args__ = (SCHEMA,)
    habit_id: Mapped[UUID] = mapped_column(ForeignKey(Habit.id, ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id))


class CheckIn(Base):
    """How a week went, due on its Sunday. `mood` 1-5. The coach answers once."""

    __tablename__ = "check_ins"
    __table_args__ = (
        CheckConstraint("mood between 1 and 5", name="mood"),
        Index("uq_check_ins_customer_id_due_on", "customer_id", "due_on", unique=True),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id))
    due_on: Mapped[date]
    submitted_at: Mapped[RequiredTime]
    weight_kg: Mapped[float | None] = mapped_column(REAL)
    sleep_hours: Mapped[float | None] = mapped_column(REAL)
    mood: Mapped[int] = mapped_column(SmallInteger)
    note: Mapped[str | None]
    answer: Mapped[str | None]
    answered_by: Mapped[UUID | None]
    answered_at: Mapped[datetime | None]
