"""What tokens name that has ended, and the question that every transaction asks of whoever's request it serves.

`platform.must_hold` fails the transaction, so that code which goes on after the refusal reads nothing. It runs with its
owner's rights: the analytics service may ask it, and cannot read either table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021_revocations"
down_revision = "0020_keys_and_logins"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "revocations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revocations")),
        schema="platform",
    )
    op.create_index(op.f("ix_revocations_ended_at"), "revocations", ["ended_at"], schema="platform")
    op.execute(
        """
        insert into platform.revocations (id, ended_at)
        select id, revoked_at from identity.login_sessions where revoked_at > now() - interval '31 days';

        create function platform.must_hold(
            of_account uuid, said_role text, said_at timestamptz, named uuid[]
        ) returns void
        language plpgsql stable security definer set search_path = pg_catalog as $$
        begin
            if exists (select from platform.revocations where id = any (named)) then
                raise exception 'what this credential came from has ended' using errcode = 'PL401';
            end if;
            if exists (
                select from platform.role_changes
                where account_id = of_account and changed_at >= said_at and role <> said_role
            ) then
                raise exception 'the role has changed since' using errcode = 'PL402';
            end if;
        end $$;
        """
    )


def downgrade() -> None:
    op.execute("drop function platform.must_hold(uuid, text, timestamptz, uuid[])")
    op.drop_table("revocations", schema="platform")
