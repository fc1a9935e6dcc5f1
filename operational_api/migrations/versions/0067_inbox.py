"""The inbox in the app, and until when people are not to be disturbed.

Only widens: a version before this one puts nothing into the inbox and disturbs whom it always did.
"""

from alembic import op

revision = "0067_inbox"
down_revision = "0066_any_coach"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table engagement.inbox_messages (
            id uuid not null,
            dedupe_key varchar not null,
            person_id uuid not null,
            template varchar not null,
            purpose varchar(20) not null,
            context jsonb not null,
            language varchar(5) not null,
            due_at timestamptz not null,
            expires_at timestamptz,
            landed_at timestamptz,
            read_at timestamptz,
            archived_at timestamptz,
            constraint pk_inbox_messages primary key (id),
            constraint uq_inbox_messages_dedupe_key unique (dedupe_key)
        );
        create index ix_inbox_messages_due on engagement.inbox_messages (due_at) where landed_at is null;
        create index ix_inbox_messages_person on engagement.inbox_messages (person_id, landed_at, id)
            where landed_at is not null;
        create index ix_inbox_messages_unread on engagement.inbox_messages (person_id)
            where landed_at is not null and read_at is null and archived_at is null;
        create index ix_inbox_messages_landed on engagement.inbox_messages (landed_at);
        create table engagement.do_not_disturb (
            account_id uuid not null,
            until timestamptz not null,
            set_at timestamptz not null,
            constraint pk_do_not_disturb primary key (account_id)
        );
        """
    )


def downgrade() -> None:
    op.execute("drop table engagement.do_not_disturb; drop table engagement.inbox_messages")
