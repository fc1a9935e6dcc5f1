"""Webhooks that we send, our people in a CRM, and what a CRM may say of a lead.

None of the new tables of `integrations` is captured: they hold sealed secrets, answers of strangers and copies.
"""

from alembic import op

revision = "0031_crm"
down_revision = "0030_billing"
branch_labels = None
depends_on = None

TABLES = """
create table integrations.webhook_endpoints (
    id uuid not null,
    label varchar(80) not null,
    url varchar(500) not null,
    kinds varchar[] not null,
    state varchar(20) default 'active' not null,
    disabled_reason varchar(20),
    failing_since timestamptz,
    rests smallint default '0' not null,
    rest_until timestamptz,
    leased_until timestamptz,
    served_at timestamptz,
    created_by uuid not null,
    created_at timestamptz not null,
    changed_at timestamptz not null,
    constraint pk_webhook_endpoints primary key (id),
    constraint ck_webhook_endpoints_state check (state in ('active', 'paused', 'disabled')),
    constraint ck_webhook_endpoints_disabled_for_a_reason check ((state = 'disabled') = (disabled_reason is not null))
);
create table integrations.webhook_secrets (
    id uuid not null,
    endpoint_id uuid not null,
    sealed bytea not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    shown_at timestamptz,
    constraint pk_webhook_secrets primary key (id),
    constraint fk_webhook_secrets_endpoint_id foreign key (endpoint_id)
        references integrations.webhook_endpoints (id) on delete cascade
);
create index ix_webhook_secrets_endpoint_id on integrations.webhook_secrets (endpoint_id);
create table integrations.webhook_replays (
    id uuid not null,
    endpoint_id uuid not null,
    from_at timestamptz not null,
    until_at timestamptz not null,
    asked_by uuid not null,
    asked_at timestamptz not null,
    position bigint not null,
    last_position bigint not null,
    found integer default '0' not null,
    finished_at timestamptz,
    constraint pk_webhook_replays primary key (id),
    constraint ck_webhook_replays_span check (from_at < until_at),
    constraint fk_webhook_replays_endpoint_id foreign key (endpoint_id)
        references integrations.webhook_endpoints (id) on delete cascade
);
create index ix_webhook_replays_endpoint_id on integrations.webhook_replays (endpoint_id);
create index ix_webhook_replays_unfinished on integrations.webhook_replays (asked_at) where finished_at is null;
create table integrations.webhook_deliveries (
    id uuid not null,
    endpoint_id uuid not null,
    event_id uuid not null,
    kind varchar(80) not null,
    person_id uuid not null,
    position bigint not null,
    occurred_at timestamptz not null,
    body varchar not null,
    state varchar(20) default 'waiting' not null,
    attempts smallint default '0' not null,
    next_attempt_at timestamptz not null,
    last_problem varchar(200),
    replay_id uuid,
    created_at timestamptz default now() not null,
    done_at timestamptz,
    constraint pk_webhook_deliveries primary key (id),
    constraint ck_webhook_deliveries_state check (state in ('waiting', 'delivered', 'failed')),
    constraint ck_webhook_deliveries_done_at check ((state = 'waiting') = (done_at is null)),
    constraint fk_webhook_deliveries_endpoint_id foreign key (endpoint_id)
        references integrations.webhook_endpoints (id) on delete cascade,
    constraint fk_webhook_deliveries_replay_id foreign key (replay_id)
        references integrations.webhook_replays (id) on delete set null
);
create index ix_webhook_deliveries_done_at on integrations.webhook_deliveries (done_at) where done_at is not null;
create index ix_webhook_deliveries_due on integrations.webhook_deliveries (endpoint_id, next_attempt_at)
    where state = 'waiting';
create index ix_webhook_deliveries_order on integrations.webhook_deliveries (endpoint_id, person_id, position)
    where state = 'waiting';
create index ix_webhook_deliveries_person_id on integrations.webhook_deliveries (person_id);
create index ix_webhook_deliveries_replay_id on integrations.webhook_deliveries (replay_id) where replay_id is not null;
create unique index uq_webhook_deliveries_event on integrations.webhook_deliveries (endpoint_id, event_id);
create table integrations.webhook_attempts (
    id uuid not null,
    delivery_id uuid not null,
    started_at timestamptz not null,
    status smallint,
    problem varchar(200),
    latency_ms integer not null,
    response_head varchar(500),
    constraint pk_webhook_attempts primary key (id),
    constraint fk_webhook_attempts_delivery_id foreign key (delivery_id)
        references integrations.webhook_deliveries (id) on delete cascade
);
create index ix_webhook_attempts_delivery on integrations.webhook_attempts (delivery_id, started_at);
create table integrations.crm_contacts (
    id uuid not null,
    provider varchar(20) not null,
    person_id uuid not null,
    contact_id varchar(40),
    known_ours jsonb default '{}'::jsonb not null,
    known_theirs jsonb default '{}'::jsonb not null,
    pending jsonb default '{}'::jsonb not null,
    is_leaving boolean default 'false' not null,
    due_at timestamptz,
    marks integer default '0' not null,
    attempts integer default '0' not null,
    problem varchar(300),
    synced_at timestamptz,
    constraint pk_crm_contacts primary key (id)
);
create index ix_crm_contacts_due on integrations.crm_contacts (due_at) where due_at is not null;
create unique index uq_crm_contacts_contact on integrations.crm_contacts (provider, contact_id);
create unique index uq_crm_contacts_person on integrations.crm_contacts (provider, person_id);
create table integrations.crm_deals (
    id uuid not null,
    provider varchar(20) not null,
    sale_id uuid not null,
    person_id uuid not null,
    deal_id varchar(40),
    wanted jsonb not null,
    as_of timestamptz not null,
    due_at timestamptz,
    marks integer default '0' not null,
    attempts integer default '0' not null,
    problem varchar(300),
    synced_at timestamptz,
    constraint pk_crm_deals primary key (id)
);
create index ix_crm_deals_due on integrations.crm_deals (due_at) where due_at is not null;
create unique index uq_crm_deals_sale on integrations.crm_deals (provider, sale_id);
create table integrations.crm_states (
    provider varchar(20) not null,
    changed_until timestamptz,
    next_poll_at timestamptz not null,
    rest_until timestamptz,
    problem varchar(300),
    prepared_at timestamptz,
    resynced_for timestamptz,
    constraint pk_crm_states primary key (provider),
    constraint ck_crm_states_provider check (provider in ('hubspot'))
);
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute("alter table engagement.leads add column phone varchar(40), add column owner varchar(200)")
    op.execute("create index ix_leads_email on engagement.leads (lower(email))")


def downgrade() -> None:
    op.execute(
        """
        drop index engagement.ix_leads_email;
        alter table engagement.leads drop column owner, drop column phone;
        drop table integrations.crm_states, integrations.crm_deals, integrations.crm_contacts,
            integrations.webhook_attempts, integrations.webhook_deliveries, integrations.webhook_replays,
            integrations.webhook_secrets, integrations.webhook_endpoints;
        """
    )
