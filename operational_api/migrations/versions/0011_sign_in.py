"""Sessions of the web app, wrong guesses, and what an OAuth client may ask for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011_sign_in"
down_revision = "0010_worker"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "web_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("login_session_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("tokens", sa.LargeBinary(), nullable=False),
        sa.Column("access_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_web_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_web_sessions_token_hash")),
        schema="platform",
    )
    op.create_index(op.f("ix_web_sessions_account_id"), "web_sessions", ["account_id"], schema="platform")
    op.create_index(op.f("ix_web_sessions_login_session_id"), "web_sessions", ["login_session_id"], schema="platform")
    op.create_table(
        "failed_attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bucket", sa.String(length=80), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_attempts")),
        schema="identity",
    )
    op.create_index("ix_failed_attempts_bucket_at", "failed_attempts", ["bucket", "attempted_at"], schema="identity")
    op.add_column(
        "oauth_clients",
        sa.Column("post_logout_redirect_uris", postgresql.ARRAY(sa.String()), server_default="{}", nullable=False),
        schema="identity",
    )
    op.add_column(
        "oauth_clients",
        sa.Column("access_token_seconds", sa.Integer(), server_default="900", nullable=False),
        schema="identity",
    )


def downgrade() -> None:
    op.drop_column("oauth_clients", "access_token_seconds", schema="identity")
    op.drop_column("oauth_clients", "post_logout_redirect_uris", schema="identity")
    op.drop_table("failed_attempts", schema="identity")
    op.drop_table("web_sessions", schema="platform")
