"""Collections of what is not owed after all, disputes that are won in part, and how far a coupon's last month goes.

Only widens: a version before this one writes none of the new word, its wins are of all, and its coupons end with their
last charge of a whole period.
"""

from alembic import op

revision = "0058_owed_and_won"
down_revision = "0057_corrected_pay"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table commerce.collections drop constraint ck_collections_status,
            add constraint ck_collections_status
                check (status in ('due', 'retrying', 'stopped', 'paid', 'credited', 'given_up')) not valid;
        alter table commerce.collections validate constraint ck_collections_status;
        alter table commerce.disputes add returned_minor bigint;
        alter table commerce.coupon_redemptions add covers_until date;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        alter table commerce.coupon_redemptions drop covers_until;
        alter table commerce.disputes drop returned_minor;
        update commerce.collections set status = 'paid' where status = 'credited';
        alter table commerce.collections drop constraint ck_collections_status,
            add constraint ck_collections_status check (status in ('due', 'retrying', 'stopped', 'paid', 'given_up'));
        """
    )
