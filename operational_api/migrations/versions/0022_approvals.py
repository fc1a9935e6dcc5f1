"""Requests that two people decide say more of how they ended; exports and resets of second factors are such requests.

Constraints only widen here: a version before this one writes what it wrote. Its "declined" by who asked is read as
taken back.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022_approvals"
down_revision = "0021_revocations"
branch_labels = None
depends_on = None

STATUSES = "status in ('requested', 'approved', 'declined', 'withdrawn', 'expired')"
CLOSED = "(status in ('requested', 'expired')) = (decided_by is null)"
TABLES = (("identity", "role_grants"), ("commerce", "refund_requests"))


def _request() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="requested", nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.String(), nullable=True),
    ]


def _rules(table: str, about: str | None) -> list[sa.Constraint]:
    found: list[sa.Constraint] = [
        sa.CheckConstraint(STATUSES, name=op.f(f"ck_{table}_status")),
        sa.CheckConstraint(CLOSED, name=op.f(f"ck_{table}_decided_by_somebody")),
        sa.CheckConstraint(
            "status <> 'approved' or decided_by <> requested_by", name=op.f(f"ck_{table}_not_by_who_asked")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]
    if about:
        rule = f"status <> 'approved' or decided_by <> {about}"
        found.append(sa.CheckConstraint(rule, name=op.f(f"ck_{table}_not_by_who_gains")))
    return found


def upgrade() -> None:
    for schema, table in TABLES:
        op.add_column(table, sa.Column("decision_reason", sa.String(), nullable=True), schema=schema)
        for name, rule in (("status", STATUSES), ("decided_by_somebody", CLOSED)):
            op.drop_constraint(op.f(f"ck_{table}_{name}"), table, schema=schema, type_="check")
            op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule, schema=schema)
        op.execute(
            f"update {schema}.{table} set status = 'withdrawn'"  # noqa: S608 - names of ours
            " where status = 'declined' and decided_by = requested_by"
        )
    op.create_check_constraint(
        op.f("ck_refund_requests_not_by_who_gains"), "refund_requests",
        "status <> 'approved' or decided_by <> customer_id", schema="commerce",
    )  # fmt: skip
    op.create_table(
        "factor_resets",
        *_request(),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("identity_check", sa.String(length=20), nullable=False),
        sa.Column("is_staff", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "identity_check in ('photo_id', 'video_call', 'known_person')", name=op.f("ck_factor_resets_identity_check")
        ),
        *_rules("factor_resets", "account_id"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["identity.accounts.id"], name=op.f("fk_factor_resets_account_id"), ondelete="CASCADE"
        ),
        schema="identity",
    )
    op.create_index(op.f("ix_factor_resets_account_id"), "factor_resets", ["account_id"], schema="identity")
    op.create_table(
        "exports",
        *_request(),
        sa.Column("dataset", sa.String(length=20), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=True),
        sa.Column("to_on", sa.Date(), nullable=True),
        sa.Column("row_count", sa.Integer(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("file_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("dataset in ('customers', 'payments')", name=op.f("ck_exports_dataset")),
        sa.CheckConstraint(
            "purpose in ('accounting', 'legal', 'research', 'migration')", name=op.f("ck_exports_purpose")
        ),
        sa.CheckConstraint("to_on >= from_on", name=op.f("ck_exports_ends_after_start")),
        *_rules("exports", None),
        schema="compliance",
    )
    op.create_table(
        "export_files",
        sa.Column("export_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["export_id"], ["compliance.exports.id"], name=op.f("fk_export_files_export_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("export_id", name=op.f("pk_export_files")),
        schema="compliance",
    )
    op.create_index(op.f("ix_export_files_expires_at"), "export_files", ["expires_at"], schema="compliance")
    for schema, table, columns in (
        ("identity", "factor_resets", ["account_id"]), ("compliance", "exports", ["requested_by", "dataset"]),
    ):  # fmt: skip
        op.create_index(
            f"uq_{table}_open", table, columns, unique=True, schema=schema,
            postgresql_where=sa.text("status = 'requested'"),
        )  # fmt: skip
    # With the rights of their owner: compliance reads what an export holds, and nothing else of identity and commerce.
    # PostgreSQL lets people write through a plain view, with its owner's rights, but not through one with a `with`,
    # which is planned like the plain one. The two older views let their contexts change accounts: no longer.
    op.execute(
        """
        create view compliance.exported_customers as with found as (
            select id as customer_id, display_name, email, time_zone, locale, created_at as joined_at
            from identity.accounts where role = 'customer' and disabled_at is null) select * from found;
        create view compliance.exported_payments as with found as (
            select p.id as payment_id, p.customer_id, a.display_name, a.email, p.amount_minor, p.currency, p.status,
                   p.provider, p.attempted_at, p.captured_at
            from commerce.payments p left join identity.accounts a on a.id = p.customer_id) select * from found;
        create or replace view engagement.contacts as with found as (
            select id as account_id, email, display_name, time_zone, role from identity.accounts
            where disabled_at is null) select * from found;
        create or replace view compliance.people as with found as (
            select id as account_id, display_name, role from identity.accounts) select * from found;
        """
    )


def downgrade() -> None:
    op.execute("drop view compliance.exported_payments; drop view compliance.exported_customers")
    op.drop_table("export_files", schema="compliance")
    op.drop_table("exports", schema="compliance")
    op.drop_table("factor_resets", schema="identity")
    op.drop_constraint(op.f("ck_refund_requests_not_by_who_gains"), "refund_requests", schema="commerce", type_="check")
    for schema, table in TABLES:
        op.execute(
            f"update {schema}.{table} set status = 'declined',"  # noqa: S608 - names of ours
            " decided_by = coalesce(decided_by, requested_by)"
            " where status in ('withdrawn', 'expired')"
        )
        for name, rule in (
            ("status", "status in ('requested', 'approved', 'declined')"),
            ("decided_by_somebody", "(status = 'requested') = (decided_by is null)"),
        ):
            op.drop_constraint(op.f(f"ck_{table}_{name}"), table, schema=schema, type_="check")
            op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule, schema=schema)
        op.drop_column(table, "decision_reason", schema=schema)
