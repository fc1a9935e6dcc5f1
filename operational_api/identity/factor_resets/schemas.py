"""What crosses HTTP about resetting second factors."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from operational_api.core.approvals import Reason, RequestRead

IdentityCheck = Literal["photo_id", "video_call", "known_person"]


class FactorResetCreate(BaseModel):
    """Whose second factors are lost, how it was made sure that it is them, and what happened."""

    account_id: UUID
    identity_check: IdentityCheck
    reason: Reason


class FactorResetRead(RequestRead):
    """A reset asked for, and what was decided."""

    account_id: UUID
    identity_check: str
