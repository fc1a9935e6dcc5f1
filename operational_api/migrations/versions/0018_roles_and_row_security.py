"""Roles and refunds are asked for and decided by two people; tables of health data show each viewer their part.

Row-level security asks two settings of the transaction, `plyo.role` and `plyo.principal` (`core.viewer`). A transaction
that said nothing sees nothing. The owner of the tables and roles with BYPASSRLS (change capture) see everything.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018_roles_and_row_security"
down_revision = "0017_risk_and_audit"
branch_labels = None
depends_on = None

HEALTH = (
    "training.injuries", "training.wearable_days", "integrations.wearable_links", "integrations.wearable_payloads",
    "compliance.consents",
)  # fmt: skip
"""For the customer, their coach, and the system."""
TRAINING = ("training.workouts",)
"""For those who run the team's training too."""


def upgrade() -> None:
    op.create_table(
        "role_changes",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_role_changes")),
        schema="platform",
    )
    op.create_table(
        "role_grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("from_role", sa.String(length=20), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="requested", nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status in ('requested', 'approved', 'declined')", name=op.f("ck_role_grants_status")),
        sa.CheckConstraint(
            "(status = 'requested') = (decided_by is null)", name=op.f("ck_role_grants_decided_by_somebody")
        ),
        sa.CheckConstraint(
            "status <> 'approved' or decided_by <> requested_by", name=op.f("ck_role_grants_not_by_who_asked")
        ),
        sa.CheckConstraint(
            "status <> 'approved' or decided_by <> account_id", name=op.f("ck_role_grants_not_by_who_gains")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["identity.accounts.id"], name=op.f("fk_role_grants_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_grants")),
        schema="identity",
    )
    op.create_index(op.f("ix_role_grants_account_id"), "role_grants", ["account_id"], schema="identity")
    op.create_index(
        "uq_role_grants_open", "role_grants", ["account_id"], unique=True, schema="identity",
        postgresql_where=sa.text("status = 'requested'"),
    )  # fmt: skip
    op.create_table(
        "refund_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="requested", nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refund_requests_amount_positive")),
        sa.CheckConstraint("status in ('requested', 'approved', 'declined')", name=op.f("ck_refund_requests_status")),
        sa.CheckConstraint(
            "(status = 'requested') = (decided_by is null)", name=op.f("ck_refund_requests_decided_by_somebody")
        ),
        sa.CheckConstraint(
            "status <> 'approved' or decided_by <> requested_by", name=op.f("ck_refund_requests_not_by_who_asked")
        ),
        sa.CheckConstraint(
            "(status = 'approved') = (refund_id is not null)", name=op.f("ck_refund_requests_approved_has_refund")
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["commerce.payments.id"], name=op.f("fk_refund_requests_payment_id")),
        sa.ForeignKeyConstraint(["refund_id"], ["commerce.refunds.id"], name=op.f("fk_refund_requests_refund_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_requests")),
        schema="commerce",
    )
    op.create_index(op.f("ix_refund_requests_payment_id"), "refund_requests", ["payment_id"], schema="commerce")
    op.create_index(
        "uq_refund_requests_open", "refund_requests", ["payment_id"], unique=True, schema="commerce",
        postgresql_where=sa.text("status = 'requested'"),
    )  # fmt: skip
    _row_security()


def _row_security() -> None:
    # Both are asked in a subselect, so once a statement and not once a row. The list of clients is read with the
    # owner's rights: integrations and compliance cannot read training.
    op.execute(
        """
        create function platform.viewer_is(variadic roles text[]) returns boolean
        language sql stable parallel safe set search_path = pg_catalog
        return coalesce(current_setting('plyo.role', true), '') = any (roles);

        create function platform.visible_customers() returns uuid[]
        language plpgsql stable security definer set search_path = pg_catalog as $$
        declare person uuid := nullif(current_setting('plyo.principal', true), '');
        begin
            if person is null then
                return '{}';
            elsif platform.viewer_is('customer') then
                return array[person];
            elsif platform.viewer_is('coach', 'lead_coach') then
                return array(select id from training.clients where coach_id = person);
            end if;
            return '{}';
        end $$;
        """
    )
    own = "customer_id = any ((select platform.visible_customers())::uuid[])"
    for tables, roles in ((HEALTH, "'system', 'service'"), (TRAINING, "'system', 'service', 'admin', 'lead_coach'")):
        for table in tables:
            seen = f"{own} or (select platform.viewer_is({roles}))"
            op.execute(f"alter table {table} enable row level security")
            op.execute(f"create policy visible on {table} using ({seen}) with check ({seen})")


def downgrade() -> None:
    for table in (*HEALTH, *TRAINING):
        op.execute(f"drop policy visible on {table}; alter table {table} disable row level security")
    op.execute("drop function platform.visible_customers(); drop function platform.viewer_is(text[])")
    op.drop_table("refund_requests", schema="commerce")
    op.drop_table("role_grants", schema="identity")
    op.drop_table("role_changes", schema="platform")
