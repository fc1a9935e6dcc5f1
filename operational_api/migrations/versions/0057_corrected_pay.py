"""What coaches earned by sessions whose money was given back afterwards is corrected in the next pay period; commerce
sees which accounts are closed.

Only widens: a version before this one closes pay periods without corrections, which wait for the next statement.
"""

from alembic import op

revision = "0057_corrected_pay"
down_revision = "0056_measured_otherwise"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table commerce.commission_corrections (
            id uuid not null,
            booking_id uuid not null,
            coach_id uuid not null,
            currency varchar(3) not null,
            source_type varchar(20) not null,
            source_id uuid not null,
            before_minor bigint not null,
            revenue_minor bigint not null,
            noted_on date not null,
            noted_at timestamptz not null,
            statement_id uuid,
            constraint pk_commission_corrections primary key (id),
            constraint ck_commission_corrections_source_type check (source_type in ('refund', 'dispute')),
            constraint ck_commission_corrections_changes check (
                revenue_minor <> 0 and before_minor >= 0 and before_minor + revenue_minor >= 0
            ),
            constraint fk_commission_corrections_booking_id foreign key (booking_id)
                references commerce.delivered_sessions (booking_id),
            constraint fk_commission_corrections_statement_id foreign key (statement_id)
                references commerce.commission_statements (id)
        );
        create index ix_commission_corrections_booking_id on commerce.commission_corrections (booking_id);
        create index ix_commission_corrections_statement_id on commerce.commission_corrections (statement_id);
        create trigger append_only before delete or update of id, booking_id, coach_id, currency, source_type,
            source_id, before_minor, revenue_minor, noted_on, noted_at on commerce.commission_corrections
            for each row execute function platform.refuse_change();
        create trigger not_emptied before truncate on commerce.commission_corrections
            for each statement execute function platform.refuse_change();
        alter table commerce.commission_statements
            add corrections integer not null default 0,
            add corrected_minor bigint not null default 0,
            add constraint ck_commission_statements_total
                check (total_minor = session_pay_minor + pack_pay_minor + corrected_minor) not valid;
        alter table commerce.commission_statements validate constraint ck_commission_statements_total;
        create or replace view commerce.people as with found as (
            select id as account_id, display_name, time_zone, disabled_at is null as is_open from identity.accounts
        ) select * from found;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        drop view commerce.people;
        create view commerce.people as with found as (
            select id as account_id, display_name, time_zone from identity.accounts) select * from found;
        drop table commerce.commission_corrections;
        alter table commerce.commission_statements drop constraint ck_commission_statements_total, drop corrections,
            drop corrected_minor;
        """
    )
