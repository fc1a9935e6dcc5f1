"""Which payments to coaches were noted at once, so that they can be taken back at once; and what a coach earns by class
that they assist.

Only widens: a version before this one notes each alone, and pays nobody by class; what it closes leaves classes to the
next statement.
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
        alter table commerce.commission_rates add column per_class_minor bigint not null default 0;
        alter table commerce.commission_rates add constraint ck_commission_rates_class check (per_class_minor >= 0);
        alter table commerce.commission_statements
            add column classes integer not null default 0,
            add column class_pay_minor bigint not null default 0,
            drop constraint ck_commission_statements_total,
            add constraint ck_commission_statements_total check (
                total_minor = session_pay_minor + class_pay_minor + pack_pay_minor + corrected_minor
            );
        create table commerce.assisted_classes (
            id uuid not null,
            class_id uuid not null,
            coach_id uuid not null,
            currency varchar(3) not null,
            held_on date not null,
            noted_at timestamptz not null,
            statement_id uuid,
            constraint pk_assisted_classes primary key (id),
            constraint uq_assisted_classes_class_id_coach_id unique (class_id, coach_id),
            constraint fk_assisted_classes_statement_id foreign key (statement_id)
                references commerce.commission_statements (id)
        );
        create index ix_assisted_classes_statement_id on commerce.assisted_classes (statement_id);
        create index ix_assisted_classes_open on commerce.assisted_classes (coach_id, held_on)
            where statement_id is null;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        drop table commerce.assisted_classes;
        alter table commerce.commission_statements
            drop constraint ck_commission_statements_total,
            drop column classes,
            drop column class_pay_minor,
            add constraint ck_commission_statements_total check (
                total_minor = session_pay_minor + pack_pay_minor + corrected_minor
            );
        alter table commerce.commission_rates drop column per_class_minor;
        alter table commerce.commission_payouts drop column batch_id;
        """
    )
