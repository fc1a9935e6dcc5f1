"""Facts about accounts."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from contracts.events.envelope import Event


class AccountRegistered(Event):
    type: ClassVar[str] = "identity.account_registered"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID
    role: str
    display_name: str
    time_zone: str = "UTC"


class EmailVerified(Event):
    type: ClassVar[str] = "identity.email_verified"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID


class SessionStarted(Event):
    type: ClassVar[str] = "identity.session_started"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID
    session_id: UUID
    amr: tuple[str, ...] = ("pwd",)


class FactorAdded(Event):
    """`factor` is totp, passkey or recovery_codes."""

    type: ClassVar[str] = "identity.factor_added"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID
    factor: str


class FactorRemoved(Event):
    type: ClassVar[str] = "identity.factor_removed"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID
    factor: str


class LoginLinked(Event):
    """Somebody can sign in by another provider from now on; `provider` is google or microsoft."""

    type: ClassVar[str] = "identity.login_linked"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID
    provider: str


class LoginUnlinked(Event):
    type: ClassVar[str] = "identity.login_unlinked"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID
    provider: str


class RecoveryCodeUsed(Event):
    type: ClassVar[str] = "identity.recovery_code_used"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID
    codes_left: int


class SteppedUp(Event):
    """A signed-in person proved anew who they are."""

    type: ClassVar[str] = "identity.stepped_up"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID
    session_id: UUID
    amr: tuple[str, ...]


class PasswordChanged(Event):
    type: ClassVar[str] = "identity.password_changed"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID


class EmailChanged(Event):
    type: ClassVar[str] = "identity.email_changed"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID


class DeletionRequested(Event):
    """Whoever asked may withdraw it until `due_at`; then the account is closed."""

    type: ClassVar[str] = "identity.deletion_requested"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID
    due_at: datetime


class DeletionWithdrawn(Event):
    type: ClassVar[str] = "identity.deletion_withdrawn"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID


class AccountClosed(Event):
    """Nobody signs in to it any more; what is kept of the person is to be erased."""

    type: ClassVar[str] = "identity.account_closed"
    aggregate: ClassVar[str] = "account_id"
    account_id: UUID


class RoleGrantRequested(Event):
    type: ClassVar[str] = "identity.role_grant_requested"
    aggregate: ClassVar[str] = "account_id"
    grant_id: UUID
    account_id: UUID
    role: str
    requested_by: UUID


class RoleGrantDecided(Event):
    """`decision` is approved, declined, withdrawn or expired (then by nobody); what an approval changed is told by
    `RoleGranted`."""

    type: ClassVar[str] = "identity.role_grant_decided"
    aggregate: ClassVar[str] = "account_id"
    grant_id: UUID
    account_id: UUID
    decision: str
    decided_by: UUID | None
    requested_by: UUID


class RoleGranted(Event):
    type: ClassVar[str] = "identity.role_granted"
    aggregate: ClassVar[str] = "account_id"
    grant_id: UUID
    account_id: UUID
    role: str
    previous_role: str
    requested_by: UUID
    approved_by: UUID


class FactorResetRequested(Event):
    """Somebody asked that a person's second factors be taken away, because the person has lost them."""

    type: ClassVar[str] = "identity.factor_reset_requested"
    aggregate: ClassVar[str] = "account_id"
    reset_id: UUID
    account_id: UUID
    identity_check: str
    requested_by: UUID


class FactorResetDecided(Event):
    """`decision` is approved, declined, withdrawn or expired (then by nobody). Approved: every factor is gone, every
    session has ended."""

    type: ClassVar[str] = "identity.factor_reset_decided"
    aggregate: ClassVar[str] = "account_id"
    reset_id: UUID
    account_id: UUID
    decision: str
    decided_by: UUID | None
    requested_by: UUID
