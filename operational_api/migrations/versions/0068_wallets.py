"""Wallets: money paid or given beforehand, and top-ups among what is sold.

Only widens: a version before this one sells no top-up and pays nothing out of a wallet.
"""

from alembic import op

revision = "0068_wallets"
down_revision = "0067_inbox"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table commerce.plans drop constraint ck_plans_kind;
        alter table commerce.plans add constraint ck_plans_kind
            check (kind in ('membership', 'pack', 'drop_in', 'intro', 'top_up'));
        create table commerce.wallets (
            id uuid not null,
            customer_id uuid not null,
            currency varchar(3) not null,
            balance_minor bigint default 0 not null,
            opened_at timestamptz not null,
            constraint pk_wallets primary key (id),
            constraint ck_wallets_not_overdrawn check (balance_minor >= 0),
            constraint uq_wallets_customer_id_currency unique (customer_id, currency),
            constraint fk_wallets_customer_id foreign key (customer_id) references commerce.customers (id)
        );
        create table commerce.wallet_credits (
            id uuid not null,
            wallet_id uuid not null,
            customer_id uuid not null,
            kind varchar(20) not null,
            amount_minor bigint not null,
            left_minor bigint not null,
            currency varchar(3) not null,
            invoice_id uuid,
            reason varchar,
            given_by uuid,
            expires_at timestamptz,
            made_at timestamptz not null,
            constraint pk_wallet_credits primary key (id),
            constraint ck_wallet_credits_kind check (kind in ('paid', 'gift')),
            constraint ck_wallet_credits_left_within check (amount_minor > 0 and left_minor between 0 and amount_minor),
            constraint ck_wallet_credits_of_its_kind check (
                (kind = 'paid') = (invoice_id is not null) and (kind = 'gift') = (reason is not null)
                and (kind = 'gift' or (expires_at is null and given_by is null))
            ),
            constraint uq_wallet_credits_invoice_id unique (invoice_id),
            constraint fk_wallet_credits_wallet_id foreign key (wallet_id) references commerce.wallets (id),
            constraint fk_wallet_credits_customer_id
                foreign key (customer_id) references commerce.customers (id),
            constraint fk_wallet_credits_invoice_id foreign key (invoice_id) references commerce.invoices (id)
        );
        create index ix_wallet_credits_customer_id on commerce.wallet_credits (customer_id);
        create index ix_wallet_credits_wallet_id on commerce.wallet_credits (wallet_id) where left_minor > 0;
        create index ix_wallet_credits_expires_at on commerce.wallet_credits (expires_at)
            where left_minor > 0 and expires_at is not null;
        create table commerce.wallet_movements (
            id uuid not null,
            credit_id uuid not null,
            customer_id uuid not null,
            kind varchar(20) not null,
            amount_minor bigint not null,
            currency varchar(3) not null,
            payment_id uuid,
            refund_id uuid,
            moved_at timestamptz not null,
            constraint pk_wallet_movements primary key (id),
            constraint ck_wallet_movements_kind check (
                kind in ('topped_up', 'given', 'spent', 'returned', 'refunded', 'disputed', 'expired')
            ),
            constraint ck_wallet_movements_direction check (
                (kind in ('topped_up', 'given', 'returned')) = (amount_minor > 0)
            ),
            constraint ck_wallet_movements_of_payment check (
                (kind in ('spent', 'returned')) = (payment_id is not null)
            ),
            constraint fk_wallet_movements_credit_id
                foreign key (credit_id) references commerce.wallet_credits (id),
            constraint fk_wallet_movements_payment_id
                foreign key (payment_id) references commerce.payments (id),
            constraint fk_wallet_movements_refund_id foreign key (refund_id) references commerce.refunds (id)
        );
        create index ix_wallet_movements_credit_id on commerce.wallet_movements (credit_id);
        create index ix_wallet_movements_customer_id on commerce.wallet_movements (customer_id, moved_at);
        create index ix_wallet_movements_payment_id on commerce.wallet_movements (payment_id)
            where payment_id is not null;
        create trigger append_only before update or delete on commerce.wallet_movements
            for each row execute function platform.refuse_change();
        create trigger not_emptied before truncate on commerce.wallet_movements
            for each statement execute function platform.refuse_change();
        """
    )


def downgrade() -> None:
    op.execute(
        """
        drop table commerce.wallet_movements;
        drop table commerce.wallet_credits;
        drop table commerce.wallets;
        delete from commerce.plan_prices where plan_id in (select id from commerce.plans where kind = 'top_up')
            and not exists (select from commerce.checkout_sessions c where c.price_id = plan_prices.id);
        update commerce.plans set kind = 'pack', is_active = false where kind = 'top_up';
        alter table commerce.plans drop constraint ck_plans_kind;
        alter table commerce.plans add constraint ck_plans_kind
            check (kind in ('membership', 'pack', 'drop_in', 'intro'));
        """
    )
