"""Tables of the schema `identity`. Secrets are stored only as hashes: passwords by Argon2id, tokens by SHA-256.

Secrets that must be read again, seeds of TOTP and keys that sign tokens, lie sealed. Of all of this change capture sees
`accounts` only.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core import approvals
from operational_api.core.database import Base, Id, RequiredTime, ServerTime

SCHEMA = {"schema": "identity"}


class Account(Base):
    """A person who can sign in. `role` is one of `core.principal.ROLES`; it changes by a `RoleGrant` only."""

    __tablename__ = "accounts"
    __table_args__ = (
        Index("uq_accounts_email_lower", func.lower(text("email")), unique=True),
        Index("ix_accounts_name_trigrams", text("lower(display_name) gin_trgm_ops"), postgresql_using="gin"),
        SCHEMA,
    )
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
    """A link sent by e-mail, valid once. `purpose` is verify, reset or email; the last has the new `address`."""

    __tablename__ = "email_tokens"
    __table_args__ = (SCHEMA,)
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(String(20))
    address: Mapped[str | None]
    created_at: Mapped[ServerTime]
    expires_at: Mapped[RequiredTime]
    used_at: Mapped[datetime | None]


class LoginSession(Base):
    """One signed-in browser at the OIDC provider.

    `amr` is how the person proved who they are (RFC 8176: pwd, otp, hwk, swk, mfa; and email, and fed for the word of
    another provider), `authenticated_at` when
    they last did: a step-up moves it.
    """

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
    authenticated_at: Mapped[ServerTime]
    amr: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{pwd}'"))


class OAuthClient(Base):
    """An application that people sign in to, or a service that acts on its own.

    Without a secret it is public (PKCE is then all it has); `allowed_roles` of a service is `service` alone.
    `audiences` are the services that its access tokens are for.
    """

    __tablename__ = "oauth_clients"
    __table_args__ = (SCHEMA,)
    client_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    secret_hash: Mapped[str | None]
    redirect_uris: Mapped[list[str]] = mapped_column(ARRAY(String))
    allowed_roles: Mapped[list[str]] = mapped_column(ARRAY(String))
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{}'"))
    audiences: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{plyo-api}'"))
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


class PendingSignIn(Base):
    """Somebody who has proved a part of who they are and must prove more: for minutes, and never a session.

    `kind` is sign_in, or step_up of the session `session_id`. `steps` are what is still due, in order: email_code,
    factor, set_up. The code by e-mail is kept here, so that it serves this sign-in and no other. `attempt_id` is of
    the noted `SignInAttempt`.
    """

    __tablename__ = "pending_sign_ins"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    session_id: Mapped[UUID | None] = mapped_column(ForeignKey(LoginSession.id, ondelete="CASCADE"))
    steps: Mapped[list[str]] = mapped_column(ARRAY(String))
    amr: Mapped[list[str]] = mapped_column(ARRAY(String))
    reasons: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{}'"))
    return_to: Mapped[str]
    created_at: Mapped[ServerTime]
    expires_at: Mapped[RequiredTime]
    finished_at: Mapped[datetime | None]
    email_code_hash: Mapped[str | None]
    email_code_expires_at: Mapped[datetime | None]
    email_code_tries: Mapped[int] = mapped_column(Integer, server_default="0")
    attempt_id: Mapped[UUID | None]


class TotpDevice(Base):
    """An authenticator app. `last_step` is the newest time step whose code was accepted: none before it works again."""

    __tablename__ = "totp_devices"
    __table_args__ = (
        Index(
            "uq_totp_devices_confirmed", "account_id", unique=True, postgresql_where=text("confirmed_at is not null")
        ),
        SCHEMA,
    )
    id: Mapped[Id]
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[ServerTime]
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int] = mapped_column(BigInteger, server_default="0")
    last_used_at: Mapped[datetime | None]


class Passkey(Base):
    """A WebAuthn credential: a device's or a password manager's. `is_synced` ones live on several devices."""

    __tablename__ = "passkeys"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    transports: Mapped[list[str]] = mapped_column(ARRAY(String))
    name: Mapped[str] = mapped_column(String(80))
    is_synced: Mapped[bool]
    created_at: Mapped[ServerTime]
    last_used_at: Mapped[datetime | None]


class PasskeyChallenge(Base):
    """A WebAuthn challenge that we gave out. `holder_id` is the pending sign-in or the session that asked for it."""

    __tablename__ = "passkey_challenges"
    __table_args__ = (SCHEMA,)
    challenge_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    holder_id: Mapped[UUID]
    purpose: Mapped[str] = mapped_column(String(20))
    expires_at: Mapped[RequiredTime]


class RecoveryCode(Base):
    """One of ten codes for who lost their second factor; 120 random bits, so that a plain hash keeps it."""

    __tablename__ = "recovery_codes"
    __table_args__ = (SCHEMA,)
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    created_at: Mapped[ServerTime]
    used_at: Mapped[datetime | None]


class DeletionRequest(Base):
    """Somebody asked for their account to be deleted. From `due_at` on it is closed, unless withdrawn before."""

    __tablename__ = "deletion_requests"
    __table_args__ = (
        Index(
            "uq_deletion_requests_open", "account_id", unique=True,
            postgresql_where=text("withdrawn_at is null and closed_at is null"),
        ),
        SCHEMA,
    )  # fmt: skip
    id: Mapped[Id]
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    reason: Mapped[str] = mapped_column(String(500), server_default="")
    requested_at: Mapped[RequiredTime]
    due_at: Mapped[RequiredTime]
    withdrawn_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class SignInAttempt(Base):
    """One try to sign in, with what was judged and how it ended. Addresses are personal data: never captured for the
    lake, deleted after `service.attempts.KEPT`.

    `account_key` names the address typed without telling it; `account_id` is null where nobody has it. `region` and
    `country` are empty where the place is not known. `device_key` is of the browser's random id. `factors`: what was
    shown to be right. `is_counted`: part of `SignInPopulation`. `disputed_at`: the owner said that it was not them; it
    counts as theirs no more.
    """

    __tablename__ = "sign_in_attempts"
    __table_args__ = (
        CheckConstraint("decision in ('allow', 'step_up', 'refuse')", name="decision"),
        CheckConstraint(
            "outcome in ('signed_in', 'wrong_password', 'throttled', 'closed', 'unverified', 'step_up',"
            " 'step_up_failed', 'refused')",
            name="outcome",
        ),
        Index("ix_sign_in_attempts_account", "account_id", "attempted_at"),
        Index("ix_sign_in_attempts_key", "account_key", "attempted_at"),
        Index("ix_sign_in_attempts_address", "address", "attempted_at"),
        Index(
            "ix_sign_in_attempts_decision",
            "decision",
            "attempted_at",
            "id",
            postgresql_where=text("decision <> 'allow'"),
        ),
        Index(
            "ix_sign_in_attempts_uncounted",
            "attempted_at",
            postgresql_where=text("outcome = 'signed_in' and not is_counted"),
        ),
        SCHEMA,
    )
    id: Mapped[Id]
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"))
    account_key: Mapped[str] = mapped_column(String(32))
    attempted_at: Mapped[RequiredTime]
    address: Mapped[str] = mapped_column(String(45))
    block: Mapped[str] = mapped_column(String(45))
    prefix: Mapped[str] = mapped_column(String(45))
    region: Mapped[str] = mapped_column(String(10))
    country: Mapped[str] = mapped_column(String(2))
    agent: Mapped[str] = mapped_column(String(80))
    program: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(10))
    hour: Mapped[str] = mapped_column(String(12))
    part: Mapped[str] = mapped_column(String(12))
    device_key: Mapped[str] = mapped_column(String(32))
    is_known_device: Mapped[bool]
    outcome: Mapped[str] = mapped_column(String(20))
    factors: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{}'"))
    decision: Mapped[str | None] = mapped_column(String(10))
    score: Mapped[float | None] = mapped_column(Double)
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    session_id: Mapped[UUID | None]
    disputed_at: Mapped[datetime | None]
    is_counted: Mapped[bool] = mapped_column(server_default=text("false"))


class SignInPopulation(Base):
    """How many sign-ins of everybody had a value; `feature` is a level of `identity.risk`, or `all` for all of them."""

    __tablename__ = "sign_in_population"
    __table_args__ = (SCHEMA,)
    feature: Mapped[str] = mapped_column(String(12), primary_key=True)
    value: Mapped[str] = mapped_column(String(80), primary_key=True)
    logins: Mapped[int] = mapped_column(BigInteger)


class RoleGrant(approvals.Request, Base):
    """One person's role, asked for by one admin and decided by another (`core.approvals`).

    `from_role` is what they had when it was asked for.
    """

    __tablename__ = "role_grants"
    __table_args__ = (*approvals.rules("role_grants", once=["account_id"], about="account_id"), SCHEMA)
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    from_role: Mapped[str] = mapped_column(String(20))
    role: Mapped[str] = mapped_column(String(20))


class FactorReset(approvals.Request, Base):
    """A person lost their second factor: one of us who knows that it is them asks for its removal, another decides.

    `identity_check` says how it was made sure that it is them: photo_id, video_call or known_person. `is_staff`: was no
    customer when it was asked, so that admins alone decide.
    """

    __tablename__ = "factor_resets"
    __table_args__ = (
        CheckConstraint("identity_check in ('photo_id', 'video_call', 'known_person')", name="identity_check"),
        *approvals.rules("factor_resets", once=["account_id"], about="account_id"),
        SCHEMA,
    )
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    identity_check: Mapped[str] = mapped_column(String(20))
    is_staff: Mapped[bool]


class SigningKey(Base):
    """A key that signs tokens: from `active_from` on, until a younger one does. `public` is its JWK.

    `sealed_private` is null for the key of the settings file, and for one that signs no more. `withdrawn_at`: nothing
    that it signed is believed any more.
    """

    __tablename__ = "signing_keys"
    __table_args__ = (SCHEMA,)
    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    public: Mapped[dict[str, Any]]
    sealed_private: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[ServerTime]
    active_from: Mapped[RequiredTime]
    withdrawn_at: Mapped[datetime | None]


class LinkedLogin(Base):
    """A way in by another provider. Its person there is (`issuer`, `subject`) and nothing else; `email` is what it
    said when it was linked, to show."""

    __tablename__ = "linked_logins"
    __table_args__ = (UniqueConstraint("issuer", "subject"), SCHEMA)
    id: Mapped[Id]
    account_id: Mapped[UUID] = mapped_column(ForeignKey(Account.id, ondelete="CASCADE"), index=True)
    provider: Mapped[str] = mapped_column(String(20))
    issuer: Mapped[str]
    subject: Mapped[str]
    email: Mapped[str]
    created_at: Mapped[ServerTime]
    last_used_at: Mapped[datetime | None]
