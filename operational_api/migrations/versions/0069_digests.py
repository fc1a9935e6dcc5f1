"""Messages that come as one list at an hour of their reader.

Only widens: a version before this one sends each message by itself; what waits in a list for another it would send alone.
"""

from alembic import op

revision = "0069_digests"
down_revision = "0068_wallets"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table engagement.digest_choices (
            customer_id uuid not null,
            purpose varchar(20) not null,
            hour integer not null,
            is_weekly boolean not null default false,
            decided_at timestamptz not null,
            constraint pk_digest_choices primary key (customer_id, purpose),
            constraint ck_digest_choices_hour check (hour between 0 and 23)
        );
        alter table engagement.outgoing_emails add column digest_at timestamptz, add column digest_id uuid;
        create index ix_outgoing_emails_gathered on engagement.outgoing_emails (channel, digest_at)
            where status = 'queued' and digest_at is not null and digest_id is null;
        create index ix_outgoing_emails_digest on engagement.outgoing_emails (digest_id) where digest_id is not null;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        alter table engagement.outgoing_emails drop column digest_id, drop column digest_at;
        drop table engagement.digest_choices;
        """
    )
