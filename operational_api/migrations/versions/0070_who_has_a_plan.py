"""Who has a plan or will go on to it, and clients by a part of their name, without reading everybody.

Only indexes.
"""

from alembic import op

revision = "0070_who_has_a_plan"
down_revision = "0069_digests"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create index ix_subscriptions_plan_id on commerce.subscriptions (plan_id, status);
        create index ix_subscriptions_next_price_id on commerce.subscriptions (next_price_id)
            where next_price_id is not null;
        create index ix_session_packs_plan_id on commerce.session_packs (plan_id);
        create index ix_clients_name_trigrams on training.clients using gin (display_name gin_trgm_ops);
        """
    )


def downgrade() -> None:
    op.execute(
        """
        drop index training.ix_clients_name_trigrams;
        drop index commerce.ix_session_packs_plan_id, commerce.ix_subscriptions_next_price_id;
        drop index commerce.ix_subscriptions_plan_id;
        """
    )
