"""Whose a charge or a credit is that waits for an invoice, where a credit went, and what a plan gives back; in which
currency a provider's books are where ours are in another; how many months of a coupon a period took.

Expands only: what waits now is of who pays now, what is on an invoice of who that was for. Before this, whoever paid
next got it.
"""

from alembic import op

revision = "0062_whose_it_is"
down_revision = "0060_held_for_a_time"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table commerce.billing_items
            add payer_id uuid constraint fk_billing_items_payer_id references commerce.customers (id),
            add refund_id uuid constraint fk_billing_items_refund_id references commerce.refunds (id),
            add constraint ck_billing_items_used_once check (invoice_id is null or refund_id is null);
        create index ix_billing_items_payer_id on commerce.billing_items (payer_id) where payer_id is not null;
        create index ix_billing_items_refund_id on commerce.billing_items (refund_id) where refund_id is not null;
        create index ix_billing_items_credits on commerce.billing_items (made_at)
            where kind = 'unused' and invoice_id is null and refund_id is null;
        update commerce.billing_items as item set payer_id = customer.payer_id
        from commerce.customers as customer
        where customer.id = item.customer_id and item.invoice_id is null and customer.payer_id is not null;
        update commerce.billing_items as item set payer_id = invoice.payer_id
        from commerce.invoices as invoice where invoice.id = item.invoice_id and invoice.payer_id is not null;
        alter table commerce.plans
            add days_left varchar(20) not null default 'refund',
            add constraint ck_plans_days_left check (days_left in ('refund', 'credit', 'forfeit'));
        alter table commerce.reconciliation_findings add theirs_currency varchar(3);
        alter table commerce.coupon_redemptions add counted_months smallint;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        alter table commerce.coupon_redemptions drop counted_months;
        alter table commerce.reconciliation_findings drop theirs_currency;
        alter table commerce.plans drop days_left;
        alter table commerce.billing_items drop constraint ck_billing_items_used_once, drop payer_id, drop refund_id;
        """
    )
