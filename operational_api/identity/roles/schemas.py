"""What crosses HTTP about roles."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

Role = Literal["customer", "coach", "lead_coach", "front_desk", "finance", "support", "admin", "data"]
Status = Literal["requested", "approved", "declined"]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern="^[^\\x00]*$")]


class RoleGrantCreate(BaseModel):
    """Who should have which role, and why."""

    account_id: UUID
    role: Role
    reason: Reason


class RoleGrantRead(BaseModel):
    """A role asked for, and what was decided."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    account_id: UUID
    from_role: str
    role: str
    reason: str
    status: Status
    requested_by: UUID
    requested_at: datetime
    expires_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
