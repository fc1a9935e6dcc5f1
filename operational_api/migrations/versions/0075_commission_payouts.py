"""That a coach was paid what a statement says, or a part of it, and what of that was taken back.

Only widens: a version before this one closes pay periods, and shows none of them as paid.
"""

from alembic import op

revision = "0075_commission_payouts"
down_revision = "0074_class_notices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table commerce.commission_payouts (
            id uuid not null,
            statement_id uuid not null,
            coach_id uuid not null,
            currency varchar(3) not null,
            amount_minor bigint not null,
            paid_on date not null,
            reference varchar(140),
            reverses_id uuid,
            reason varchar(500),
            recorded_by uuid not null,
            recorded_at timestamptz not null,
            constraint pk_commission_payouts primary key (id),
            constraint uq_commission_payouts_reverses_id unique (reverses_id),
            constraint ck_commission_payouts_direction check (
                amount_minor <> 0 and (reverses_id is null) = (amount_minor > 0)
            ),
            constraint ck_commission_payouts_reversed check (
                (reverses_id is null) = (reason is null) and (reverses_id is null or reference is null)
            ),
            constraint ck_commission_payouts_not_ones_own check (recorded_by <> coach_id),
            constraint fk_commission_payouts_statement_id foreign key (statement_id)
                references commerce.commission_statements (id),
            constraint fk_commission_payouts_reverses_id foreign key (reverses_id)
                references commerce.commission_payouts (id)
        );
        create index ix_commission_payouts_statement_id on commerce.commission_payouts (statement_id);
        create index ix_commission_payouts_coach_id on commerce.commission_payouts (coach_id);
        create trigger append_only before update or delete on commerce.commission_payouts
            for each row execute function platform.refuse_change();
        create trigger not_emptied before truncate on commerce.commission_payouts
            for each statement execute function platform.refuse_change();
        """
    )


def downgrade() -> None:
    op.execute("drop table commerce.commission_payouts")
