"""Tables of scheduling."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005_scheduling"
down_revision = "0004_training"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create schema if not exists scheduling")
    op.execute("create extension if not exists btree_gist")
    op.create_table(
        "locations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("country_code", sa.String(length=2), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_locations")),
        schema="scheduling",
    )
    op.create_table(
        "coaches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("bio", sa.String(), server_default="", nullable=False),
        sa.Column("specialities", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("client_capacity", sa.SmallInteger(), nullable=False),
        sa.Column("hired_on", sa.Date(), nullable=False),
        sa.Column("left_on", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["scheduling.locations.id"], name=op.f("fk_coaches_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coaches")),
        schema="scheduling",
    )
    op.create_table(
        "availability_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("coach_id", sa.Uuid(), nullable=False),
        sa.Column("weekday", sa.SmallInteger(), nullable=False),
        sa.Column("starts_at", sa.Time(), nullable=False),
        sa.Column("ends_at", sa.Time(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_availability_rules_ends_after_start")),
        sa.CheckConstraint("weekday between 0 and 6", name=op.f("ck_availability_rules_weekday")),
        sa.ForeignKeyConstraint(["coach_id"], ["scheduling.coaches.id"], name=op.f("fk_availability_rules_coach_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability_rules")),
        schema="scheduling",
    )
    op.create_index(
        op.f("ix_availability_rules_coach_id"), "availability_rules", ["coach_id"], unique=False, schema="scheduling"
    )
    op.create_table(
        "slots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("coach_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("capacity", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("status", sa.String(length=20), server_default="open", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.text("coach_id"), "="),
            (sa.text("tstzrange(starts_at, ends_at)"), "&&"),
            where=sa.text("status = 'open'"),
            using="gist",
            name="ex_slots_coach_overlap",
        ),
        sa.CheckConstraint("capacity >= 1 and (kind = 'group' or capacity = 1)", name=op.f("ck_slots_capacity")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_slots_ends_after_start")),
        sa.ForeignKeyConstraint(["coach_id"], ["scheduling.coaches.id"], name=op.f("fk_slots_coach_id")),
        sa.ForeignKeyConstraint(["location_id"], ["scheduling.locations.id"], name=op.f("fk_slots_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slots")),
        schema="scheduling",
    )
    op.create_index(
        "ix_slots_coach_id_starts_at", "slots", ["coach_id", "starts_at"], unique=False, schema="scheduling"
    )
    op.create_index("ix_slots_starts_at", "slots", ["starts_at"], unique=False, schema="scheduling")
    op.create_table(
        "time_off",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("coach_id", sa.Uuid(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.CheckConstraint("ends_on >= starts_on", name=op.f("ck_time_off_ends_after_start")),
        sa.ForeignKeyConstraint(["coach_id"], ["scheduling.coaches.id"], name=op.f("fk_time_off_coach_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_time_off")),
        schema="scheduling",
    )
    op.create_index(op.f("ix_time_off_coach_id"), "time_off", ["coach_id"], unique=False, schema="scheduling")
    op.create_table(
        "bookings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("coach_id", sa.Uuid(), nullable=False),
        sa.Column("seat", sa.SmallInteger(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="booked", nullable=False),
        sa.Column("session_pack_id", sa.Uuid(), nullable=True),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome_at", sa.DateTime(timezone=True), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.text("customer_id"), "="),
            (sa.text("tstzrange(starts_at, ends_at)"), "&&"),
            where=sa.text("status in ('booked', 'attended', 'no_show')"),
            using="gist",
            name="ex_bookings_customer_overlap",
        ),
        sa.CheckConstraint(
            "status in ('booked', 'attended', 'no_show', 'cancelled', 'late_cancelled')",
            name=op.f("ck_bookings_status"),
        ),
        sa.CheckConstraint("seat >= 1", name=op.f("ck_bookings_seat")),
        sa.ForeignKeyConstraint(["slot_id"], ["scheduling.slots.id"], name=op.f("fk_bookings_slot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
        schema="scheduling",
    )
    op.create_index(
        "ix_bookings_coach_id_starts_at", "bookings", ["coach_id", "starts_at"], unique=False, schema="scheduling"
    )
    op.create_index(
        "ix_bookings_customer_id_starts_at", "bookings", ["customer_id", "starts_at"], unique=False, schema="scheduling"
    )
    op.create_index(
        "uq_bookings_seat",
        "bookings",
        ["slot_id", "seat"],
        unique=True,
        schema="scheduling",
        postgresql_where=sa.text("status in ('booked', 'attended', 'no_show')"),
    )
    op.create_table(
        "waitlist_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slot_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="waiting", nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["slot_id"], ["scheduling.slots.id"], name=op.f("fk_waitlist_entries_slot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waitlist_entries")),
        sa.UniqueConstraint("slot_id", "customer_id", name=op.f("uq_waitlist_entries_slot_id_customer_id")),
        schema="scheduling",
    )
    op.create_index(
        op.f("ix_waitlist_entries_slot_id"), "waitlist_entries", ["slot_id"], unique=False, schema="scheduling"
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_waitlist_entries_slot_id"), table_name="waitlist_entries", schema="scheduling")
    op.drop_table("waitlist_entries", schema="scheduling")
    op.drop_index(
        "uq_bookings_seat",
        table_name="bookings",
        schema="scheduling",
        postgresql_where=sa.text("status in ('booked', 'attended', 'no_show')"),
    )
    op.drop_index("ix_bookings_customer_id_starts_at", table_name="bookings", schema="scheduling")
    op.drop_index("ix_bookings_coach_id_starts_at", table_name="bookings", schema="scheduling")
    op.drop_table("bookings", schema="scheduling")
    op.drop_index(op.f("ix_time_off_coach_id"), table_name="time_off", schema="scheduling")
    op.drop_table("time_off", schema="scheduling")
    op.drop_index("ix_slots_starts_at", table_name="slots", schema="scheduling")
    op.drop_index("ix_slots_coach_id_starts_at", table_name="slots", schema="scheduling")
    op.drop_table("slots", schema="scheduling")
    op.drop_index(op.f("ix_availability_rules_coach_id"), table_name="availability_rules", schema="scheduling")
    op.drop_table("availability_rules", schema="scheduling")
    op.drop_table("coaches", schema="scheduling")
    op.drop_table("locations", schema="scheduling")
    op.execute("drop schema scheduling")
