"""Tables of the schema `scheduling`.

Constraints, not code, keep calendars sane: no coach's slots overlap, no resource is in two of them at once, no
customer's seats overlap, no seat is given twice.
"""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Currency, Id, RequiredTime, ServerTime
from operational_api.scheduling.calendars import models as _calendars  # noqa: F401 - tables of this schema too

SCHEMA = {"schema": "scheduling"}
_SEAT_IS_HELD = "status in ('held', 'requested', 'booked', 'attended', 'no_show')"


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
    """A coach's working life; the id is the account's. Sessions last `session_minutes`, `buffer_minutes` apart.

    `turn_weight` is their share of customers who name no coach, beside the others'; 0 is none.
    """

    __tablename__ = "coaches"
    __table_args__ = (
        CheckConstraint(
            "session_minutes between 15 and 240 and buffer_minutes between 0 and 120", name="session_length"
        ),
        CheckConstraint("turn_weight between 0 and 1000", name="turn_weight"),
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
    turn_weight: Mapped[int] = mapped_column(SmallInteger, server_default="100")
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


class AvailabilityException(Base):
    """Other hours than the weekly ones on one local day of a coach; a row without hours closes the day."""

    __tablename__ = "availability_exceptions"
    __table_args__ = (
        CheckConstraint("(starts_at is null) = (ends_at is null) and ends_at > starts_at", name="ends_after_start"),
        UniqueConstraint(
            "coach_id", "exception_on", "starts_at", name="uq_availability_exceptions_day",
            postgresql_nulls_not_distinct=True,
        ),
        SCHEMA,
    )  # fmt: skip
    id: Mapped[Id]
    coach_id: Mapped[UUID] = mapped_column(ForeignKey(Coach.id))
    exception_on: Mapped[date]
    starts_at: Mapped[time | None]
    ends_at: Mapped[time | None]


class PublicHoliday(Base):
    """A day on which a studio is closed, unless a coach makes an exception for it."""

    __tablename__ = "public_holidays"
    __table_args__ = (UniqueConstraint("location_id", "holiday_on"), SCHEMA)
    id: Mapped[Id]
    location_id: Mapped[UUID] = mapped_column(ForeignKey(Location.id))
    holiday_on: Mapped[date]
    name: Mapped[str]


class BookingTerms(Base):
    """What holds for the sessions of a coach and a kind; null coach or kind means any, a null value leaves it open.

    How rows are laid over each other is `terms.effective`.
    """

    __tablename__ = "booking_terms"
    __table_args__ = (
        CheckConstraint("kind in ('one_to_one', 'group')", name="kind"),
        CheckConstraint(
            "(late_fee_minor is null) = (late_fee_currency is null) and late_fee_minor >= 0", name="late_fee"
        ),
        UniqueConstraint("coach_id", "kind", postgresql_nulls_not_distinct=True),
        SCHEMA,
    )
    id: Mapped[Id]
    coach_id: Mapped[UUID | None] = mapped_column(ForeignKey(Coach.id))
    kind: Mapped[str | None] = mapped_column(String(20))
    buffer_before_minutes: Mapped[int | None]
    buffer_after_minutes: Mapped[int | None]
    minimum_notice_minutes: Mapped[int | None]
    booking_window_days: Mapped[int | None]
    free_cancellation_minutes: Mapped[int | None]
    hold_minutes: Mapped[int | None]
    offer_minutes: Mapped[int | None]
    needs_confirmation: Mapped[bool | None]
    members_first: Mapped[bool | None]
    late_fee_minor: Mapped[int | None] = mapped_column(BigInteger)
    late_fee_currency: Mapped[str | None] = mapped_column(String(3))
    created_at: Mapped[ServerTime]


class Resource(Base):
    """A room, rack or machine of a studio that one session at a time may use."""

    __tablename__ = "resources"
    __table_args__ = (
        CheckConstraint("kind in ('room', 'rack', 'machine')", name="kind"),
        UniqueConstraint("location_id", "name"),
        SCHEMA,
    )
    id: Mapped[Id]
    location_id: Mapped[UUID] = mapped_column(ForeignKey(Location.id))
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(String(20))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[ServerTime]


class SessionSeries(Base):
    """Classes that repeat: `rule` is an RRULE, `wall_start` the studio's clock. Each class of it is a slot."""

    __tablename__ = "session_series"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    coach_id: Mapped[UUID] = mapped_column(ForeignKey(Coach.id), index=True)
    location_id: Mapped[UUID] = mapped_column(ForeignKey(Location.id))
    title: Mapped[str]
    rule: Mapped[str]
    starts_on: Mapped[date]
    wall_start: Mapped[time]
    created_at: Mapped[ServerTime]


class Slot(Base):
    """A bookable hour of a coach, or their place in a class that another coach leads.

    `kind` is one_to_one (capacity 1), group, or assist: who has that helps with the class `assists_id`, whose title and
    times the row repeats so that the constraint can see them. It has no seats (capacity 0), and nobody books it.
    `status` is open, cancelled (called off by whoever holds it) or withdrawn (of hours that are kept no more, with a
    history: one without is deleted).
    """

    __tablename__ = "slots"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint(
            "case kind when 'group' then capacity >= 1 when 'assist' then capacity = 0 else capacity = 1 end",
            name="capacity",
        ),
        CheckConstraint("(kind = 'assist') = (assists_id is not null)", name="assists"),
        ExcludeConstraint(
            (text("coach_id"), "="),
            (text("tstzrange(starts_at, ends_at)"), "&&"),
            where=text("status = 'open'"),
            name="ex_slots_coach_overlap",
        ),
        Index("ix_slots_coach_id_starts_at", "coach_id", "starts_at"),
        Index("ix_slots_starts_at", "starts_at"),
        Index("ix_slots_series_id", "series_id", "starts_at", postgresql_where=text("series_id is not null")),
        Index("ix_slots_assists_id", "assists_id", postgresql_where=text("assists_id is not null")),
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
    series_id: Mapped[UUID | None] = mapped_column(ForeignKey(SessionSeries.id))
    assists_id: Mapped[UUID | None] = mapped_column(ForeignKey("scheduling.slots.id"))
    created_at: Mapped[ServerTime]


class ClassNotice(Base):
    """What was written to everybody who comes to a class, or (`scope` following) to it and all that follow in its
    series. Who books later reads it, too. `recipients`: how many had a place then."""

    __tablename__ = "class_notices"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    slot_id: Mapped[UUID] = mapped_column(ForeignKey(Slot.id), index=True)
    author_id: Mapped[UUID]
    body: Mapped[str]
    scope: Mapped[str] = mapped_column(String(20), server_default="one")
    recipients: Mapped[int]
    created_at: Mapped[RequiredTime]


class SlotResource(Base):
    """A resource that a slot uses. Times are the slot's, copied so that the constraint can see them."""

    __tablename__ = "slot_resources"
    __table_args__ = (
        ExcludeConstraint(
            (text("resource_id"), "="),
            (text("tstzrange(starts_at, ends_at)"), "&&"),
            where=text("is_taken"),
            name="ex_slot_resources_overlap",
        ),
        SCHEMA,
    )
    slot_id: Mapped[UUID] = mapped_column(ForeignKey(Slot.id, ondelete="CASCADE"), primary_key=True)
    resource_id: Mapped[UUID] = mapped_column(ForeignKey(Resource.id), primary_key=True)
    starts_at: Mapped[RequiredTime]
    ends_at: Mapped[RequiredTime]
    is_taken: Mapped[bool] = mapped_column(server_default=text("true"))


class BookingSeries(Base):
    """Sessions that a customer booked to recur: `rule` is an RRULE, `wall_start` the studio's clock.

    Each session of it is a booking that names its `recurs_at`, when the rule has it. `sequence` grows with each change
    of any of them: it is what calendars know the whole by. `rule` reaches to the last that was booked. One that
    `goes_on` is booked further as the calendar opens, up to `ends_on` where it has an end; it is not wanted any more
    from `ended_at` on. `looked_at` is the last day on which something was booked or told not to be had.
    """

    __tablename__ = "booking_series"
    __table_args__ = (
        CheckConstraint("minutes between 1 and 1440", name="minutes"),
        CheckConstraint("not (goes_on and ended_at is not null)", name="goes_on"),
        Index("ix_booking_series_goes_on", "id", postgresql_where=text("goes_on")),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(index=True)
    coach_id: Mapped[UUID] = mapped_column(ForeignKey(Coach.id))
    location_id: Mapped[UUID] = mapped_column(ForeignKey(Location.id))
    rule: Mapped[str]
    starts_on: Mapped[date]
    wall_start: Mapped[time]
    minutes: Mapped[int] = mapped_column(SmallInteger)
    sequence: Mapped[int] = mapped_column(server_default="0")
    changed_at: Mapped[RequiredTime]
    created_at: Mapped[ServerTime]
    kind: Mapped[str] = mapped_column(String(20), server_default="one_to_one")
    goes_on: Mapped[bool] = mapped_column(server_default=text("false"))
    ends_on: Mapped[date | None]
    looked_at: Mapped[date | None]
    ended_at: Mapped[datetime | None]


class Booking(Base):
    """One seat of one slot for one customer.

    `status`: held, requested, booked, attended, no_show hold the seat; cancelled, late_cancelled, released do not. A
    seat held or requested lapses at `held_until`, whether or not anybody has written so yet. Coach and times are the
    slot's, copied so that constraints can see them. `session_pack_id` says which credits paid; null is membership.
    `free_until` and the late fee are what was agreed when it was booked. `booked_by` is who booked at the front desk
    for the customer; null is themselves. Of a series, `recurs_at` is when its rule has this session, wherever it was
    moved to. `assignment` is how it got its coach where nobody named one: `own_coach` was free, `turn` was theirs, or
    the `desk` gave it to them in another's place.
    """

    __tablename__ = "bookings"
    __table_args__ = (
        CheckConstraint(
            "status in ('held', 'requested', 'booked', 'attended', 'no_show', 'cancelled', 'late_cancelled', "
            "'released')",
            name="status",
        ),
        CheckConstraint("seat >= 1", name="seat"),
        CheckConstraint("assignment in ('own_coach', 'turn', 'desk')", name="assignment"),
        Index("ix_bookings_turns", "coach_id", "booked_at", postgresql_where=text("assignment = 'turn'")),
        CheckConstraint("status not in ('held', 'requested') or held_until is not null", name="held_until"),
        CheckConstraint(
            "(late_fee_minor is null) = (late_fee_currency is null) and late_fee_minor > 0", name="late_fee"
        ),
        Index(
            "uq_bookings_seat",
            "slot_id",
            "seat",
            unique=True,
            postgresql_where=text(_SEAT_IS_HELD),
        ),
        ExcludeConstraint(
            (text("customer_id"), "="),
            (text("tstzrange(starts_at, ends_at)"), "&&"),
            where=text(_SEAT_IS_HELD),
            name="ex_bookings_customer_overlap",
        ),
        CheckConstraint("(series_id is null) = (recurs_at is null)", name="series"),
        Index("ix_bookings_series_id", "series_id", "recurs_at", postgresql_where=text("series_id is not null")),
        Index("ix_bookings_held_until", "held_until", postgresql_where=text("status in ('held', 'requested')")),
        Index("ix_bookings_slot_id", "slot_id"),
        Index("ix_bookings_coach_id_starts_at", "coach_id", "starts_at"),
        Index("ix_bookings_customer_id_starts_at", "customer_id", "starts_at"),
        Index("ix_bookings_starts_at", "starts_at", "id"),
        Index(
            "ix_bookings_checked_in",
            "starts_at",
            postgresql_where=text("status = 'booked' and outcome_at is not null"),
        ),
        Index(
            "ix_bookings_late_fees",
            "starts_at",
            postgresql_where=text(
                "status = 'late_cancelled' and late_fee_waived_at is null and late_fee_due_at is not null"
            ),
        ),
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
    held_until: Mapped[datetime | None]
    free_until: Mapped[datetime | None]
    late_fee_minor: Mapped[int | None] = mapped_column(BigInteger)
    late_fee_currency: Mapped[str | None] = mapped_column(String(3))
    late_fee_due_at: Mapped[datetime | None]
    late_fee_waived_at: Mapped[datetime | None]
    late_fee_waived_by: Mapped[UUID | None]
    series_id: Mapped[UUID | None] = mapped_column(ForeignKey(BookingSeries.id))
    recurs_at: Mapped[datetime | None]
    booked_by: Mapped[UUID | None]
    assignment: Mapped[str | None] = mapped_column(String(20))


class BookingMove(Base):
    """One step in the history of a booking: from when to when, by whom. `origin_id` is the first booking of the chain.

    A class that its coach moved takes its bookings along: then both bookings are the same.
    """

    __tablename__ = "booking_moves"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    origin_id: Mapped[UUID] = mapped_column(ForeignKey(Booking.id), index=True)
    from_booking_id: Mapped[UUID] = mapped_column(ForeignKey(Booking.id))
    to_booking_id: Mapped[UUID] = mapped_column(ForeignKey(Booking.id), index=True)
    from_starts_at: Mapped[RequiredTime]
    to_starts_at: Mapped[RequiredTime]
    moved_by: Mapped[UUID | None]
    moved_by_role: Mapped[str] = mapped_column(String(20))
    moved_at: Mapped[RequiredTime]


class WaitlistEntry(Base):
    """A customer waiting for a seat of a full slot.

    `status`: waiting, offered, promoted, declined, lapsed, left, expired. An offer is a seat held for them
    (`booking_id`) until its `held_until`. `is_first` goes before all that are not.
    """

    __tablename__ = "waitlist_entries"
    __table_args__ = (
        UniqueConstraint("slot_id", "customer_id"),
        Index("ix_waitlist_entries_customer_waiting", "customer_id", postgresql_where=text("status = 'waiting'")),
        Index("ix_waitlist_entries_slot_waiting", "slot_id", postgresql_where=text("status = 'waiting'")),
        SCHEMA,
    )
    id: Mapped[Id]
    slot_id: Mapped[UUID] = mapped_column(ForeignKey(Slot.id), index=True)
    customer_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(String(20), server_default="waiting")
    joined_at: Mapped[RequiredTime]
    closed_at: Mapped[datetime | None]
    is_first: Mapped[bool] = mapped_column(server_default=text("false"))
    booking_id: Mapped[UUID | None] = mapped_column(ForeignKey(Booking.id), index=True)
    offered_at: Mapped[datetime | None]


class DeskLocation(Base):
    """A studio that somebody at a front desk works at. Of whom there is no row, every studio."""

    __tablename__ = "desk_locations"
    __table_args__ = (SCHEMA,)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    location_id: Mapped[UUID] = mapped_column(ForeignKey(Location.id), primary_key=True)
    given_by: Mapped[UUID]
    given_at: Mapped[RequiredTime]
