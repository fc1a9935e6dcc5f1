"""A calendar is left before it is forgotten: what was written there is taken out first, and what stayed is said.

Only widens: a version before this one forgets at once, and looks at none that is being left.
"""

from alembic import op

revision = "0055_leaving_calendars"
down_revision = "0052_one_coach_at_a_time"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table scheduling.calendar_connections
            add leaves_by timestamptz,
            add left_behind integer not null default 0,
            drop constraint ck_calendar_connections_state,
            add constraint ck_calendar_connections_state check (state in ('active', 'refused', 'leaving', 'ended'));
        create index ix_calendar_connections_leaving on scheduling.calendar_connections (next_sync_at)
            where state = 'leaving';
        """
    )


def downgrade() -> None:
    op.execute(
        """
        update scheduling.calendar_connections set state = 'ended', ended_at = now() where state = 'leaving';
        drop index scheduling.ix_calendar_connections_leaving;
        alter table scheduling.calendar_connections
            drop leaves_by,
            drop left_behind,
            drop constraint ck_calendar_connections_state,
            add constraint ck_calendar_connections_state check (state in ('active', 'refused', 'ended'));
        """
    )
