"""When what had not left of an announcement was taken back, and to how many.

Only widens.
"""

from alembic import op

revision = "0082_cancelled_announcements"
down_revision = "0081_topics_of_messages"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table engagement.announcements
            add column cancelled_at timestamptz, add column called_off integer not null default 0
        """
    )


def downgrade() -> None:
    op.execute("alter table engagement.announcements drop column cancelled_at, drop column called_off")
