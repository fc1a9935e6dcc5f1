"""A client has one coach at a time, also in what is over: two at once would count what was trained then twice.

Only narrows what no version before this one writes.
"""

from alembic import op

revision = "0052_one_coach_at_a_time"
down_revision = "0051_files_for_later"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        -- two servers' clocks may have disagreed by moments
        update training.coach_assignments set ended_at = assigned_at where ended_at < assigned_at;
        alter table training.coach_assignments add constraint ex_coach_assignments_one_at_a_time
            exclude using gist (customer_id with =, tstzrange(assigned_at, ended_at) with &&);
        """
    )


def downgrade() -> None:
    op.execute("alter table training.coach_assignments drop constraint ex_coach_assignments_one_at_a_time")
