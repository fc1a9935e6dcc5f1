"""A refund may be of a line of its invoice; a fee that was credited says when.

Only widens: a version before this one asks for amounts, and what it credits of a fee is told by its booking alone.
"""

from alembic import op

revision = "0078_refunds_of_lines"
down_revision = "0077_notices_of_series"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        alter table commerce.refund_requests
            add column line_position smallint,
            add column fee_booking_id uuid,
            add constraint ck_refund_requests_fee_is_a_line
                check (fee_booking_id is null or line_position is not null)
    """)
    op.execute("alter table commerce.billing_items add column let_go_at timestamptz")


def downgrade() -> None:
    op.execute("alter table commerce.billing_items drop column let_go_at")
    op.execute("alter table commerce.refund_requests drop column fee_booking_id, drop column line_position")
