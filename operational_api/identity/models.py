"""Tables of the schema `identity`. Secrets are stored only as hashes: passwords by Argon2id, tokens by SHA-256."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, String, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Id, RequiredTime, ServerTime

SCHEMA = {"schema": "identity"}


class Account(Base):
    """A person who can sign in. `role` is one of `core.principal.ROLES`; it changes by a `RoleGrant` only."""

    __tablename__ = "accounts"
    __table_args__ = (Index("uq_accounts_email_lower", func.lower(text("email")), unique=True), SCHEMA)
    id: Mapped[Id]
    email: Mapped[str]
    email_verified_at: Mapped[datetime | None]
    password_hash: Mapped[str | None]
    display_name: Mapped[str]
    role: Mapped[str] = mapped_column(String(20))
    time_zone: Mapped[str] = mapped_column(server_default="UTC")
    locale: Mapped[str] = mapped_column(String(10), server_default="en")
    created_at: Mapped[ServerTime]
    disabled_at: Mapped[datetime | None]


class EmailToken(Base):
    """A link sent by e-mail, valid once. `purpose` is verify or reset."""

    __tablename__ = "email_tokens"
    __table_args__ = (SCHEMA,)
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[ServerTime]
    expires_at: Mapped[RequiredTime]
    used_at: Mapped[datetime | None]


class LoginSession(Base):
    """One signed-in browser at the OIDC provider."""

    __tablename__ = "login_sessions"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    created_at: Mapped[ServerTime]
    last_seen_at: Mapped[RequiredTime]
    expires_at: Mapped[RequiredTime]
    revoked_at: Mapped[datetime | None]
    user_agent: Mapped[str | None]
    ip_address: Mapped[str | None]


class OAuthClient(Base):
    """An application that people sign in to, or a service that acts on its own.

    Without a secret it is public (PKCE is then all it has); `allowed_roles` of a service is `service` alone.
    """

    __tablename__ = "oauth_clients"
    __table_args__ = (SCHEMA,)
    client_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    secret_hash: Mapped[str | None]
    redirect_uris: Mapped[list[str]] = mapped_column(ARRAY(String))
    allowed_roles: Mapped[list[str]] = mapped_column(ARRAY(String))
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{}'"))
    access_token_seconds: Mapped[int] = mapped_column(Integer, server_default="900")
    created_at: Mapped[ServerTime]


class AuthorizationCode(Base):
    """A code on its way from the authorization endpoint to the token endpoint: one minute, once, PKCE S256."""

    __tablename__ = "authorization_codes"
    __table_args__ = (SCHEMA,)
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey(OAuthClient.client_id))
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"))
    session_id: Mapped[UUID] = mapped_column(ForeignKey(LoginSession.id, ondelete="CASCADE"))
    redirect_uri: Mapped[str]
    scope: Mapped[str]
    nonce: Mapped[str | None]
    code_challenge: Mapped[str]
    auth_time: Mapped[RequiredTime]
    expires_at: Mapped[RequiredTime]
    used_at: Mapped[datetime | None]


class RefreshToken(Base):
    """One link in a family of rotating refresh tokens; reuse of a used one revokes the family."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (SCHEMA,)
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    family_id: Mapped[UUID] = mapped_column(index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey(OAuthClient.client_id))
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"))
    session_id: Mapped[UUID] = mapped_column(ForeignKey(LoginSession.id, ondelete="CASCADE"))
    scope: Mapped[str]
    created_at: Mapped[ServerTime]
    expires_at: Mapped[RequiredTime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class FailedAttempt(Base):
    """One wrong guess. `bucket` names what guesses are counted for, without naming anybody: see `service.throttle`."""

    __tablename__ = "failed_attempts"
    __table_args__ = (Index("ix_failed_attempts_bucket_at", "bucket", "attempted_at"), SCHEMA)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    bucket: Mapped[str] = mapped_column(String(80))
    attempted_at: Mapped[RequiredTime]


class RoleGrant(Base):
    """One person's role, asked for by one admin and decided by another. `status`: requested, approved, declined.

    `from_role` is what they had when it was asked for; approving it later than `expires_at` is refused.
    """

    __tablename__ = "role_grants"
    __table_args__ = (
        CheckConstraint("status in ('requested', 'approved', 'declined')", name="status"),
        CheckConstraint("(status = 'requested') = (decided_by is null)", name="decided_by_somebody"),
        CheckConstraint("status <> 'approved' or decided_by <> requested_by", name="not_by_who_asked"),
        CheckConstraint("status <> 'approved' or decided_by <> account_id", name="not_by_who_gains"),
        Index("uq_role_grants_open", "account_id", unique=True, postgresql_where=text("status = 'requested'")),
        SCHEMA,
    )
    id: Mapped[Id]
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    from_role: Mapped[str] = mapped_column(String(20))
    role: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(String(20), server_default="requested")
    requested_by: Mapped[UUID]
    requested_at: Mapped[RequiredTime]
    expires_at: Mapped[RequiredTime]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
