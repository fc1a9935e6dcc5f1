"""Tables of platform."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001_platform"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create schema if not exists platform")
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("object_type", sa.String(), nullable=False),
        sa.Column("object_id", sa.String(), nullable=False),
        sa.Column(
            "details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("traceparent", sa.String(length=55), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
        schema="platform",
    )
    op.create_index(
        "ix_audit_entries_object", "audit_entries", ["object_type", "object_id"], unique=False, schema="platform"
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("principal", "key", name=op.f("pk_idempotency_keys")),
        schema="platform",
    )
    op.create_table(
        "inbox_messages",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("traceparent", sa.String(length=55), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("source", "message_id", name=op.f("pk_inbox_messages")),
        schema="platform",
    )
    op.create_index(
        "ix_inbox_messages_unhandled",
        "inbox_messages",
        ["source", "received_at"],
        unique=False,
        schema="platform",
        postgresql_where=sa.text("handled_at is null"),
    )
    op.create_table(
        "outbox_events",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("aggregate_id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("traceparent", sa.String(length=55), nullable=True),
        sa.Column("relayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_outbox_events")),
        sa.UniqueConstraint("position", name=op.f("uq_outbox_events_position")),
        schema="platform",
    )
    op.create_index(
        "ix_outbox_events_aggregate", "outbox_events", ["aggregate_id", "position"], unique=False, schema="platform"
    )
    op.create_index(
        "ix_outbox_events_unrelayed",
        "outbox_events",
        ["position"],
        unique=False,
        schema="platform",
        postgresql_where=sa.text("relayed_at is null"),
    )

    op.execute(
        """
        create function platform.refuse_change() returns trigger language plpgsql as $$
        begin
            raise exception '%.% is append-only', tg_table_schema, tg_table_name using errcode = 'PL001';
        end $$;
        create function platform.only_relay_once() returns trigger language plpgsql as $$
        begin
            if old.relayed_at is null and to_jsonb(new) - 'relayed_at' = to_jsonb(old) - 'relayed_at' then
                return new;
            end if;
            raise exception 'platform.outbox_events is append-only' using errcode = 'PL001';
        end $$;
        create trigger only_relay_once before update on platform.outbox_events
            for each row execute function platform.only_relay_once();
        create trigger append_only before delete on platform.outbox_events
            for each row execute function platform.refuse_change();
        create trigger append_only before update or delete on platform.audit_entries
            for each row execute function platform.refuse_change();
        """
    )


def downgrade() -> None:
    op.execute("drop function platform.refuse_change() cascade; drop function platform.only_relay_once() cascade")
    op.drop_index(
        "ix_outbox_events_unrelayed",
        table_name="outbox_events",
        schema="platform",
        postgresql_where=sa.text("relayed_at is null"),
    )
    op.drop_index("ix_outbox_events_aggregate", table_name="outbox_events", schema="platform")
    op.drop_table("outbox_events", schema="platform")
    op.drop_index(
        "ix_inbox_messages_unhandled",
        table_name="inbox_messages",
        schema="platform",
        postgresql_where=sa.text("handled_at is null"),
    )
    op.drop_table("inbox_messages", schema="platform")
    op.drop_table("idempotency_keys", schema="platform")
    op.drop_index("ix_audit_entries_object", table_name="audit_entries", schema="platform")
    op.drop_table("audit_entries", schema="platform")
