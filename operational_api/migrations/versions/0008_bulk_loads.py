"""A marker for loads too large for one transaction, so that half of one is never taken for the whole."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008_bulk_loads"
down_revision = "0007_automation"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bulk_loads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_loads")),
        schema="platform",
    )


def downgrade() -> None:
    op.drop_table("bulk_loads", schema="platform")
