"""A second payment provider, results that are not known yet, and the comparison with the providers' books.

Expands only: every new column of a table that is there has a default or may be null, so the version before goes on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025_second_provider"
down_revision = "0024_desk_locations"
branch_labels = None
depends_on = None

OPEN_PAGES, OPEN_REFUNDS = "status in ('open', 'unknown')", "status in ('pending', 'unknown')"


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _minor(name: str, **given: object) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger(), **{"nullable": False, **given})  # type: ignore[arg-type]


def upgrade() -> None:
    for table, column in (
        ("checkout_sessions", sa.Column("provider", sa.String(20), server_default="stripe", nullable=False)),
        ("checkout_sessions", _minor("amount_minor", nullable=True)),
        ("checkout_sessions", _time("next_look_at", nullable=True)),
        ("refunds", sa.Column("provider_key", sa.String(), nullable=True)),
        ("refunds", _time("next_look_at", nullable=True)),
        ("refunds", sa.Column("looks", sa.SmallInteger(), server_default="0", nullable=False)),
    ):
        op.add_column(table, column, schema="commerce")
    op.create_unique_constraint(op.f("uq_refunds_provider_key"), "refunds", ["provider_key"], schema="commerce")
    for table, where in (("checkout_sessions", OPEN_PAGES), ("refunds", OPEN_REFUNDS)):
        op.create_index(
            f"ix_{table}_next_look_at", table, ["next_look_at"], schema="commerce", postgresql_where=sa.text(where)
        )
    op.create_table(
        "provider_movements",
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("source_id", sa.String(), nullable=True),
        sa.Column("object_id", sa.String(), nullable=True),
        _minor("amount_minor"),
        sa.Column("currency", sa.String(3), nullable=False),
        _minor("settled_minor"),
        sa.Column("settled_currency", sa.String(3), nullable=False),
        _minor("fee_minor", server_default="0"),
        sa.Column("exchange_rate", sa.Double(), nullable=True),
        sa.Column("provider_customer_id", sa.String(), nullable=True),
        sa.Column("payout_id", sa.String(), nullable=True),
        sa.Column("is_live", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        _time("occurred_at"),
        sa.CheckConstraint(
            "kind in ('payment', 'refund', 'dispute', 'dispute_reversal', 'payout', 'other')",
            name=op.f("ck_provider_movements_kind"),
        ),
        sa.PrimaryKeyConstraint("provider", "id", name=op.f("pk_provider_movements")),
        schema="commerce",
    )
    op.create_table(
        "provider_payouts",
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        _minor("amount_minor"),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        _time("sent_at"),
        _time("arrives_at"),
        sa.PrimaryKeyConstraint("provider", "id", name=op.f("pk_provider_payouts")),
        schema="commerce",
    )
    op.create_table(
        "reconciliation_findings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("found_on", sa.Date(), nullable=False),
        _time("found_at"),
        sa.Column("currency", sa.String(3), nullable=True),
        _minor("ours_minor", nullable=True),
        _minor("theirs_minor", nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_findings")),
        sa.UniqueConstraint(
            "provider", "kind", "subject", "found_on",
            name=op.f("uq_reconciliation_findings_provider_kind_subject_found_on"),
        ),
        schema="commerce",
    )  # fmt: skip
    op.create_table(
        "finding_resolutions",
        sa.Column("finding_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("resolved_by", sa.Uuid(), nullable=False),
        _time("resolved_at"),
        sa.CheckConstraint(
            "outcome in ('booked', 'provider_corrected', 'accepted', 'no_fault')",
            name=op.f("ck_finding_resolutions_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["finding_id"], ["commerce.reconciliation_findings.id"], name=op.f("fk_finding_resolutions_finding_id")
        ),
        sa.PrimaryKeyConstraint("finding_id", name=op.f("pk_finding_resolutions")),
        schema="commerce",
    )
    op.create_table(
        "reconciliation_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        _time("since"),
        _time("until"),
        _time("ran_at"),
        sa.Column("movements", sa.Integer(), nullable=False),
        sa.Column("new_findings", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_runs")),
        schema="commerce",
    )
    for table, columns in (
        ("provider_movements", ["provider", "occurred_at"]), ("provider_movements", ["provider", "payout_id"]),
        ("provider_movements", ["provider", "source_id"]), ("provider_movements", ["provider", "object_id"]),
        ("provider_payouts", ["provider", "sent_at"]), ("reconciliation_runs", ["provider", "ran_at"]),
    ):  # fmt: skip
        op.create_index(f"ix_{table}_{columns[-1]}", table, columns, schema="commerce")
    for table in ("reconciliation_findings", "finding_resolutions", "reconciliation_runs"):
        op.execute(
            f"create trigger append_only before update or delete on commerce.{table}"
            " for each row execute function platform.refuse_change()"
        )


def downgrade() -> None:
    for table in (
        "reconciliation_runs", "finding_resolutions", "reconciliation_findings", "provider_payouts",
        "provider_movements",
    ):  # fmt: skip
        op.drop_table(table, schema="commerce")
    for table in ("refunds", "checkout_sessions"):
        op.drop_index(f"ix_{table}_next_look_at", table_name=table, schema="commerce")
    op.drop_constraint(op.f("uq_refunds_provider_key"), "refunds", schema="commerce", type_="unique")
    for table, column in (
        ("refunds", "looks"), ("refunds", "next_look_at"), ("refunds", "provider_key"),
        ("checkout_sessions", "next_look_at"), ("checkout_sessions", "amount_minor"), ("checkout_sessions", "provider"),
    ):  # fmt: skip
        op.drop_column(table, column, schema="commerce")
