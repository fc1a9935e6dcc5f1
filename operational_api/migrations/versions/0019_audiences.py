"""Whom a client's tokens are for. What is registered already keeps tokens for the API until it is registered again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019_audiences"
down_revision = "0018_roles_and_row_security"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "oauth_clients",
        sa.Column("audiences", postgresql.ARRAY(sa.String()), server_default=sa.text("'{plyo-api}'"), nullable=False),
        schema="identity",
    )


def downgrade() -> None:
    op.drop_column("oauth_clients", "audiences", schema="identity")
