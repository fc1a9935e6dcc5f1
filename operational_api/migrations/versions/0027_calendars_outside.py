"""Calendars outside: connections and what opens them, busy times, what is to be shown in them, feeds."""

import sqlalchemy as sa
from alembic import op

revision = "0027_calendars_outside"
down_revision = "0026_scheduling_rules"
branch_labels = None
depends_on = None

SCHEMA = "scheduling"
TIME = sa.DateTime(timezone=True)
TABLES = (
    "calendar_feeds", "calendar_pushes", "calendar_entries", "busy_times", "calendar_secrets", "calendar_connections",
)  # fmt: skip


def _of_connection(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["connection_id"], ["scheduling.calendar_connections.id"], name=op.f(f"fk_{table}_connection_id"),
        ondelete="CASCADE",
    )  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "calendar_connections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("calendar_id", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("state", sa.String(length=20), server_default="active", nullable=False),
        sa.Column("is_read", sa.Boolean(), nullable=False),
        sa.Column("is_written", sa.Boolean(), nullable=False),
        sa.Column("cursor", sa.String(), nullable=True),
        sa.Column("read_until", TIME, nullable=True),
        sa.Column("last_synced_at", TIME, nullable=True),
        sa.Column("next_sync_at", TIME, nullable=False),
        sa.Column("failures", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("connected_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.CheckConstraint(
            "provider in ('google', 'microsoft', 'caldav', 'feed')", name=op.f("ck_calendar_connections_provider")
        ),
        sa.CheckConstraint("state in ('active', 'refused', 'ended')", name=op.f("ck_calendar_connections_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_connections")),
        schema=SCHEMA,
    )
    op.create_index(
        "uq_calendar_connections_alive", "calendar_connections", ["account_id", "provider", "calendar_id"],
        unique=True, schema=SCHEMA, postgresql_where=sa.text("state <> 'ended'"),
    )  # fmt: skip
    op.create_index(
        "ix_calendar_connections_due", "calendar_connections", ["next_sync_at"], schema=SCHEMA,
        postgresql_where=sa.text("state = 'active' and is_read"),
    )  # fmt: skip
    op.create_table(
        "calendar_secrets",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        _of_connection("calendar_secrets"),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_calendar_secrets")),
        schema=SCHEMA,
    )
    op.create_table(
        "busy_times",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("coach_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("series_id", sa.String(), server_default="", nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_busy_times_ends_after_start")),
        _of_connection("busy_times"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_busy_times")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_busy_times_span", "busy_times", ["coach_id", sa.text("tstzrange(starts_at, ends_at)")], schema=SCHEMA,
        postgresql_using="gist",
    )  # fmt: skip
    op.create_index(
        "ix_busy_times_connection_id_external_id", "busy_times", ["connection_id", "external_id"], schema=SCHEMA
    )
    op.create_table(
        "calendar_entries",
        sa.Column("booking_id", sa.Uuid(), nullable=False),
        sa.Column("uid", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("is_superseded", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("pk_calendar_entries")),
        schema=SCHEMA,
    )
    op.create_index("ix_calendar_entries_uid", "calendar_entries", ["uid"], schema=SCHEMA)
    op.create_table(
        "calendar_pushes",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("uid", sa.String(), nullable=False),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("slot_id", sa.Uuid(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("pushed_sequence", sa.Integer(), nullable=True),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("etag", sa.String(), nullable=True),
        sa.Column("due_at", TIME, nullable=True),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("pushed_at", TIME, nullable=True),
        sa.CheckConstraint("(booking_id is null) <> (slot_id is null)", name=op.f("ck_calendar_pushes_subject")),
        _of_connection("calendar_pushes"),
        sa.PrimaryKeyConstraint("connection_id", "uid", name=op.f("pk_calendar_pushes")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_calendar_pushes_due", "calendar_pushes", ["due_at"], schema=SCHEMA,
        postgresql_where=sa.text("due_at is not null"),
    )  # fmt: skip
    op.create_table(
        "calendar_feeds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_feeds")),
        schema=SCHEMA,
    )
    op.create_index(
        "uq_calendar_feeds_alive", "calendar_feeds", ["account_id"], unique=True, schema=SCHEMA,
        postgresql_where=sa.text("revoked_at is null"),
    )  # fmt: skip


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table, schema=SCHEMA)
