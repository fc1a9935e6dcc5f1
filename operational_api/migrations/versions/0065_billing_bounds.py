"""Invoices and customers that wait for a person, charges and credits that somebody settled by hand, and until when
members were told of the renewal of their year.

Expands only: nothing that waits now is settled or parked by this, and the version before invoices it as before.
"""

from alembic import op

revision = "0065_billing_bounds"
down_revision = "0063_messages_in_doubt"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table commerce.customers
            add parked_at timestamptz,
            add parked_reason varchar(20),
            add books_off_minor bigint not null default 0,
            add constraint ck_customers_parked check ((parked_at is null) = (parked_reason is null));
        create index ix_customers_parked_at on commerce.customers (parked_at) where parked_at is not null;
        create table commerce.parked_invoices (
            id uuid not null constraint pk_parked_invoices primary key,
            customer_id uuid not null constraint fk_parked_invoices_customer_id references commerce.customers (id),
            payer_id uuid constraint fk_parked_invoices_payer_id references commerce.customers (id),
            subscription_id uuid
                constraint fk_parked_invoices_subscription_id references commerce.subscriptions (id),
            reason varchar(20) not null,
            currency varchar(3) not null,
            total_minor bigint not null,
            line_count integer not null,
            status varchar(20) not null default 'waiting',
            parked_at timestamptz not null,
            decided_by uuid,
            decided_at timestamptz,
            decision_reason varchar,
            invoice_id uuid constraint fk_parked_invoices_invoice_id references commerce.invoices (id),
            constraint ck_parked_invoices_reason
                check (reason in ('too_large', 'negative', 'too_many_lines', 'charged_twice')),
            constraint ck_parked_invoices_status check (status in ('waiting', 'approved', 'voided')),
            constraint ck_parked_invoices_decided check ((status = 'waiting') = (decided_at is null)),
            constraint ck_parked_invoices_invoiced check ((status = 'approved') = (invoice_id is not null)),
            constraint uq_parked_invoices_invoice_id unique (invoice_id)
        );
        create index ix_parked_invoices_customer_id on commerce.parked_invoices (customer_id);
        create index ix_parked_invoices_payer_id on commerce.parked_invoices (payer_id);
        create index ix_parked_invoices_subscription_id on commerce.parked_invoices (subscription_id);
        create index ix_parked_invoices_waiting on commerce.parked_invoices (parked_at) where status = 'waiting';
        alter table commerce.billing_items
            add parked_id uuid constraint fk_billing_items_parked_id references commerce.parked_invoices (id),
            add settled_as varchar(20),
            add settled_at timestamptz,
            add settled_by uuid,
            add settled_reason varchar,
            add constraint ck_billing_items_settled_as
                check (settled_as in ('paid_outside', 'written_off', 'waived', 'voided', 'too_small')),
            add constraint ck_billing_items_settled check (
                (settled_as is null) = (settled_at is null) and (settled_as is null) = (settled_reason is null)
                and (settled_as is null or (invoice_id is null and refund_id is null and parked_id is null))
            ),
            add constraint ck_billing_items_parked check (parked_id is null or (invoice_id is null and refund_id is null));
        create index ix_billing_items_parked_id on commerce.billing_items (parked_id) where parked_id is not null;
        alter table commerce.subscriptions add renewal_told_at timestamptz;
        create index ix_billing_items_settled_at on commerce.billing_items (settled_at) where settled_at is not null;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        alter table commerce.subscriptions drop renewal_told_at;
        delete from commerce.billing_items where settled_as is not null;
        alter table commerce.billing_items
            drop constraint ck_billing_items_parked, drop constraint ck_billing_items_settled,
            drop constraint ck_billing_items_settled_as,
            drop parked_id, drop settled_as, drop settled_at, drop settled_by, drop settled_reason;
        drop table commerce.parked_invoices;
        alter table commerce.customers
            drop constraint ck_customers_parked, drop parked_at, drop parked_reason, drop books_off_minor;
        """
    )
