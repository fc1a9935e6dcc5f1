"""What is entered in Plyo can be withheld from the coach; who shows what is asked for many people at once.

`platform.decided_kinds` is read with the owner's rights: training and analytics may not read compliance, and an admin
who opens a client's training may not see the client's consents, but is bound by them.
"""

from alembic import op

revision = "0023_consent_to_what_is_entered"
down_revision = "0022_approvals"
branch_labels = None
depends_on = None

DEVICES = "'activity', 'sleep', 'daily', 'body'"


def _check(kinds: str) -> None:
    op.execute(
        f"""alter table compliance.consents drop constraint ck_consents_data_kind;
        alter table compliance.consents add constraint ck_consents_data_kind check (data_kind in ({kinds}))"""
    )


def upgrade() -> None:
    _check(f"{DEVICES}, 'training', 'injuries'")
    op.execute(
        """
        create function platform.decided_kinds(people uuid[])
        returns table (customer_id uuid, data_kind text, is_given boolean)
        language sql stable security definer set search_path = pg_catalog as $$
            select distinct on (consent.customer_id, consent.data_kind)
                consent.customer_id, consent.data_kind::text, consent.is_given
            from compliance.consents as consent
            where consent.customer_id = any (people) and consent.purpose = 'coaching'
            order by consent.customer_id, consent.data_kind, consent.decided_at desc, consent.id desc
        $$
        """
    )


def downgrade() -> None:
    op.execute("drop function platform.decided_kinds(uuid[])")
    op.execute("alter table compliance.consents disable trigger user")
    op.execute("delete from compliance.consents where data_kind in ('training', 'injuries')")
    op.execute("alter table compliance.consents enable trigger user")
    _check(DEVICES)
