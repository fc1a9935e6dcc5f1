"""What crosses HTTP about roles."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from operational_api.core.approvals import Reason, RequestRead

Role = Literal["customer", "coach", "lead_coach", "front_desk", "finance", "support", "admin", "data"]


class RoleGrantCreate(BaseModel):
    """Who should have which role, and why."""

    account_id: UUID
    role: Role
    reason: Reason


class RoleGrantRead(RequestRead):
    """A role asked for, and what was decided."""

    account_id: UUID
    from_role: str
    role: str
