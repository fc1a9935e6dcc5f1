"""The catalogue of movements, programmes with their versions, and templates of programmes."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, Numeric, SmallInteger, String, text
from sqlalchemy.dialects.postgresql import ARRAY, REAL
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Id, ServerTime
from operational_api.training.models.people import SCHEMA, Client

NO_TEXTS = text("'{}'")
WORDS = "training.exercise_words(name, primary_muscle, secondary_muscles, equipment)"
"""What a movement is found by; two indexes are over it, and a search must say it alike."""


class Exercise(Base):
    """A movement. `pattern` is squat, hinge, push, pull, carry, core, mobility or conditioning; `measure` is what its
    sets tell (`training.amounts.MEASURES`).

    `external_key` names it in the catalogue it was imported from, whose `source` and `licence` are kept with it. The
    words it is found by are `training.exercise_words` of name, muscles and kit (migration 0028).
    """

    __tablename__ = "exercises"
    __table_args__ = (
        CheckConstraint("measure in ('load', 'assistance', 'distance', 'time')", name="measure"),
        Index("uq_exercises_external_key", "external_key", unique=True),
        Index("ix_exercises_words", text(f"to_tsvector('english', {WORDS})"), postgresql_using="gin"),
        Index("ix_exercises_trigrams", text(f"lower({WORDS}) gin_trgm_ops"), postgresql_using="gin"),
        SCHEMA,
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    pattern: Mapped[str] = mapped_column(String(20))
    primary_muscle: Mapped[str] = mapped_column(String(30))
    equipment: Mapped[str] = mapped_column(String(30))
    is_loaded: Mapped[bool] = mapped_column(server_default=text("true"))
    secondary_muscles: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=NO_TEXTS)
    level: Mapped[str | None] = mapped_column(String(20))
    mechanic: Mapped[str | None] = mapped_column(String(20))
    force: Mapped[str | None] = mapped_column(String(20))
    category: Mapped[str | None] = mapped_column(String(30))
    instructions: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=NO_TEXTS)
    external_key: Mapped[str | None]
    source: Mapped[str | None]
    licence: Mapped[str | None]
    measure: Mapped[str] = mapped_column(String(10), server_default="load")


class ExerciseName(Base):
    """What a movement is called and found by in another language: `words` lower case, each with and without accents.

    `name` is null where only its muscles and kit are said in that language (`training.vietnamese`).
    """

    __tablename__ = "exercise_names"
    __table_args__ = (
        Index("ix_exercise_names_words", text("to_tsvector('simple', words)"), postgresql_using="gin"),
        Index("ix_exercise_names_trigrams", text("words gin_trgm_ops"), postgresql_using="gin"),
        SCHEMA,
    )
    exercise_id: Mapped[int] = mapped_column(
        Integer, ForeignKey(Exercise.id, ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    language: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str | None]
    words: Mapped[str]


class Programme(Base):
    """A plan of weeks written for one client. `status`: active, completed, abandoned, archived.

    `version` is the one that counts now; older ones stay, because workouts that were logged point at them.
    """

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
    version: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    template_id: Mapped[UUID | None]
    created_at: Mapped[ServerTime]


class ProgrammeVersion(Base):
    """That a programme was changed: who, when, why. Version 1 has a row too, unless it is older than this table."""

    __tablename__ = "programme_versions"
    __table_args__ = (SCHEMA,)
    programme_id: Mapped[UUID] = mapped_column(ForeignKey(Programme.id), primary_key=True)
    version: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    made_by: Mapped[UUID]
    made_at: Mapped[datetime]
    reason: Mapped[str | None]


class ProgrammePhase(Base):
    """Weeks of one version that belong together, in order. A version without phases is one phase of all its weeks.

    `load_percent` scales the planned weights, `extra_sets` the planned sets: a deload is 90 and -1.
    """

    __tablename__ = "programme_phases"
    __table_args__ = (SCHEMA,)
    programme_id: Mapped[UUID] = mapped_column(ForeignKey(Programme.id), primary_key=True)
    version: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    name: Mapped[str]
    weeks: Mapped[int] = mapped_column(SmallInteger)
    load_percent: Mapped[int] = mapped_column(SmallInteger, server_default=text("100"))
    extra_sets: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))


class PlannedExercise(Base):
    """One line of a version: on training day `day` (1-based), this exercise for so many sets.

    `phase` is null where the line is for all of them. Lines of one day with the same `superset` letter are done in
    turn. `progression` is a rule of `training.progression`, null for the same every week. A line of a distance or a
    time has one repetition a set.
    """

    __tablename__ = "planned_exercises"
    __table_args__ = (
        Index("uq_planned_exercises_version", "programme_id", "version", "day", "position", unique=True),
        SCHEMA,
    )
    id: Mapped[Id]
    programme_id: Mapped[UUID] = mapped_column(ForeignKey(Programme.id))
    day: Mapped[int] = mapped_column(SmallInteger)
    position: Mapped[int] = mapped_column(SmallInteger)
    exercise_id: Mapped[int] = mapped_column(ForeignKey(Exercise.id))
    sets: Mapped[int] = mapped_column(SmallInteger)
    reps: Mapped[int] = mapped_column(SmallInteger)
    weight_kg: Mapped[Decimal | None] = mapped_column(Numeric(6, 2))
    target_rpe: Mapped[float | None] = mapped_column(REAL)
    version: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    phase: Mapped[int | None] = mapped_column(SmallInteger)
    superset: Mapped[str | None] = mapped_column(String(1))
    note: Mapped[str | None]
    progression: Mapped[dict[str, Any] | None]
    assistance_kg: Mapped[float | None] = mapped_column(REAL)
    distance_m: Mapped[float | None] = mapped_column(REAL)
    duration_seconds: Mapped[int | None] = mapped_column(Integer)


class ProgrammeTemplate(Base):
    """A programme without a client: `plan` has phases and lines as `training.schemas.PlanIn` reads them."""

    __tablename__ = "programme_templates"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    coach_id: Mapped[UUID] = mapped_column(index=True)
    name: Mapped[str]
    goal: Mapped[str] = mapped_column(String(30))
    weeks: Mapped[int] = mapped_column(SmallInteger)
    sessions_per_week: Mapped[int] = mapped_column(SmallInteger)
    plan: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    created_at: Mapped[ServerTime]
    archived_at: Mapped[datetime | None]
