"""What a coach writes to everybody who comes to a class: kept with the class, so that who books later reads it, too.

Only widens: a version before this one writes none and shows none.
"""

from alembic import op

revision = "0074_class_notices"
down_revision = "0072_assistants"
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
        """
    )


def downgrade() -> None:
    op.execute("drop table scheduling.class_notices;")
