"""Until when the bank listens to us about a contested payment, and whether something was handed in.

Only widens: a version before this one books disputes without, and they are asked about again with their next message.
"""

from alembic import op

revision = "0080_evidence_of_disputes"
down_revision = "0079_costs_of_texts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table commerce.disputes
            add column evidence_due_at timestamptz, add column has_evidence boolean not null default false;
        create index disputes_waiting on commerce.disputes (evidence_due_at)
            where status = 'needs_response' and not has_evidence;
        """
    )


def downgrade() -> None:
    op.execute("alter table commerce.disputes drop column evidence_due_at, drop column has_evidence")
