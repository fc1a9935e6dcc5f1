"""Tables of engagement."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006_engagement"
down_revision = "0005_scheduling"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create schema if not exists engagement")
    op.create_table(
        "contact_preferences",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("allows_marketing", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("allows_nudges", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("quiet_from", sa.Time(), nullable=True),
        sa.Column("quiet_until", sa.Time(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_contact_preferences")),
        schema="engagement",
    )
    op.create_table(
        "leads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("source", sa.String(length=30), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("converted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leads")),
        schema="engagement",
    )
    op.create_index(op.f("ix_leads_customer_id"), "leads", ["customer_id"], unique=False, schema="engagement")
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("sender_id", sa.Uuid(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), server_default="chat", nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("automation_run_id", sa.Uuid(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        schema="engagement",
    )
    op.create_index(
        op.f("ix_messages_automation_run_id"), "messages", ["automation_run_id"], unique=False, schema="engagement"
    )
    op.create_index(
        "ix_messages_customer_id_sent_at", "messages", ["customer_id", "sent_at"], unique=False, schema="engagement"
    )
    op.create_index(
        "ix_messages_recipient_unread",
        "messages",
        ["recipient_id"],
        unique=False,
        schema="engagement",
        postgresql_where=sa.text("read_at is null"),
    )
    op.create_table(
        "outgoing_emails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dedupe_key", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("template", sa.String(), nullable=False),
        sa.Column("context", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="queued", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing_emails")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_outgoing_emails_dedupe_key")),
        schema="engagement",
    )
    op.create_index(
        "ix_outgoing_emails_due",
        "outgoing_emails",
        ["next_attempt_at"],
        unique=False,
        schema="engagement",
        postgresql_where=sa.text("status = 'queued'"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_outgoing_emails_due",
        table_name="outgoing_emails",
        schema="engagement",
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.drop_table("outgoing_emails", schema="engagement")
    op.drop_index(
        "ix_messages_recipient_unread",
        table_name="messages",
        schema="engagement",
        postgresql_where=sa.text("read_at is null"),
    )
    op.drop_index("ix_messages_customer_id_sent_at", table_name="messages", schema="engagement")
    op.drop_index(op.f("ix_messages_automation_run_id"), table_name="messages", schema="engagement")
    op.drop_table("messages", schema="engagement")
    op.drop_index(op.f("ix_leads_customer_id"), table_name="leads", schema="engagement")
    op.drop_table("leads", schema="engagement")
    op.drop_table("contact_preferences", schema="engagement")
    op.execute("drop schema engagement")
