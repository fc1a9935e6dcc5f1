"""Find the bookings of a slot and the waitlists of a customer without reading the table.

The unique index on seats covers only bookings that hold one: deleting a slot, which asks whether any booking ever
named it, read all bookings once per slot.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014_bookings_by_slot"
down_revision = "0013_sets_know_their_workout"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_bookings_slot_id", "bookings", ["slot_id"], schema="scheduling")
    op.create_index(
        "ix_waitlist_entries_customer_waiting",
        "waitlist_entries",
        ["customer_id"],
        schema="scheduling",
        postgresql_where=sa.text("status = 'waiting'"),
    )


def downgrade() -> None:
    op.drop_index("ix_waitlist_entries_customer_waiting", table_name="waitlist_entries", schema="scheduling")
    op.drop_index("ix_bookings_slot_id", table_name="bookings", schema="scheduling")
