"""Collections of what is not owed after all.

Only widens: a version before this one writes none of the new word.
"""

from alembic import op

revision = "0058_owed_and_won"
down_revision = "0056_measured_otherwise"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table commerce.collections drop constraint ck_collections_status,
            add constraint ck_collections_status
                check (status in ('due', 'retrying', 'stopped', 'paid', 'credited', 'given_up')) not valid;
        alter table commerce.collections validate constraint ck_collections_status;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        update commerce.collections set status = 'paid' where status = 'credited';
        alter table commerce.collections drop constraint ck_collections_status,
            add constraint ck_collections_status check (status in ('due', 'retrying', 'stopped', 'paid', 'given_up'));
        """
    )
