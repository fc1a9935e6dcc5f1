"""How a session got its coach where the customer named none, and how much of those a coach is to get.

Only widens: a version before this one names the coach of every booking, and every coach has the same weight.
"""

from alembic import op

revision = "0066_any_coach"
down_revision = "0065_billing_bounds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table scheduling.coaches add turn_weight smallint not null default 100
            constraint ck_coaches_turn_weight check (turn_weight between 0 and 1000);
        alter table scheduling.bookings add assignment varchar(20)
            constraint ck_bookings_assignment check (assignment in ('own_coach', 'turn', 'desk'));
        create index ix_bookings_turns on scheduling.bookings (coach_id, booked_at) where assignment = 'turn';
        """
    )


def downgrade() -> None:
    op.execute(
        """
        alter table scheduling.bookings drop assignment;
        alter table scheduling.coaches drop turn_weight;
        """
    )
