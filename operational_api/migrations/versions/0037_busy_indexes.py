"""Indexes for who reads bookings of everybody: the desk's list by start, and the fees that are still to be paid.

Only widens.
"""

from alembic import op

revision = "0037_busy_indexes"
down_revision = "0034_money_rest"
branch_labels = None
depends_on = None

INDEXES = """
create index ix_bookings_starts_at on scheduling.bookings (starts_at, id);
create index ix_bookings_late_fees on scheduling.bookings (starts_at)
    where status = 'late_cancelled' and late_fee_waived_at is null and late_fee_due_at is not null;
"""


def upgrade() -> None:
    op.execute(INDEXES)


def downgrade() -> None:
    op.execute("drop index scheduling.ix_bookings_starts_at; drop index scheduling.ix_bookings_late_fees")
