"""What may leave the operational database: the publication `plyo_cdc`, its tables and their columns.

Run by the superuser at set-up, after the migrations, and again whenever the rules below change; both `create` calls are
the same. From then on PostgreSQL itself publishes every new table of a context in the transaction that creates it (an
event trigger), and every new column of a published table, unless the table publishes chosen columns only. A table with
a column that PostgreSQL cannot send is published no longer, because it would end the stream of all tables.

The change stream and the snapshot read nothing but this publication, so a secret left out here cannot reach the lake.
"""

from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import sql

NAME = "plyo_cdc"

SCHEMAS = (
    "platform", "identity", "commerce", "training", "scheduling", "engagement", "automation", "compliance",
    "integrations",
)  # fmt: skip

# Of identity, which holds secrets, a table is published only if it is named here.
IDENTITY_TABLES = ("accounts",)

# web_sessions holds people's tokens, files of exports what an export was approved for and nothing else, copies of what
# is known of people are theirs alone; what a workout said before it was corrected is in its change log already, and
# event_checks and retellings only judge what is captured. Of people's own calendars nothing leaves but the events
# that they were connected and disconnected. Files of messages, numbers and push subscriptions (whoever has one may
# push) serve operations alone, and so do videos: what is measured of them is in their events. Webhooks of ours are
# sealed secrets, copies of events and answers of strangers; what a CRM was told is a copy, too. Of an invoice that is
# parked, its events say what there is to count; of wallets, payments, the ledger and their events do. What a coach
# writes to a class is words; that they wrote, and to how many, is an event.
WITHHELD_TABLES = (
    "platform.alembic_version", "platform.consent_marks", "platform.idempotency_keys", "platform.revocations",
    "platform.web_sessions", "commerce.parked_invoices", "commerce.retellings",
    "commerce.wallet_credits", "commerce.wallet_movements", "commerce.wallets", "compliance.event_checks",
    "compliance.export_files", "compliance.personal_exports", "compliance.stored_files",
    "training.workout_revisions", "training.exercise_names",
    "scheduling.calendar_connections", "scheduling.calendar_secrets", "scheduling.busy_times",
    "scheduling.calendar_entries", "scheduling.calendar_pushes", "scheduling.calendar_feeds",
    "scheduling.class_notices",
    "engagement.attachment_files", "engagement.digest_choices", "engagement.do_not_disturb",
    "engagement.inbox_messages",
    "engagement.phones", "engagement.push_subscriptions", "engagement.scheduled_files",
    "integrations.webhook_endpoints", "integrations.webhook_secrets", "integrations.webhook_replays",
    "integrations.webhook_deliveries", "integrations.webhook_attempts",
    "integrations.crm_contacts", "integrations.crm_deals", "integrations.crm_states",
    "training.media", "training.media_parts", "training.media_captions", "training.media_cues",
    "training.media_positions",
)  # fmt: skip

# outgoing_emails.context holds links with tokens in them; addresses of who did something stay with the audit log. What
# people answer about their health, and write to their coach about it, is measured by nobody; nor are the bank's words
# for what a coach was paid, and why one of them was a mistake.
WITHHELD_COLUMNS = {
    "identity.accounts": ("password_hash",), "commerce.commission_payouts": ("reference", "reason"),
    "engagement.outgoing_emails": ("context", "digest_at", "digest_id", "topic"),
    "platform.audit_entries": ("address",), "training.screenings": ("answers", "clearance_note"),
    "training.check_ins": ("note", "answer"),
}  # fmt: skip

_TABLES: LiteralString = """
    select n.nspname || '.' || t.relname, n.nspname::text, t.relname::text,
           exists (select from pg_constraint c where c.conrelid = t.oid and c.contype = 'p') as has_key,
           t.relreplident = 'd' as is_default_identity,
           (select array_agg(a.attname::text order by a.attnum) from pg_attribute a
            where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v') as columns,
           t.oid::bigint
    from pg_class t join pg_namespace n on n.oid = t.relnamespace
    where n.nspname = any(%s) and t.relkind in ('r', 'p') and t.relpersistence = 'p' and not t.relispartition
    order by 1"""

