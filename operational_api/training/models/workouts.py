"""What was planned for a day and done, what it was before it was corrected, and what it was a record of."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, SmallInteger, String, text
from sqlalchemy.dialects.postgresql import REAL
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Id, RequiredTime, ServerTime
from operational_api.training.models.people import SCHEMA, Client
from operational_api.training.models.plans import Exercise, Programme


class Workout(Base):
    """A training session, assigned for a day and perhaps done. `status`: planned, completed, skipped.

    `session_rpe` is Foster's whole-session effort 0-10. `booking_id` links a session done with a coach.
    `programme_version` is the plan it was done by, fixed when it is logged; what is still planned follows the newest.
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
    programme_version: Mapped[int | None] = mapped_column(SmallInteger)


class WorkoutSet(Base):
    """One set done. `rpe` is set RPE: 10 means no repetition left in reserve; `rir` is what was left, as it was told.

    `assistance_kg` is how much was helped with, instead of a weight. A distance or a time has no repetitions (0), so
    that it adds nothing to volume and tells no one-repetition maximum; its `weight_kg` is what was carried.

    Both foreign keys are declared and not enforced row by row: triggers check each statement's workouts and exercises
    at once (migrations 0009 and 0013).
    """

    __tablename__ = "workout_sets"
    __table_args__ = (
        CheckConstraint(
            "reps between 0 and 1000 and (weight_kg is null or weight_kg between 0 and 1000)", name="range"
        ),
        CheckConstraint(
            """(assistance_kg is null or assistance_kg between 0 and 1000 and coalesce(weight_kg, 0) = 0)
            and (distance_m is null or distance_m between 1 and 1000000)
            and (duration_seconds is null or duration_seconds between 1 and 172800)
            and (coalesce(distance_m, duration_seconds) is null or reps = 0)""",
            name="measured",
        ),
        SCHEMA,
    )
    workout_id: Mapped[UUID] = mapped_column(ForeignKey(Workout.id, ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    exercise_id: Mapped[int] = mapped_column(ForeignKey(Exercise.id))
    reps: Mapped[int] = mapped_column(SmallInteger)
    weight_kg: Mapped[float | None] = mapped_column(REAL)
    rpe: Mapped[float | None] = mapped_column(REAL)
    rir: Mapped[int | None] = mapped_column(SmallInteger)
    superset: Mapped[str | None] = mapped_column(String(1))
    note: Mapped[str | None]
    assistance_kg: Mapped[float | None] = mapped_column(REAL)
    distance_m: Mapped[float | None] = mapped_column(REAL)
    duration_seconds: Mapped[int | None] = mapped_column(Integer)


class WorkoutRevision(Base):
    """What a logged workout said before it was corrected: `said` is the log with its sets. Never changed."""

    __tablename__ = "workout_revisions"
    __table_args__ = (SCHEMA,)
    workout_id: Mapped[UUID] = mapped_column(ForeignKey(Workout.id, ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id))
    logged_by: Mapped[UUID | None]
    replaced_at: Mapped[RequiredTime]
    replaced_by: Mapped[UUID]
    said: Mapped[dict[str, Any]]


class PersonalRecord(Base):
    """A best of its day: `kind` is e1rm (kg), weight (kg), volume (kg), reps, assistance (kg, less is better), distance
    (m), hold (s) or time (s, over `over_m`, which is 0 for all others). The first time is no record.
    """

    __tablename__ = "personal_records"
    __table_args__ = (Index("ix_personal_records_customer_id_achieved_at", "customer_id", "achieved_at"), SCHEMA)
    workout_id: Mapped[UUID] = mapped_column(ForeignKey(Workout.id, ondelete="CASCADE"), primary_key=True)
    exercise_id: Mapped[int] = mapped_column(Integer, ForeignKey(Exercise.id), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    over_m: Mapped[int] = mapped_column(Integer, primary_key=True, server_default=text("0"))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id))
    value: Mapped[float]
    previous: Mapped[float]
    achieved_at: Mapped[RequiredTime]
