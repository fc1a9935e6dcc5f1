"""Tables of calendars outside, in the schema `scheduling`. None is captured: what they say of people's days stays here.

That somebody connected or disconnected a calendar is an event, and leaves as one.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Id, RequiredTime, ServerTime

SCHEMA = {"schema": "scheduling"}


class CalendarConnection(Base):
    """One calendar of one person. `state`: active, refused (only the person can mend it), leaving, or ended.

    `is_read`: its busy times are a coach's; `is_written`: bookings appear in it. `read_until`: how far ahead series
    were expanded when it was last read whole. Leaving: what we wrote there is taken out, until `leaves_by` at the
    latest; `left_behind` is how much of it could not be, once it ended. `next_sync_at`: when the worker looks next.
    """

    __tablename__ = "calendar_connections"
    __table_args__ = (
        CheckConstraint("provider in ('google', 'microsoft', 'caldav', 'feed')", name="provider"),
        CheckConstraint("state in ('active', 'refused', 'leaving', 'ended')", name="state"),
        Index(
            "uq_calendar_connections_alive", "account_id", "provider", "calendar_id", unique=True,
            postgresql_where=text("state <> 'ended'"),
        ),
        Index("ix_calendar_connections_due", "next_sync_at", postgresql_where=text("state = 'active' and is_read")),
        Index("ix_calendar_connections_leaving", "next_sync_at", postgresql_where=text("state = 'leaving'")),
        SCHEMA,
    )  # fmt: skip
    id: Mapped[Id]
    account_id: Mapped[UUID]
    provider: Mapped[str] = mapped_column(String(20))
    calendar_id: Mapped[str]
    label: Mapped[str]
    time_zone: Mapped[str]
    state: Mapped[str] = mapped_column(String(20), server_default="active")
    is_read: Mapped[bool]
    is_written: Mapped[bool]
    cursor: Mapped[str | None]
    read_until: Mapped[datetime | None]
    last_synced_at: Mapped[datetime | None]
    next_sync_at: Mapped[RequiredTime]
    failures: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    problem: Mapped[str | None]
    connected_at: Mapped[RequiredTime]
    leaves_by: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    left_behind: Mapped[int] = mapped_column(server_default="0")


class CalendarSecret(Base):
    """What opens a connection: tokens, a password, a secret address; sealed together with the connection's id."""

    __tablename__ = "calendar_secrets"
    __table_args__ = (SCHEMA,)
    connection_id: Mapped[UUID] = mapped_column(
        ForeignKey("scheduling.calendar_connections.id", ondelete="CASCADE"), primary_key=True
    )
    sealed: Mapped[bytes]
    expires_at: Mapped[datetime | None]


class BusyTime(Base):
    """A time at which an appointment outside keeps a coach busy. What it is about is not known here."""

    __tablename__ = "busy_times"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        Index("ix_busy_times_span", "coach_id", text("tstzrange(starts_at, ends_at)"), postgresql_using="gist"),
        Index("ix_busy_times_connection_id_external_id", "connection_id", "external_id"),
        SCHEMA,
    )
    id: Mapped[Id]
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("scheduling.calendar_connections.id", ondelete="CASCADE"))
    coach_id: Mapped[UUID]
    external_id: Mapped[str]
    series_id: Mapped[str] = mapped_column(server_default="")
    starts_at: Mapped[RequiredTime]
    ends_at: Mapped[RequiredTime]


class CalendarEntry(Base):
    """How a booking that was moved or cancelled is known to calendars. One without a row: its own UID, sequence 0. An
    assistant's place in a class is known so, too, and the class to who leads it, by the slot's id.

    A moved booking takes the UID over from the one it replaces, so that calendars show one event that moved.
    """

    __tablename__ = "calendar_entries"
    __table_args__ = (Index("ix_calendar_entries_uid", "uid"), SCHEMA)
    booking_id: Mapped[UUID] = mapped_column(primary_key=True)
    uid: Mapped[str]
    sequence: Mapped[int]
    is_superseded: Mapped[bool] = mapped_column(server_default="false")
    changed_at: Mapped[RequiredTime]


class CalendarPush(Base):
    """What a connected calendar shows or is to show of a booking, a series of them, or a group's slot: due while
    `due_at` is set.

    `pushed_sequence` is the change that it has, null before the first. Of a series: `occurrences` has the ids that its
    sessions have there and each one's `recurs_at`; `away` those that somebody took away there and when they began.
    """

    __tablename__ = "calendar_pushes"
    __table_args__ = (
        CheckConstraint("num_nonnulls(booking_id, slot_id, series_id) = 1", name="subject"),
        Index("ix_calendar_pushes_due", "due_at", postgresql_where=text("due_at is not null")),
        SCHEMA,
    )
    connection_id: Mapped[UUID] = mapped_column(
        ForeignKey("scheduling.calendar_connections.id", ondelete="CASCADE"), primary_key=True
    )
    uid: Mapped[str] = mapped_column(primary_key=True)
    booking_id: Mapped[UUID | None]
    slot_id: Mapped[UUID | None]
    series_id: Mapped[UUID | None]
    sequence: Mapped[int]
    pushed_sequence: Mapped[int | None]
    external_id: Mapped[str | None]
    etag: Mapped[str | None]
    due_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    last_error: Mapped[str | None]
    pushed_at: Mapped[datetime | None]
    occurrences: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    away: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")


class CalendarFeed(Base):
    """A secret address at which a person's bookings are read by calendar apps. One is alive at a time."""

    __tablename__ = "calendar_feeds"
    __table_args__ = (
        Index("uq_calendar_feeds_alive", "account_id", unique=True, postgresql_where=text("revoked_at is null")),
        SCHEMA,
    )
    id: Mapped[Id]
    account_id: Mapped[UUID]
    created_at: Mapped[ServerTime]
    revoked_at: Mapped[datetime | None]
