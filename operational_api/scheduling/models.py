"""Tables of the schema `scheduling`.

Constraints, not code, keep calendars sane: no coach's slots overlap, no customer's live bookings overlap, no seat is
sold twice.
"""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Currency, Id, RequiredTime, ServerTime
from operational_api.scheduling.calendars import models as _calendars  # noqa: F401 - tables of this schema too

SCHEMA = {"schema": "scheduling"}


class Location(Base):
    """A studio: its time zone rules its calendar, its currency its prices."""

    __tablename__ = "locations"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    name: Mapped[str]
    city: Mapped[str]
    country_code: Mapped[str] = mapped_column(String(2))
    time_zone: Mapped[str]
    currency: Mapped[Currency]
    created_at: Mapped[ServerTime]


class Coach(Base):
    """A coach's working life; the id is the account's. Sessions last `session_minutes`, `buffer_minutes` apart."""

    __tablename__ = "coaches"
    __table_args__ = (
        CheckConstraint(
            "session_minutes between 15 and 240 and buffer_minutes between 0 and 120", name="session_length"
        ),
        SCHEMA,
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    display_name: Mapped[str]
    bio: Mapped[str] = mapped_column(server_default="")
    specialities: Mapped[list[str]] = mapped_column(ARRAY(String))
    location_id: Mapped[UUID] = mapped_column(ForeignKey(Location.id))
    client_capacity: Mapped[int] = mapped_column(SmallInteger)
    hired_on: Mapped[date]
    left_on: Mapped[date | None]
    session_minutes: Mapped[int] = mapped_column(SmallInteger, server_default="60")
    buffer_minutes: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    created_at: Mapped[ServerTime]


class AvailabilityRule(Base):
    """Weekly working hours in the location's local time. `weekday` 0 is Monday."""

    __tablename__ = "availability_rules"
    __table_args__ = (
        CheckConstraint("weekday between 0 and 6", name="weekday"),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        SCHEMA,
    )
    id: Mapped[Id]
    coach_id: Mapped[UUID] = mapped_column(ForeignKey(Coach.id), index=True)
    weekday: Mapped[int] = mapped_column(SmallInteger)
    starts_at: Mapped[time]
    ends_at: Mapped[time]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]


class TimeOff(Base):
    """Whole days away, both ends included. `kind` is holiday or sick."""

    __tablename__ = "time_off"
    __table_args__ = (CheckConstraint("ends_on >= starts_on", name="ends_after_start"), SCHEMA)
    id: Mapped[Id]
    coach_id: Mapped[UUID] = mapped_column(ForeignKey(Coach.id), index=True)
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    kind: Mapped[str] = mapped_column(String(20))


class Slot(Base):
    """A bookable hour of a coach. `kind` is one_to_one (capacity 1) or group. `status` is open or cancelled."""

    __tablename__ = "slots"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint("capacity >= 1 and (kind = 'group' or capacity = 1)", name="capacity"),
        ExcludeConstraint(
            (text("coach_id"), "="),
            (text("tstzrange(starts_at, ends_at)"), "&&"),
            where=text("status = 'open'"),
            name="ex_slots_coach_overlap",
        ),
        Index("ix_slots_coach_id_starts_at", "coach_id", "starts_at"),
        Index("ix_slots_starts_at", "starts_at"),
        SCHEMA,
    )
    id: Mapped[Id]
    coach_id: Mapped[UUID] = mapped_column(ForeignKey(Coach.id))
    location_id: Mapped[UUID] = mapped_column(ForeignKey(Location.id))
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[str]
    starts_at: Mapped[RequiredTime]
    ends_at: Mapped[RequiredTime]
    capacity: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    status: Mapped[str] = mapped_column(String(20), server_default="open")
    created_at: Mapped[ServerTime]


class Booking(Base):
    """One seat of one slot for one customer.

    `status`: booked, attended, no_show, cancelled, late_cancelled. The first three hold the seat. Coach and times are
    the slot's, copied so that constraints can see them. `session_pack_id` says which credits paid; null is membership.
    """

    __tablename__ = "bookings"
    __table_args__ = (
        CheckConstraint("status in ('booked', 'attended', 'no_show', 'cancelled', 'late_cancelled')", name="status"),
        CheckConstraint("seat >= 1", name="seat"),
        Index(
            "uq_bookings_seat",
            "slot_id",
            "seat",
            unique=True,
            postgresql_where=text("status in ('booked', 'attended', 'no_show')"),
        ),
        ExcludeConstraint(
            (text("customer_id"), "="),
            (text("tstzrange(starts_at, ends_at)"), "&&"),
            where=text("status in ('booked', 'attended', 'no_show')"),
            name="ex_bookings_customer_overlap",
        ),
        Index("ix_bookings_slot_id", "slot_id"),
        Index("ix_bookings_coach_id_starts_at", "coach_id", "starts_at"),
        Index("ix_bookings_customer_id_starts_at", "customer_id", "starts_at"),
        SCHEMA,
    )
    id: Mapped[Id]
    slot_id: Mapped[UUID] = mapped_column(ForeignKey(Slot.id))
    customer_id: Mapped[UUID]
    coach_id: Mapped[UUID]
    seat: Mapped[int] = mapped_column(SmallInteger)
    starts_at: Mapped[RequiredTime]
    ends_at: Mapped[RequiredTime]
    status: Mapped[str] = mapped_column(String(20), server_default="booked")
    session_pack_id: Mapped[UUID | None]
    booked_at: Mapped[RequiredTime]
    cancelled_at: Mapped[datetime | None]
    outcome_at: Mapped[datetime | None]


class WaitlistEntry(Base):
    """A customer waiting for a seat of a full slot. `status`: waiting, promoted, left, expired."""

    __tablename__ = "waitlist_entries"
    __table_args__ = (
        UniqueConstraint("slot_id", "customer_id"),
        Index("ix_waitlist_entries_customer_waiting", "customer_id", postgresql_where=text("status = 'waiting'")),
        SCHEMA,
    )
    id: Mapped[Id]
    slot_id: Mapped[UUID] = mapped_column(ForeignKey(Slot.id), index=True)
    customer_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(String(20), server_default="waiting")
    joined_at: Mapped[RequiredTime]
    closed_at: Mapped[datetime | None]


class DeskLocation(Base):
    """A studio that somebody at a front desk works at. Of whom there is no row, every studio."""

    __tablename__ = "desk_locations"
    __table_args__ = (SCHEMA,)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    location_id: Mapped[UUID] = mapped_column(ForeignKey(Location.id), primary_key=True)
    given_by: Mapped[UUID]
    given_at: Mapped[RequiredTime]
