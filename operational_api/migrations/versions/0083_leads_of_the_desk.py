"""Leads as the desk reads them: who waits, the latest first, and by name.

Only widens.
"""

from alembic import op

revision = "0083_leads_of_the_desk"
down_revision = "0082_cancelled_announcements"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create index ix_leads_created_at on engagement.leads (created_at, id);
        create index ix_leads_waiting on engagement.leads (created_at, id)
            where converted_at is null and lost_at is null;
        create index ix_leads_lost on engagement.leads (created_at, id) where lost_at is not null and email <> '';
        create index ix_leads_name_trigrams on engagement.leads using gin (lower(name) gin_trgm_ops)
        """
    )


def downgrade() -> None:
    op.execute(
        """
        drop index engagement.ix_leads_created_at, engagement.ix_leads_waiting, engagement.ix_leads_lost,
            engagement.ix_leads_name_trigrams
        """
    )
