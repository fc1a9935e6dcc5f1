"""What the worker needs: order and parking of inbox messages, a wake-up when work arrives, addresses to write to."""

import sqlalchemy as sa
from alembic import op

revision = "0010_worker"
down_revision = "0009_sets_know_their_exercise"
branch_labels = None
depends_on = None

NOTIFYING = (
    ("platform.outbox_events", "outbox"),
    ("platform.inbox_messages", "inbox"),
    ("engagement.outgoing_emails", "emails"),
)


def upgrade() -> None:
    op.add_column("inbox_messages", sa.Column("aggregate_id", sa.Uuid(), nullable=True), schema="platform")
    op.add_column("inbox_messages", sa.Column("position", sa.BigInteger(), nullable=True), schema="platform")
    op.add_column(
        "inbox_messages", sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True), schema="platform"
    )
    op.create_index(
        "ix_inbox_messages_due",
        "inbox_messages",
        ["received_at", "position"],
        schema="platform",
        postgresql_where=sa.text("handled_at is null and parked_at is null"),
    )
    op.create_index(
        "ix_inbox_messages_aggregate",
        "inbox_messages",
        ["source", "aggregate_id", "position"],
        schema="platform",
        postgresql_where=sa.text("handled_at is null and parked_at is null"),
    )
    op.execute(
        """
        create function platform.notify_work() returns trigger language plpgsql as $$
        begin
            perform pg_notify('plyo_work', tg_argv[0]);
            return null;
        end $$
        """
    )
    for table, kind in NOTIFYING:
        op.execute(
            f"create trigger notify_work after insert on {table}"
            f" for each statement execute function platform.notify_work('{kind}')"
        )
    # A view reads with the rights of its owner: engagement learns where to write to and nothing else of identity.
    op.execute(
        """
        create view engagement.contacts as
        select id as account_id, email, display_name, time_zone, role from identity.accounts where disabled_at is null
        """
    )


def downgrade() -> None:
    op.execute("drop view engagement.contacts; drop function platform.notify_work() cascade")
    op.drop_index("ix_inbox_messages_aggregate", table_name="inbox_messages", schema="platform")
    op.drop_index("ix_inbox_messages_due", table_name="inbox_messages", schema="platform")
    op.drop_column("inbox_messages", "parked_at", schema="platform")
    op.drop_column("inbox_messages", "position", schema="platform")
    op.drop_column("inbox_messages", "aggregate_id", schema="platform")
