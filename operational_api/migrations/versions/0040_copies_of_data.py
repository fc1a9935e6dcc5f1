"""Files of exports go to the object store, sealed; people get copies of all that is known of them.

Only widens. What a version before this one made stays in `export_files` until it expires; of a newer file it says that
it is gone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0040_copies_of_data"
down_revision = "0039_evidence_and_fees"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "personal_exports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(500)),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True)),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("row_count", sa.Integer()),
        sa.Column("file_count", sa.Integer()),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.CheckConstraint(
            "(requested_by = account_id) = (reason is null)", name=op.f("ck_personal_exports_others_say_why")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_personal_exports")),
        schema="compliance",
    )
    op.create_index(
        "ix_personal_exports_account_id", "personal_exports", ["account_id", "requested_at"], schema="compliance"
    )
    op.create_table(
        "stored_files",
        sa.Column("export_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("status", sa.String(10), server_default="making", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("edition", sa.Integer(), server_default="0", nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("is_sealed", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("kind in ('business', 'personal')", name=op.f("ck_stored_files_kind")),
        sa.CheckConstraint("status in ('making', 'ready', 'removed')", name=op.f("ck_stored_files_status")),
        sa.CheckConstraint("(status = 'ready') = (expires_at is not null)", name=op.f("ck_stored_files_ready_expires")),
        sa.PrimaryKeyConstraint("export_id", name=op.f("pk_stored_files")),
        schema="compliance",
    )
    op.create_index("ix_stored_files_due_at", "stored_files", ["due_at"], schema="compliance")
    op.execute(
        """
        create or replace view compliance.people as with found as (
            select id as account_id, display_name, role, email from identity.accounts) select * from found;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        do $$ begin
            if exists (select from compliance.stored_files where attempts > 0) then
                raise exception 'files of exports are in the object store: let them expire before this';
            end if;
        end $$;
        drop view compliance.people;
        create view compliance.people as with found as (
            select id as account_id, display_name, role from identity.accounts) select * from found;
        """
    )
    op.drop_table("stored_files", schema="compliance")
    op.drop_table("personal_exports", schema="compliance")
