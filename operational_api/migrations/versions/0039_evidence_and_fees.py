"""Looks at the chain of events are kept, its events can be asked for as a file, packs know what was refunded,
and prices whether members follow them.

Only widens.
"""

from alembic import op

revision = "0039_evidence_and_fees"
down_revision = "0038_asked_together"
branch_labels = None
depends_on = None

EVENT_CHECKS = """
create table compliance.event_checks (
    id uuid not null,
    asked_by uuid,
    asked_at timestamptz not null,
    finished_at timestamptz,
    links bigint,
    events bigint,
    unsealed bigint,
    head_link bigint,
    head varchar(64),
    fault_count integer,
    faults jsonb,
    constraint pk_event_checks primary key (id)
);
create index ix_event_checks_asked_at on compliance.event_checks (asked_at);
create unique index uq_event_checks_waiting on compliance.event_checks ((true)) where finished_at is null;
alter table compliance.exports
    drop constraint ck_exports_dataset,
    add constraint ck_exports_dataset check (dataset in ('customers', 'payments', 'events'));
"""
# What training and devices say of somebody's health stays here: of those events the file has the digest alone.
EXPORTED_EVENTS = """
create view compliance.exported_events as
select s.number as link, e.place, s.previous, s.hash, e.event ->> 0 as event_id, e.event ->> 1 as digest, o.position,
    o.type, o.version, o.aggregate_id, o.occurred_at,
    (extract(epoch from o.occurred_at) * 1000000)::bigint as occurred_us,
    case when split_part(o.type, '.', 1) in ('training', 'integrations', 'automation', 'compliance') then null
         else o.payload::text end as payload,
    o.traceparent
from platform.event_seals s cross join lateral jsonb_array_elements(s.events) with ordinality e(event, place)
left join platform.outbox_events o on o.event_id = (e.event ->> 0)::uuid
"""


MEMBERS_PRICES = """
alter table commerce.plan_prices add column reaches_members boolean default false not null;
update commerce.plan_prices p set reaches_members = true
where exists (select from commerce.subscriptions s where s.next_price_id = p.id and s.plan_id = p.plan_id);
"""
REFUNDED_PACKS = """
alter table commerce.session_packs
    add column sessions_refunded smallint default 0 not null,
    add constraint ck_session_packs_refunded_within_total check (sessions_refunded between 0 and sessions_total);
"""


def upgrade() -> None:
    op.execute(EVENT_CHECKS)
    op.execute(REFUNDED_PACKS)
    op.execute(MEMBERS_PRICES)
    op.execute(EXPORTED_EVENTS)


def downgrade() -> None:
    op.execute(
        """
        alter table commerce.plan_prices drop column reaches_members;
        alter table commerce.session_packs drop column sessions_refunded;
        drop view compliance.exported_events;
        delete from compliance.export_files where export_id in (
            select id from compliance.exports where dataset = 'events');
        delete from compliance.exports where dataset = 'events';
        alter table compliance.exports
            drop constraint ck_exports_dataset,
            add constraint ck_exports_dataset check (dataset in ('customers', 'payments'));
        drop table compliance.event_checks;
        """
    )
