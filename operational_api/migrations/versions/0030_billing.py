"""Memberships that we bill ourselves: items, lines, numbers, credit notes, collection, coupons, payers, commission.

Only widens: a version before this one writes what it wrote. What was issued cannot be changed or deleted any more.
"""

from alembic import op

revision = "0030_billing"
down_revision = "0029_channels"
branch_labels = None
depends_on = None

TABLES = """
create table commerce.number_series (
    series varchar(20) not null,
    last_number integer default '0' not null,
    constraint pk_number_series primary key (series)
);
create table commerce.billing_items (
    id uuid not null,
    origin_id uuid not null,
    customer_id uuid not null,
    subscription_id uuid,
    kind varchar(20) not null,
    description varchar not null,
    amount_minor bigint not null,
    tax_minor bigint not null,
    tax_rate_bp smallint not null,
    currency varchar(3) not null,
    starts_on date,
    ends_on date,
    made_at timestamptz not null,
    invoice_id uuid,
    constraint pk_billing_items primary key (id),
    constraint ck_billing_items_kind check (kind in ('membership', 'unused', 'discount', 'drop_in', 'pack', 'fee')),
    constraint fk_billing_items_customer_id foreign key (customer_id) references commerce.customers (id),
    constraint fk_billing_items_subscription_id foreign key (subscription_id)
        references commerce.subscriptions (id),
    constraint fk_billing_items_invoice_id foreign key (invoice_id) references commerce.invoices (id)
);
create index ix_billing_items_invoice_id on commerce.billing_items (invoice_id);
create index ix_billing_items_subscription_id on commerce.billing_items (subscription_id);
create index ix_billing_items_waiting on commerce.billing_items (customer_id) where invoice_id is null;
create table commerce.invoice_lines (
    id uuid not null,
    invoice_id uuid not null,
    position smallint not null,
    kind varchar(20) not null,
    description varchar not null,
    amount_minor bigint not null,
    tax_minor bigint not null,
    tax_rate_bp smallint not null,
    currency varchar(3) not null,
    starts_on date,
    ends_on date,
    constraint pk_invoice_lines primary key (id),
    constraint uq_invoice_lines_invoice_id_position unique (invoice_id, position),
    constraint fk_invoice_lines_invoice_id foreign key (invoice_id) references commerce.invoices (id)
);
create table commerce.credit_notes (
    id uuid not null,
    number varchar not null,
    series varchar(20) not null,
    sequence integer not null,
    invoice_id uuid not null,
    customer_id uuid not null,
    refund_id uuid,
    settlement varchar(20) not null,
    amount_minor bigint not null,
    tax_minor bigint not null,
    currency varchar(3) not null,
    reason varchar not null,
    issued_at timestamptz not null,
    constraint pk_credit_notes primary key (id),
    constraint ck_credit_notes_amounts check (amount_minor > 0 and tax_minor between 0 and amount_minor),
    constraint ck_credit_notes_settlement check (settlement in ('refund', 'open')),
    constraint ck_credit_notes_refund_has_refund check ((settlement = 'refund') = (refund_id is not null)),
    constraint uq_credit_notes_series_sequence unique (series, sequence),
    constraint uq_credit_notes_number unique (number),
    constraint fk_credit_notes_invoice_id foreign key (invoice_id) references commerce.invoices (id),
    constraint fk_credit_notes_customer_id foreign key (customer_id) references commerce.customers (id),
    constraint uq_credit_notes_refund_id unique (refund_id),
    constraint fk_credit_notes_refund_id foreign key (refund_id) references commerce.refunds (id)
);
create index ix_credit_notes_customer_id on commerce.credit_notes (customer_id);
create index ix_credit_notes_invoice_id on commerce.credit_notes (invoice_id);
create table commerce.collections (
    invoice_id uuid not null,
    customer_id uuid not null,
    payer_id uuid not null,
    status varchar(20) default 'due' not null,
    attempts smallint default '0' not null,
    next_attempt_at timestamptz,
    last_failure_code varchar,
    started_at timestamptz not null,
    ended_at timestamptz,
    constraint pk_collections primary key (invoice_id),
    constraint ck_collections_status check (status in ('due', 'retrying', 'stopped', 'paid', 'given_up')),
    constraint ck_collections_open_has_next check ((status in ('due', 'retrying', 'stopped')) = (next_attempt_at is not null)),
    constraint fk_collections_invoice_id foreign key (invoice_id) references commerce.invoices (id),
    constraint fk_collections_customer_id foreign key (customer_id) references commerce.customers (id),
    constraint fk_collections_payer_id foreign key (payer_id) references commerce.customers (id)
);
create index ix_collections_customer_id on commerce.collections (customer_id);
create index ix_collections_due on commerce.collections (next_attempt_at) where next_attempt_at is not null;
create index ix_collections_payer_id on commerce.collections (payer_id);
create table commerce.coupons (
    id uuid not null,
    code varchar(40) not null,
    kind varchar(20) not null,
    percent_bp smallint,
    amount_minor bigint,
    currency varchar(3),
    duration varchar(20) not null,
    duration_months smallint,
    max_redemptions integer,
    redeemed_count integer default '0' not null,
    expires_at timestamptz,
    is_active boolean default true not null,
    created_at timestamptz default now() not null,
    created_by uuid,
    constraint pk_coupons primary key (id),
    constraint ck_coupons_code_upper check (code = upper(code)),
    constraint ck_coupons_worth check (
        (kind = 'percent' and percent_bp between 1 and 10000 and amount_minor is null and currency is null)
        or (kind = 'amount' and percent_bp is null and amount_minor > 0 and currency is not null)),
    constraint ck_coupons_duration check (duration in ('once', 'months', 'forever')),
    constraint ck_coupons_months check ((duration = 'months') = (duration_months is not null)),
    constraint ck_coupons_not_redeemed_too_often check (redeemed_count <= max_redemptions),
    constraint uq_coupons_code unique (code)
);
create table commerce.coupon_redemptions (
    id uuid not null,
    coupon_id uuid not null,
    customer_id uuid not null,
    subscription_id uuid not null,
    months_left smallint,
    redeemed_at timestamptz not null,
    constraint pk_coupon_redemptions primary key (id),
    constraint uq_coupon_redemptions_coupon_id_customer_id unique (coupon_id, customer_id),
    constraint fk_coupon_redemptions_coupon_id foreign key (coupon_id) references commerce.coupons (id),
    constraint fk_coupon_redemptions_customer_id foreign key (customer_id) references commerce.customers (id),
    constraint fk_coupon_redemptions_subscription_id foreign key (subscription_id)
        references commerce.subscriptions (id)
);
create index ix_coupon_redemptions_customer_id on commerce.coupon_redemptions (customer_id);
create index ix_coupon_redemptions_subscription_id on commerce.coupon_redemptions (subscription_id);
create table commerce.commission_rates (
    id uuid not null,
    coach_id uuid not null,
    currency varchar(3) not null,
    per_session_minor bigint not null,
    pack_share_bp smallint not null,
    valid_from date not null,
    set_by uuid,
    set_at timestamptz not null,
    constraint pk_commission_rates primary key (id),
    constraint ck_commission_rates_within check (per_session_minor >= 0 and pack_share_bp between 0 and 10000),
    constraint uq_commission_rates_coach_id_currency_valid_from unique (coach_id, currency, valid_from)
);
create table commerce.commission_statements (
    id uuid not null,
    coach_id uuid not null,
    first_on date not null,
    last_on date not null,
    currency varchar(3) not null,
    sessions integer not null,
    pack_revenue_minor bigint not null,
    session_pay_minor bigint not null,
    pack_pay_minor bigint not null,
    total_minor bigint not null,
    closed_at timestamptz not null,
    closed_by uuid,
    constraint pk_commission_statements primary key (id),
    constraint ck_commission_statements_ends_after_start check (last_on >= first_on),
    constraint uq_commission_statements_coach_id_currency_first_on unique (coach_id, currency, first_on)
);
create table commerce.delivered_sessions (
    booking_id uuid not null,
    coach_id uuid not null,
    customer_id uuid not null,
    session_pack_id uuid,
    has_attended boolean not null,
    revenue_minor bigint default '0' not null,
    currency varchar(3) not null,
    delivered_at timestamptz not null,
    statement_id uuid,
    constraint pk_delivered_sessions primary key (booking_id),
    constraint fk_delivered_sessions_session_pack_id foreign key (session_pack_id)
        references commerce.session_packs (id),
    constraint fk_delivered_sessions_statement_id foreign key (statement_id)
        references commerce.commission_statements (id)
);
create index ix_delivered_sessions_coach on commerce.delivered_sessions (coach_id, delivered_at);
create index ix_delivered_sessions_session_pack_id on commerce.delivered_sessions (session_pack_id);
create index ix_delivered_sessions_statement_id on commerce.delivered_sessions (statement_id);
"""
COLUMNS = """
alter table commerce.plans drop constraint ck_plans_kind;
alter table commerce.plans add constraint ck_plans_kind check (kind in ('membership', 'pack', 'drop_in', 'intro'));
alter table commerce.customers
    add column payer_id uuid constraint fk_customers_payer_id references commerce.customers (id),
    add constraint ck_customers_payer_is_another check (payer_id <> id);
create index ix_customers_payer_id on commerce.customers (payer_id);
alter table commerce.subscriptions
    add column billed_by varchar(20) default 'provider' not null,
    add column time_zone varchar default 'UTC' not null,
    add column anchor_on date,
    add column resumes_on date,
    add column next_price_id uuid constraint fk_subscriptions_next_price_id references commerce.plan_prices (id),
    add column covered_from date,
    add column covered_until date,
    add column covered_minor bigint,
    add column covered_tax_minor bigint,
    add column next_step_at timestamptz,
    add constraint ck_subscriptions_billed_by check (billed_by in ('provider', 'plyo')),
    add constraint ck_subscriptions_paused_until check (resumes_on is null or status = 'paused');
create index ix_subscriptions_next_step on commerce.subscriptions (next_step_at)
    where billed_by = 'plyo' and next_step_at is not null;
alter table commerce.session_packs
    add column net_minor bigint,
    add column currency varchar(3),
    add column recognised_minor bigint default 0 not null,
    add constraint ck_session_packs_recognised check (recognised_minor between 0 and coalesce(net_minor, 0));
create index ix_session_packs_unrecognised on commerce.session_packs (expires_at)
    where recognised_minor < net_minor;
alter table commerce.invoices
    add column series varchar(20),
    add column sequence integer,
    add column payer_id uuid constraint fk_invoices_payer_id references commerce.customers (id),
    add constraint uq_invoices_series_sequence unique (series, sequence);
create index ix_invoices_payer_id on commerce.invoices (payer_id);
"""
TRIGGERS = """
create function commerce.refuse_issued_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and
       (old.id, old.number, old.series, old.sequence, old.customer_id, old.payer_id, old.subscription_id, old.currency,
        old.subtotal_minor, old.tax_minor, old.total_minor, old.period_start, old.period_end, old.issued_at)
       is not distinct from
       (new.id, new.number, new.series, new.sequence, new.customer_id, new.payer_id, new.subscription_id, new.currency,
        new.subtotal_minor, new.tax_minor, new.total_minor, new.period_start, new.period_end, new.issued_at) then
        return new;
    end if;
    raise exception 'invoice % was issued and stays as it is', old.number using errcode = 'PL003';
end $$;
create trigger issued_stays before update or delete on commerce.invoices
    for each row execute function commerce.refuse_issued_change();

create function commerce.lines_must_make_the_invoice() returns trigger language plpgsql as $$
declare
    wrong text;
begin
    select invoice.number into wrong
    from commerce.invoices as invoice
    join commerce.invoice_lines as line on line.invoice_id = invoice.id
    where invoice.id in (select distinct invoice_id from new_lines)
    group by invoice.id
    having sum(line.amount_minor) <> invoice.total_minor or sum(line.tax_minor) <> invoice.tax_minor
        or min(line.currency) <> invoice.currency or max(line.currency) <> invoice.currency
    limit 1;
    if wrong is not null then
        raise exception 'the lines of invoice % are not its total and tax', wrong using errcode = 'PL002';
    end if;
    return null;
end $$;
create trigger lines_must_make_the_invoice after insert on commerce.invoice_lines
    referencing new table as new_lines
    for each statement execute function commerce.lines_must_make_the_invoice();
create trigger append_only before update or delete on commerce.invoice_lines
    for each row execute function platform.refuse_change();
create trigger append_only before update or delete on commerce.credit_notes
    for each row execute function platform.refuse_change();
create trigger append_only before update or delete on commerce.commission_rates
    for each row execute function platform.refuse_change();
create trigger append_only before update or delete on commerce.commission_statements
    for each row execute function platform.refuse_change();
"""
# With the rights of their owner, as the other contexts' views of accounts: whom a document is addressed to.
PEOPLE = """
create view commerce.people as with found as (
    select id as account_id, display_name, time_zone from identity.accounts) select * from found;
"""


