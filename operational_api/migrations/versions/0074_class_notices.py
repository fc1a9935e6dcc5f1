"""What a coach writes to everybody who comes to a class: kept with the class, so that who books later reads it, too. And
as how many segments a text was charged.

Only widens: a version before this one writes none and shows none.
"""

from alembic import op

revision = "0074_class_notices"
down_revision = "0073_billed_to"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table scheduling.class_notices (
            id uuid not null constraint pk_class_notices primary key,
            slot_id uuid not null constraint fk_class_notices_slot_id_slots references scheduling.slots (id),
            author_id uuid not null,
            body varchar not null,
            recipients integer not null,
            created_at timestamptz not null
        );
        create index ix_class_notices_slot_id on scheduling.class_notices (slot_id);
        alter table engagement.outgoing_emails add column segments smallint;
        create index ix_outgoing_emails_charged on engagement.outgoing_emails (sent_at) where segments is not null;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        drop index engagement.ix_outgoing_emails_charged;
        alter table engagement.outgoing_emails drop column segments;
        drop table scheduling.class_notices;
        """
    )
