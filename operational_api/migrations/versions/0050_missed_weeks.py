"""Of whom a week without training was announced: the Monday of the last one, so that none is announced twice.

Only widens: a version before this one announces none.
"""

from alembic import op

revision = "0050_missed_weeks"
down_revision = "0044_series_go_on"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table training.clients add missed_week_of date")


def downgrade() -> None:
    op.execute("alter table training.clients drop missed_week_of")
