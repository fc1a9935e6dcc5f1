"""An index for word of messages that waits to leave, and the language in which a browser's person reads the app.

Only widens.
"""

import sqlalchemy as sa
from alembic import op

revision = "0042_word_and_language"
down_revision = "0041_days_of_studios"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "create index ix_outgoing_emails_waiting on engagement.outgoing_emails (customer_id, template)"
        " where status = 'queued'"
    )
    op.add_column("web_sessions", sa.Column("language", sa.String(5), nullable=True), schema="platform")


def downgrade() -> None:
    op.drop_column("web_sessions", "language", schema="platform")
    op.execute("drop index engagement.ix_outgoing_emails_waiting")