# Columns of tables that PostgreSQL cannot send, and the type in them that is why: in binary form it ends the stream for
# every table at an array, a composite or a range of a type that has a text form only. Alone that type is sent as text.
_UNSENDABLE: LiteralString = """
    with recursive inside(relid, name, type, is_inner) as (
        select a.attrelid, a.attname::text, a.atttypid, false from pg_attribute a
        where a.attrelid = any({tables}) and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v'
        union
        select i.relid, i.name, part.type, i.is_inner or t.typtype <> 'd' from inside i join pg_type t on t.oid = i.type
        cross join lateral (
            select t.typelem as type where t.typcategory = 'A' and t.typelem <> 0
            union all select a.atttypid from pg_attribute a
                      where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
            union all select r.rngsubtype from pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)
            union all select t.typbasetype where t.typtype = 'd') part)
    select i.relid as relid, min('column ' || i.name || ' holds values of type ' || format_type(i.type, null)
                                 || ', which PostgreSQL sends as text only') as reason
    from inside i join pg_type t on t.oid = i.type where i.is_inner and t.typsend = 0 group by 1"""

_PUBLISH_NEW_TABLES: LiteralString = """
    create or replace function {function}() returns event_trigger
    language plpgsql security definer set search_path = pg_catalog as $$
    declare made record;
    begin
        for made in
            select r.prrelid::regclass::text as name, unsendable.reason
            from pg_publication_rel r join pg_publication p on p.oid = r.prpubid and p.pubname = {name}
            join ({unsendable}) unsendable on unsendable.relid = r.prrelid
        loop
            execute format('alter publication {publication} drop table %s', made.name);
            raise warning 'table % is no longer captured: %', made.name, made.reason;
        end loop;
        for made in
            select c.oid, ddl.object_identity, c.relispartition as is_partition,
                   exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'p') as has_key
            from pg_event_trigger_ddl_commands() ddl join pg_class c on c.oid = ddl.objid
            where ddl.object_type = 'table' and c.relkind in ('r', 'p') and c.relpersistence = 'p'
              and exists (select from pg_publication where pubname = {name})
              and (c.relispartition or (
                  ddl.schema_name = any({schemas}) and ddl.schema_name <> 'identity'
                  and not ddl.object_identity = any({withheld})))
              -- Partitions are published through their root, other new tables not yet.
              and c.relispartition = exists (
                  select from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
                  where p.pubname = {name} and r.prrelid = coalesce(pg_partition_root(c.oid)::oid, c.oid))
              and ddl.command_tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
              and not exists ({unsendable_new})
        loop
            if not made.has_key then
                -- Without an identity its updates and deletes would be refused once it is published.
                execute format('alter table %s replica identity full', made.object_identity);
            end if;
            if not made.is_partition then
                execute format('alter publication {publication} add table %s', made.object_identity);
            end if;
        end loop;
    end $$"""


def create(connection: psycopg.Connection[Any]) -> list[str]:
    """Make the publication say exactly what this module says; harmless when it does already.

    Args:
        connection: To the operational database, as superuser (an event trigger needs one). Not in autocommit: all of
            it happens in one transaction, which is committed here.

    Returns:
        The published tables, as `schema.table`.
    """
    with connection.transaction():
        wanted = _wanted(connection)
        name, tables = sql.Identifier(NAME), sql.SQL(", ").join(wanted.values())
        if connection.execute("select from pg_publication where pubname = %s", [NAME]).fetchone() is None:
            connection.execute(sql.SQL("create publication {}").format(name))
        # A partitioned table is one table to readers, however its rows are spread.
        connection.execute(
            sql.SQL(
                "alter publication {} set (publish_generated_columns = stored, publish_via_partition_root = true)"
            ).format(name)
        )
        if wanted:
            connection.execute(sql.SQL("alter publication {} set table {}").format(name, tables))
        _publish_new_tables(connection)
    connection.commit()
    return list(wanted)


