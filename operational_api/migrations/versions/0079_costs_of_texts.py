"""What a text cost is kept with it, at the price of when it left: another price changes no past.

Only widens: a version before this one sends texts without, and they count as unpriced.
"""

from alembic import op

revision = "0079_costs_of_texts"
down_revision = "0078_refunds_of_lines"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table engagement.outgoing_emails
            add column cost_thousandths bigint, add column cost_currency varchar(3);
        """
    )


def downgrade() -> None:
    op.execute("alter table engagement.outgoing_emails drop column cost_thousandths, drop column cost_currency")
