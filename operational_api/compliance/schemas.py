"""What crosses HTTP."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from operational_api.compliance.models import Consent
from operational_api.compliance.service.consents import DATA_KINDS, POLICY_VERSION, PURPOSES, Choice

DataKind = Literal["activity", "sleep", "daily", "body"]
Purpose = Literal["coaching", "modelling"]


class ConsentWrite(BaseModel):
    """A decision: may we use this kind of data for this purpose?"""

    data_kind: DataKind
    purpose: Purpose
    is_given: bool


class ConsentsWrite(BaseModel):
    """Decisions to record; choices that are not named stay as they are."""

    decisions: list[ConsentWrite]

    def by_choice(self) -> dict[Choice, bool]:
        """The last word on each choice."""
        return {(one.data_kind, one.purpose): one.is_given for one in self.decisions}


class ConsentRead(ConsentWrite):
    """How one choice stands. `decided_at` and `policy_version` are null where nothing was decided."""

    decided_at: datetime | None
    policy_version: str | None


class ConsentsRead(BaseModel):
    """Every choice there is, whether decided or not."""

    policy_version: str
    consents: list[ConsentRead]

    @classmethod
    def of(cls, current: Mapping[Choice, Consent]) -> "ConsentsRead":
        """From the newest decisions."""
        choices = [(kind, purpose) for kind in DATA_KINDS for purpose in PURPOSES]
        return cls(policy_version=POLICY_VERSION, consents=[_read(choice, current.get(choice)) for choice in choices])


def _read(choice: Choice, row: Consent | None) -> ConsentRead:
    return ConsentRead.model_validate(
        {
            "data_kind": choice[0],
            "purpose": choice[1],
            "is_given": row is not None and row.is_given,
            "decided_at": row and row.decided_at,
            "policy_version": row and row.policy_version,
        }
    )


class DecisionRead(ConsentWrite):
    """One decision of the record."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    decided_at: datetime
    decided_by: UUID
    policy_version: str
