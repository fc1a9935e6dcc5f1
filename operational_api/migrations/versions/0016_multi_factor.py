"""Second factors, sign-ins that wait for one, how a session was proved, and requests for deletion."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016_multi_factor"
down_revision = "0015_consents_and_integrations"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def _of_account(name: str) -> tuple[sa.Column, sa.ForeignKeyConstraint]:
    key = sa.ForeignKeyConstraint(
        ["account_id"], ["identity.accounts.id"], name=op.f(f"fk_{name}_account_id"), ondelete="CASCADE"
    )
    return sa.Column("account_id", sa.Uuid(), nullable=False), key


def _table(name: str, *parts: sa.Column | sa.Constraint, key: str = "id") -> None:
    own = [sa.Column("id", sa.Uuid(), nullable=False)] if key == "id" else []
    op.create_table(
        name, *own, *_of_account(name), *parts, sa.PrimaryKeyConstraint(key, name=op.f(f"pk_{name}")), schema="identity"
    )
    op.create_index(op.f(f"ix_{name}_account_id"), name, ["account_id"], schema="identity")


def upgrade() -> None:
    op.add_column("email_tokens", sa.Column("address", sa.String(), nullable=True), schema="identity")
    op.add_column(
        "login_sessions", sa.Column("authenticated_at", TIME, server_default=NOW, nullable=False), schema="identity"
    )
    op.add_column(
        "login_sessions",
        sa.Column("amr", postgresql.ARRAY(sa.String()), server_default=sa.text("'{pwd}'"), nullable=False),
        schema="identity",
    )
    op.execute("update identity.login_sessions set authenticated_at = created_at")
    _table(
        "pending_sign_ins",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("steps", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("amr", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("reasons", postgresql.ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("return_to", sa.String(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("email_code_hash", sa.String(), nullable=True),
        sa.Column("email_code_expires_at", TIME, nullable=True),
        sa.Column("email_code_tries", sa.Integer(), server_default="0", nullable=False),
        sa.UniqueConstraint("token_hash", name=op.f("uq_pending_sign_ins_token_hash")),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["identity.login_sessions.id"],
            name=op.f("fk_pending_sign_ins_session_id"),
            ondelete="CASCADE",
        ),
    )
    _table(
        "totp_devices",
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("confirmed_at", TIME, nullable=True),
        sa.Column("last_step", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_used_at", TIME, nullable=True),
    )
    op.create_index(
        "uq_totp_devices_confirmed",
        "totp_devices",
        ["account_id"],
        unique=True,
        schema="identity",
        postgresql_where=sa.text("confirmed_at is not null"),
    )
    _table(
        "passkeys",
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", postgresql.ARRAY(sa.String()), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("is_synced", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    _table(
        "passkey_challenges",
        sa.Column("challenge_hash", sa.String(length=64), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        key="challenge_hash",
    )
    _table(
        "recovery_codes",
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        key="code_hash",
    )
    _table(
        "deletion_requests",
        sa.Column("reason", sa.String(length=500), server_default="", nullable=False),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("withdrawn_at", TIME, nullable=True),
        sa.Column("closed_at", TIME, nullable=True),
    )
    op.create_index(
        "uq_deletion_requests_open",
        "deletion_requests",
        ["account_id"],
        unique=True,
        schema="identity",
        postgresql_where=sa.text("withdrawn_at is null and closed_at is null"),
    )


def downgrade() -> None:
    for table in (
        "deletion_requests", "recovery_codes", "passkey_challenges", "passkeys", "totp_devices", "pending_sign_ins",
    ):  # fmt: skip
        op.drop_table(table, schema="identity")
    op.drop_column("login_sessions", "amr", schema="identity")
    op.drop_column("login_sessions", "authenticated_at", schema="identity")
    op.drop_column("email_tokens", "address", schema="identity")
