"""What crosses HTTP."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from operational_api.core.approvals import Reason
from operational_api.identity.models import SignInAttempt


class AccountCreate(BaseModel):
    """Signing up."""

    email: str = Field(max_length=254)
    password: str = Field(max_length=1024)
    display_name: str = Field(max_length=200)
    time_zone: str = "UTC"


class TokenGiven(BaseModel):
    """The secret out of a link."""

    token: str = Field(max_length=200)


class AddressGiven(BaseModel):
    """An e-mail address to write to."""

    email: str = Field(max_length=254)


class PasswordGiven(BaseModel):
    """A new password."""

    password: str = Field(max_length=1024)


class ProfileUpdate(BaseModel):
    """What people change about themselves."""

    display_name: str = Field(max_length=200)
    time_zone: str = Field(max_length=60)


class Accepted(BaseModel):
    """The same for every address: what happens next happens by e-mail."""

    detail: str


class AccountRead(BaseModel):
    """One's own account."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    email: str
    display_name: str
    role: str
    time_zone: str
    locale: str
    email_verified_at: datetime | None
    created_at: datetime


class SessionRead(BaseModel):
    """One signed-in browser."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    created_at: datetime
    last_seen_at: datetime
    user_agent: str | None
    ip_address: str | None
    authenticated_at: datetime
    amr: list[str]
    is_current: bool = False


class SessionList(BaseModel):
    """All of one's signed-in browsers."""

    items: list[SessionRead]
    next_cursor: None = None


class SignOutCreate(BaseModel):
    """Why somebody is signed out everywhere by somebody else."""

    reason: Reason


class SignOutRead(BaseModel):
    """How many sessions ended."""

    sessions_ended: int


class DeletionCreate(BaseModel):
    """Asking for one's account to be deleted."""

    reason: str = Field(default="", max_length=500)


class DeletionRead(BaseModel):
    """A request for deletion that runs."""

    model_config = ConfigDict(from_attributes=True)
    requested_at: datetime
    due_at: datetime


class CopyCreate(BaseModel):
    """Why somebody's data is wanted by somebody else for them."""

    reason: Reason


class CopyRead(BaseModel):
    """A copy of all that is known of a person; what is not known before it is made is null meanwhile."""

    model_config = ConfigDict(from_attributes=True)
    export_id: UUID
    state: Literal["making", "ready", "gone"]
    requested_at: datetime
    made_at: datetime | None
    expires_at: datetime | None
    row_count: int | None
    file_count: int | None
    size_bytes: int | None
    is_asked_by_us: bool


class CopyList(BaseModel):
    """A person's newest copies."""

    items: list[CopyRead]
    next_cursor: None = None


class CopyLink(BaseModel):
    """Where the file is for the next five minutes, for whom it is about."""

    url: str
    expires_at: datetime


class PasskeyRead(BaseModel):
    """A passkey, without what it proves by."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    name: str
    is_synced: bool
    created_at: datetime
    last_used_at: datetime | None


class FactorsRead(BaseModel):
    """What one signs in with besides the password."""

    has_totp: bool
    passkeys: list[PasskeyRead]
    recovery_codes_left: int


class ReasonRead(BaseModel):
    """What was unusual, in words."""

    feature: str
    text: str


class SignInRead(BaseModel):
    """One's own sign-in. `decision` is null where the password was not right."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    attempted_at: datetime
    program: str
    address: str
    country: str
    region: str
    is_known_device: bool
    outcome: str
    factors: list[str]
    decision: str | None
    reasons: list[ReasonRead]
    disputed_at: datetime | None

    @classmethod
    def of(cls, row: SignInAttempt) -> "SignInRead":
        """From the attempt."""
        return cls.model_validate(row)


class RiskReasonRead(ReasonRead):
    """The same with what it added to the score, and the numbers it was computed from."""

    points: float
    numbers: dict[str, Any]


class RiskySignInRead(SignInRead):
    """A judged sign-in for the admin."""

    account_id: UUID | None
    agent: str
    block: str
    score: float | None
    session_id: UUID | None
    reasons: list[RiskReasonRead]  # type: ignore[assignment]

    @classmethod
    def of(cls, row: SignInAttempt) -> "RiskySignInRead":
        """From the attempt."""
        return cls.model_validate(row)
