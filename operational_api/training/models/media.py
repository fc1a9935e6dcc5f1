"""Videos: what was uploaded, how far it is, its captions, where each person stopped watching. Bytes: `core.objects`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, SmallInteger, String, text
from sqlalchemy.dialects.postgresql import JSONB, REAL
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.claims import Claimable
from operational_api.core.database import Base, Id, RequiredTime
from operational_api.training.models.people import SCHEMA, Client
from operational_api.training.models.plans import Exercise
from operational_api.training.models.workouts import Workout


class Media(Claimable, Base):
    """One video. `kind`: form (a customer's, for their coach), guide (a coach's, for their clients), catalogue.

    `status`: uploading, checking, encoding, ready, refused, removed. `due_at` is when a worker may take it, for the
    next thing that its status asks for; taking it moves `due_at` past the longest silence of a worker that lives, and
    counts `attempts`, by which a worker that was given up knows that it was. Null: nothing is to be done. (One that is
    ready is taken once more, to delete the upload.)

    `sha256` is told by whoever uploads: the digest of the parts' digests, in order. What is served lies below
    `media/{id}/{edition}/`; the upload itself is deleted once it was prepared. `scan`: clean or not_scanned.
    """

    __tablename__ = "media"
    __table_args__ = (
        CheckConstraint("kind in ('form', 'guide', 'catalogue')", name="kind"),
        CheckConstraint("(kind = 'form') = (customer_id is not null)", name="form_is_somebodys"),
        CheckConstraint("(kind = 'guide') = (coach_id is not null)", name="guide_is_a_coachs"),
        CheckConstraint("kind <> 'catalogue' or exercise_id is not null", name="catalogue_shows_an_exercise"),
        CheckConstraint(
            "status in ('uploading', 'checking', 'encoding', 'ready', 'refused', 'removed')", name="status"
        ),
        CheckConstraint("size_bytes > 0 and part_bytes > 0", name="sizes"),
        CheckConstraint("progress_percent between 0 and 100", name="progress_percent"),
        CheckConstraint("(status = 'ready') = (ready_at is not null)", name="ready_has_time"),
        Index("ix_media_customer_id", "customer_id"),
        Index("ix_media_coach_id", "coach_id"),
        Index("ix_media_exercise_id", "exercise_id"),
        Index("ix_media_uploader_id", "uploader_id"),
        Index("ix_media_workout_id", "workout_id"),
        Index("ix_media_due", "due_at", postgresql_where=text("due_at is not null")),
        SCHEMA,
    )
    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(String(10))
    uploader_id: Mapped[UUID]
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey(Client.id))
    coach_id: Mapped[UUID | None]
    exercise_id: Mapped[int | None] = mapped_column(Integer, ForeignKey(Exercise.id))
    workout_id: Mapped[UUID | None] = mapped_column(ForeignKey(Workout.id, ondelete="SET NULL"))
    title: Mapped[str] = mapped_column(String(120))
    status: Mapped[str] = mapped_column(String(10))
    media_type: Mapped[str | None] = mapped_column(String(40))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    part_bytes: Mapped[int] = mapped_column(Integer)
    upload_key: Mapped[str | None]
    scan: Mapped[str | None] = mapped_column(String(12))
    refusal: Mapped[str | None]
    progress_percent: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    due_at: Mapped[datetime | None]
    edition: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    duration_seconds: Mapped[float | None] = mapped_column(REAL)
    renditions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    created_at: Mapped[RequiredTime]
    ready_at: Mapped[datetime | None]


class MediaPart(Base):
    """A part that has arrived and what it was: whoever goes on after a lost network asks for these."""

    __tablename__ = "media_parts"
    __table_args__ = (SCHEMA,)
    media_id: Mapped[UUID] = mapped_column(ForeignKey(Media.id, ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str] = mapped_column(String(64))
    etag: Mapped[str]


class MediaCaptions(Base):
    """What is said in a video, in one language, as WebVTT in our own writing (`training.media.webvtt`)."""

    __tablename__ = "media_captions"
    __table_args__ = (SCHEMA,)
    media_id: Mapped[UUID] = mapped_column(ForeignKey(Media.id, ondelete="CASCADE"), primary_key=True)
    language: Mapped[str] = mapped_column(String(2), primary_key=True)
    content: Mapped[str]
    edited_by: Mapped[UUID]
    edited_at: Mapped[RequiredTime]


CUE_WORDS = "to_tsvector('simple', words)"
"""What a cue is found by; the index is over it, and a search must say it alike. No stemming: any language."""


class MediaCue(Base):
    """One caption with its time, to be found by its words."""

    __tablename__ = "media_cues"
    __table_args__ = (
        CheckConstraint("0 <= starts_ms and starts_ms < ends_ms", name="ends_after_start"),
        Index("ix_media_cues_words", text(CUE_WORDS), postgresql_using="gin"),
        SCHEMA,
    )
    media_id: Mapped[UUID] = mapped_column(ForeignKey(Media.id, ondelete="CASCADE"), primary_key=True)
    language: Mapped[str] = mapped_column(String(2), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    starts_ms: Mapped[int] = mapped_column(Integer)
    ends_ms: Mapped[int] = mapped_column(Integer)
    words: Mapped[str]


class MediaPosition(Base):
    """Where somebody stopped watching."""

    __tablename__ = "media_positions"
    __table_args__ = (Index("ix_media_positions_account_id", "account_id"), SCHEMA)
    media_id: Mapped[UUID] = mapped_column(ForeignKey(Media.id, ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    seconds: Mapped[float] = mapped_column(REAL)
    updated_at: Mapped[RequiredTime]
