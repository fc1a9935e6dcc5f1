"""Wallets: what no bank gives back of a top-up is settled by hand, with a reason and by whom; whose gift runs out soon
is told once; what a bank took of a top-up and gives back is in the wallet again.

Only widens: a version before this one makes none of the new movements.
"""

from alembic import op

revision = "0071_settled_top_ups"
down_revision = "0070_who_has_a_plan"
branch_labels = None
depends_on = None
_BEFORE = "'topped_up', 'given', 'spent', 'returned', 'refunded', 'disputed', 'expired'"


def upgrade() -> None:
    op.execute(
        f"""
        alter table commerce.wallet_credits add column end_told_at timestamptz;
        alter table commerce.wallet_movements
            add column reason varchar,
            add column made_by uuid,
            drop constraint ck_wallet_movements_kind,
            drop constraint ck_wallet_movements_direction,
            add constraint ck_wallet_movements_kind
                check (kind in ({_BEFORE}, 'paid_outside', 'written_off', 'restored', 'reinstated')),
            add constraint ck_wallet_movements_direction
                check ((kind in ('topped_up', 'given', 'returned', 'restored', 'reinstated')) = (amount_minor > 0)),
            add constraint ck_wallet_movements_by_hand check (
                (kind in ('paid_outside', 'written_off')) = (reason is not null)
                and (kind in ('paid_outside', 'written_off', 'restored')) = (made_by is not null)
            );
        create index ix_wallet_movements_moved_at on commerce.wallet_movements (moved_at) where made_by is not null;
        """
    )


def downgrade() -> None:
    op.execute(
        f"""
        drop index commerce.ix_wallet_movements_moved_at;
        alter table commerce.wallet_movements
            drop constraint ck_wallet_movements_by_hand,
            drop constraint ck_wallet_movements_direction,
            drop constraint ck_wallet_movements_kind,
            add constraint ck_wallet_movements_kind check (kind in ({_BEFORE})) not valid,
            add constraint ck_wallet_movements_direction
                check ((kind in ('topped_up', 'given', 'returned')) = (amount_minor > 0)) not valid,
            drop column made_by,
            drop column reason;
        alter table commerce.wallet_credits drop column end_told_at;
        """
    )
