"""A notice of a class may be for all that follow in its series.

Only widens: a version before this one writes notices of one class, and shows those of a series on the class on which
they were written.
"""

from alembic import op

revision = "0077_notices_of_series"
down_revision = "0076_payouts_at_once"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table scheduling.class_notices add column scope varchar(20) not null default 'one'")


def downgrade() -> None:
    op.execute("alter table scheduling.class_notices drop column scope")
