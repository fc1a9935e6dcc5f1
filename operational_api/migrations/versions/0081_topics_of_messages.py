"""Under which topic a message may have left by a provider that puts a copy in the place of the first.

Only widens: a version before this one hands a message over without, under its own id.
"""

from alembic import op

revision = "0081_topics_of_messages"
down_revision = "0080_evidence_of_disputes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table engagement.outgoing_emails add column topic uuid")


def downgrade() -> None:
    op.execute("alter table engagement.outgoing_emails drop column topic")
