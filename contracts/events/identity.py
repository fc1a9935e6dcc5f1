"""Facts about accounts."""

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


class RoleGrantRequested(Event):
    type: ClassVar[str] = "identity.role_grant_requested"
    aggregate: ClassVar[str] = "account_id"
    grant_id: UUID
    account_id: UUID
    role: str
    requested_by: UUID


class RoleGrantDecided(Event):
    """`decision` is approved or declined; what an approval changed is told by `RoleGranted`."""

    type: ClassVar[str] = "identity.role_grant_decided"
    aggregate: ClassVar[str] = "account_id"
    grant_id: UUID
    account_id: UUID
    decision: str
    decided_by: UUID
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
