"""What is written and asked for many people at once: groups in the audit log, and a mark that moves with every consent.

Only widens. An entry names a group instead of one entry each; entries about one person, and all from before, name
their subject as they did. A group's id is made of who is in it, which PostgreSQL checks, so the same people are kept
once however often they are read about. The mark is a sum over rows of which a connection always counts the same one:
who decides at the same time waits for nobody, and a sum of what is committed misses no commit.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0038_asked_together"
down_revision = "0037_busy_indexes"
branch_labels = None
depends_on = None

MARKS = 16
SEALED = """
    entry.sequence, entry.id, (extract(epoch from entry.occurred_at) * 1000000)::bigint, entry.actor_id,
    entry.actor_role, entry.action, entry.object_type, entry.object_id, entry.subject_id, entry.purpose,
    entry.outcome, entry.address, entry.traceparent, entry.details
"""


def upgrade() -> None:
    op.create_table(
        "audit_groups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subjects", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_groups")),
        sa.CheckConstraint(
            "id = encode(substring(sha256(convert_to(subjects::text, 'UTF8')) from 1 for 16), 'hex')::uuid",
            name=op.f("ck_audit_groups_named_by_its_people"),
        ),
        schema="platform",
    )
    op.create_index(
        "ix_audit_groups_subjects", "audit_groups", ["subjects"], schema="platform", postgresql_using="gin"
    )  # fmt: skip
    op.add_column("audit_entries", sa.Column("group_id", sa.Uuid(), nullable=True), schema="platform")
    op.create_foreign_key(
        op.f("fk_audit_entries_group_id_audit_groups"), "audit_entries", "audit_groups", ["group_id"], ["id"],
        source_schema="platform", referent_schema="platform",
    )  # fmt: skip
    op.create_index(
        "ix_audit_entries_group", "audit_entries", ["group_id", "sequence"], schema="platform",
        postgresql_where=sa.text("group_id is not null"),
    )  # fmt: skip
    op.execute(
        f"""
        create trigger append_only before update or delete on platform.audit_groups
            for each row execute function platform.refuse_change();
        create trigger not_emptied before truncate on platform.audit_groups
            for each statement execute function platform.refuse_change();
        -- An entry without a group is sealed by the bytes that it always had.
        create or replace function platform.audit_bytes(entry platform.audit_entries)
        returns bytea language sql stable as $$
            select convert_to((jsonb_build_array({SEALED}) || case when entry.group_id is null then '[]'::jsonb
                else jsonb_build_array(entry.group_id) end)::text, 'UTF8')
        $$
        """
    )
    op.create_table(
        "consent_marks",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_marks")),
        schema="platform",
    )
    op.execute(
        f"""
        create function platform.consent_changed() returns trigger
        language plpgsql security definer set search_path = pg_catalog as $$
        begin
            insert into platform.consent_marks as mark (id, changes) values (pg_backend_pid() % {MARKS}, 1)
                on conflict (id) do update set changes = mark.changes + 1;
            return null;
        end $$;
        revoke execute on function platform.consent_changed() from public;
        create trigger marked after insert or update or delete or truncate on compliance.consents
            for each statement execute function platform.consent_changed();
        create function platform.consents_mark() returns bigint
        language sql stable security definer set search_path = pg_catalog as $$
            select coalesce(sum(changes), 0)::bigint from platform.consent_marks
        $$
        """  # noqa: S608 - a number of our own
    )


def downgrade() -> None:
    op.execute("drop function platform.consent_changed() cascade; drop function platform.consents_mark()")
    op.drop_table("consent_marks", schema="platform")
    op.execute(
        f"""
        create or replace function platform.audit_bytes(entry platform.audit_entries)
        returns bytea language sql stable as $$
            select convert_to(jsonb_build_array({SEALED})::text, 'UTF8')
        $$
        """
    )
    op.drop_index("ix_audit_entries_group", table_name="audit_entries", schema="platform")
    op.drop_column("audit_entries", "group_id", schema="platform")
    op.drop_table("audit_groups", schema="platform")
