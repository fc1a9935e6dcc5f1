"""What crosses HTTP."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from operational_api.compliance.models import Consent
from operational_api.compliance.service.consents import CHOICES, POLICY_VERSION, Choice, is_given
from operational_api.compliance.service.trail import Named
from operational_api.core.approvals import Reason, RequestRead

DataKind = Literal["activity", "sleep", "daily", "body", "training", "injuries"]
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
        return cls(policy_version=POLICY_VERSION, consents=[_read(choice, current.get(choice)) for choice in CHOICES])


def _read(choice: Choice, row: Consent | None) -> ConsentRead:
    return ConsentRead.model_validate(
        {
            "data_kind": choice[0],
            "purpose": choice[1],
            "is_given": is_given(choice, row),
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


class AuditEntryRead(BaseModel):
    """One entry of the audit log. `address` and `details` are for auditors only, as the whole list is.

    A reading about several people has no `subject_id`: `subject_ids` are the first hundred of the `subject_count`.
    """

    model_config = ConfigDict(from_attributes=True)
    sequence: int
    id: UUID
    occurred_at: datetime
    actor_id: UUID | None
    actor_role: str | None
    action: str
    object_type: str
    object_id: str
    subject_id: UUID | None
    purpose: str | None
    outcome: str
    address: str | None
    traceparent: str | None
    details: dict[str, Any]
    actor_name: str | None = None
    subject_name: str | None = None
    subject_count: int = 0
    subject_ids: list[UUID] = []

    @classmethod
    def of(cls, found: Named) -> "AuditEntryRead":
        """With the names of the people in it."""
        told: dict[str, object] = {
            "actor_name": found.actor_name, "subject_name": found.subject_name, "subject_count": found.subject_count,
            "subject_ids": found.subject_ids,
        }  # fmt: skip
        return cls.model_validate(found.entry).model_copy(update=told)


class ReadingRead(BaseModel):
    """Who looked at one's health data on a day, how often and for what."""

    model_config = ConfigDict(from_attributes=True)
    reader_name: str | None
    reader_role: str | None
    action: str
    times: int
    last_at: datetime


class ExportCreate(BaseModel):
    """Which data, for what, and why; days of joining, payment or event in UTC, both included."""

    dataset: Literal["customers", "payments", "events"]
    purpose: Literal["accounting", "legal", "research", "migration"]
    reason: Reason
    from_on: date | None = None
    to_on: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_on and self.to_on and self.to_on < self.from_on:
            raise ValueError("to_on is before from_on")
        return self


class ExportRead(RequestRead):
    """An export asked for, what was decided, and until when its file can be fetched."""

    dataset: str
    purpose: str
    from_on: date | None
    to_on: date | None
    row_count: int | None
    made_at: datetime | None
    file_expires_at: datetime | None


class ExportLink(BaseModel):
    """Where the file is for the next five minutes, for who asked for it."""

    url: str
    expires_at: datetime


class EventFault(BaseModel):
    """Something that is not as it was sealed; `event_id` is null where the link itself is wrong."""

    link: int
    event_id: UUID | None
    what: str


class EventCheckRead(BaseModel):
    """A look at whether the record of events is as it was sealed. All but who asked and when is null until it is done.

    `faults`: at most the first hundred of `fault_count`. `unsealed`: events that no relay moved, in no link.
    """

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    asked_by: UUID | None
    asked_at: datetime
    finished_at: datetime | None
    links: int | None
    events: int | None
    unsealed: int | None
    head_link: int | None
    head: str | None
    fault_count: int | None
    faults: list[EventFault] | None

    @field_validator("faults", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return value and [dict(zip(("link", "event_id", "what"), one, strict=True)) for one in value]
