"""Sign-in attempts with their risk, counts of everybody's sign-ins, and the audit log as one table for all contexts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017_risk_and_audit"
down_revision = "0016_multi_factor"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pending_sign_ins", sa.Column("attempt_id", sa.Uuid(), nullable=True), schema="identity")
    op.create_table(
        "sign_in_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("account_key", sa.String(length=32), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("block", sa.String(length=45), nullable=False),
        sa.Column("prefix", sa.String(length=45), nullable=False),
        sa.Column("region", sa.String(length=10), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("agent", sa.String(length=80), nullable=False),
        sa.Column("program", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("hour", sa.String(length=12), nullable=False),
        sa.Column("part", sa.String(length=12), nullable=False),
        sa.Column("device_key", sa.String(length=32), nullable=False),
        sa.Column("is_known_device", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("factors", postgresql.ARRAY(sa.String()), server_default="{}", nullable=False),
        sa.Column("decision", sa.String(length=10), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("disputed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_counted", sa.Boolean(), server_default="false", nullable=False),
        sa.CheckConstraint("decision in ('allow', 'step_up', 'refuse')", name=op.f("ck_sign_in_attempts_decision")),
        sa.CheckConstraint(
            "outcome in ('signed_in', 'wrong_password', 'throttled', 'closed', 'unverified', 'step_up',"
            " 'step_up_failed', 'refused')",
            name=op.f("ck_sign_in_attempts_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["identity.accounts.id"],
            ondelete="CASCADE",
            name=op.f("fk_sign_in_attempts_account_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_attempts")),
        schema="identity",
    )
    for name, columns, where in (
        ("account", ["account_id", "attempted_at"], None),
        ("key", ["account_key", "attempted_at"], None),
        ("address", ["address", "attempted_at"], None),
        ("decision", ["decision", "attempted_at", "id"], "decision <> 'allow'"),
        ("uncounted", ["attempted_at"], "outcome = 'signed_in' and not is_counted"),
    ):
        op.create_index(
            f"ix_sign_in_attempts_{name}", "sign_in_attempts", columns, schema="identity",
            postgresql_where=sa.text(where) if where else None,
        )  # fmt: skip
    op.create_table(
        "sign_in_population",
        sa.Column("feature", sa.String(length=12), nullable=False),
        sa.Column("value", sa.String(length=80), nullable=False),
        sa.Column("logins", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feature", "value", name=op.f("pk_sign_in_population")),
        schema="identity",
    )

    op.add_column(
        "audit_entries", sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        schema="platform",
    )  # fmt: skip
    for column in (
        sa.Column("actor_role", sa.String(length=20), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("purpose", sa.String(length=40), nullable=True),
        sa.Column("outcome", sa.String(length=20), server_default="done", nullable=False),
        sa.Column("address", sa.String(length=45), nullable=True),
    ):
        op.add_column("audit_entries", column, schema="platform")
    op.create_unique_constraint(op.f("uq_audit_entries_sequence"), "audit_entries", ["sequence"], schema="platform")
    op.create_index("ix_audit_entries_subject", "audit_entries", ["subject_id", "sequence"], schema="platform")
    op.create_index("ix_audit_entries_actor", "audit_entries", ["actor_id", "sequence"], schema="platform")
    op.create_index("ix_audit_entries_action", "audit_entries", ["action", "sequence"], schema="platform")
    op.execute(
        """
        create trigger not_emptied before truncate on platform.audit_entries
            for each statement execute function platform.refuse_change();
        -- What a seal is computed over: every column, each where it is, whatever its text contains.
        create function platform.audit_bytes(entry platform.audit_entries) returns bytea language sql stable as $$
            select convert_to(jsonb_build_array(
                entry.sequence, entry.id, (extract(epoch from entry.occurred_at) * 1000000)::bigint, entry.actor_id,
                entry.actor_role, entry.action, entry.object_type, entry.object_id, entry.subject_id, entry.purpose,
                entry.outcome, entry.address, entry.traceparent, entry.details)::text, 'UTF8')
        $$;
        -- With the rights of its owner: compliance learns what to call people, and nothing else of identity.
        create view compliance.people as select id as account_id, display_name, role from identity.accounts;
        """
    )


def downgrade() -> None:
    op.drop_column("pending_sign_ins", "attempt_id", schema="identity")
    op.execute(
        """drop view compliance.people; drop function platform.audit_bytes(platform.audit_entries);
           drop trigger not_emptied on platform.audit_entries"""
    )
    for name in ("action", "actor", "subject"):
        op.drop_index(f"ix_audit_entries_{name}", table_name="audit_entries", schema="platform")
    op.drop_constraint(op.f("uq_audit_entries_sequence"), "audit_entries", schema="platform")
    for column in ("address", "outcome", "purpose", "subject_id", "actor_role", "sequence"):
        op.drop_column("audit_entries", column, schema="platform")
    op.drop_table("sign_in_population", schema="identity")
    op.drop_table("sign_in_attempts", schema="identity")
