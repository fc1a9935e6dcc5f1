"""Consents per kind of health data; connectors and their runs; wearables and what they send."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015_consents_and_integrations"
down_revision = "0014_bookings_by_slot"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create schema if not exists compliance")
    op.execute("create schema if not exists integrations")
    op.create_table(
        "consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("data_kind", sa.String(length=20), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("is_given", sa.Boolean(), nullable=False),
        sa.Column("policy_version", sa.String(length=20), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=False),
        sa.CheckConstraint("data_kind in ('activity', 'sleep', 'daily', 'body')", name=op.f("ck_consents_data_kind")),
        sa.CheckConstraint("purpose in ('coaching', 'modelling')", name=op.f("ck_consents_purpose")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        schema="compliance",
    )
    op.create_index(
        "ix_consents_newest", "consents", ["customer_id", "data_kind", "purpose", "decided_at"], schema="compliance"
    )
    op.execute(
        """create trigger append_only before update or delete on compliance.consents
           for each row execute function platform.refuse_change()"""
    )
    op.create_table(
        "connectors",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("resync_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("test_problem", sa.String(), nullable=True),
        sa.CheckConstraint("state in ('connected', 'paused', 'revoked')", name=op.f("ck_connectors_state")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_connectors")),
        schema="integrations",
    )
    op.create_table(
        "connector_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("connector", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("has_succeeded", sa.Boolean(), nullable=False),
        sa.Column("streams", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connector_runs")),
        schema="integrations",
    )
    op.create_index("ix_connector_runs_newest", "connector_runs", ["connector", "started_at"], schema="integrations")
    op.create_table(
        "wearable_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("external_user_id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(length=40), nullable=False),
        sa.Column("scopes", sa.String(), server_default="", nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("ended_reason", sa.String(length=30), nullable=True),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_payload_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state in ('active', 'degraded', 'ended')", name=op.f("ck_wearable_links_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wearable_links")),
        schema="integrations",
    )
    op.create_index(
        "uq_wearable_links_external",
        "wearable_links",
        ["source", "external_user_id"],
        unique=True,
        schema="integrations",
    )
    op.create_index("ix_wearable_links_customer", "wearable_links", ["customer_id"], schema="integrations")
    op.create_table(
        "wearable_payloads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("data_kind", sa.String(length=20), nullable=True),
        sa.Column("provider", sa.String(length=40), nullable=True),
        sa.Column("external_user_id", sa.String(), nullable=True),
        sa.Column("trace_id", sa.String(), nullable=False),
        sa.Column("ordering_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("is_kept", sa.Boolean(), nullable=False),
        sa.Column("refusal", sa.String(length=40), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("is_kept = (body is not null)", name=op.f("ck_wearable_payloads_kept_has_body")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wearable_payloads")),
        schema="integrations",
    )
    op.create_index(
        "uq_wearable_payloads_trace", "wearable_payloads", ["source", "trace_id"], unique=True, schema="integrations"
    )
    op.create_index(
        "ix_wearable_payloads_kept",
        "wearable_payloads",
        ["customer_id", "data_kind"],
        schema="integrations",
        postgresql_where=sa.text("is_kept"),
    )


def downgrade() -> None:
    for table in ("wearable_payloads", "wearable_links", "connector_runs", "connectors"):
        op.drop_table(table, schema="integrations")
    op.drop_table("consents", schema="compliance")
    op.execute("drop schema integrations; drop schema compliance")