def upgrade() -> None:
    op.execute(COLUMNS)
    op.execute(TABLES)
    op.execute(TRIGGERS)
    op.execute(PEOPLE)


def downgrade() -> None:
    op.execute(
        """
        drop view commerce.people;
        drop function commerce.refuse_issued_change() cascade;
        drop table commerce.delivered_sessions, commerce.commission_statements, commerce.commission_rates,
            commerce.coupon_redemptions, commerce.coupons, commerce.collections, commerce.credit_notes,
            commerce.invoice_lines, commerce.billing_items, commerce.number_series;
        drop function commerce.lines_must_make_the_invoice();
        alter table commerce.invoices drop column payer_id, drop column sequence, drop column series;
        alter table commerce.session_packs drop column recognised_minor, drop column currency, drop column net_minor;
        alter table commerce.subscriptions
            drop column next_step_at, drop column covered_tax_minor, drop column covered_minor,
            drop column covered_until, drop column covered_from, drop column next_price_id, drop column resumes_on,
            drop column anchor_on, drop column time_zone, drop column billed_by;
        alter table commerce.customers drop column payer_id;
        update commerce.plans set kind = 'pack' where kind in ('drop_in', 'intro');
        alter table commerce.plans drop constraint ck_plans_kind;
        alter table commerce.plans add constraint ck_plans_kind check (kind in ('membership', 'pack'));
        """
    )
