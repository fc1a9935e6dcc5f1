"""Which payments to coaches were noted at once, so that they can be taken back at once.

Only widens: a version before this one notes each alone.
"""

from alembic import op

revision = "0076_payouts_at_once"
down_revision = "0075_commission_payouts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table commerce.commission_payouts add column batch_id uuid;
        create index ix_commission_payouts_batch_id on commerce.commission_payouts (batch_id)
            where batch_id is not null;
        """
    )


def downgrade() -> None:
    op.execute("alter table commerce.commission_payouts drop column batch_id")
