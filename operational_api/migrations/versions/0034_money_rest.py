"""Changes of plan that wait for their payment, and the chain of seals over the events.

Only widens: a version before this one changes plans at once, and relays events without sealing them.
"""

from alembic import op

revision = "0034_money_rest"
down_revision = "0033_scheduling_rest"
branch_labels = None
depends_on = None

PLAN_CHANGES = """
create table commerce.plan_changes (
    id uuid not null,
    subscription_id uuid not null,
    customer_id uuid not null,
    from_price_id uuid not null,
    to_price_id uuid not null,
    mode varchar(20) not null,
    status varchar(20) default 'pending' not null,
    asked_on date not null,
    asked_at timestamptz not null,
    invoice_id uuid,
    decided_at timestamptz,
    failure_code varchar,
    constraint pk_plan_changes primary key (id),
    constraint ck_plan_changes_mode check (mode in ('invoice', 'reset')),
    constraint ck_plan_changes_status check (status in ('pending', 'held', 'failed')),
    constraint ck_plan_changes_decided check ((status = 'pending') = (decided_at is null)),
    constraint uq_plan_changes_invoice_id unique (invoice_id),
    constraint fk_plan_changes_subscription_id foreign key (subscription_id) references commerce.subscriptions (id),
    constraint fk_plan_changes_customer_id foreign key (customer_id) references commerce.customers (id),
    constraint fk_plan_changes_from_price_id foreign key (from_price_id) references commerce.plan_prices (id),
    constraint fk_plan_changes_to_price_id foreign key (to_price_id) references commerce.plan_prices (id),
    constraint fk_plan_changes_invoice_id foreign key (invoice_id) references commerce.invoices (id)
);
create unique index uq_plan_changes_one_pending on commerce.plan_changes (subscription_id) where status = 'pending';
create index ix_plan_changes_customer_id on commerce.plan_changes (customer_id, asked_at);
alter table commerce.billing_items
    add column plan_change_id uuid
        constraint fk_billing_items_plan_change_id references commerce.plan_changes (id);
create index ix_billing_items_plan_change_id on commerce.billing_items (plan_change_id)
    where plan_change_id is not null;
create index ix_collections_open on commerce.collections (invoice_id) where status in ('due', 'retrying', 'stopped');
create index ix_subscriptions_ends_elsewhere on commerce.subscriptions (cancel_at)
    where billed_by = 'provider' and stripe_subscription_id is null and ended_at is null;
"""
# Every column of an event but `relayed_at`, each where it is, whatever its text contains; the same in every time zone.
SEALS = """
create table platform.event_seals (
    number bigint not null,
    previous varchar(64) not null,
    events jsonb not null,
    hash varchar(64) not null,
    sealed_at timestamptz not null,
    constraint pk_event_seals primary key (number),
    constraint ck_event_seals_number check (number > 0)
);
create trigger append_only before update or delete on platform.event_seals
    for each row execute function platform.refuse_change();
create function platform.event_digest(event platform.outbox_events) returns text language sql stable as $$
    select encode(sha256(convert_to(jsonb_build_array(
        event.event_id, event.position, event.type, event.version, event.aggregate_id,
        (extract(epoch from event.occurred_at) * 1000000)::bigint, event.payload, event.traceparent)::text,
        'UTF8')), 'hex')
$$;
create function platform.seal_hash(number bigint, previous text, events jsonb) returns text language sql immutable as $$
    select encode(sha256(convert_to(jsonb_build_array(number, previous, events)::text, 'UTF8')), 'hex')
$$;
"""


def upgrade() -> None:
    op.execute(PLAN_CHANGES)
    op.execute(SEALS)


def downgrade() -> None:
    op.execute(
        """
        drop function platform.seal_hash(bigint, text, jsonb);
        drop function platform.event_digest(platform.outbox_events);
        drop table platform.event_seals;
        drop index commerce.ix_subscriptions_ends_elsewhere;
        drop index commerce.ix_collections_open;
        alter table commerce.billing_items drop column plan_change_id;
        drop table commerce.plan_changes;
        """
    )
