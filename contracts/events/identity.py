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
