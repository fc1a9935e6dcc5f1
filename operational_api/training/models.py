"""Tables of the schema `training`. Weights in kg, durations in the unit of the name, effort as RPE 0-10."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, Integer, Numeric, SmallInteger, String, text
from sqlalchemy.dialects.postgresql import REAL
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Id, RequiredTime, ServerTime

SCHEMA = {"schema": "training"}


class Client(Base):
    """A customer as somebody who trains; the id is the account's. `coach_id` is today's coach."""

    __tablename__ = "clients"
    __table_args__ = (SCHEMA,)
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


class CoachAssignment(Base):
    """Which coach had which client when; `ended_at` null is now."""

    __tablename__ = "coach_assignments"
    __table_args__ = (
        Index("uq_coach_assignments_current", "customer_id", unique=True, postgresql_where=text("ended_at is null")),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id))
    coach_id: Mapped[UUID]
    assigned_at: Mapped[RequiredTime]
    ended_at: Mapped[datetime | None]
    reason: Mapped[str | None]


class Exercise(Base):
    """A movement. `pattern` is squat, hinge, push, pull, carry, core or conditioning."""

    __tablename__ = "exercises"
    __table_args__ = (SCHEMA,)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    pattern: Mapped[str] = mapped_column(String(20))
    primary_muscle: Mapped[str] = mapped_column(String(30))
    equipment: Mapped[str] = mapped_column(String(30))
    is_loaded: Mapped[bool] = mapped_column(server_default=text("true"))


class Programme(Base):
    """A plan of weeks written for one client. `status`: active, completed, abandoned."""

    __tablename__ = "programmes"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id), index=True)
    coach_id: Mapped[UUID]
    name: Mapped[str]
    goal: Mapped[str] = mapped_column(String(30))
    starts_on: Mapped[date]
    weeks: Mapped[int] = mapped_column(SmallInteger)
    sessions_per_week: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[str] = mapped_column(String(20), server_default="active")
    created_at: Mapped[ServerTime]


class PlannedExercise(Base):
    """One line of a programme: on training day `day` (1-based), this exercise for so many sets."""

    __tablename__ = "planned_exercises"
    __table_args__ = (Index("uq_planned_exercises", "programme_id", "day", "position", unique=True), SCHEMA)
    id: Mapped[Id]
    programme_id: Mapped[UUID] = mapped_column(ForeignKey(Programme.id))
    day: Mapped[int] = mapped_column(SmallInteger)
    position: Mapped[int] = mapped_column(SmallInteger)
    exercise_id: Mapped[int] = mapped_column(ForeignKey(Exercise.id))
    sets: Mapped[int] = mapped_column(SmallInteger)
    reps: Mapped[int] = mapped_column(SmallInteger)
    weight_kg: Mapped[Decimal | None] = mapped_column(Numeric(6, 2))
    target_rpe: Mapped[float | None] = mapped_column(REAL)


class Workout(Base):
    """A training session, assigned for a day and perhaps done. `status`: planned, completed, skipped.

    `session_rpe` is Foster's whole-session effort 0-10. `booking_id` links a session done with a coach.
    """

    __tablename__ = "workouts"
    __table_args__ = (
        CheckConstraint("session_rpe is null or session_rpe between 0 and 10", name="session_rpe"),
        CheckConstraint("(status = 'completed') = (completed_at is not null)", name="completed_has_time"),
        Index("ix_workouts_customer_id_scheduled_on", "customer_id", "scheduled_on"),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id))
    programme_id: Mapped[UUID | None] = mapped_column(ForeignKey(Programme.id))
    booking_id: Mapped[UUID | None]
    title: Mapped[str]
    programme_day: Mapped[int | None] = mapped_column(SmallInteger)
    scheduled_on: Mapped[date]
    status: Mapped[str] = mapped_column(String(20), server_default="planned")
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    duration_minutes: Mapped[int | None] = mapped_column(SmallInteger)
    session_rpe: Mapped[float | None] = mapped_column(REAL)
    note: Mapped[str | None]
    logged_by: Mapped[UUID | None]
    created_at: Mapped[ServerTime]


class WorkoutSet(Base):
    """One set done. `rpe` is set RPE: 10 means no repetition left in reserve.

    Both foreign keys are declared and not enforced row by row: triggers check each statement's workouts and exercises
    at once (migrations 0009 and 0013).
    """

    __tablename__ = "workout_sets"
    __table_args__ = (
        CheckConstraint(
            "reps between 0 and 1000 and (weight_kg is null or weight_kg between 0 and 1000)", name="range"
        ),
        SCHEMA,
    )
    workout_id: Mapped[UUID] = mapped_column(ForeignKey(Workout.id, ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    exercise_id: Mapped[int] = mapped_column(ForeignKey(Exercise.id))
    reps: Mapped[int] = mapped_column(SmallInteger)
    weight_kg: Mapped[float | None] = mapped_column(REAL)
    rpe: Mapped[float | None] = mapped_column(REAL)


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
