"""What crosses HTTP about signing keys. Never a private one."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern="^[^\\x00]*$")]


class KeyRotation(BaseModel):
    """Make the next key."""

    at_once: bool = False
    reason: Reason


class KeyWithdrawal(BaseModel):
    """Believe nothing more that a key signed."""

    reason: Reason


class SigningKeyRead(BaseModel):
    """One key: next, active, retired (its tokens may live) or over (withdrawn, or kept for signing out alone)."""

    kid: str
    state: Literal["next", "active", "retired", "over"]
    active_from: datetime
    withdrawn_at: datetime | None


class SigningKeyList(BaseModel):
    """The keys, oldest first."""

    items: list[SigningKeyRead]
