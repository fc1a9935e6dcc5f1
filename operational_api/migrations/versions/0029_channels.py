"""One outbox for every channel, and what a decision to send asks; threads with files, templates and later messages.

`engagement.outgoing_emails` keeps its name and its columns: what reads it goes on. Everything new there has a default.
"""

from alembic import op

revision = "0029_channels"
down_revision = "0028_training_in_depth"
branch_labels = None
depends_on = None

TABLES = """
    create table engagement.message_templates (
        id uuid not null,
        owner_id uuid not null,
        name varchar(60) not null,
        body varchar not null,
        updated_at timestamptz not null,
        constraint pk_message_templates primary key (id)
    );
    create unique index uq_message_templates_name on engagement.message_templates (owner_id, lower(name));
    create table engagement.scheduled_messages (
        id uuid not null,
        customer_id uuid not null,
        sender_id uuid not null,
        body varchar not null,
        local_at timestamp not null,
        time_zone varchar not null,
        send_at timestamptz not null,
        status varchar(20) default 'scheduled' not null,
        message_id uuid,
        reason varchar,
        created_at timestamptz default now() not null,
        constraint pk_scheduled_messages primary key (id),
        constraint ck_scheduled_messages_status check (status in ('scheduled', 'sent', 'cancelled', 'refused'))
    );
    create index ix_scheduled_messages_customer on engagement.scheduled_messages (customer_id, send_at);
    create index ix_scheduled_messages_due on engagement.scheduled_messages (send_at) where status = 'scheduled';
    create table engagement.attachments (
        id uuid not null,
        customer_id uuid not null,
        message_id uuid not null,
        uploader_id uuid not null,
        name varchar(120) not null,
        media_type varchar(40) not null,
        size_bytes integer not null,
        created_at timestamptz not null,
        constraint pk_attachments primary key (id),
        constraint fk_attachments_message_id foreign key (message_id)
            references engagement.messages (id) on DELETE CASCADE
    );
    create index ix_attachments_customer_id on engagement.attachments (customer_id);
    create index ix_attachments_message_id on engagement.attachments (message_id);
    create table engagement.attachment_files (
        attachment_id uuid not null,
        content bytea not null,
        constraint pk_attachment_files primary key (attachment_id),
        constraint fk_attachment_files_attachment_id foreign key (attachment_id)
            references engagement.attachments (id) on DELETE CASCADE
    );
    create table engagement.announcements (
        id uuid not null,
        author_id uuid not null,
        segment varchar(20) not null,
        subject varchar(120) not null,
        body varchar not null,
        recipients integer not null,
        created_at timestamptz not null,
        constraint pk_announcements primary key (id)
    );
    create table engagement.channel_choices (
        customer_id uuid not null,
        channel varchar(10) not null,
        purpose varchar(20) not null,
        is_allowed boolean not null,
        decided_at timestamptz not null,
        constraint pk_channel_choices primary key (customer_id, channel, purpose)
    );
    create table engagement.suppressions (
        channel varchar(10) not null,
        address varchar not null,
        reason varchar(20) not null,
        created_at timestamptz not null,
        constraint pk_suppressions primary key (channel, address),
        constraint ck_suppressions_reason check (reason in ('bounce', 'complaint', 'stop', 'unsubscribe'))
    );
    create table engagement.phones (
        customer_id uuid not null,
        number varchar(16) not null,
        confirmed_at timestamptz,
        whatsapp_seen_at timestamptz,
        asked_at timestamptz not null,
        constraint pk_phones primary key (customer_id)
    );
    create index ix_phones_number on engagement.phones (number);
    create table engagement.push_subscriptions (
        id uuid not null,
        customer_id uuid not null,
        kind varchar(5) not null,
        endpoint varchar not null,
        p256dh varchar default '' not null,
        auth varchar default '' not null,
        created_at timestamptz not null,
        constraint pk_push_subscriptions primary key (id),
        constraint uq_push_subscriptions_endpoint unique (endpoint)
    );
    create index ix_push_subscriptions_customer on engagement.push_subscriptions (customer_id);
    create table engagement.lifecycle_facts (
        id uuid not null,
        person_id uuid not null,
        kind varchar(30) not null,
        occurred_at timestamptz not null,
        constraint pk_lifecycle_facts primary key (id)
    );
    create index ix_lifecycle_facts_person on engagement.lifecycle_facts (person_id, occurred_at);
    create table engagement.lifecycle_stages (
        person_id uuid not null,
        stage varchar(20) not null,
        since timestamptz not null,
        constraint pk_lifecycle_stages primary key (person_id)
    );
    create index ix_lifecycle_stages_stage on engagement.lifecycle_stages (stage);
"""

NAMES = (
    "engagement.message_templates",
    "engagement.scheduled_messages",
    "engagement.attachments",
    "engagement.attachment_files",
    "engagement.announcements",
    "engagement.channel_choices",
    "engagement.suppressions",
    "engagement.phones",
    "engagement.push_subscriptions",
    "engagement.lifecycle_facts",
    "engagement.lifecycle_stages",
)


def upgrade() -> None:
    op.execute(
        """
        alter table engagement.outgoing_emails
            add column channel varchar(10) default 'email' not null,
            add column purpose varchar(20) default 'transactional' not null,
            add column customer_id uuid,
            add column language varchar(5) default 'en' not null,
            add column fallbacks jsonb default '[]' not null,
            add column expires_at timestamptz,
            add column reason varchar,
            add column in_doubt_since timestamptz,
            add column provider_message_id varchar,
            add column delivered_at timestamptz,
            add constraint ck_outgoing_emails_channel check (channel in ('email', 'sms', 'whatsapp', 'push')),
            add constraint ck_outgoing_emails_purpose
                check (purpose in ('transactional', 'reminders', 'coaching', 'marketing'));
        drop index engagement.ix_outgoing_emails_due;
        create index ix_outgoing_emails_due on engagement.outgoing_emails (channel, next_attempt_at)
            where status = 'queued';
        create index ix_outgoing_emails_lately on engagement.outgoing_emails (customer_id, purpose, sent_at)
            where purpose <> 'transactional' and sent_at is not null;
        create index ix_outgoing_emails_provider on engagement.outgoing_emails (provider_message_id);
        alter table engagement.contact_preferences add column language varchar(5);
        create or replace view engagement.contacts as with found as (
            select id as account_id, email, display_name, time_zone, role, locale from identity.accounts
            where disabled_at is null) select * from found;
        """
    )
    op.execute(TABLES)


def downgrade() -> None:
    for name in reversed(NAMES):
        op.execute(f"drop table {name}")
    op.execute(
        """
        drop view engagement.contacts;
        create view engagement.contacts as with found as (
            select id as account_id, email, display_name, time_zone, role from identity.accounts
            where disabled_at is null) select * from found;
        alter table engagement.contact_preferences drop column language;
        delete from engagement.outgoing_emails where channel <> 'email';
        alter table engagement.outgoing_emails
            drop column channel, drop column purpose, drop column customer_id, drop column language,
            drop column fallbacks, drop column expires_at, drop column reason, drop column in_doubt_since,
            drop column provider_message_id, drop column delivered_at;
        create index ix_outgoing_emails_due on engagement.outgoing_emails (next_attempt_at) where status = 'queued';
        """
    )
