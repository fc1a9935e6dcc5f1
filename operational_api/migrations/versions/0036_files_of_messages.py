"""Files of messages go to the object store, once somebody looked through them; whom a CRM erased is not told there again.

Only widens. A version before this one writes a file without saying anything of it: it is ready, and due at once. What is
here already moves a day from now, when no such version reads it any more, a file at a time (`engagement.filing`).
"""

from alembic import op

revision = "0036_files_of_messages"
down_revision = "0034_money_rest"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table engagement.attachment_files
            drop constraint fk_attachment_files_attachment_id,
            alter column content drop not null,
            add column status varchar(20) default 'ready' not null,
            add column scan varchar(80),
            add column is_stored boolean default false not null,
            add column is_sealed boolean default false not null,
            add column due_at timestamptz default now(),
            add column attempts integer default 0 not null,
            add constraint ck_attachment_files_status check (status in ('checking', 'ready', 'refused', 'removed'));
        update engagement.attachment_files set due_at = now() + interval '1 day';
        create index ix_attachment_files_due on engagement.attachment_files (due_at) where due_at is not null;
        create function engagement.remove_attachment_file() returns trigger language plpgsql as $$
        begin
            -- Not before whoever has it under way is done with it: `due_at` is their lease.
            update engagement.attachment_files
            set status = 'removed', content = null, due_at = greatest(due_at, now())
            where attachment_id = old.id;
            return null;
        end $$;
        create trigger remove_file after delete on engagement.attachments
            for each row execute function engagement.remove_attachment_file();
        alter table integrations.crm_contacts add column forgotten_at timestamptz;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        do $$ begin
            if exists (select from engagement.attachment_files where is_stored) then
                raise exception 'files of messages are in the object store: take them back before this';
            end if;
        end $$;
        alter table integrations.crm_contacts drop column forgotten_at;
        drop trigger remove_file on engagement.attachments;
        drop function engagement.remove_attachment_file();
        delete from engagement.attachment_files where content is null;
        drop index engagement.ix_attachment_files_due;
        alter table engagement.attachment_files
            drop column status, drop column scan, drop column is_stored, drop column is_sealed, drop column due_at,
            drop column attempts,
            alter column content set not null,
            add constraint fk_attachment_files_attachment_id foreign key (attachment_id)
                references engagement.attachments (id) on delete cascade;
        """
    )
