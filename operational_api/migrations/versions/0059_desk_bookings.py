"""Who at the front desk booked for a customer; and people found by what their name is like.

Only widens: a version before this one leaves `booked_by` empty, as of what customers book themselves.
"""

from alembic import op

revision = "0059_desk_bookings"
down_revision = "0058_owed_and_won"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table scheduling.bookings add booked_by uuid")
    op.execute(
        "create index ix_accounts_name_trigrams on identity.accounts using gin (lower(display_name) gin_trgm_ops)"
    )


def downgrade() -> None:
    op.execute("drop index identity.ix_accounts_name_trigrams")
    op.execute("alter table scheduling.bookings drop booked_by")
