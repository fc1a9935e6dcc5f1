"""Files of messages that wait to be sent.

Only widens: a version before this one sends such a message without its files, and makes none.
"""

from alembic import op

revision = "0051_files_for_later"
down_revision = "0050_missed_weeks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table engagement.scheduled_files (
            id uuid not null,
            scheduled_id uuid not null,
            name varchar(120) not null,
            media_type varchar(40) not null,
            size_bytes integer not null,
            content bytea not null,
            constraint pk_scheduled_files primary key (id),
            constraint fk_scheduled_files_scheduled_id foreign key (scheduled_id)
                references engagement.scheduled_messages (id) on delete cascade
        );
        create index ix_scheduled_files_scheduled_id on engagement.scheduled_files (scheduled_id);
        """
    )


def downgrade() -> None:
    op.execute("drop table engagement.scheduled_files")
