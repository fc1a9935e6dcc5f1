"""Messages that are undecided are found by an index: by whom they are to, and for those who settle them.

Only widens: `status` has a further value, which the version before leaves alone.
"""

from alembic import op

revision = "0063_messages_in_doubt"
down_revision = "0062_whose_it_is"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create index ix_outgoing_emails_undecided on engagement.outgoing_emails (customer_id, in_doubt_since)
            where status = 'undecided';
        """
    )


def downgrade() -> None:
    op.execute(
        """
        update engagement.outgoing_emails set status = 'failed', reason = 'undecided' where status = 'undecided';
        drop index engagement.ix_outgoing_emails_undecided;
        """
    )
