"""Sessions count on their studio's day, early check-ins are found; what is written in the books is neither added to nor
emptied, and looks at whether tables are what events tell are kept.

Only widens: a version before this one leaves the day empty, and its UTC day counts as it did. It writes each journal and
each invoice in one statement, as is asked for now.
"""

from alembic import op

revision = "0041_days_of_studios"
down_revision = "0040_copies_of_data"
branch_labels = None
depends_on = None

HELD_ON = """
alter table commerce.delivered_sessions add column held_on date;
update commerce.delivered_sessions d set held_on = coalesce(
    (
        select (d.delivered_at at time zone l.time_zone)::date
        from scheduling.bookings b
        join scheduling.slots s on s.id = b.slot_id
        join scheduling.locations l on l.id = s.location_id
        where b.id = d.booking_id
    ),
    (d.delivered_at at time zone 'UTC')::date
);
create index ix_bookings_checked_in on scheduling.bookings (starts_at)
    where status = 'booked' and outcome_at is not null;
create view commerce.studios as with found as (select id as location_id, time_zone from scheduling.locations)
    select * from found;
"""
RETELLINGS = """
create table commerce.retellings (
    id uuid not null,
    asked_by uuid,
    asked_at timestamptz not null,
    finished_at timestamptz,
    compared bigint,
    difference_count integer,
    differences jsonb,
    constraint pk_retellings primary key (id)
);
create index ix_retellings_asked_at on commerce.retellings (asked_at);
create unique index uq_retellings_waiting on commerce.retellings ((true)) where finished_at is null;
"""
BALANCE = """
create or replace function commerce.journals_must_balance() returns trigger language plpgsql as $$
declare
    unbalanced uuid;
begin
    select line.journal_id into unbalanced
    from commerce.ledger_lines as line
    where line.journal_id in (select distinct journal_id from new_lines)
    group by line.journal_id, line.currency
    having sum(line.amount_minor) <> 0
    limit 1;
    if unbalanced is not null then
        raise exception 'journal % does not sum to zero', unbalanced using errcode = 'PL002';
    end if;
    {added}
    return null;
end $$;
"""
BALANCE_ADDED = """
    select line.journal_id into unbalanced
    from commerce.ledger_lines as line
    join (select journal_id, count(*) as lines from new_lines group by journal_id) as fresh using (journal_id)
    group by line.journal_id, fresh.lines
    having count(*) <> fresh.lines
    limit 1;
    if unbalanced is not null then
        raise exception 'journal % is written: nothing is added to it', unbalanced using errcode = 'PL001';
    end if;
"""
LINES = """
create or replace function commerce.lines_must_make_the_invoice() returns trigger language plpgsql as $$
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
    {added}
    return null;
end $$;
"""
LINES_ADDED = """
    select line.invoice_id::text into wrong
    from commerce.invoice_lines as line
    join (select invoice_id, count(*) as lines from new_lines group by invoice_id) as fresh using (invoice_id)
    group by line.invoice_id, fresh.lines
    having count(*) <> fresh.lines
    limit 1;
    if wrong is not null then
        raise exception 'invoice % was issued: no line is added to it', wrong using errcode = 'PL001';
    end if;
"""
NUMBERS = """
create function commerce.numbers_follow() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.series = old.series and new.last_number = old.last_number + 1 then
        return new;
    end if;
    raise exception 'numbers of % follow one another', old.series using errcode = 'PL003';
end $$;
create trigger numbers_follow before update or delete on commerce.number_series
    for each row execute function commerce.numbers_follow();
"""
KEPT = (
    "commerce.ledger_journals", "commerce.ledger_lines", "commerce.subscription_changes", "commerce.invoices",
    "commerce.invoice_lines", "commerce.credit_notes", "commerce.number_series", "commerce.commission_rates",
    "commerce.commission_statements", "commerce.reconciliation_findings", "commerce.finding_resolutions",
    "commerce.reconciliation_runs", "compliance.consents", "platform.outbox_events", "platform.event_seals",
)  # fmt: skip
"""Where a row stays for good; a trigger refused its change and its removal, and nothing the removal of all."""


def upgrade() -> None:
    op.execute(HELD_ON)
    op.execute(RETELLINGS)
    op.execute(BALANCE.format(added=BALANCE_ADDED))
    op.execute(LINES.format(added=LINES_ADDED))
    op.execute(NUMBERS)
    for table in KEPT:
        op.execute(
            f"create trigger not_emptied before truncate on {table}"
            " for each statement execute function platform.refuse_change()"
        )


def downgrade() -> None:
    for table in KEPT:
        op.execute(f"drop trigger not_emptied on {table}")
    op.execute("drop function commerce.numbers_follow() cascade")
    op.execute(LINES.format(added=""))
    op.execute(BALANCE.format(added=""))
    op.execute("drop table commerce.retellings")
    op.execute("drop index scheduling.ix_bookings_checked_in")
    op.execute("drop view commerce.studios; alter table commerce.delivered_sessions drop column held_on")
