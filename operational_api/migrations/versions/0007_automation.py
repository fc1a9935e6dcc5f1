"""Tables of automation."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007_automation"
down_revision = "0006_engagement"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create schema if not exists automation")
    op.create_table(
        "churn_scores",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("coach_id", sa.Uuid(), nullable=True),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("probability", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("probability between 0 and 1", name=op.f("ck_churn_scores_probability")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_churn_scores")),
        schema="automation",
    )
    op.create_index(op.f("ix_churn_scores_coach_id"), "churn_scores", ["coach_id"], unique=False, schema="automation")
    op.create_index(
        "uq_churn_scores_once",
        "churn_scores",
        ["customer_id", "model_id", "scored_at"],
        unique=True,
        schema="automation",
    )
    op.create_table(
        "rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("trigger", sa.String(length=30), nullable=False),
        sa.Column("condition", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("action", sa.String(length=30), nullable=False),
        sa.Column("message_template", sa.String(), nullable=False),
        sa.Column("holdout_percent", sa.SmallInteger(), server_default="20", nullable=False),
        sa.Column("cooldown_days", sa.SmallInteger(), server_default="30", nullable=False),
        sa.Column("outcome_days", sa.SmallInteger(), server_default="14", nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("holdout_percent between 0 and 90", name=op.f("ck_rules_holdout_percent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rules")),
        sa.UniqueConstraint("code", name=op.f("uq_rules_code")),
        schema="automation",
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("coach_id", sa.Uuid(), nullable=True),
        sa.Column("score_id", sa.Uuid(), nullable=True),
        sa.Column("arm", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("suggested_message", sa.String(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("dismiss_reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["rule_id"], ["automation.rules.id"], name=op.f("fk_runs_rule_id")),
        sa.ForeignKeyConstraint(["score_id"], ["automation.churn_scores.id"], name=op.f("fk_runs_score_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        schema="automation",
    )
    op.create_index(
        "ix_runs_coach_open",
        "runs",
        ["coach_id"],
        unique=False,
        schema="automation",
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index(op.f("ix_runs_customer_id"), "runs", ["customer_id"], unique=False, schema="automation")
    op.create_index(
        "uq_runs_one_open",
        "runs",
        ["rule_id", "customer_id"],
        unique=True,
        schema="automation",
        postgresql_where=sa.text("status = 'open'"),
    )


def downgrade() -> None:
    op.drop_index(
        "uq_runs_one_open", table_name="runs", schema="automation", postgresql_where=sa.text("status = 'open'")
    )
    op.drop_index(op.f("ix_runs_customer_id"), table_name="runs", schema="automation")
    op.drop_index(
        "ix_runs_coach_open", table_name="runs", schema="automation", postgresql_where=sa.text("status = 'open'")
    )
    op.drop_table("runs", schema="automation")
    op.drop_table("rules", schema="automation")
    op.drop_index("uq_churn_scores_once", table_name="churn_scores", schema="automation")
    op.drop_index(op.f("ix_churn_scores_coach_id"), table_name="churn_scores", schema="automation")
    op.drop_table("churn_scores", schema="automation")
    op.execute("drop schema automation")
