"""Rules of scheduling: terms of booking, exception days, holidays, resources, series of classes, seats held for a while.

Everything here widens: a version before this one writes what it wrote, and its rows mean what they meant.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026_scheduling_rules"
down_revision = "0025_second_provider"
branch_labels = None
depends_on = None

HELD_BEFORE = "status in ('booked', 'attended', 'no_show')"
HELD = "status in ('held', 'requested', 'booked', 'attended', 'no_show')"
STATUSES_BEFORE = "status in ('booked', 'attended', 'no_show', 'cancelled', 'late_cancelled')"
STATUSES = "status in ('held', 'requested', 'booked', 'attended', 'no_show', 'cancelled', 'late_cancelled', 'released')"
S = "scheduling"


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _created() -> sa.Column[object]:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _key(table: str, column: str, target: str, *, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{S}.{target}.id"], name=op.f(f"fk_{table}_{column}"), ondelete=ondelete)


def _seats(held: str) -> None:
    """The two promises about seats that are held, over the states that hold one."""
    op.create_index(
        "uq_bookings_seat", "bookings", ["slot_id", "seat"], unique=True, schema=S, postgresql_where=sa.text(held)
    )
    op.execute(
        "alter table scheduling.bookings add constraint ex_bookings_customer_overlap exclude using gist"
        f" (customer_id with =, tstzrange(starts_at, ends_at) with &&) where ({held})"
    )


def _forget_seats() -> None:
    op.drop_constraint("ex_bookings_customer_overlap", "bookings", schema=S)
    op.drop_index("uq_bookings_seat", table_name="bookings", schema=S)


def upgrade() -> None:
    _terms_and_days()
    _resources_and_series()
    for column in (
        _time("held_until", nullable=True),
        _time("free_until", nullable=True),
        sa.Column("late_fee_minor", sa.BigInteger(), nullable=True),
        sa.Column("late_fee_currency", sa.String(length=3), nullable=True),
        _time("late_fee_due_at", nullable=True),
        _time("late_fee_waived_at", nullable=True),
        sa.Column("late_fee_waived_by", sa.Uuid(), nullable=True),
    ):
        op.add_column("bookings", column, schema=S)
    op.drop_constraint(op.f("ck_bookings_status"), "bookings", schema=S, type_="check")
    op.create_check_constraint(op.f("ck_bookings_status"), "bookings", STATUSES, schema=S)
    op.create_check_constraint(
        op.f("ck_bookings_held_until"), "bookings", "status not in ('held', 'requested') or held_until is not null",
        schema=S,
    )  # fmt: skip
    op.create_check_constraint(
        op.f("ck_bookings_late_fee"), "bookings",
        "(late_fee_minor is null) = (late_fee_currency is null) and late_fee_minor > 0", schema=S,
    )  # fmt: skip
    _forget_seats()
    _seats(HELD)
    op.create_index(
        "ix_bookings_held_until", "bookings", ["held_until"], schema=S,
        postgresql_where=sa.text("status in ('held', 'requested')"),
    )  # fmt: skip
    op.create_table(
        "booking_moves",
        _id(),
        sa.Column("origin_id", sa.Uuid(), nullable=False),
        sa.Column("from_booking_id", sa.Uuid(), nullable=False),
        sa.Column("to_booking_id", sa.Uuid(), nullable=False),
        _time("from_starts_at"),
        _time("to_starts_at"),
        sa.Column("moved_by", sa.Uuid(), nullable=True),
        sa.Column("moved_by_role", sa.String(length=20), nullable=False),
        _time("moved_at"),
        *(_key("booking_moves", f"{name}_id", "bookings") for name in ("origin", "from_booking", "to_booking")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_moves")),
        schema=S,
    )
    op.create_index(op.f("ix_booking_moves_origin_id"), "booking_moves", ["origin_id"], schema=S)
    op.create_index(op.f("ix_booking_moves_to_booking_id"), "booking_moves", ["to_booking_id"], schema=S)
    for column in (
        sa.Column("is_first", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        _time("offered_at", nullable=True),
    ):
        op.add_column("waitlist_entries", column, schema=S)
    op.create_foreign_key(
        op.f("fk_waitlist_entries_booking_id"), "waitlist_entries", "bookings", ["booking_id"], ["id"],
        source_schema=S, referent_schema=S,
    )  # fmt: skip
    op.create_index(op.f("ix_waitlist_entries_booking_id"), "waitlist_entries", ["booking_id"], schema=S)
    op.create_index(
        "ix_waitlist_entries_slot_waiting", "waitlist_entries", ["slot_id"], schema=S,
        postgresql_where=sa.text("status = 'waiting'"),
    )  # fmt: skip


def _terms_and_days() -> None:
    minutes = (
        "buffer_before_minutes", "buffer_after_minutes", "minimum_notice_minutes", "free_cancellation_minutes",
        "hold_minutes", "offer_minutes", "booking_window_days",
    )  # fmt: skip
    op.create_table(
        "booking_terms",
        _id(),
        sa.Column("coach_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=True),
        *(sa.Column(name, sa.Integer(), nullable=True) for name in minutes),
        sa.Column("needs_confirmation", sa.Boolean(), nullable=True),
        sa.Column("members_first", sa.Boolean(), nullable=True),
        sa.Column("late_fee_minor", sa.BigInteger(), nullable=True),
        sa.Column("late_fee_currency", sa.String(length=3), nullable=True),
        _created(),
        sa.CheckConstraint("kind in ('one_to_one', 'group')", name=op.f("ck_booking_terms_kind")),
        sa.CheckConstraint(
            "(late_fee_minor is null) = (late_fee_currency is null) and late_fee_minor >= 0",
            name=op.f("ck_booking_terms_late_fee"),
        ),
        sa.CheckConstraint(" and ".join(f"{name} >= 0" for name in minutes), name=op.f("ck_booking_terms_lengths")),
        _key("booking_terms", "coach_id", "coaches"),
        sa.UniqueConstraint(
            "coach_id", "kind", name=op.f("uq_booking_terms_coach_id_kind"), postgresql_nulls_not_distinct=True
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_terms")),
        schema=S,
    )
    op.create_table(
        "availability_exceptions",
        _id(),
        sa.Column("coach_id", sa.Uuid(), nullable=False),
        sa.Column("exception_on", sa.Date(), nullable=False),
        sa.Column("starts_at", sa.Time(), nullable=True),
        sa.Column("ends_at", sa.Time(), nullable=True),
        sa.CheckConstraint(
            "(starts_at is null) = (ends_at is null) and ends_at > starts_at",
            name=op.f("ck_availability_exceptions_ends_after_start"),
        ),
        _key("availability_exceptions", "coach_id", "coaches"),
        sa.UniqueConstraint(
            "coach_id", "exception_on", "starts_at", name="uq_availability_exceptions_day",
            postgresql_nulls_not_distinct=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability_exceptions")),
        schema=S,
    )  # fmt: skip
    op.create_table(
        "public_holidays",
        _id(),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("holiday_on", sa.Date(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        _key("public_holidays", "location_id", "locations"),
        sa.UniqueConstraint("location_id", "holiday_on", name=op.f("uq_public_holidays_location_id_holiday_on")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_public_holidays")),
        schema=S,
    )


def _resources_and_series() -> None:
    op.create_table(
        "resources",
        _id(),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False),
        _created(),
        sa.CheckConstraint("kind in ('room', 'rack', 'machine')", name=op.f("ck_resources_kind")),
        _key("resources", "location_id", "locations"),
        sa.UniqueConstraint("location_id", "name", name=op.f("uq_resources_location_id_name")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resources")),
        schema=S,
    )
    op.create_table(
        "session_series",
        _id(),
        sa.Column("coach_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("wall_start", sa.Time(), nullable=False),
        _created(),
        _key("session_series", "coach_id", "coaches"),
        _key("session_series", "location_id", "locations"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_series")),
        schema=S,
    )
    op.create_index(op.f("ix_session_series_coach_id"), "session_series", ["coach_id"], schema=S)
    op.add_column("slots", sa.Column("series_id", sa.Uuid(), nullable=True), schema=S)
    op.create_foreign_key(
        op.f("fk_slots_series_id"), "slots", "session_series", ["series_id"], ["id"], source_schema=S, referent_schema=S
    )
    op.create_index(
        "ix_slots_series_id", "slots", ["series_id", "starts_at"], schema=S,
        postgresql_where=sa.text("series_id is not null"),
    )  # fmt: skip
    op.create_table(
        "slot_resources",
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        _time("starts_at"),
        _time("ends_at"),
        sa.Column("is_taken", sa.Boolean(), server_default=sa.true(), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.text("resource_id"), "="), (sa.text("tstzrange(starts_at, ends_at)"), "&&"), where=sa.text("is_taken"),
            using="gist", name="ex_slot_resources_overlap",
        ),
        _key("slot_resources", "slot_id", "slots", ondelete="CASCADE"),
        _key("slot_resources", "resource_id", "resources"),
        sa.PrimaryKeyConstraint("slot_id", "resource_id", name=op.f("pk_slot_resources")),
        schema=S,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_waitlist_entries_slot_waiting", table_name="waitlist_entries", schema=S)
    op.drop_index(op.f("ix_waitlist_entries_booking_id"), table_name="waitlist_entries", schema=S)
    for name in ("offered_at", "booking_id", "is_first"):
        op.drop_column("waitlist_entries", name, schema=S)
    op.execute(
        "update scheduling.waitlist_entries set status = 'expired' where status in ('offered', 'declined', 'lapsed')"
    )
    op.drop_table("booking_moves", schema=S)
    op.drop_index("ix_bookings_held_until", table_name="bookings", schema=S)
    for name in ("held_until", "late_fee", "status"):
        op.drop_constraint(op.f(f"ck_bookings_{name}"), "bookings", schema=S, type_="check")
    op.execute("update scheduling.bookings set status = 'cancelled' where status in ('held', 'requested', 'released')")
    op.create_check_constraint(op.f("ck_bookings_status"), "bookings", STATUSES_BEFORE, schema=S)
    _forget_seats()
    _seats(HELD_BEFORE)
    for name in (
        "late_fee_waived_by", "late_fee_waived_at", "late_fee_due_at", "late_fee_currency", "late_fee_minor",
        "free_until", "held_until",
    ):  # fmt: skip
        op.drop_column("bookings", name, schema=S)
    op.drop_table("slot_resources", schema=S)
    op.drop_index("ix_slots_series_id", table_name="slots", schema=S)
    op.drop_column("slots", "series_id", schema=S)
    for table in ("session_series", "resources", "public_holidays", "availability_exceptions", "booking_terms"):
        op.drop_table(table, schema=S)