def refused(connection: psycopg.Connection[Any]) -> dict[str, tuple[int, str]]:
    """The tables that would be published but for what PostgreSQL cannot send: oid and reason, by `schema.table`.

    When they can be sent again, `create` publishes them, and `capture.resume` takes them up.
    """
    may_leave = {name: oid for name, schema, table, *_, oid in _tables(connection) if _may_leave(name, schema, table)}
    found = dict(
        connection.execute(
            sql.SQL("select relid::bigint, reason from ({}) unsendable").format(_unsendable("%s::oid[]")),
            [list(may_leave.values())],
        ).fetchall()
    )
    return {name: (oid, found[oid]) for name, oid in may_leave.items() if oid in found}


def _unsendable(tables: LiteralString) -> sql.Composable:
    return sql.SQL(_UNSENDABLE).format(tables=sql.SQL(tables))


def _tables(connection: psycopg.Connection[Any]) -> Sequence[tuple[Any, ...]]:
    return connection.execute(_TABLES, [list(SCHEMAS)]).fetchall()


def _may_leave(name: str, schema: str, table: str) -> bool:
    return name not in WITHHELD_TABLES and (schema != "identity" or table in IDENTITY_TABLES)


def _wanted(connection: psycopg.Connection[Any]) -> dict[str, sql.Composable]:
    wanted: dict[str, sql.Composable] = {}
    unsendable = refused(connection)
    for name, schema, table, has_key, is_default_identity, columns, _ in _tables(connection):
        if not _may_leave(name, schema, table) or name in unsendable:
            continue
        target = sql.Identifier(schema, table)
        if not has_key and is_default_identity:
            _identify_by_all(connection, target)
        withheld = WITHHELD_COLUMNS.get(name)
        if withheld:
            chosen = sql.SQL(", ").join(sql.Identifier(column) for column in columns if column not in withheld)
            wanted[name] = sql.SQL("{} ({})").format(target, chosen)
        else:
            wanted[name] = target
    return wanted


def _identify_by_all(connection: psycopg.Connection[Any], target: sql.Composable) -> None:
    # Without an identity updates and deletes would be refused; partitions do not inherit it.
    connection.execute(sql.SQL("alter table {} replica identity full").format(target))
    for schema, table in connection.execute(
        """select n.nspname::text, c.relname::text from pg_partition_tree(%s::regclass) p
           join pg_class c on c.oid = p.relid join pg_namespace n on n.oid = c.relnamespace
           where p.level > 0 and c.relreplident = 'd'
             and not exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'p')""",
        [target.as_string(connection)],
    ).fetchall():
        connection.execute(sql.SQL("alter table {} replica identity full").format(sql.Identifier(schema, table)))


def _publish_new_tables(connection: psycopg.Connection[Any]) -> None:
    function = sql.Identifier("public", "plyo_publish_new_tables")
    connection.execute(
        sql.SQL(_PUBLISH_NEW_TABLES).format(
            function=function,
            schemas=sql.Literal(list(SCHEMAS)),
            withheld=sql.Literal(list(WITHHELD_TABLES)),
            unsendable=_unsendable("array(select prrelid from pg_publication_rel)"),
            unsendable_new=_unsendable("array[c.oid]"),
            name=sql.Literal(NAME),
            publication=sql.Identifier(NAME),
        )
    )
    connection.execute("drop event trigger if exists plyo_publish_new_tables")
    connection.execute(
        sql.SQL(
            "create event trigger plyo_publish_new_tables on ddl_command_end "
            "when tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'ALTER TYPE') "
            "execute function {}()"
        ).format(function)
    )
