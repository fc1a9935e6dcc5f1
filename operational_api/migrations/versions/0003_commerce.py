"""Tables of commerce."""

import sqlalchemy as sa
from alembic import op

revision = "0003_commerce"
down_revision = "0002_identity"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create schema if not exists commerce")
    op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("stripe_customer_id", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sa.UniqueConstraint("stripe_customer_id", name=op.f("uq_customers_stripe_customer_id")),
        schema="commerce",
    )
    op.create_table(
        "ledger_journals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source_type", sa.String(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_journals")),
        sa.UniqueConstraint(
            "source_type", "source_id", "kind", name=op.f("uq_ledger_journals_source_type_source_id_kind")
        ),
        schema="commerce",
    )
    op.create_table(
        "plans",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("interval_months", sa.SmallInteger(), nullable=True),
        sa.Column("sessions_included", sa.SmallInteger(), nullable=True),
        sa.Column("trial_days", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("validity_days", sa.SmallInteger(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("sort_order", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind in ('membership', 'pack')", name=op.f("ck_plans_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
        sa.UniqueConstraint("code", name=op.f("uq_plans_code")),
        schema="commerce",
    )
    op.create_table(
        "ledger_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("journal_id", sa.Uuid(), nullable=False),
        sa.Column("account", sa.String(length=30), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.ForeignKeyConstraint(
            ["journal_id"], ["commerce.ledger_journals.id"], name=op.f("fk_ledger_lines_journal_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_lines")),
        schema="commerce",
    )
    op.create_index(op.f("ix_ledger_lines_journal_id"), "ledger_lines", ["journal_id"], unique=False, schema="commerce")
    op.create_table(
        "plan_prices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_rate_bp", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stripe_price_id", sa.String(), nullable=True),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_plan_prices_amount_not_negative")),
        sa.ForeignKeyConstraint(["plan_id"], ["commerce.plans.id"], name=op.f("fk_plan_prices_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_prices")),
        schema="commerce",
    )
    op.create_index(
        "uq_plan_prices_current",
        "plan_prices",
        ["plan_id", "currency"],
        unique=True,
        schema="commerce",
        postgresql_where=sa.text("valid_to is null"),
    )
    op.create_table(
        "session_packs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("sessions_total", sa.SmallInteger(), nullable=False),
        sa.Column("sessions_used", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("purchased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "sessions_used between 0 and sessions_total", name=op.f("ck_session_packs_used_within_total")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["commerce.customers.id"], name=op.f("fk_session_packs_customer_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["commerce.plans.id"], name=op.f("fk_session_packs_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_packs")),
        schema="commerce",
    )
    op.create_index(
        op.f("ix_session_packs_customer_id"), "session_packs", ["customer_id"], unique=False, schema="commerce"
    )
    op.create_table(
        "checkout_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=False),
        sa.Column("provider_session_id", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retries", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["commerce.customers.id"], name=op.f("fk_checkout_sessions_customer_id")
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["commerce.plans.id"], name=op.f("fk_checkout_sessions_plan_id")),
        sa.ForeignKeyConstraint(["price_id"], ["commerce.plan_prices.id"], name=op.f("fk_checkout_sessions_price_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkout_sessions")),
        sa.UniqueConstraint("provider_session_id", name=op.f("uq_checkout_sessions_provider_session_id")),
        schema="commerce",
    )
    op.create_index(
        op.f("ix_checkout_sessions_customer_id"), "checkout_sessions", ["customer_id"], unique=False, schema="commerce"
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("price_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("interval_months", sa.SmallInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trial_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("current_period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("current_period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_kind", sa.String(length=20), nullable=True),
        sa.Column("cancel_reason", sa.String(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stripe_subscription_id", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'cancelled') = (ended_at is not null)", name=op.f("ck_subscriptions_ended_when_cancelled")
        ),
        sa.CheckConstraint(
            "status in ('incomplete', 'trialing', 'active', 'paused', 'past_due', 'cancelled')",
            name=op.f("ck_subscriptions_status"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["commerce.customers.id"], name=op.f("fk_subscriptions_customer_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["commerce.plans.id"], name=op.f("fk_subscriptions_plan_id")),
        sa.ForeignKeyConstraint(["price_id"], ["commerce.plan_prices.id"], name=op.f("fk_subscriptions_price_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
        sa.UniqueConstraint("stripe_subscription_id", name=op.f("uq_subscriptions_stripe_subscription_id")),
        schema="commerce",
    )
    op.create_index(
        op.f("ix_subscriptions_customer_id"), "subscriptions", ["customer_id"], unique=False, schema="commerce"
    )
    op.create_index(
        "uq_subscriptions_one_live",
        "subscriptions",
        ["customer_id"],
        unique=True,
        schema="commerce",
        postgresql_where=sa.text("status not in ('cancelled', 'incomplete')"),
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("session_pack_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("subtotal_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stripe_invoice_id", sa.String(), nullable=True),
        sa.CheckConstraint("subtotal_minor >= 0 and tax_minor >= 0", name=op.f("ck_invoices_not_negative")),
        sa.CheckConstraint("total_minor = subtotal_minor + tax_minor", name=op.f("ck_invoices_total_is_sum")),
        sa.ForeignKeyConstraint(["customer_id"], ["commerce.customers.id"], name=op.f("fk_invoices_customer_id")),
        sa.ForeignKeyConstraint(
            ["session_pack_id"], ["commerce.session_packs.id"], name=op.f("fk_invoices_session_pack_id")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["commerce.subscriptions.id"], name=op.f("fk_invoices_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("number", name=op.f("uq_invoices_number")),
        sa.UniqueConstraint("stripe_invoice_id", name=op.f("uq_invoices_stripe_invoice_id")),
        schema="commerce",
    )
    op.create_index(op.f("ix_invoices_customer_id"), "invoices", ["customer_id"], unique=False, schema="commerce")
    op.create_index(
        op.f("ix_invoices_subscription_id"), "invoices", ["subscription_id"], unique=False, schema="commerce"
    )
    op.create_table(
        "subscription_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("mrr_before_minor", sa.BigInteger(), nullable=False),
        sa.Column("mrr_after_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["commerce.subscriptions.id"], name=op.f("fk_subscription_changes_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription_changes")),
        schema="commerce",
    )
    op.create_index(
        "ix_subscription_changes_changed_at", "subscription_changes", ["changed_at"], unique=False, schema="commerce"
    )
    op.create_index(
        op.f("ix_subscription_changes_subscription_id"),
        "subscription_changes",
        ["subscription_id"],
        unique=False,
        schema="commerce",
    )
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("provider_payment_id", sa.String(), nullable=True),
        sa.Column("attempt", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("failure_code", sa.String(), nullable=True),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'captured') = (captured_at is not null)", name=op.f("ck_payments_captured_has_time")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["commerce.customers.id"], name=op.f("fk_payments_customer_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["commerce.invoices.id"], name=op.f("fk_payments_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint(
            "provider", "provider_payment_id", "attempt", name=op.f("uq_payments_provider_provider_payment_id_attempt")
        ),
        schema="commerce",
    )
    op.create_index(op.f("ix_payments_customer_id"), "payments", ["customer_id"], unique=False, schema="commerce")
    op.create_index(op.f("ix_payments_invoice_id"), "payments", ["invoice_id"], unique=False, schema="commerce")
    op.create_table(
        "disputes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("provider_dispute_id", sa.String(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["payment_id"], ["commerce.payments.id"], name=op.f("fk_disputes_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
        sa.UniqueConstraint("provider_dispute_id", name=op.f("uq_disputes_provider_dispute_id")),
        schema="commerce",
    )
    op.create_index(op.f("ix_disputes_payment_id"), "disputes", ["payment_id"], unique=False, schema="commerce")
    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("provider_refund_id", sa.String(), nullable=True),
        sa.Column("refunded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refunds_amount_positive")),
        sa.ForeignKeyConstraint(["payment_id"], ["commerce.payments.id"], name=op.f("fk_refunds_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint("provider_refund_id", name=op.f("uq_refunds_provider_refund_id")),
        schema="commerce",
    )
    op.create_index(op.f("ix_refunds_payment_id"), "refunds", ["payment_id"], unique=False, schema="commerce")

    op.execute(
        """
        create function commerce.journals_must_balance() returns trigger language plpgsql as $$
        declare
            unbalanced uuid;
        begin
            select line.journal_id into unbalanced
            from commerce.ledger_lines as line
            where line.journal_id in (select distinct journal_id from new_lines)
            group by line.journal_id, line.currency
            having sum(line.amount_minor) <> 0
            limit 1;
            if unbalanced is not null then
                raise exception 'journal % does not sum to zero', unbalanced using errcode = 'PL002';
            end if;
            return null;
        end $$;
        create trigger journals_must_balance after insert on commerce.ledger_lines
            referencing new table as new_lines
            for each statement execute function commerce.journals_must_balance();
        create trigger append_only before update or delete on commerce.ledger_lines
            for each row execute function platform.refuse_change();
        create trigger append_only before update or delete on commerce.ledger_journals
            for each row execute function platform.refuse_change();
        create trigger append_only before update or delete on commerce.subscription_changes
            for each row execute function platform.refuse_change();
        """
    )


def downgrade() -> None:
    op.execute("drop function commerce.journals_must_balance() cascade")
    op.drop_index(op.f("ix_refunds_payment_id"), table_name="refunds", schema="commerce")
    op.drop_table("refunds", schema="commerce")
    op.drop_index(op.f("ix_disputes_payment_id"), table_name="disputes", schema="commerce")
    op.drop_table("disputes", schema="commerce")
    op.drop_index(op.f("ix_payments_invoice_id"), table_name="payments", schema="commerce")
    op.drop_index(op.f("ix_payments_customer_id"), table_name="payments", schema="commerce")
    op.drop_table("payments", schema="commerce")
    op.drop_index(op.f("ix_subscription_changes_subscription_id"), table_name="subscription_changes", schema="commerce")
    op.drop_index("ix_subscription_changes_changed_at", table_name="subscription_changes", schema="commerce")
    op.drop_table("subscription_changes", schema="commerce")
    op.drop_index(op.f("ix_invoices_subscription_id"), table_name="invoices", schema="commerce")
    op.drop_index(op.f("ix_invoices_customer_id"), table_name="invoices", schema="commerce")
    op.drop_table("invoices", schema="commerce")
    op.drop_index(
        "uq_subscriptions_one_live",
        table_name="subscriptions",
        schema="commerce",
        postgresql_where=sa.text("status not in ('cancelled', 'incomplete')"),
    )
    op.drop_index(op.f("ix_subscriptions_customer_id"), table_name="subscriptions", schema="commerce")
    op.drop_table("subscriptions", schema="commerce")
    op.drop_index(op.f("ix_checkout_sessions_customer_id"), table_name="checkout_sessions", schema="commerce")
    op.drop_table("checkout_sessions", schema="commerce")
    op.drop_index(op.f("ix_session_packs_customer_id"), table_name="session_packs", schema="commerce")
    op.drop_table("session_packs", schema="commerce")
    op.drop_index(
        "uq_plan_prices_current",
        table_name="plan_prices",
        schema="commerce",
        postgresql_where=sa.text("valid_to is null"),
    )
    op.drop_table("plan_prices", schema="commerce")
    op.drop_index(op.f("ix_ledger_lines_journal_id"), table_name="ledger_lines", schema="commerce")
    op.drop_table("ledger_lines", schema="commerce")
    op.drop_table("plans", schema="commerce")
    op.drop_table("ledger_journals", schema="commerce")
    op.drop_table("customers", schema="commerce")
    op.execute("drop schema commerce")
