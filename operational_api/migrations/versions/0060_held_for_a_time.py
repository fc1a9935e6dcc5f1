"""Movements that are measured by time (planks, hangs, stretches); how often a webhook was asked for again.

Only widens: what a movement is measured by says so from now on, sets and plans have their seconds since 0056. What was
logged by repetitions stays as it was told.
"""

from alembic import op

revision = "0060_held_for_a_time"
down_revision = "0059_desk_bookings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table training.exercises drop constraint ck_exercises_measure,
            add constraint ck_exercises_measure check (measure in ('load', 'assistance', 'distance', 'time'));
        update training.exercises set measure = 'time' where measure = 'load' and slug in ('plank', 'side-plank');
        alter table integrations.webhook_deliveries add asks smallint not null default 0;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        alter table integrations.webhook_deliveries drop asks;
        delete from training.personal_records where kind = 'hold';
        update training.exercises set measure = 'load' where measure = 'time';
        alter table training.exercises drop constraint ck_exercises_measure,
            add constraint ck_exercises_measure check (measure in ('load', 'assistance', 'distance'));
        """
    )
