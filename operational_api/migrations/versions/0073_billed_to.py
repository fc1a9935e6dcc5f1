"""To whom invoices are addressed where that is not a person's name: a company, where it sits, its tax number. An invoice
keeps what held when it was issued.

Only widens: a version before this one addresses its invoices by name.
"""

from alembic import op

revision = "0073_billed_to"
down_revision = "0072_assistants"
branch_labels = None
depends_on = None

ISSUED = """
create or replace function commerce.refuse_issued_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and
       (old.id, old.number, old.series, old.sequence, old.customer_id, old.payer_id, old.subscription_id, old.currency,
        old.subtotal_minor, old.tax_minor, old.total_minor, old.period_start, old.period_end, old.issued_at{old})
       is not distinct from
       (new.id, new.number, new.series, new.sequence, new.customer_id, new.payer_id, new.subscription_id, new.currency,
        new.subtotal_minor, new.tax_minor, new.total_minor, new.period_start, new.period_end, new.issued_at{new}) then
        return new;
    end if;
    raise exception 'invoice % was issued and stays as it is', old.number using errcode = 'PL003';
end $$;
"""


def upgrade() -> None:
    op.execute("alter table commerce.customers add column billed_to varchar(400)")
    op.execute("alter table commerce.invoices add column billed_to varchar(400)")
    op.execute(ISSUED.format(old=", old.billed_to", new=", new.billed_to"))


def downgrade() -> None:
    op.execute(ISSUED.format(old="", new=""))
    op.execute("alter table commerce.invoices drop column billed_to")
    op.execute("alter table commerce.customers drop column billed_to")
