"""Signing keys that rotate, and ways in by another provider."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020_keys_and_logins"
down_revision = "0019_audiences"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("public", postgresql.JSONB(), nullable=False),
        sa.Column("sealed_private", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("active_from", TIME, nullable=False),
        sa.Column("withdrawn_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_keys")),
        schema="identity",
    )
    op.create_table(
        "linked_logins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_linked_logins")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_linked_logins_issuer_subject")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["identity.accounts.id"], name=op.f("fk_linked_logins_account_id"), ondelete="CASCADE"
        ),
        schema="identity",
    )
    op.create_index(op.f("ix_linked_logins_account_id"), "linked_logins", ["account_id"], schema="identity")


def downgrade() -> None:
    op.drop_table("linked_logins", schema="identity")
    op.drop_table("signing_keys", schema="identity")
