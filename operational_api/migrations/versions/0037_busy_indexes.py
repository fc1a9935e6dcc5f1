"""Indexes for who reads of everybody: bookings by start, fees that are still to be paid, clients by name.

Only widens.
"""

from alembic import op

revision = "0037_busy_indexes"
down_revision = "0036_files_of_messages"
branch_labels = None
depends_on = None

INDEXES = """
create index ix_bookings_starts_at on scheduling.bookings (starts_at, id);
create index ix_bookings_late_fees on scheduling.bookings (starts_at)
    where status = 'late_cancelled' and late_fee_waived_at is null and late_fee_due_at is not null;
create index ix_clients_display_name on training.clients (display_name, id);
"""


def upgrade() -> None:
    op.execute(INDEXES)


def downgrade() -> None:
    op.execute("drop index scheduling.ix_bookings_starts_at, scheduling.ix_bookings_late_fees")
    op.execute("drop index training.ix_clients_display_name")
