"""A coach's sessions have a length, and a buffer between them that really spaces slots."""

import sqlalchemy as sa
from alembic import op

revision = "0012_session_length"
down_revision = "0011_sign_in"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "coaches",
        sa.Column("session_minutes", sa.SmallInteger(), server_default="60", nullable=False),
        schema="scheduling",
    )
    op.add_column(
        "coaches",
        sa.Column("buffer_minutes", sa.SmallInteger(), server_default="0", nullable=False),
        schema="scheduling",
    )
    op.create_check_constraint(
        op.f("ck_coaches_session_length"),
        "coaches",
        "session_minutes between 15 and 240 and buffer_minutes between 0 and 120",
        schema="scheduling",
    )


def downgrade() -> None:
    op.drop_column("coaches", "buffer_minutes", schema="scheduling")
    op.drop_column("coaches", "session_minutes", schema="scheduling")
